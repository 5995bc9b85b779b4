//! YAML 1.2 with the core schema: `no` is a string. Aliases are allowed within a budget.

mod compose;
mod indentation;
mod core_schema;

use serde_json::Value;

use super::Flaw;
use super::flaw::utf8;
use crate::problem::Rule;

pub(crate) use compose::Document;

/// Decodes one YAML document. Any value but null is accepted.
///
/// Strings, integers, fractions, booleans and null follow the core schema, with two exceptions that
/// preserve the source: an integer with leading zeros is a string, and an integer beyond 64 bits is
/// an error. An application-specific tag does not affect its value. `<<` merges the members of
/// other tables.
///
/// Time and memory are linear in the text, which also bounds what aliases copy.
///
/// # Errors
///
/// Returns the first flaw, with its position.
pub fn yaml(bytes: &[u8]) -> Result<Value, Flaw> {
    let value = compose::document(utf8(bytes)?, &Value::Null)?;
    if value.is_null() {
        return Err(Flaw::new(Rule::Malformed, "the document is empty").at(1, 1));
    }
    Ok(value)
}

/// Decodes one YAML document like [`yaml`], with `shown` for each `.inf` and `.nan`, which is null otherwise.
///
/// # Errors
///
/// As [`yaml`].
pub(crate) fn yaml_with_unshown(text: &str, shown: &Value) -> Result<Value, Flaw> {
    compose::document(text, shown)
}

/// Decodes every YAML document of a text, null ones included.
///
/// # Errors
///
/// Returns the first flaw in any of them, with its position.
pub(crate) fn documents(text: &str) -> Result<Vec<Document>, Flaw> {
    compose::documents(text)
}
