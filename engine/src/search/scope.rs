//! The sheets that a search looks into.

use crate::id::SheetName;

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
