//! Headwater's own folder in a git directory, and the names of what is created there.

/// The name of the folder.
pub(super) const OUR_FOLDER: &str = "headwater";
/// The prefix of the names of cache files that are still being written.
pub(crate) const UNFINISHED: &str = "cache-";
/// The prefix of the names of quarantine folders.
pub(super) const PREFIX: &str = "quarantine-";
