//! Folders that are records because of the index file in them.
//!
//! If the path template of a sheet ends in `index`, the key of a record is that of its folder, and
//! the other files in the folder are its attachments. gitsheets has no such rule: there the file is
//! called `index`, and its key ends in that.

/// The possible names of an index file; of several in one folder, the first is served.
const NAMES: [&str; 3] = ["index", "_index", "README"];

/// Returns what may be between the key of a folder and the extension of its index file.
pub(super) fn between() -> impl Iterator<Item = String> {
    NAMES.iter().map(|name| format!("/{name}"))
}

/// Removes the name of an index file from a path without extension, and returns the folder.
pub(super) fn folder(path: &str) -> Option<&str> {
    let (folder, name) = path.rsplit_once('/')?;
    NAMES.contains(&name).then_some(folder)
}

/// Returns the rank of a file among the index files of its folder.
pub(super) fn place(path: &str) -> usize {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    NAMES.iter().position(|name| *name == stem).unwrap_or_default()
}
