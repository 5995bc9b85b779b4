//! The pieces of a file of many records.

use std::ops::Range;

use serde_json::Value as Json;

use crate::decode::Flaw;
use crate::problem::Rule;

/// Where the records of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// The file is one record.
    One,
    /// The file itself decides: a list of tables holds one record in each element, and any other
    /// file is one record.
    Found,
    /// Each element of the list that the file is; for TOML, of the list that is its only member.
    Each,
    /// Each member of the table that the file is.
    Map,
    /// Each element of the list, or member of the table, at these names.
    At(Vec<String>),
}

/// A piece of a file, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Where its value is.
    pub body: Range<usize>,
    /// Where the next piece begins.
    pub end: usize,
}

/// Rejects a record that is not a table.
pub(super) fn table(value: Json, what: &str) -> Result<Json, Flaw> {
    if value.is_object() {
        return Ok(value);
    }
    Err(Flaw::new(Rule::Malformed, format!("the {what} is not a table")).at(1, 1))
}
