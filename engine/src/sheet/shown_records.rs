//! What the public reads of a sheet that hides records: the keys of the others, and indexes over
//! them. An answer from these costs what it would if the hidden records did not exist.

use im::OrdSet;

use crate::id::Key;
use crate::index::FieldIndex;
use crate::layout::SheetSpec;

/// The served records that are not hidden.
#[derive(Debug, Clone)]
pub(super) struct ShownRecords {
    pub(super) keys: OrdSet<Key>,
    /// Their indexes, in the order of those of the sheet.
    pub(super) indexes: Vec<FieldIndex>,
}

impl ShownRecords {
    /// Returns those of an empty sheet, if it hides records at all.
    pub(super) fn none_of(spec: &SheetSpec) -> Option<Self> {
        let indexes = || vec![FieldIndex::default(); spec.indexed().len()];
        spec.hidden.as_ref().map(|_| Self { keys: OrdSet::new(), indexes: indexes() })
    }
}
