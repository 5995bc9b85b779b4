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
pub(super) struct ListPosition<'a> {
    /// Its index among the parts of the list; for a new record, that of the part after it.
    pub(super) at: usize,
    /// Its name in the list.
    pub(super) name: &'a str,
}
