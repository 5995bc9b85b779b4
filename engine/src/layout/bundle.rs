//! Folders that are records by the index file in them.
//!
//! Where the path template of a sheet ends in `index`, the key of a record is that of its folder, and
//! the other files of the folder are its attachments. gitsheets knows nothing of that: there the file
//! is called `index`, and its key ends so.

/// What an index file may be called; of several in one folder the first is served.
const NAMES: [&str; 3] = ["index", "_index", "README"];

/// Returns what may stand between the key of a folder and the extension of its index file.
pub(super) fn between() -> impl Iterator<Item = String> {
    NAMES.iter().map(|name| format!("/{name}"))
}

/// Cuts the name of an index file off a path without extension, and returns the folder.
pub(super) fn folder(path: &str) -> Option<&str> {
    let (folder, name) = path.rsplit_once('/')?;
    NAMES.contains(&name).then_some(folder)
}

/// Returns the place of a file among the index files of its folder.
pub(super) fn place(path: &str) -> usize {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    NAMES.iter().position(|name| *name == stem).unwrap_or_default()
}
