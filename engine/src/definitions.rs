//! Reads the files of a commit that define its sheets: a few small blobs, whatever the size of the
//! tree.

use crate::budget::Budget;
use crate::digest::hash_part;
use crate::id::{BlobId, TreeId};
use crate::layout::{COLLECTIONS, DefinitionFile, DefinitionFiles, RootEntry};
use crate::mirror::{BlobContent, EntryMode, ObjectError, Objects, TreeEntry};

/// The most bytes that a definition may have.
const LIMIT: u64 = 1 << 20;

/// How deep contracts may be nested below `.gitsheets/contracts`.
const DEPTH: usize = 16;

/// The most files that may define the sheets of a commit, with the folders of contracts, and the
/// most bytes that they may have together. A few kilobytes of trees can name one blob millions of
/// times, and each of its paths would be read and kept.
const FILES: usize = 10_000;
const BYTES: usize = 16 << 20;

/// A reason why the definitions of a commit cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// The repository does not have an object that the tree names.
    #[error("cannot read the definitions in tree {tree}")]
    Object {
        /// The tree of the commit.
        tree: TreeId,
        /// The error from git.
        #[source]
        source: ObjectError,
    },
}

impl DefinitionError {
    /// Returns whether the object does not exist, as opposed to being invalid.
    pub(crate) fn is_missing(&self) -> bool {
        let Self::Object { source, .. } = self;
        source.is_missing()
    }
}

/// Names the definitions of a tree. Trees with equal names have the same layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DefinitionsId([u8; 32]);

/// The cost of an entry of the root, in units.
const ENTRY: usize = 64;

/// Names the definitions in `tree`; `instead` replaces its `headwater.toml`. Reads none of them: the
/// entries of the root say which they are. That is spent from `part`.
///
/// # Errors
///
/// Fails only on a damaged repository.
pub(crate) fn identify(
    objects: &Objects,
    tree: TreeId,
    instead: Option<&DefinitionFile>,
    part: &Budget,
) -> Result<DefinitionsId, DefinitionError> {
    let damaged = |source| DefinitionError::Object { tree, source };
    let root = objects.root_entries(tree).map_err(damaged)?;
    part.spend(ENTRY * root.len());
    let mut hasher = blake3::Hasher::new();
    for entry in root.iter().filter(|entry| defines(entry)) {
        hash_part(&mut hasher, &entry.name);
        hash_part(&mut hasher, &entry.id);
        hasher.update(&[entry.mode as u8]);
    }
    // A folder `.gitsheets` may declare nothing.
    if instead.is_none() && !root.iter().any(|entry| entry.name == b"headwater.toml") {
        for entry in &root {
            hash_part(&mut hasher, &entry.name);
            hasher.update(&[u8::from(entry.mode == EntryMode::Folder)]);
        }
        if !root.iter().any(defines) {
            let folders = collections(objects, tree).map_err(damaged)?;
            folders.iter().for_each(|path| hash_part(&mut hasher, path));
        }
    }
    Ok(DefinitionsId(*hasher.finalize().as_bytes()))
}

/// Reads the definitions in `tree`; `instead` replaces its `headwater.toml`.
///
/// # Errors
///
/// Fails only on a damaged repository. The layout judges the contents of the definitions.
pub(crate) fn gather(
    objects: &Objects,
    tree: TreeId,
    instead: Option<&DefinitionFile>,
) -> Result<DefinitionFiles, DefinitionError> {
    gather_files(objects, tree, instead).map_err(|source| DefinitionError::Object { tree, source })
}

