//! The layout: which path is which record of which sheet, as defined in the commit itself.
//!
//! Sheets are defined by `.gitsheets/<sheet>.toml`, by `headwater.toml`, or by nothing at all. In
//! the last case, every top-level folder with records is a sheet, and so is each folder of a site's
//! collections. The key that a path claims depends only on the path and the layout, never on other
//! paths. If the file is a list of records, its records claim keys below that key, or instead of
//! it.

mod bundle;
mod contract;
mod declared;
mod disclosed;
mod files;
mod gitsheets;
mod hidden_field;
mod inferred;
mod reference_check;
mod records_settings;
mod file_name;
mod overlap;
mod part;
mod redefinition;
mod reference;
mod reserved;
mod schema;
mod settings;
mod file_shape;
mod sort;
mod spec;
mod template;
mod view;
mod writable_paths;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::id::{Key, SheetName};
use crate::problem::{Problem, Rule};
use crate::view::{ByView, View};

pub(crate) use file_name::unstorable;
pub use file_shape::{Listing, Shape};
pub use files::{DefinitionFile, DefinitionFiles, RootEntry};
pub(crate) use inferred::COLLECTIONS;
use inferred::Inferred;

pub(crate) use part::Part;
pub use reference::Reference;
pub(crate) use reserved::is_reserved;
pub use schema::{Schema, Violation};
pub use sort::{SortField, SortRule};
pub use spec::{Policy, SheetSpec};
pub(crate) use template::rendered_float;
pub use template::{Mismatch, RenderError, Template, TemplateError};

/// What a path claims in a sheet.
#[derive(Debug, Clone)]
pub struct PathClaim {
    /// The sheet.
    pub sheet: Arc<SheetSpec>,
    /// The key there.
    pub key: Key,
    /// A problem with the name of the file that prevents it from being a record.
    pub fault: Option<Problem>,
}

/// The rules of one commit. Cloning it costs a pointer.
#[derive(Debug, Clone)]
pub struct Layout(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    inferred: bool,
    sheets: BTreeMap<SheetName, Arc<SheetSpec>>,
    problems: Vec<Problem>,
    /// The inferred folders, if nothing is declared.
    folders: Inferred,
    /// The roots of the unusable definitions; empty for a definition whose root is unknown.
    unsettled: BTreeSet<String>,
    /// About how many bytes the schemas take.
    schemas: usize,
    /// The view that this is the layout of.
    view: View,
    by_view: ByView<Layout>,
}

impl Layout {
    /// Returns the layout of the empty tree.
    pub fn empty() -> Self {
        Self::read(&DefinitionFiles::default())
    }

    /// Reads the layout of a commit. This never fails: an unusable definition becomes a sheet with
    /// a problem, which claims nothing and keeps everything below its root from other sheets.
    pub fn read(files: &DefinitionFiles) -> Self {
        let inferred = files.gitsheets.is_empty()
            && files.headwater.is_none()
            && files.no_files.is_empty()
            && files.too_much_at.is_none();
        let mut rules = Rules {
            inferred,
            sheets: BTreeMap::new(),
            problems: Vec::new(),
            folders: Inferred::default(),
            unsettled: BTreeSet::new(),
            schemas: 0,
            view: View::PUBLIC,
            by_view: ByView::default(),
        };
        if let Some(path) = &files.too_much_at {
            let message = "no definition is read: those up to this one are more than 10,000 files \
                           or have more than 16 MiB";
            rules.refuse(path, message.into());
        } else if inferred {
            rules.folders = Inferred::new(files);
            rules.sheets = rules.folders.sheets(files);
            if rules.sheets.len() > overlap::FOLDERS {
                rules.inferred = false;
                rules.sheets.clear();
                let most = overlap::FOLDERS;
                rules
                    .refuse("", format!("more than {most} folders: declare those that are sheets"));
            }
        } else {
            rules.declare(files);
        }
        Self(Arc::new(rules))
    }

    /// Returns the sheets by name. If nothing is declared, there is one for each folder that may
    /// hold records.
    pub fn sheets(&self) -> impl Iterator<Item = &Arc<SheetSpec>> {
        self.0.sheets.values()
    }

    /// Returns the sheet called `name`.
    pub fn sheet(&self, name: &str) -> Option<&Arc<SheetSpec>> {
        self.0.sheets.get(name)
    }

    /// Returns whether nothing is declared.
    pub fn is_inferred(&self) -> bool {
        self.0.inferred
    }

    /// Returns the folders that were passed over because their names begin with `.` or `_`.
    pub fn skipped(&self) -> &[String] {
        &self.0.folders.skipped
    }

