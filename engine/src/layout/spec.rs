//! The definition of one sheet.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value as Json};

use crate::decode::{self, Format, Framing};
use crate::id::SheetName;
use crate::language::Language;
use crate::problem::{Problem, Rule};
use crate::record::Frame;
use crate::value::{FieldPath, Value};
use crate::view::{HiddenRecords, View};

use super::file_shape::Listing;
use super::reference::Reference;
use super::reserved::lies_below;
use super::schema::Schema;
use super::sort::SortRule;
use super::template::{RenderError, Template};
use super::{bundle, file_name};

/// What a sheet does with files that cannot be records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// A push with a new problem is refused.
    Refuse,
    /// The push goes live, and the problems are listed.
    Quarantine,
}

/// The definition of one sheet, read from a commit.
#[derive(Debug, Clone)]
pub struct SheetSpec {
    /// The name, as the API shows it.
    pub name: SheetName,
    /// BLAKE3 hash of everything that decides how files are read, so that equal ids read alike.
    pub id: [u8; 32],
    /// The path of the definition, or `None` if the sheet is inferred.
    pub definition: Option<String>,
    /// The folder of the records, without slashes at its ends; empty for the whole repository.
    pub root: String,
    /// The shape of the paths below the root.
    pub template: Template,
    /// The shape of the folders that are records because of their index files.
    pub(super) bundles: Option<Template>,
    /// The extensions of its files, and how each is decoded.
    pub formats: Arc<[(&'static str, Format)]>,
    /// Which records its files hold.
    pub listing: Listing,
    /// The field that holds the body of a Markdown file.
    pub body: String,
    /// The field that repeats the first heading of the body, in gitsheets' Markdown.
    pub title: Option<String>,
    /// Whether bodies are formatted when they are written, in gitsheets' Markdown.
    pub normalize: bool,
    /// The fields whose lists are sorted when they are written, in gitsheets.
    pub sorts: Vec<(String, SortRule)>,
    /// The schema that every value must meet.
    pub schema: Option<Arc<Schema>>,
    /// The fields that are searched, with their boosts; `None` searches every string.
    pub search: Option<Vec<(FieldPath, f32)>>,
    /// The language of the texts that are searched.
    pub language: Language,
    /// The fields that are indexed.
    pub index: Vec<FieldPath>,
    /// The fields whose values no two records may share.
    pub unique: Vec<FieldPath>,
    /// The fields that refer to records of this sheet or others.
    pub refs: Vec<Reference>,
    /// The fields of this sheet that references match; `None` is the key.
    pub referenced: Vec<Option<FieldPath>>,
    /// The field that hides a record from the public when it is set.
    pub hidden: Option<FieldPath>,
    /// Whether the sheet is available on public routes at all.
    pub public: bool,
    /// What to do with files that cannot be records.
    pub policy: Policy,
    /// The problems of the definition. A sheet with any claims no file.
    pub problems: Vec<Problem>,
    /// The parts of record paths around the keys, computed on first use.
    frames: OnceLock<Box<[Arc<Frame>]>>,
}

impl SheetSpec {
    /// Returns a sheet with a name and a root, and defaults for everything else.
    pub(super) fn bare(name: SheetName, root: String) -> Self {
        Self {
            name,
            id: [0; 32],
            definition: None,
            root,
            template: Template::every_file(),
            bundles: None,
            formats: Arc::default(),
            listing: Listing::one(),
            body: "body".to_owned(),
            title: None,
            normalize: true,
            sorts: Vec::new(),
            schema: None,
            search: None,
            language: Language::Unsaid,
            index: Vec::new(),
            unique: Vec::new(),
            refs: Vec::new(),
            referenced: Vec::new(),
            hidden: None,
            public: true,
            policy: Policy::Refuse,
            problems: Vec::new(),
            frames: OnceLock::new(),
        }
    }

    /// Returns whether `view` has this sheet.
    pub fn is_in(&self, view: &View) -> bool {
        view.any.contains(&self.name) || self.public && view.public.contains(&self.name)
    }

    /// Returns the field that hides records from `view`, if there is one.
    pub(super) fn hidden_from(&self, view: &View) -> Option<&FieldPath> {
        self.hidden.as_ref().filter(|_| view.hidden == HiddenRecords::Withheld)
    }

    /// Returns this definition as `view` sees it, but for its references. Its id is the view's own,
    /// and so is whatever is derived from that, such as the tags of answers.
    pub(crate) fn seen_by(&self, view: &View) -> Self {
        if view.is_public() {
            return self.clone();
        }
        let hidden = self.hidden_from(view).cloned();
        let id = *blake3::Hasher::new().update(&self.id).update(&view.id()).finalize().as_bytes();
        Self { id, public: self.is_in(view), hidden, ..self.clone() }
    }

    /// Returns where its files are: its one file, or the folder above them; empty for the whole
    /// repository.
    pub(crate) fn place(&self) -> &str {
        self.listing.file.as_deref().unwrap_or(&self.root)
    }

    /// Returns the name of the format as the API shows it, or `mixed` if there are several.
    pub fn format_name(&self) -> &'static str {
        let mut names: Vec<_> = self.formats.iter().map(|(_, format)| format.name()).collect();
        names.dedup();
        match names[..] {
            [one] => one,
            _ => "mixed",
        }
    }

    /// Returns the fields that have an index, in order: those that are indexed, unique, or on
    /// either side of a reference.
    pub fn indexed(&self) -> Vec<FieldPath> {
        let mut fields: Vec<_> = self.with_index().cloned().collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    /// Returns the same fields as the definition lists them: those that are indexed, then those that
    /// are unique, and then both sides of references.
    pub fn indexed_as_declared(&self) -> Vec<FieldPath> {
        let mut known = BTreeSet::new();
        self.with_index().filter(|field| known.insert(*field)).cloned().collect()
    }

    fn with_index(&self) -> impl Iterator<Item = &FieldPath> {
        let referring = self.refs.iter().map(|reference| &reference.field);
        let declared = self.index.iter().chain(&self.unique);
        declared.chain(referring).chain(self.referenced.iter().flatten())
    }

    /// Returns the declared reference whose field is `name`.
    pub fn reference(&self, name: &str) -> Option<&Reference> {
        self.refs.iter().find(|reference| reference.field.as_str() == name)
    }

    /// Returns the declared references into public sheets, whose records may be shown beside those
    /// that refer to them.
    pub fn public_references(&self) -> impl Iterator<Item = &Reference> {
        self.refs.iter().filter(|reference| reference.is_public)
    }

    /// Returns the fields that the definition names: with an index, searched, hidden, in the schema
    /// or in the path template, and the body of Markdown.
    pub fn known_fields(&self) -> BTreeSet<String> {
        let searched = self.search.iter().flatten().map(|(field, _)| field);
        let declared = searched.chain(&self.hidden);
        let mut fields: BTreeSet<String> = declared.map(ToString::to_string).collect();
        fields.extend(self.indexed().iter().map(ToString::to_string));
        fields.extend(self.template.fields().iter().map(ToString::to_string));
        fields.extend(self.schema.iter().flat_map(|schema| schema.fields().iter().cloned()));
        if self.formats.iter().any(|(_, format)| format.has_body()) {
            fields.insert(self.body.clone());
        }
        fields
    }

    /// Returns whether the fields that occur in records are known fields too.
    pub fn is_open(&self) -> bool {
        self.schema.is_none()
    }

    /// Decodes the file at `path`. All files are decoded by this function.
    ///
    /// # Errors
    ///
    /// Returns every problem that prevents the file from being a record, in a fixed order.
    pub fn decode(&self, path: &str, bytes: &[u8]) -> Result<Value, Vec<Problem>> {
        let problem = |rule, message: String| Problem::new(&self.name, path, rule, message);
        let Some(format) = self.format_of(path) else {
            return Err(vec![problem(Rule::Malformed, "the format is unknown".into())]);
        };
        let framing = Framing { gitsheets: self.is_gitsheets(), body: &self.body };
        let json = decode::decode(format, framing, bytes)
            .map_err(|flaw| vec![problem(flaw.rule, flaw.message).at(flaw.line, flaw.column)])?;
        let value = self.judge(path, &json)?;
        match self.template.mismatch(&self.components(path), &value) {
            None => Ok(value),
            Some(found) => {
                let message =
                    format!("the path has {:?}, and the field {:?}", found.path, found.rendered);
                let pointer = value.pointer(&FieldPath::new(found.field.as_str()));
                Err(vec![problem(Rule::PathMismatch, message).pointing_to(pointer)])
            }
        }
    }

    /// Turns the contents of a file at `path`, or a part of it, into a value, including the fields
    /// from the path.
    ///
    /// # Errors
    ///
    /// Returns the violations of the schema, or a problem if a field name is too long.
    pub(crate) fn judge(&self, path: &str, json: &Json) -> Result<Value, Vec<Problem>> {
        // This comes first, since a problem of the schema contains the names above its position.
        decode::check_names(json)
            .map_err(|flaw| vec![Problem::new(&self.name, path, flaw.rule, flaw.message)])?;
        let violations = self.schema.iter().flat_map(|schema| schema.violations(json));
        let told = violations.map(|violation| {
            let problem = Problem::new(&self.name, path, Rule::Schema, violation.message);
            problem.pointing_to(violation.pointer)
        });
        let told: Vec<Problem> = told.collect();
        if !told.is_empty() {
            return Err(told);
        }
        let (value, fields) = (Value::new(json), self.path_fields(path, json));
        Ok(if fields.is_empty() { value } else { value.with_path_fields(&fields) })
    }

    /// Returns the fields that the path of a file supplies and that `json` lacks. A list has no
    /// fields.
    fn path_fields(&self, path: &str, json: &Json) -> Map<String, Json> {
        let mut fields = Map::new();
        for field in self.lacking(json) {
            if let Some(text) = self.template.text_in(&self.components(path), field) {
                fields.entry(field).or_insert_with(|| self.typed(field, &text));
            }
        }
        fields
    }

    /// Returns the record with missing fields supplied by its key, so that its path can be
    /// rendered. gitsheets does not do this.
    pub(crate) fn with_key_fields<'j>(&self, key: &str, record: &'j Json) -> Cow<'j, Json> {
        let below = if self.bundles().is_some() { format!("{key}/index") } else { key.to_owned() };
        let components: Vec<&str> = below.split('/').collect();
        let mut whole = Cow::Borrowed(record);
        if self.is_gitsheets() || !self.template.matches(&components) {
            return whole;
        }
        for field in self.lacking(record) {
            let text = self.template.text_in(&components, field);
            if let (Some(text), Some(own)) = (text, whole.to_mut().as_object_mut()) {
                // Of two texts, the first counts, as when the path is read.
                let said = own.entry(field).or_insert(Json::Null);
                if said.is_null() {
                    *said = text.into();
                }
            }
        }
        whole
    }

