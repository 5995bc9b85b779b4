//! JSON with unique keys: a document that gives a field two values gives it none.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::flaw::utf8;
use super::{Flaw, parser_messages};
use crate::problem::Rule;

/// Decodes JSON. Any value is accepted, not only an object.
///
/// # Errors
///
/// Returns the first flaw, with its position. An integer that does not fit in 64 bits is a flaw,
/// since it could only be rounded.
pub fn json(bytes: &[u8]) -> Result<Value, Flaw> {
    let text = utf8(bytes)?;
    let is_large = Cell::new(false);
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Tree { is_large: &is_large }.deserialize(&mut reader);
    let value = read.and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        let message = parser_messages::of_json(&error);
        let deep = message.contains("recursion limit");
        let rule = if deep { Rule::TooDeep } else { Rule::Malformed };
        Flaw::new(rule, message).at_offset(text, offset(text, &error))
    })?;
    match is_large.get().then(|| large_integer(text)).flatten() {
        None => Ok(value),
        Some(at) => {
            let message = "an integer has more than 64 bits: quote it to make it a string";
            Err(Flaw::new(Rule::Malformed, message).at_offset(text, at))
        }
    }
}

/// Finds the first integer in a JSON text that does not fit in 64 bits.
fn large_integer(text: &str) -> Option<usize> {
    let is_numeric = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'"' {
            at += 1;
            while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
        } else if is_numeric(bytes[at]) && !bytes[at].is_ascii_alphabetic() {
            let length = bytes[at..].iter().take_while(|byte| is_numeric(**byte)).count();
            let number = &text[at..at + length];
            let is_integer = !number.contains(['.', 'e', 'E']);
            if is_integer && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
                return Some(at);
            }
            at += length;
            continue;
        }
        at += 1;
    }
    None
}

/// Returns the byte offset of `error` in `text`. The parser counts the bytes it has read, so after
/// a line break it reports column 0 of the next line: the flaw is then that line break.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let above = error.line().saturating_sub(1);
    let begin: usize = text.split_inclusive('\n').take(above).map(str::len).sum();
    (begin + error.column()).saturating_sub(1)
}

/// Reads a value and rejects objects with duplicate keys.
#[derive(Clone, Copy)]
struct Tree<'c> {
    /// Set if some number is so large that it may be a rounded integer.
    is_large: &'c Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
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

    fn visit_f64<E>(self, float: f64) -> Result<Value, E> {
        if float.abs() >= i64::MAX as f64 {
            self.is_large.set(true);
        }
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = sequence.next_element_seed(self)? {
            members.push(member);
        }
        Ok(Value::Array(members))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let member = map.next_value_seed(self)?;
            if members.insert(key, member).is_some() {
                return Err(A::Error::custom("a key occurs twice in one object"));
            }
        }
        Ok(Value::Object(members))
    }
}
