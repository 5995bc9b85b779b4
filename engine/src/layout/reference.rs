//! Declared references: fields whose values point to records of the same or another sheet.

use crate::id::SheetName;
use crate::value::FieldPath;

/// A field that refers to records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The field. Each element of an array is a separate reference.
    pub field: FieldPath,
    /// The sheet of the records that it refers to.
    pub sheet: SheetName,
    /// The field that it matches, or `None` for the key.
    pub target: Option<FieldPath>,
    /// Whether that sheet is public, so that its records can be included with the referring record.
    pub is_public: bool,
    /// Whether dangling references may be reported publicly: only if that sheet is public and hides
    /// nothing. In any other sheet, the reported ones would reveal the others.
    pub is_open: bool,
}
