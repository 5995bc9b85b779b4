//! The names of documents, and where their texts come from.

use crate::id::{Key, SheetName};
use crate::search::boosts::Slot;

/// The name of a document: the sheet and key of its record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocName {
    /// The sheet of the record.
    pub sheet: SheetName,
    /// The key of the record in its sheet.
    pub key: Key,
}

/// Passes each text of a document, with its slot, to the given function.
///
/// A document without texts is not in the index, so a removed record is a document without texts.
/// The function may be called on several threads.
pub type Texts<'a> = dyn Fn(&DocName, &mut dyn FnMut(Slot, &str)) + Sync + 'a;
