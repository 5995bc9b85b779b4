//! What a file held of a record.

use crate::value::Value;

/// The contents of a record's file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RecordState {
    /// Nothing.
    Nothing,
    /// Something that is not public, so that the key has nothing public at that commit.
    Withheld,
    /// Something that is not a record.
    Broken,
    /// A record.
    Record(Value),
}
