//! The file to read.

use crate::id::Key;
use crate::layout::SheetSpec;

/// The file to read, and the rules for reading it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The sheet.
    pub(crate) spec: &'a SheetSpec,
    /// The path of the file.
    pub(crate) path: &'a str,
    /// The key that the path claims.
    pub(crate) list: &'a Key,
    /// The maximum number of bytes of one record.
    pub(crate) record_limit: u64,
}
