//! The sheets of a commit without declarations: each folder with records is one.
//!
//! Such a folder is a top-level folder, or a folder inside one where site generators keep their
//! collections. Which sheet a path belongs to depends only on the path and on the names of the
//! folders, never on other files.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::file_name;
use super::file_shape::{INFERRED, Listing};
use super::files::{DefinitionFiles, ROOT};
use super::spec::{Policy, SheetSpec};
use crate::id::SheetName;

/// The folders whose subfolders are sheets: those of Nuxt, Hugo and Astro.
pub(crate) const COLLECTIONS: [&str; 2] = ["content", "src/content"];

/// What follows from the folders of a commit.
#[derive(Debug, Clone, Default)]
pub(super) struct Inferred {
    /// The folders that are passed over because their names begin with `.` or `_`.
    pub(super) skipped: Vec<String>,
    /// The top-level folders that have the same name as a collection would have.
    pub(super) taken: BTreeSet<String>,
}

/// The place that a path belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InferredPath<'p> {
    /// The name of the sheet.
    pub(super) name: Cow<'p, str>,
    /// Its folder.
    pub(super) root: &'p str,
    /// The path below that.
    pub(super) below: &'p str,
}

impl Inferred {
    /// Evaluates the names of these entries.
    pub(super) fn new(files: &DefinitionFiles) -> Self {
        let may_be_taken = |folder: &String| {
            COLLECTIONS.iter().any(|outer| {
                let inner = folder.strip_prefix(&*outer.replace('/', "."));
                inner.is_some_and(|inner| inner.starts_with('.'))
            })
        };
        let taken = folders(files).filter(may_be_taken).collect();
        let mut inferred = Self { taken, skipped: Vec::new() };
        let skipped = folders(files).filter(|folder| inferred.sheet_of(folder).is_none());
        inferred.skipped = skipped.collect();
        inferred
    }

    /// Returns the sheets of the existing folders.
    pub(super) fn sheets(&self, files: &DefinitionFiles) -> BTreeMap<SheetName, Arc<SheetSpec>> {
        let folders = folders(files).filter_map(|folder| self.sheet_of(&folder));
        let has_files = files.root.iter().any(|entry| !entry.is_folder);
        let root = has_files.then(|| sheet(ROOT, ROOT));
        let sheets = root.into_iter().chain(folders);
        sheets.map(|spec| (spec.name.clone(), spec)).collect()
    }

    /// Returns the sheet of the files in a folder, or `None` if it is passed over.
    fn sheet_of(&self, folder: &str) -> Option<Arc<SheetSpec>> {
        let path = format!("{folder}/");
        self.place(&path).map(|place| place.sheet())
    }

    /// Returns the folder in `path` that is passed over, if there is one.
    pub(super) fn skipped_folder<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.place(path).is_some() {
            return None;
        }
        let (top, _) = path.split_once('/')?;
        let inner = collection(path).map(|(folder, _)| folder);
        Some(if is_skipped(top) { top } else { inner? })
    }

    /// Returns the place of `path`, or `None` if a folder in it is passed over.
    pub(super) fn place<'p>(&self, path: &'p str) -> Option<InferredPath<'p>> {
        let (top, below) = path.split_once('/').unwrap_or((ROOT, path));
        if is_skipped(top) {
            return None;
        }
        if let Some((root, below)) = collection(path) {
            let folder = root.rsplit('/').next().unwrap_or(root);
            if is_skipped(folder) {
                return None;
            }
            let name = root.replace('/', ".");
            if !self.taken.contains(&name) {
                return Some(InferredPath { name: name.into(), root, below });
            }
        }
        Some(InferredPath { name: top.into(), root: top, below })
    }
}

impl InferredPath<'_> {
    /// Returns the sheet.
    pub(super) fn sheet(&self) -> Arc<SheetSpec> {
        sheet(&self.name, self.root)
    }
}

/// Lists the paths of the folders that may be sheets.
fn folders(files: &DefinitionFiles) -> impl Iterator<Item = String> {
    let top = files.root.iter().filter(|entry| entry.is_folder).map(|entry| &entry.name);
    top.chain(&files.collections).map(|path| file_name::escaped(path))
}