    /// Lists the fields that a path supplies and `json` lacks; null counts as lacking.
    fn lacking<'s>(&'s self, json: &'s Json) -> impl Iterator<Item = &'s str> {
        let own = json.as_object();
        let lacks =
            move |field: &&str| own.is_some_and(|own| own.get(*field).is_none_or(Json::is_null));
        self.template.told().filter(lacks)
    }

    /// Returns the text of a field in a path as a value: a number if the schema defines the field
    /// as one.
    fn typed(&self, field: &str, text: &str) -> Json {
        let number = || serde_json::from_str::<serde_json::Number>(text).ok().map(Json::Number);
        self.cells_of(field).is_numeric().then(number).flatten().unwrap_or_else(|| text.into())
    }

    /// Returns the folder of the attachments of the record at `path`, if the sheet has attachments:
    /// it is next to the record, or contains its index file. Only sheets of fixed depth have
    /// attachments.
    pub fn attachments_of<'a>(&self, path: &'a str) -> Option<&'a str> {
        if !self.has_attachments() {
            return None;
        }
        let end = if self.bundles().is_some() { '/' } else { '.' };
        path.rsplit_once(end).map(|(folder, _)| folder)
    }

    fn has_attachments(&self) -> bool {
        let is_fixed = !self.template.is_every_file() && !self.template.is_recursive();
        is_fixed && !self.is_listed()
    }

    /// Returns the key of the record whose attachments would be in `folder`.
    pub(super) fn key_beside<'p>(&self, folder: &'p str) -> Option<&'p str> {
        let keeps = self.has_attachments();
        let key = self.below(folder).filter(|key| keeps && !key.is_empty())?;
        let template = self.bundles().unwrap_or(&self.template);
        template.matches(&key.split('/').collect::<Vec<_>>()).then_some(key)
    }

    /// Returns whether the sheet could have records or attachments below `folder`.
    pub(super) fn reaches_below(&self, folder: &str) -> bool {
        if let Some(file) = &self.listing.file {
            return lies_below(file, folder);
        }
        match self.below(folder) {
            None => self.root == folder || lies_below(&self.root, folder),
            Some(below) => {
                let template = self.bundles().unwrap_or(&self.template);
                template.reaches(&below.split('/').collect::<Vec<_>>())
            }
        }
    }

    /// Returns the format of the file at `path`, which depends on its extension.
    pub fn format_of(&self, path: &str) -> Option<Format> {
        if let Some(file) = &self.listing.file {
            let format = self.formats.first().map(|(_, format)| *format);
            return format.filter(|_| file == path);
        }
        let (_, extension) = path.rsplit_once('.')?;
        self.formats.iter().find(|(name, _)| *name == extension).map(|(_, format)| *format)
    }

    /// Returns the path of the file whose path below the root, without extension, is `below`.
    ///
    /// Its extension is that of the sheet's first format or, if formats are mixed, `usual` or
    /// `toml`. If nothing is declared, the sheet of the files directly in the root has them there.
    ///
    /// # Errors
    ///
    /// Rejects names that could do harm where they are checked out, and those that no write may
    /// touch: those that begin with a dot, and those that define sheets.
    pub fn file_path(&self, below: &str, usual: Option<&str>) -> Result<String, RenderError> {
        let extension = match &self.formats[..] {
            [(extension, _), ..] if self.format_name() != "mixed" => extension,
            _ => usual.unwrap_or("toml"),
        };
        let in_root = self.definition.is_none() && self.name.as_str() == super::files::ROOT;
        let root = if in_root && !below.contains('/') { "" } else { self.root.as_str() };
        let path = match root {
            "" => format!("{below}.{extension}"),
            root => format!("{root}/{below}.{extension}"),
        };
        let fault =
            file_name::fault(below.as_bytes()).or_else(|| file_name::fault(path.as_bytes()));
        let fault = fault.map(|(_, message)| message);
        let is_reserved = super::is_reserved(path.as_bytes());
        let fault = fault.or(is_reserved.then_some("writes cannot change such a file"));
        // The folder of the attachments has the name without the extension.
        match fault
            .or_else(|| file_name::unstorable(below))
            .or_else(|| file_name::unstorable(&path))
        {
            Some(message) => Err(RenderError::Hostile { path, message }),
            None => Ok(path),
        }
    }

    /// Returns the paths of the files that may claim `key`, one for each extension, and of the
    /// lists that may hold it.
    pub fn paths_of(&self, key: &str) -> Vec<String> {
        if let Some(file) = &self.listing.file {
            return vec![file.clone()];
        }
        let mut paths = self.paths_at(key);
        paths.extend(self.lists_of(key));
        paths
    }

    /// Returns the paths of the files with this key, one for each extension.
    pub(super) fn paths_at(&self, key: &str) -> Vec<String> {
        let in_root = self.root.is_empty()
            || self.definition.is_none()
                && self.name.as_str() == super::files::ROOT
                && !key.contains('/');
        let below = if in_root { key.to_owned() } else { format!("{}/{key}", self.root) };
        let mut paths = Vec::with_capacity(self.formats.len());
        for name in self.names() {
            let path = |(extension, _): &(&str, Format)| format!("{below}{name}.{extension}");
            paths.extend(self.formats.iter().map(path));
        }
        paths
    }

    /// Returns what may be between a key and the extension.
    fn names(&self) -> Vec<String> {
        match self.bundles() {
            Some(_) => bundle::between().collect(),
            None => vec![String::new()],
        }
    }

    /// Returns the parts of `path` around its key `key`. They are nearly always shared.
    pub(crate) fn frame(&self, key: &str, path: &str) -> Arc<Frame> {
        let frames = self.frames.get_or_init(|| {
            let below = format!("{}/", self.root);
            // Files at the root of the repository have nothing before their keys.
            let befores = [&*below, ""].into_iter();
            let names = self.names();
            let behinds = names.iter().flat_map(|name| {
                let extensions = self.formats.iter().map(|(extension, _)| extension);
                extensions.map(move |extension| format!("{name}.{extension}"))
            });
            let behinds: Vec<String> = behinds.collect();
            let frames = befores.flat_map(|b| behinds.iter().map(move |e| Frame::new(b, e)));
            frames.map(Arc::new).collect()
        });
        let known = frames.iter().find(|frame| frame.fits(key, path));
        known.cloned().unwrap_or_else(|| Arc::new(Frame::around(key, path)))
    }

    /// Returns the key that `path` claims, or `None` if it is not a record of this sheet.
    pub(crate) fn key<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.listing.file.as_ref().is_some_and(|file| file != path) {
            return None;
        }
        self.key_below(self.below(path)?)
    }

    /// Returns the key that a path below the root claims.
    pub(super) fn key_below<'p>(&self, below: &'p str) -> Option<&'p str> {
        let (key, extension) = below.rsplit_once('.')?;
        // A file called `.toml` has no name before its extension.
        let named = !key.is_empty() && !key.ends_with('/');
        let known =
            self.listing.file.is_some() || self.formats.iter().any(|(name, _)| *name == extension);
        let (template, key) = match self.bundles() {
            None => (&self.template, key),
            Some(folders) => (folders, bundle::folder(key)?),
        };
        let shaped = || template.matches(&key.split('/').collect::<Vec<_>>());
        (named && known && shaped()).then_some(key)
    }

    /// Returns the shape of the folders that are records, if the sheet has any.
    fn bundles(&self) -> Option<&Template> {
        self.bundles.as_ref()
    }

    /// Returns the rank of the file at `path` among those that claim its key: in folders with
    /// several index files, `index` comes first. Files of equal rank are ordered by path.
    pub(crate) fn precedence(&self, path: &str) -> usize {
        self.bundles().map_or(0, |_| bundle::place(path))
    }

    /// Returns whether `path` is in the folder of the records, or is their only file.
    pub(crate) fn is_around(&self, path: &str) -> bool {
        match &self.listing.file {
            Some(file) => file == path,
            None => self.below(path).is_some(),
        }
    }

    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.root.is_empty() {
            return Some(path);
        }
        path.strip_prefix(self.root.as_str())?.strip_prefix('/')
    }

    fn components<'p>(&self, path: &'p str) -> Vec<&'p str> {
        let below = self.below(path).unwrap_or(path);
        below.rsplit_once('.').map_or(below, |(key, _)| key).split('/').collect()
    }

    /// Returns whether the definition is in `.gitsheets`, so that files follow the rules of
    /// gitsheets.
    pub fn is_gitsheets(&self) -> bool {
        self.definition.as_ref().is_some_and(|path| path.starts_with(".gitsheets/"))
    }
}
