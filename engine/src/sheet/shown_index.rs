//! The keys of the records that a sheet does not hide, and indexes over their fields.

use im::OrdSet;

use crate::id::Key;
use crate::index::FieldIndex;
use crate::layout::SheetSpec;

/// The served records that are not hidden, kept beside all of them.
#[derive(Debug, Clone)]
pub(super) struct ShownIndex {
    pub(super) keys: OrdSet<Key>,
    /// The indexes over their fields, in the order of those of the sheet.
    pub(super) indexes: Vec<FieldIndex>,
}

impl ShownIndex {
    /// Returns that of an empty sheet, if it hides records at all.
    pub(super) fn none_of(spec: &SheetSpec) -> Option<Self> {
        let indexes = || vec![FieldIndex::default(); spec.indexed().len()];
        spec.hidden.as_ref().map(|_| Self { keys: OrdSet::new(), indexes: indexes() })
    }
}
