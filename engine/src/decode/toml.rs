//! TOML in two versions: 1.0, with the same library that gitsheets uses, and 1.1.

use serde_json::{Map, Number, Value};

use super::flaw::utf8;
use super::{Flaw, TextPosition, nesting, toml_fast_path};
use crate::problem::Rule;

/// Decodes TOML 1.0. The top level is a table.
///
/// # Errors
///
/// Returns the first flaw, with its position.
pub fn toml_1_0(bytes: &[u8]) -> Result<Value, Flaw> {
    let text = utf8(bytes)?;
    toml_fast_path::table(text).map_or_else(|| parsed_1_0(text), |table| Ok(Value::Object(table)))
}

/// Decodes TOML 1.0 with its parser.
pub(super) fn parsed_1_0(text: &str) -> Result<Value, Flaw> {
    table_1_0(text).map(shown).and_then(bounded)
}

/// Parses TOML 1.0 with its native dates and floats.
pub(crate) fn table_1_0(text: &str) -> Result<toml_v08::Table, Flaw> {
    shallow(text)?;
    text.parse::<toml_v08::Table>().map_err(|error| flaw(text, error.message(), error.span()))
}

/// Returns a table in the form in which it is served.
pub(crate) fn shown(table: toml_v08::Table) -> Value {
    object(table, value_1_0)
}

/// Decodes TOML 1.1. The top level is a table.
///
/// # Errors
///
/// Returns the first flaw, with its position.
pub fn toml_1_1(bytes: &[u8]) -> Result<Value, Flaw> {
    let text = utf8(bytes)?;
    toml_fast_path::table(text).map_or_else(|| parsed_1_1(text), |table| Ok(Value::Object(table)))
}

/// Decodes TOML 1.1 with its parser.
pub(super) fn parsed_1_1(text: &str) -> Result<Value, Flaw> {
    bounded(object(table_1_1(text)?, value_1_1))
}

/// Parses TOML 1.1 with its native dates and floats.
pub(crate) fn table_1_1(text: &str) -> Result<toml::Table, Flaw> {
    shallow(text)?;
    text.parse::<toml::Table>().map_err(|error| flaw(text, error.message(), error.span()))
}

/// Returns the line and column of the last of these keys in a document, where each key is in the
/// table of the previous one. Returns `None` if the document does not parse or lacks a key.
pub fn place_of(bytes: &[u8], keys: &[&str]) -> Option<(u32, u32)> {
    let text = utf8(bytes).ok()?;
    let document = toml::de::DeTable::parse(text).ok()?;
    let (mut table, mut offset) = (Some(document.get_ref()), 0);
    for key in keys {
        let (key, value) = table?.get_key_value(*key)?;
        offset = key.span().start;
        table = value.get_ref().as_table();
    }
    let place = Flaw::new(Rule::Malformed, "").at_offset(text, offset);
    place.line.zip(place.column)
}

/// Returns the line and column where each element of the list `name` of a document begins, or
/// nothing if there is no such list.
pub(crate) fn places_in(text: &str, name: &str) -> Vec<(usize, usize)> {
    let Ok(document) = toml::de::DeTable::parse(text) else { return Vec::new() };
    let list = document.get_ref().get(name).and_then(|member| member.get_ref().as_array());
    let mut position = TextPosition::new(text, 0, 1);
    let place = |offset| position.to(offset);
    list.into_iter().flatten().map(|element| element.span().start).map(place).collect()
}

/// Rejects a document that might overflow the stack of a parser.
fn shallow(text: &str) -> Result<(), Flaw> {
    match nesting::too_deep(text) {
        None => Ok(()),
        Some(offset) => {
            let message = format!("it nests deeper than {} levels", nesting::LIMIT);
            Err(Flaw::new(Rule::TooDeep, message).at_offset(text, offset))
        }
    }
}

/// Rejects a value that nests deeper than its text shows: in a list of tables within another, each
/// header adds two levels but looks like one.
fn bounded(value: Value) -> Result<Value, Flaw> {
    fn nests(value: &Value, levels: usize) -> bool {
        match value {
            Value::Object(members) => {
                levels == 0 || members.values().any(|member| nests(member, levels - 1))
            }
            Value::Array(members) => {
                levels == 0 || members.iter().any(|member| nests(member, levels - 1))
            }
            _ => false,
        }
    }
    // The document's own table does not count as a level.
    if nests(&value, nesting::LIMIT + 1) {
        let message = format!("it nests deeper than {} levels", nesting::LIMIT);
        return Err(Flaw::new(Rule::TooDeep, message));
    }
    Ok(value)
}

fn flaw(text: &str, message: &str, span: Option<std::ops::Range<usize>>) -> Flaw {
    let deep = message.contains("recursion limit") || message.contains("recursion depth");
    let rule = if deep { Rule::TooDeep } else { Rule::Malformed };
    let flaw = Flaw::new(rule, message);
    match span {
        Some(span) => flaw.at_offset(text, span.start),
        None => flaw,
    }
}

fn object<V>(table: impl IntoIterator<Item = (String, V)>, value: fn(V) -> Value) -> Value {
    Value::Object(
        table.into_iter().map(|(key, member)| (key, value(member))).collect::<Map<_, _>>(),
    )
}

fn value_1_0(value: toml_v08::Value) -> Value {
    match value {
        toml_v08::Value::String(text) => Value::String(text),
        toml_v08::Value::Integer(integer) => Value::from(integer),
        toml_v08::Value::Float(float) => Number::from_f64(float).map_or(Value::Null, Value::Number),
        toml_v08::Value::Boolean(boolean) => Value::Bool(boolean),
        toml_v08::Value::Datetime(time) => Value::String(time.to_string()),
        toml_v08::Value::Array(members) => members.into_iter().map(value_1_0).collect(),
        toml_v08::Value::Table(table) => object(table, value_1_0),
    }
}

fn value_1_1(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(integer) => Value::from(integer),
        toml::Value::Float(float) => Number::from_f64(float).map_or(Value::Null, Value::Number),
        toml::Value::Boolean(boolean) => Value::Bool(boolean),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(members) => members.into_iter().map(value_1_1).collect(),
        toml::Value::Table(table) => object(table, value_1_1),
    }
}
