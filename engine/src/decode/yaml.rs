//! YAML 1.2 with the core schema: `no` is a string. Aliases are allowed within a budget.

mod compose;
mod margin;
mod schema;

use serde_json::Value;

use super::Flaw;
use super::flaw::utf8;
use crate::problem::Rule;

pub(crate) use compose::Document;

/// Decodes one YAML document. Any value but null is one.
///
/// Texts, whole numbers and fractions, truth values and null are what the core schema says, with
/// two exceptions that keep what was written: a whole number with zeros in front is a text, and an
/// integer beyond 64 bits is an error. A tag of an application says nothing about its value. `<<`
/// brings in the members of other tables.
///
/// Time and memory are linear in the text; what aliases copy is bounded by it, too.
///
/// # Errors
///
/// Returns the first flaw, with its place.
pub fn yaml(bytes: &[u8]) -> Result<Value, Flaw> {
    let value = compose::document(utf8(bytes)?)?;
    if value.is_null() {
        return Err(Flaw::new(Rule::Malformed, "the document is empty").at(1, 1));
    }
    Ok(value)
}

/// Decodes every YAML document of a text, null ones included.
///
/// # Errors
///
/// Returns the first flaw of any of them, with its place.
pub(crate) fn documents(text: &str) -> Result<Vec<Document>, Flaw> {
    compose::documents(text)
}
