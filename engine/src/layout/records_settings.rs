//! Which records the files of a sheet hold, and their names.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::file_shape::Shape;
use super::settings::SettingError;
use super::spec::SheetSpec;
use super::template::Template;
use crate::decode::Format;
use crate::pointer::Pointer;
use crate::split::{CellType, Records};

/// The keys of a definition that concern this.
pub(super) const KEYS: [&str; 4] = ["file", "records", "key", "types"];

impl SheetSpec {
    /// Returns whether the file at `path` is one record or a list. Its name and the definition
    /// decide, or else the file itself.
    pub fn shape_of(&self, path: &str) -> Shape {
        let format = self.format_of(path);
        match (format, &self.listing.records) {
            (Some(format), _) if format.is_table() => Shape::List,
            (Some(Format::Json | Format::Yaml | Format::Toml11), Records::Found) => Shape::Either,
            (_, Records::One | Records::Found) => Shape::Record,
            (_, Records::Each | Records::Map | Records::At(_)) => Shape::List,
        }
    }

    /// Returns whether this sheet and `other` find the same records, with the same keys, in the file
    /// at `path`. A file that may be one record for either counts as one.
    pub(crate) fn divides_as(&self, other: &Self, path: &str) -> bool {
        let (listing, others) = (&self.listing, &other.listing);
        let is_list = |spec: &Self| spec.shape_of(path) == Shape::List;
        match (is_list(self), is_list(other)) {
            (false, false) => true,
            (true, true) => listing.records == others.records && listing.key == others.key,
            _ => false,
        }
    }

    /// Returns whether files of this sheet hold several records, or may.
    pub fn has_lists(&self) -> bool {
        self.listing.records != Records::One
    }

    /// Returns whether every file of this sheet is a list of records.
    pub fn is_listed(&self) -> bool {
        !matches!(self.listing.records, Records::One | Records::Found)
    }

    /// Returns whether a record of a list keeps its key while only others change: its own fields or
    /// its name in a map give it. Otherwise all records of the list decide together.
    pub(crate) fn has_lasting_keys(&self) -> bool {
        self.listing.key.is_some() || self.listing.records == Records::Map
    }

    /// Returns the key of the element named `element` in the list with the key `list`.
    pub(crate) fn element_key(&self, list: &str, element: &str) -> String {
        match self.listing.file {
            Some(_) => element.to_owned(),
            None => format!("{list}/{element}"),
        }
    }

    /// Returns the name that the element with the key `key` has in the list with the key `list`, or
    /// `None` if the list cannot hold that key.
    pub(crate) fn element_name<'k>(&self, list: &str, key: &'k str) -> Option<&'k str> {
        match self.listing.file {
            Some(_) => Some(key),
            None => key.strip_prefix(list)?.strip_prefix('/'),
        }
    }

    /// Returns the paths of the files of many records that may hold a record with the key `key`,
    /// longest keys first.
    pub(crate) fn lists_of(&self, key: &str) -> Vec<String> {
        if let Some(file) = &self.listing.file {
            return vec![file.clone()];
        }
        if !self.has_lists() {
            return Vec::new();
        }
        let lists = key.rmatch_indices('/').flat_map(|(end, _)| self.paths_at(&key[..end]));
        lists.filter(|path| self.shape_of(path) != Shape::Record).collect()
    }

    /// Returns whether a file with the key `list` may be or hold a record with the key `key`.
    pub(crate) fn may_hold(&self, list: &str, key: &str) -> bool {
        let is_below = || key.strip_prefix(list).is_some_and(|rest| rest.starts_with('/'));
        match self.listing.file {
            Some(_) => true,
            None => key == list || self.has_lists() && is_below(),
        }
    }

    /// Returns the type of the cells in the column `name`, from the definition or the schema.
    pub(crate) fn cells_of(&self, name: &str) -> CellType {
        if let Some(declared) = self.listing.types.get(name) {
            return *declared;
        }
        let property = self.schema.as_ref().and_then(|schema| {
            schema.source().get("properties").and_then(|properties| properties.get(name))
        });
        // A cell that does not have the type in the schema stays a string, which the schema then
        // rejects.
        match property.and_then(|property| property["type"].as_str()) {
            Some("string") => CellType::Text,
            Some("number" | "integer") => CellType::Numeric,
            _ => CellType::Found,
        }
    }
}

