//! The names of documents, and where their texts come from.

use crate::id::{Key, SheetName};
use crate::search::slots::Slot;

/// The name of a document: the sheet and key of its record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocName {
    /// The sheet.
    pub sheet: SheetName,
    /// The key in the sheet.
    pub key: Key,
}

/// Reports the texts of a document to the function it is given, each with its slot.
///
/// A document that has none is not in the index; so a removed record is one without texts. It may
/// be called on several threads.
pub type Texts<'a> = dyn Fn(&DocName, &mut dyn FnMut(Slot, &str)) + Sync + 'a;
