//! The folder for what is ours in a git directory, and the names of what is made there.

/// Its name.
pub(super) const OUR_FOLDER: &str = "headwater";
/// How the name begins of a file of the cache that is still being written.
pub(crate) const UNFINISHED: &str = "cache-";
/// How the names of quarantine folders begin.
pub(super) const PREFIX: &str = "quarantine-";