/// Splits a path after its collection folder, if it is in one.
fn collection(path: &str) -> Option<(&str, &str)> {
    COLLECTIONS.iter().find_map(|outer| {
        let inside = path.strip_prefix(outer)?.strip_prefix('/')?;
        let (_, below) = inside.split_once('/')?;
        Some((&path[..path.len() - below.len() - 1], below))
    })
}

/// Returns whether a folder is passed over.
fn is_skipped(folder: &str) -> bool {
    folder.starts_with(['.', '_'])
}

/// Returns the sheet of a folder.
fn sheet(name: &str, root: &str) -> Arc<SheetSpec> {
    let mut spec = SheetSpec::bare(SheetName::new(name), root.to_owned());
    spec.formats = INFERRED.into();
    spec.listing = Listing::found();
    spec.policy = Policy::Quarantine;
    Arc::new(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::RootEntry;

    fn files(folders: &[&str], collections: &[&str]) -> DefinitionFiles {
        let entry = |name: &&str| RootEntry { name: (*name).into(), is_folder: true };
        DefinitionFiles {
            root: folders.iter().map(entry).collect(),
            collections: collections.iter().map(|path| (*path).into()).collect(),
            ..DefinitionFiles::default()
        }
    }

    fn names(files: &DefinitionFiles) -> Vec<String> {
        Inferred::new(files).sheets(files).keys().map(ToString::to_string).collect()
    }

    fn told(inferred: &Inferred, path: &str) -> String {
        let place = inferred.place(path);
        place.map_or("-".into(), |it| format!("{} {} {}", it.name, it.root, it.below))
    }

    #[test]
    fn a_collection_of_a_site_is_a_sheet_of_its_own() {
        let folders = Inferred::default();
        for (path, place) in [
            ("teams/a/b.toml", "teams teams a/b.toml"),
            ("a.toml", "root root a.toml"),
            ("content/a.md", "content content a.md"),
            ("content/blog/a.md", "content.blog content/blog a.md"),
            ("content/blog/x/a.md", "content.blog content/blog x/a.md"),
            ("src/content/blog/a.md", "src.content.blog src/content/blog a.md"),
            ("src/content/a.md", "src src content/a.md"),
            ("src/a.json", "src src a.json"),
            ("contents/blog/a.md", "contents contents blog/a.md"),
            ("x/content/blog/a.md", "x x content/blog/a.md"),
            ("_x/a.md", "-"),
            (".x/a.md", "-"),
            ("content/_x/a.md", "-"),
            ("content/.x/a.md", "-"),
            ("content/blog/_x/a.md", "content.blog content/blog _x/a.md"),
            ("content/_index.md", "content content _index.md"),
        ] {
            assert_eq!(told(&folders, path), place, "{path}");
        }
    }

    #[test]
    fn a_folder_with_the_name_of_a_collection_keeps_it_to_itself() {
        let files = files(&["content", "content.en"], &["content/en", "content/fr"]);
        let folders = Inferred::new(&files);
        assert_eq!(told(&folders, "content.en/a.md"), "content.en content.en a.md");
        assert_eq!(told(&folders, "content/en/a.md"), "content content en/a.md");
        assert_eq!(told(&folders, "content/fr/a.md"), "content.fr content/fr a.md");
        assert_eq!(names(&files), ["content", "content.en", "content.fr"]);
    }

    #[test]
    fn folders_are_sheets_or_are_told_to_be_passed_over() {
        let collections = ["content/blog", "content/_x", "src/content/y"];
        let mut files = files(&["content", "_data", "src"], &collections);
        assert_eq!(names(&files), ["content", "content.blog", "src", "src.content.y"]);
        assert_eq!(Inferred::new(&files).skipped, ["_data", "content/_x"]);
        files.root.push(RootEntry { name: b"a.md".to_vec(), is_folder: false });
        assert_eq!(names(&files)[2], "root");
    }
}
