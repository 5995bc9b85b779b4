//! The change of one record of a list.

use serde_json::Value as Json;

use crate::value::Value;

/// The change of a record of a list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    /// The record is changed from `was` to `is`.
    Replace { was: &'a Value, is: &'a Json },
    /// The record is new.
    Insert(&'a Json),
    /// The record is removed.
    Remove,
}

/// The record of a list that changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Its index among the pieces of the list, or, if it is new, that of the piece it precedes.
    pub(super) at: usize,
    /// Its name in the list.
    pub(super) name: &'a str,
}

/// Returns `text` with a range replaced by another text.
pub(super) fn spliced(text: &str, range: std::ops::Range<usize>, new: &str) -> String {
    [&text[..range.start], new, &text[range.end..]].concat()
}
