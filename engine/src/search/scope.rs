//! The scope of a search.

use im::OrdSet;

use crate::id::{Key, SheetName};
use crate::search::boosts::Slot;
use crate::search::doc_name::DocName;

/// Passes each text of one field of a document, with its slot, to the given function.
pub type FieldTexts<'a> = dyn Fn(&DocName, &str, &mut dyn FnMut(Slot, &str)) + 'a;

/// The data that a search covers.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The sheets to search.
    pub scope: Scope<'a>,
    /// The texts of their fields, for words that must occur in a particular field.
    pub fields: &'a FieldTexts<'a>,
}

/// The sheets that a search covers.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// Every sheet.
    All,
    /// These sheets.
    Sheets(&'a [SheetName]),
}

impl Scope<'_> {
    pub(crate) fn contains(self, sheet: &SheetName) -> bool {
        match self {
            Self::All => true,
            Self::Sheets(sheets) => sheets.contains(sheet),
        }
    }
}

/// The documents of one sheet that an index is restricted to.
#[derive(Debug, Clone, Copy)]
pub enum Restriction<'a> {
    /// All of them.
    All,
    /// None of them.
    None,
    /// All but these.
    Except(&'a OrdSet<Key>),
}
