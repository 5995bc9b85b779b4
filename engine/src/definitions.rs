//! Reads the files of a commit that define its sheets: a few small blobs, whatever the size of the
//! tree.

use crate::id::{BlobId, TreeId};
use crate::layout::{COLLECTIONS, DefinitionFile, DefinitionFiles, RootEntry};
use crate::mirror::{BlobContent, EntryMode, ObjectError, Objects, TreeEntry};

/// The most bytes that a definition may have.
const LIMIT: u64 = 1 << 20;

/// How deep contracts may be nested below `.gitsheets/contracts`.
const DEPTH: usize = 16;

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
    let mut files = DefinitionFiles { headwater: instead.cloned(), ..DefinitionFiles::default() };
    if files.headwater.is_none()
        && let Some(entry) = root.iter().find(|entry| entry.name == b"headwater.toml")
    {
        files.headwater = read(objects, "headwater.toml".into(), entry, &mut files.no_files)?;
    }
    let of_gitsheets = |entry: &&TreeEntry| entry.name == b".gitsheets";
    if root.iter().find(of_gitsheets).is_some_and(|entry| entry.mode != EntryMode::Folder) {
        files.no_files.push(".gitsheets".into());
    }
    for entry in objects.folder_at(tree, b".gitsheets")?.unwrap_or_default() {
        // The name of a sheet is text; a file with any other name defines none.
        let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
        if name.ends_with(".toml") && name != ".toml" {
            let path = format!(".gitsheets/{name}");
            files.gitsheets.extend(read(objects, path, &entry, &mut files.no_files)?);
        }
    }
    contracts(objects, tree, ".gitsheets/contracts", DEPTH, &mut files)?;
    let folder = |entry: TreeEntry| RootEntry {
        is_folder: entry.mode == EntryMode::Folder,
        name: entry.name,
    };
    if files.headwater.is_none() && !root.iter().any(defines) {
        files.collections = collections(objects, tree)?;
    }
    files.root = root.into_iter().map(folder).collect();
    Ok(files)
}

fn contracts(
    objects: &Objects,
    tree: TreeId,
    folder: &str,
    depth: usize,
    found: &mut DefinitionFiles,
) -> Result<(), ObjectError> {
    let entries = objects.folder_at(tree, folder.as_bytes())?.unwrap_or_default();
    for entry in entries {
        let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
        let path = format!("{folder}/{name}");
        if entry.mode == EntryMode::Folder && depth > 0 {
            contracts(objects, tree, &path, depth - 1, found)?;
        } else if name.ends_with(".toml") {
            found.contracts.extend(read(objects, path, &entry, &mut found.no_files)?);
        }
    }
    Ok(())
}

/// Reads a definition, or adds its path to `no_files` if the entry is not a file. A definition
/// above the limit reads as empty, which is never valid, so it becomes a problem of the definition.
fn read(
    objects: &Objects,
    path: String,
    entry: &TreeEntry,
    no_files: &mut Vec<String>,
) -> Result<Option<DefinitionFile>, ObjectError> {
    if !matches!(entry.mode, EntryMode::Regular | EntryMode::Executable) {
        no_files.push(path);
        return Ok(None);
    }
    let bytes =
        objects.read_blob(BlobId::from_bytes(entry.id), LIMIT, |content| match content {
            BlobContent::Bytes(bytes) => bytes.to_owned(),
            BlobContent::TooLarge(_) => Vec::new(),
        })?;
    Ok(Some(DefinitionFile { path, bytes }))
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
}
