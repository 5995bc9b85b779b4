//! Where the records of a history may be found.

use crate::id::Key;

/// A file that may hold a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// Its path.
    pub path: String,
    /// The path whose commits are walked, which is another one where no commit may be found.
    pub walked: String,
    /// The key that the path claims.
    pub list: Key,
    /// The key under which the record is looked for in the file.
    pub key: String,
    /// Whether the present withholds what it holds.
    pub is_withheld: bool,
}