    /// Returns the folder in `path` that is passed over because of its name, if there is one.
    pub(crate) fn skipped_folder<'p>(&self, path: &'p [u8]) -> Option<&'p str> {
        let text = std::str::from_utf8(path).ok().filter(|_| self.0.inferred)?;
        self.0.folders.skipped_folder(text)
    }

    /// Returns the problems of the definitions.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.0.problems.iter().chain(self.sheets().flat_map(|sheet| &sheet.problems))
    }

    /// Returns each sheet's name and the id of its definition, by name.
    pub fn ids(&self) -> impl Iterator<Item = (&str, [u8; 32])> {
        self.sheets().map(|sheet| (sheet.name.as_str(), sheet.id))
    }

    /// Returns whether this layout and `next` read every path alike. If nothing is declared, adding
    /// or removing a folder does not affect files in the others.
    pub fn reads_alike(&self, next: &Self) -> bool {
        self.0.inferred == next.0.inferred
            && self.0.unsettled == next.0.unsettled
            && match self.0.inferred {
                true => self.0.folders.taken == next.0.folders.taken,
                false => self.ids().eq(next.ids()),
            }
    }

    /// Returns what the file at `path` claims: mostly nothing or one key, and several where
    /// sheets overlap.
    pub fn claims(&self, path: &[u8]) -> SmallVec<[PathClaim; 1]> {
        // A file that defines sheets is not a record.
        if path.starts_with(b".gitsheets/") || path == b"headwater.toml" {
            return SmallVec::new();
        }
        let escaped;
        let (text, fault) = match (std::str::from_utf8(path), file_name::fault(path)) {
            (Ok(text), None) => (text, None),
            (_, fault) => {
                escaped = file_name::escaped(path);
                (escaped.as_str(), fault)
            }
        };
        let claim = |sheet: &Arc<SheetSpec>, key: &str| PathClaim {
            sheet: sheet.clone(),
            key: Key::new(key),
            fault: fault
                .map(|(rule, message)| Problem::new(&sheet.name, text, rule, message.to_owned())),
        };
        if !self.0.inferred {
            let sound = self.sheets().filter(|sheet| sheet.problems.is_empty());
            let sheets = sound.filter(|sheet| !self.is_kept_from(sheet, text));
            return sheets.filter_map(|s| s.key(text).map(|key| claim(s, key))).collect();
        }
        let Some(place) = self.0.folders.place(text) else { return SmallVec::new() };
        // A file that is gone claims what it claimed while its folder existed.
        let known = self.0.sheets.get(&*place.name).cloned();
        let sheet = known.unwrap_or_else(|| Arc::new(place.sheet().seen_by(&self.0.view)));
        sheet.key_below(place.below).map(|key| claim(&sheet, key)).into_iter().collect()
    }
}

impl Rules {
    fn declare(&mut self, files: &DefinitionFiles) {
        let contracts = contract::Contracts::new(&files.contracts);
        let room = schema::Room::default();
        let read = |file| gitsheets::read(file, &contracts, &room);
        let gitsheets = files.gitsheets.iter().map(read);
        let mut specs: BTreeMap<_, _> = gitsheets.map(|spec| (spec.name.clone(), spec)).collect();
        if let Some(file) = &files.headwater {
            match declared::read(file, &room) {
                Err(problems) => {
                    self.problems.extend(problems);
                    self.unsettled.insert(String::new());
                }
                Ok(declared) => self.add(declared, &file.path, &mut specs),
            }
        }
        self.schemas = room.taken();
        if specs.len() > overlap::SHEETS {
            let path = if files.gitsheets.is_empty() { "headwater.toml" } else { ".gitsheets" };
            self.refuse(path, format!("more than {} sheets: none is read", overlap::SHEETS));
            specs.clear();
        }
        overlap::limit(&mut specs);
        reference_check::link(&mut specs, files);
        for path in &files.no_files {
            let message = match path.as_str() {
                ".gitsheets" => "the definitions must be in a folder, which this is not",
                _ => "a definition must be a file, which this is not",
            };
            self.refuse(path, message.into());
        }
        let unsound = specs.values().filter(|spec| !spec.problems.is_empty());
        self.unsettled.extend(unsound.map(|spec| spec.root.clone()));
        self.sheets = specs.into_iter().map(|(name, spec)| (name, Arc::new(spec))).collect();
    }

    /// Adds a problem of the definitions as a whole: which sheets there are is unknown.
    fn refuse(&mut self, path: &str, message: String) {
        let problem = Problem::new(&SheetName::new(""), path, Rule::Definition, message);
        self.problems.push(Problem { sheet: None, ..problem });
        self.unsettled.insert(String::new());
    }

    /// Adds the sheets of `headwater.toml` to those in the gitsheets format.
    fn add(
        &mut self,
        declared: Vec<SheetSpec>,
        path: &str,
        specs: &mut BTreeMap<SheetName, SheetSpec>,
    ) {
        for spec in declared {
            if specs.contains_key(&spec.name) {
                let message = format!("sheet {:?} is a gitsheet already", spec.name);
                self.problems.push(Problem::new(&spec.name, path, Rule::Definition, message));
                self.unsettled.insert(spec.root);
            } else {
                specs.insert(spec.name.clone(), spec);
            }
        }
    }
}

#[cfg(test)]
mod tests;
