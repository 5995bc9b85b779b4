//! What becomes of one record of a list.

use serde_json::Value as Json;

use crate::value::Value;

/// What becomes of a record of a list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    /// It is this, and was that.
    Replace { was: &'a Value, is: &'a Json },
    /// It is new.
    Insert(&'a Json),
    /// It is gone.
    Remove,
}

/// The record of a list that changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Its place among the parts of the list as they stand there; of a new one, what it comes before.
    pub(super) at: usize,
    /// What the list calls it.
    pub(super) name: &'a str,
}
