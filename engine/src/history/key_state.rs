//! What a commit had under a key.

use crate::value::Value;

/// What a commit had under a key, as far as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyState<'a> {
    /// Nothing.
    Nothing,
    /// Something that is not shown, so that the key has nothing.
    Withheld,
    /// A list of other records, in the file that could have been the record.
    OtherRecords,
    /// A list that cannot be read. Whether the record is in it is not known, and it is not served.
    UnreadList,
    /// A file of that key that is no record.
    Broken,
    /// A record.
    Record(&'a Value),
}

impl KeyState<'_> {
    /// Returns what is served before what: of several files, a record, whatever else is there.
    pub(super) const fn rank(self) -> u8 {
        match self {
            Self::Record(_) => 0,
            Self::Broken => 1,
            Self::UnreadList => 2,
            Self::OtherRecords => 3,
            Self::Nothing | Self::Withheld => 4,
        }
    }

    /// Returns whether it tells that there is, or was, a record of the key.
    pub(super) const fn is_shown(self) -> bool {
        matches!(self, Self::Broken | Self::Record(_))
    }

    /// Returns whether the file decides what the key has where records are hidden: the first one
    /// that has anything under it does.
    pub(super) const fn is_something(self) -> bool {
        !matches!(self, Self::Nothing | Self::OtherRecords)
    }
}
