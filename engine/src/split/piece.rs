//! What a file of many records is cut into.

use std::ops::Range;

use serde_json::Value as Json;

use crate::decode::Flaw;
use crate::problem::Rule;

/// Where the records of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// The file is one.
    One,
    /// The file itself says it: a list of tables holds one in each element, and every other file is
    /// one.
    Found,
    /// Each element of the list that the file is; of TOML, of the list that is its only member.
    Each,
    /// Each member of the table that the file is.
    Map,
    /// Each element of the list, or member of the table, that these names lead to.
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

/// Refuses a record that is no table.
pub(super) fn table(value: Json, what: &str) -> Result<Json, Flaw> {
    if value.is_object() {
        return Ok(value);
    }
    Err(Flaw::new(Rule::Malformed, format!("the {what} is no table")).at(1, 1))
}
