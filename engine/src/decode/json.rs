//! JSON, with one key once: a document that says two things of one field says nothing.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{Flaw, utf8, words};
use crate::problem::Rule;

/// Decodes JSON. Any value is one, not only an object.
///
/// # Errors
///
/// Returns the first flaw, with its place.
pub fn json(bytes: &[u8]) -> Result<Value, Flaw> {
    let text = utf8(bytes)?;
    let Unambiguous(value) = serde_json::from_str(text).map_err(|error| {
        let message = words::of_json(&error);
        let deep = message.contains("recursion limit");
        let rule = if deep { Rule::TooDeep } else { Rule::Malformed };
        Flaw::new(rule, message).at_offset(text, offset(text, &error))
    })?;
    Ok(value)
}

/// Where `error` is in `text`, in bytes. The reader counts the bytes it has read, so one that has
/// read a line's end stands at column 0 of the next line: the flaw is that line's end.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let above = error.line().saturating_sub(1);
    let begin: usize = text.split_inclusive('\n').take(above).map(str::len).sum();
    (begin + error.column()).saturating_sub(1)
}

/// A value in which no object has a key twice.
pub(super) struct Unambiguous(pub(super) Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree).map(Self)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Value, E> {
        Ok(Value::Bool(boolean))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Value, E> {
        Ok(Value::from(integer))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Value, E> {
        Ok(Value::from(integer))
    }

    fn visit_i128<E: serde::de::Error>(self, integer: i128) -> Result<Value, E> {
        self.visit_f64(integer as f64)
    }

    fn visit_u128<E: serde::de::Error>(self, integer: u128) -> Result<Value, E> {
        self.visit_f64(integer as f64)
    }

    fn visit_f64<E>(self, float: f64) -> Result<Value, E> {
        Ok(Number::from_f64(float).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Unambiguous(member)) = sequence.next_element()? {
            members.push(member);
        }
        Ok(Value::Array(members))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let Unambiguous(member) = map.next_value()?;
            if members.insert(key, member).is_some() {
                return Err(A::Error::custom("a key occurs twice in one object"));
            }
        }
        Ok(Value::Object(members))
    }
}