/// Returns whether two trees have the same definitions, and therefore the same layout: the same
/// names in the root, the same contents of what defines sheets and, if nothing does, the same
/// folders in the collections.
///
/// # Errors
///
/// Fails only on a damaged repository.
pub(crate) fn are_alike(
    objects: &Objects,
    old: TreeId,
    new: TreeId,
) -> Result<bool, DefinitionError> {
    let root = |tree| {
        let entries = objects.root_entries(tree);
        entries.map_err(|source| DefinitionError::Object { tree, source })
    };
    let same = |(old, new): (&TreeEntry, &TreeEntry)| {
        let defines = matches!(&*new.name, b".gitsheets" | b"headwater.toml");
        let is_folder = |entry: &TreeEntry| entry.mode == EntryMode::Folder;
        old.name == new.name
            && is_folder(old) == is_folder(new)
            && (!defines || (old.id, old.mode) == (new.id, new.mode))
    };
    let (old_root, new_root) = (root(old)?, root(new)?);
    if old_root.len() != new_root.len() || !old_root.iter().zip(&new_root).all(same) {
        return Ok(false);
    }
    let is_outer = |(old, new): (&TreeEntry, &TreeEntry)| {
        let outer = COLLECTIONS
            .iter()
            .any(|path| path.split('/').next() == std::str::from_utf8(&old.name).ok());
        outer && old.id != new.id
    };
    if old_root.iter().any(defines) || !old_root.iter().zip(&new_root).any(is_outer) {
        return Ok(true);
    }
    let read = |tree| {
        let folders = collections(objects, tree);
        folders.map_err(|source| DefinitionError::Object { tree, source })
    };
    Ok(read(old)? == read(new)?)
}

/// Returns whether an entry of the root defines sheets.
fn defines(entry: &TreeEntry) -> bool {
    matches!(&*entry.name, b".gitsheets" | b"headwater.toml")
}

/// Returns the paths of the folders below the top level that are sheets if nothing is declared.
fn collections(objects: &Objects, tree: TreeId) -> Result<Vec<Vec<u8>>, ObjectError> {
    let mut found = Vec::new();
    for outer in COLLECTIONS {
        let entries = objects.folder_at(tree, outer.as_bytes())?.unwrap_or_default();
        let folders = entries.into_iter().filter(|entry| entry.mode == EntryMode::Folder);
        found.extend(folders.map(|entry| [outer.as_bytes(), b"/", &entry.name].concat()));
    }
    Ok(found)
}

fn gather_files(
    objects: &Objects,
    tree: TreeId,
    instead: Option<&DefinitionFile>,
) -> Result<DefinitionFiles, ObjectError> {
    let root = objects.root_entries(tree)?;
    let folder = |entry: &TreeEntry| RootEntry {
        is_folder: entry.mode == EntryMode::Folder,
        name: entry.name.clone(),
    };
    let folders = root.iter().map(folder).collect();
    let mut reading =
        Reading { objects, tree, found: DefinitionFiles::default(), files: 0, bytes: 0 };
    let mut files = match reading.run(&root, instead) {
        Ok(()) => reading.found,
        Err(Stop::Object(error)) => return Err(error),
        Err(Stop::TooMuch { path }) => {
            DefinitionFiles { too_much_at: Some(path), ..DefinitionFiles::default() }
        }
    };
    files.root = folders;
    Ok(files)
}

/// Why the reading of definitions ended early.
enum Stop {
    Object(ObjectError),
    /// There are more files or bytes than may define sheets; `path` is the first one above.
    TooMuch {
        path: String,
    },
}

impl From<ObjectError> for Stop {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

/// The definitions of a tree while they are read, within [`FILES`] and [`BYTES`].
struct Reading<'o> {
    objects: &'o Objects,
    tree: TreeId,
    found: DefinitionFiles,
    files: usize,
    bytes: usize,
}