/// Reads the settings for records in `sheet` into `spec`.
pub(super) fn fill(spec: &mut SheetSpec, sheet: &Map<String, Value>) -> Vec<SettingError> {
    let mut wrong = Vec::new();
    let mut text = |key: &str| match sheet.get(key) {
        None => None,
        Some(Value::String(text)) => Some(text.as_str()),
        Some(_) => {
            wrong.push(SettingError::at(key, format!("{key} must be a string")));
            None
        }
    };
    let (file, records, key) = (text("file"), text("records"), text("key"));
    let is_table = spec.formats.iter().any(|(_, format)| format.is_table());
    if is_table || file.is_some() {
        spec.listing.records = Records::Each;
    }
    if let Some(records) = records {
        match read_records(records) {
            Some(read) if is_table && read != Records::Each => {
                let message = "records: in this format, \"each\" row is a record".to_owned();
                wrong.push(SettingError::at("records", message));
            }
            Some(read) => spec.listing.records = read,
            None => {
                let takes =
                    "records must be \"each\", \"map\" or a JSON Pointer such as \"/items\"";
                wrong.push(SettingError::at("records", takes.into()));
            }
        }
    }
    if spec.is_listed() && spec.formats.iter().any(|(_, format)| format.has_body()) {
        wrong.push(SettingError::at("records", "records: a Markdown file is one record".into()));
    }
    if !spec.is_listed() {
        for key in ["key", "types"].into_iter().filter(|key| sheet.contains_key(*key)) {
            wrong.push(SettingError::at(
                key,
                format!("{key} applies only to files of many records: set `records` as well"),
            ));
        }
    }
    if let Some(file) = file {
        wrong.extend(fill_file(spec, sheet, file));
    }
    match key.map(Template::parse) {
        None => {}
        Some(Ok(template)) => spec.listing.key = Some(template),
        Some(Err(error)) => wrong.push(SettingError::at("key", format!("key: {error}"))),
    }
    match sheet.get("types").map(read_types) {
        None => {}
        Some(Some(_)) if !is_table => {
            wrong.push(SettingError::at("types", "types: only CSV and TSV have columns".into()));
        }
        Some(Some(types)) => spec.listing.types = types,
        Some(None) => {
            let takes = "types must be a table of columns, each \"string\", \"number\", \"integer\", \
                         \"boolean\" or \"date\"";
            wrong.push(SettingError::at("types", takes.into()));
        }
    }
    wrong
}

fn fill_file(spec: &mut SheetSpec, sheet: &Map<String, Value>, file: &str) -> Vec<SettingError> {
    let mut wrong = Vec::new();
    for other in ["root", "path"].into_iter().filter(|other| sheet.contains_key(*other)) {
        wrong.push(SettingError::at(other, format!("{other} cannot be combined with `file`")));
    }
    let segments = file.split('/').filter(|segment| !segment.is_empty() && *segment != ".");
    let segments: Vec<&str> = segments.collect();
    let Some((name, folders)) = segments.split_last() else {
        wrong.push(SettingError::at("file", "file is empty".into()));
        return wrong;
    };
    if !name.contains('.') {
        wrong.push(SettingError::at("file", "file must have an extension".into()));
    }
    spec.root = folders.join("/");
    spec.listing.file = Some(segments.join("/"));
    wrong
}

fn read_records(text: &str) -> Option<Records> {
    match text {
        "each" => Some(Records::Each),
        "map" => Some(Records::Map),
        _ => {
            let list = text.strip_suffix("/*").unwrap_or(text);
            let list = Pointer::parse(list).filter(|list| !list.is_empty())?;
            Some(Records::At(list.names().collect()))
        }
    }
}

fn read_types(types: &Value) -> Option<BTreeMap<String, CellType>> {
    let types = types.as_object()?.iter();
    types.map(|(name, of)| Some((name.clone(), CellType::of_name(of.as_str()?)?))).collect()
}
