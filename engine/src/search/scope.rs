//! Where a search looks.

use crate::id::SheetName;
use crate::search::doc_name::DocName;
use crate::search::slots::Slot;

/// Reports the texts of one field of a document to the function it is given, each with its slot.
pub type FieldTexts<'a> = dyn Fn(&DocName, &str, &mut dyn FnMut(Slot, &str)) + 'a;

/// Where a search looks.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The sheets.
    pub scope: Scope<'a>,
    /// The texts of their fields, for words that must stand in one of them.
    pub fields: &'a FieldTexts<'a>,
}

/// The sheets that a search looks into.
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