impl Reading<'_> {
    fn run(&mut self, root: &[TreeEntry], instead: Option<&DefinitionFile>) -> Result<(), Stop> {
        self.found.headwater = instead.cloned();
        if self.found.headwater.is_none()
            && let Some(entry) = root.iter().find(|entry| entry.name == b"headwater.toml")
        {
            self.found.headwater = self.read("headwater.toml".into(), entry)?;
        }
        let of_gitsheets = |entry: &&TreeEntry| entry.name == b".gitsheets";
        if root.iter().find(of_gitsheets).is_some_and(|entry| entry.mode != EntryMode::Folder) {
            self.found.no_files.push(".gitsheets".into());
        }
        for entry in self.folder(".gitsheets")? {
            // The name of a sheet is text; a file with any other name defines none.
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            if name.ends_with(".toml") && name != ".toml" {
                let file = self.read(format!(".gitsheets/{name}"), &entry)?;
                self.found.gitsheets.extend(file);
            }
        }
        self.contracts(".gitsheets/contracts", DEPTH)?;
        if self.found.headwater.is_none() && !root.iter().any(defines) {
            self.found.collections = collections(self.objects, self.tree)?;
        }
        Ok(())
    }

    fn folder(&self, path: &str) -> Result<Vec<TreeEntry>, ObjectError> {
        Ok(self.objects.folder_at(self.tree, path.as_bytes())?.unwrap_or_default())
    }

    fn contracts(&mut self, folder: &str, depth: usize) -> Result<(), Stop> {
        for entry in self.folder(folder)? {
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            let path = format!("{folder}/{name}");
            if entry.mode == EntryMode::Folder && depth > 0 {
                self.count(&path)?;
                self.contracts(&path, depth - 1)?;
            } else if name.ends_with(".toml") {
                let file = self.read(path, &entry)?;
                self.found.contracts.extend(file);
            }
        }
        Ok(())
    }

    /// Reads a definition, or adds its path to `no_files` if the entry is not a file. A definition
    /// above the limit reads as empty, which is never valid, so it becomes a problem of the
    /// definition.
    fn read(&mut self, path: String, entry: &TreeEntry) -> Result<Option<DefinitionFile>, Stop> {
        self.count(&path)?;
        if !matches!(entry.mode, EntryMode::Regular | EntryMode::Executable) {
            self.found.no_files.push(path);
            return Ok(None);
        }
        let blob = BlobId::from_bytes(entry.id);
        let bytes = self.objects.read_blob(blob, LIMIT, |content| match content {
            BlobContent::Bytes(bytes) => bytes.to_owned(),
            BlobContent::TooLarge(_) => Vec::new(),
        })?;
        self.bytes += bytes.len();
        match self.bytes > BYTES {
            true => Err(Stop::TooMuch { path }),
            false => Ok(Some(DefinitionFile { path, bytes })),
        }
    }

    /// Counts a file or folder.
    fn count(&mut self, path: &str) -> Result<(), Stop> {
        self.files += 1;
        match self.files > FILES {
            true => Err(Stop::TooMuch { path: path.to_owned() }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_testkit::Upstream;

    use super::*;
    use crate::id::CommitId;
    use crate::layout::Layout;
    use crate::mirror::{Mirror, MirrorOptions};

    const LINK: u32 = 0o120_000;
    const PRIVATE: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n\
                           [headwater]\npublic = false\n";

    #[test]
    fn trees_with_the_same_name_of_their_definitions_have_the_same_layout() {
        let people = "[sheets.people]\n";
        let private = "[sheets.people]\npublic = false\n";
        let declared = [("headwater.toml", people), ("people/a.toml", "")];
        let inferred = [("people/a.toml", "")];
        let and = |files: &[(&'static str, &'static str)],
                   more: &[(&'static str, &'static str)]| {
            [files, more].concat()
        };
        for (one, other, are_alike) in [
            (and(&declared, &[]), and(&declared, &[("people/b.toml", "x")]), true),
            // What is declared is all that counts.
            (and(&declared, &[]), and(&declared, &[("staff/b.toml", "x")]), true),
            (and(&declared, &[]), and(&[("headwater.toml", private)], &inferred), false),
            (and(&declared, &[]), and(&declared, &[(".gitsheets/x.toml", PRIVATE)]), false),
            (and(&declared, &[]), and(&[], &inferred), false),
            (and(&inferred, &[]), and(&inferred, &[("people/b.toml", "x")]), true),
            (and(&inferred, &[]), and(&inferred, &[("staff/b.toml", "x")]), false),
            (and(&inferred, &[]), and(&inferred, &[("content/x/b.md", "x")]), false),
            (
                and(&inferred, &[("content/x/b.md", "x")]),
                and(&inferred, &[("content/y/b.md", "x")]),
                false,
            ),
            // A folder of definitions without any declares nothing.
            (
                and(&inferred, &[(".gitsheets/x.txt", "")]),
                and(&inferred, &[(".gitsheets/x.txt", ""), ("staff/b.toml", "x")]),
                false,
            ),
        ] {
            let read = |files: &[(&str, &str)]| {
                let mut upstream = Upstream::new();
                let commit = upstream.commit("first").put_all(files.iter().copied()).push();
                let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
                let objects = mirror.objects().unwrap();
                let tree = objects.commit(commit.parse().unwrap()).unwrap().tree;
                let any = Budget::unlimited();
                let instead = DefinitionFile { path: "x".into(), bytes: people.into() };
                let name = |instead| identify(&objects, tree, instead, &any).unwrap();
                (
                    name(None),
                    Layout::read(&gather(&objects, tree, None).unwrap()),
                    name(Some(&instead)),
                )
            };
            let (one, other) = (read(&one), read(&other));
            assert_eq!(one.0 == other.0, are_alike);
            assert!(!are_alike || one.1.reads_alike(&other.1));
            let (_, layout, _) = &one;
            // Definitions in place of those of the commit count instead of its folders.
            assert!(
                !layout.is_inferred() || !other.1.is_inferred() || one.2 == other.2 || are_alike
            );
        }
    }

    #[test]
    fn what_stands_where_a_definition_would_be_a_file_is_a_problem() {
        for (path, mode, content, is_declared) in [
            (".gitsheets", LINK, "elsewhere", false),
            (".gitsheets", 0o100_644, PRIVATE, false),
            ("headwater.toml", LINK, "elsewhere", true),
            (".gitsheets/tags.toml", LINK, "people.toml", true),
            (".gitsheets/tags.toml", 0o160_000, "1111111111111111111111111111111111111111", true),
            (".gitsheets/tags.toml/x", 0o100_644, PRIVATE, true),
            (".gitsheets/contracts/a.b/c.toml", LINK, "../x", true),
        ] {
            let mut upstream = Upstream::new();
            let commit = upstream.commit("first").put("people/ada.toml", "slug = \"ada\"");
            let commit = commit.put_mode(path, mode, content);
            let commit = match is_declared {
                true => commit.put(".gitsheets/people.toml", PRIVATE).push(),
                false => commit.push(),
            };
            let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
            let objects = mirror.objects().unwrap();
            let commit: CommitId = commit.parse().unwrap();
            let tree = objects.commit(commit).unwrap().tree;
            let layout = Layout::read(&gather(&objects, tree, None).unwrap());
            let problems: Vec<_> = layout.problems().map(|p| p.path.clone()).collect();
            let named = if path.ends_with("/x") { ".gitsheets/tags.toml" } else { path };
            assert_eq!(problems, [named], "{path}");
            assert!(!layout.is_inferred(), "{path}");
            assert!(layout.is_unsettled(b"people/ada.toml"), "{path}: nobody writes it");
            assert_eq!(layout.sheets().count(), usize::from(is_declared), "{path}");
            assert!(layout.sheets().all(|sheet| !sheet.public), "{path}");
        }
    }

    #[test]
    fn definitions_without_number_or_bytes_are_one_problem_and_none_is_read() {
        let large = "#".repeat(1 << 20);
        let schema = "[gitsheet]\nroot = \"x\"\npath = \"${{ a }}\"\n";
        for (path, content, count) in [
            (".gitsheets/contracts/a.b/c", &*large, 17),
            (".gitsheets/c", &*large, 17),
            (".gitsheets/c", schema, FILES + 1),
            (".gitsheets/contracts/a.b/c", "", FILES),
        ] {
            let mut upstream = Upstream::new();
            let mut commit = upstream.commit("first").put("x/a.toml", "a = \"a\"");
            for n in 0..count {
                commit = commit.put(format!("{path}{n:05}.toml"), content);
            }
            let commit: CommitId = commit.push().parse().unwrap();
            let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
            let objects = mirror.objects().unwrap();
            let tree = objects.commit(commit).unwrap().tree;
            let files = gather(&objects, tree, None).unwrap();
            assert!(files.gitsheets.is_empty() && files.contracts.is_empty(), "{path}");
            let layout = Layout::read(&files);
            let problems: Vec<_> = layout.problems().collect();
            let last = format!("{path}{:05}.toml", count - 1);
            assert_eq!(problems.len(), 1, "{path}");
            assert_eq!(problems[0].path, last, "{path}");
            assert!(problems[0].message.contains("16 MiB"), "{}", problems[0].message);
            assert!(!layout.is_inferred() && layout.sheets().count() == 0, "{path}");
            assert!(layout.is_unsettled(b"x/a.toml"), "{path}: nobody writes it");
        }
    }
}
