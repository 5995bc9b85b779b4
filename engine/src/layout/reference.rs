//! Declared references: fields whose values name records, of the same sheet or of another.

use crate::id::SheetName;
use crate::value::FieldPath;

/// A field that names records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The field. Each element of an array is a reference by itself.
    pub field: FieldPath,
    /// The sheet of the records that it names.
    pub sheet: SheetName,
    /// The field by which it names them; `None` where that is the key.
    pub target: Option<FieldPath>,
    /// Whether that sheet is public, so that its records can be shown beside the one that refers.
    pub is_public: bool,
    /// Whether everybody may know of a reference that names no record: in a sheet that is public
    /// and hides nothing. In any other, what is not told would be told by what is.
    pub is_open: bool,
}
