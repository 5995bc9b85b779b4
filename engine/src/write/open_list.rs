//! A file of many records while a batch changes it.

use std::collections::HashMap;

use crate::encode::List;
use crate::id::{Key, SheetName};
use crate::mirror::EntryMode;

/// A file of many records that a batch writes to.
pub(super) struct OpenList {
    /// The sheet whose operations write to it.
    pub(super) sheet: SheetName,
    /// The key that the file itself claims.
    pub(super) key: Key,
    pub(super) mode: EntryMode,
    pub(super) list: List,
    /// Which operation wrote each record last.
    pub(super) writers: HashMap<Key, usize>,
    /// The last operation that wrote one.
    pub(super) last: usize,
}
