//! Values while an expression is evaluated.

use std::sync::Arc;

use time::Duration;

use super::allocated_values::{ALLOCATED, Made, Part, Text};
use super::limits::{MAX_LIST, MAX_MADE};
use crate::budget::STEP;
use crate::record::Record;
use crate::scalar::Timestamp;
use crate::value::{Json, Kind};

/// A value: part of a record in memory, or computed.
#[derive(Debug, Clone)]
pub(super) enum Operand<'a> {
    /// `null`
    Null,
    /// `bool`
    Bool(bool),
    /// `int`: a JSON number without a fraction or an exponent.
    Int(i64),
    /// `uint`; in JSON, an integer that is too large for an int.
    Uint(u64),
    /// `double`
    Double(f64),
    /// `string`
    Text(Text<'a>),
    /// `bytes`, which no record holds.
    Bytes(Arc<[u8]>),
    /// A `list` or `map` of a record.
    Json(Json<'a>),
    /// Another record as a `map`, with its key as the member `_key`.
    Record(&'a Record),
    /// `list`
    List(Made<Operand<'a>>),
    /// `map`
    Map(Made<MapEntry<'a>>),
    /// `timestamp`
    Timestamp(Timestamp),
    /// `duration`
    Duration(Duration),
    /// A semantic version, as in Kubernetes.
    Version(Arc<semver::Version>),
    /// A type.
    Type(&'static str),
}

/// A member of a computed map.
#[derive(Debug, Clone)]
pub(super) struct MapEntry<'a> {
    pub(super) key: Operand<'a>,
    pub(super) value: Operand<'a>,
}

// The longest list of values without parts is not too large.
const _: () = assert!(MAX_LIST * size_of::<Operand<'_>>() + ALLOCATED <= MAX_MADE);

impl Part for MapEntry<'_> {
    fn size(&self) -> usize {
        self.key.size().saturating_add(self.value.size())
    }
}

impl Part for Operand<'_> {
    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.size(),
            Self::Bytes(bytes) => ALLOCATED + bytes.len(),
            Self::Version(version) => size_of::<semver::Version>() + ALLOCATED + marks(version),
            Self::List(list) => list.size(),
            Self::Map(map) => map.size(),
            _ => 0,
        }
    }
}

/// Returns how many bytes of text follow the numbers of a version.
fn marks(version: &semver::Version) -> usize {
    version.pre.len() + version.build.len()
}

/// The member of another record that is its key.
pub(super) const KEY: &str = "_key";

impl<'a> Operand<'a> {
    /// Converts `json`. Allocates only if a text has escapes.
    pub(super) fn of(json: Json<'a>) -> Self {
        match json.kind() {
            Kind::Null => Self::Null,
            Kind::Bool => Self::Bool(json.text() == "true"),
            Kind::Number => Self::number(json.text()),
            Kind::String => Self::Text(json.as_string().unwrap_or_default().into()),
            Kind::Array | Kind::Object => Self::Json(json),
        }
    }

    fn number(text: &str) -> Self {
        let double = || Self::Double(text.parse().unwrap_or(f64::NAN));
        if text.contains(['.', 'e', 'E']) {
            return double();
        }
        let int = text.parse().ok().map(Self::Int);
        int.or_else(|| text.parse().ok().map(Self::Uint)).unwrap_or_else(double)
    }

    /// Returns a text that borrows from this operand, without a copy.
    pub(super) fn borrowed(&'a self) -> Self {
        match self {
            Self::Text(text) => Self::Text(Text::Borrowed(text)),
            other => other.clone(),
        }
    }

    /// Converts the value into one that is independent of any record, or returns `None` if it is
    /// part of one.
    pub(super) fn into_constant(self) -> Option<Operand<'static>> {
        Some(match self {
            Self::Null => Operand::Null,
            Self::Bool(it) => Operand::Bool(it),
            Self::Int(it) => Operand::Int(it),
            Self::Uint(it) => Operand::Uint(it),
            Self::Double(it) => Operand::Double(it),
            Self::Text(Text::Made(it)) => Operand::Text(Text::Made(it)),
            Self::Text(Text::Borrowed(it)) => Operand::Text(Text::Made(it.into())),
            Self::Bytes(it) => Operand::Bytes(it),
            Self::Timestamp(it) => Operand::Timestamp(it),
            Self::Duration(it) => Operand::Duration(it),
            Self::Version(it) => Operand::Version(it),
            Self::Type(it) => Operand::Type(it),
            Self::List(list) => {
                let list = list.iter().map(|it| it.clone().into_constant());
                Operand::List(list.collect::<Option<Vec<_>>>()?.into())
            }
            Self::Json(_) | Self::Record(_) | Self::Map(_) => return None,
        })
    }

    /// Returns the name of its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Json(json) if json.kind() == Kind::Array => "list",
            Self::List(_) => "list",
            Self::Json(_) | Self::Record(_) | Self::Map(_) => "map",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Version(_) => "kubernetes.Semver",
            Self::Type(_) => "type",
        }
    }

    /// Returns about what it costs to go through it, in units of a [`Budget`](crate::budget::Budget):
    /// of a list or a map that was made, without what is in its parts.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Json(json) => json.text().len(),
            Self::Record(record) => record.value.as_str().len(),
            Self::List(list) => list.len() * STEP,
            Self::Map(map) => map.len() * STEP,
            Self::Version(version) => marks(version),
            _ => 0,
        }
    }

    /// Returns the elements of a list, or `None` for any other value.
    pub(super) fn elements(&self) -> Option<Box<dyn Iterator<Item = Operand<'a>> + 'a>> {
        match self {
            Self::Json(json) if json.kind() == Kind::Array => {
                Some(Box::new(json.elements().map(Operand::of)))
            }
            Self::List(list) => {
                let list = list.clone();
                Some(Box::new((0..list.len()).map(move |at| list[at].clone())))
            }
            _ => None,
        }
    }

    /// Returns the members of a map, in no particular order, or `None` for any other value.
    pub(super) fn entries(&self) -> Option<Box<dyn Iterator<Item = MapEntry<'a>> + 'a>> {
        match self {
            Self::Map(map) => {
                let map = map.clone();
                Some(Box::new((0..map.len()).map(move |at| map[at].clone())))
            }
            _ => Some(Box::new(self.object()?.members().map(|(key, value)| MapEntry {
                key: Operand::Text(key.into()),
                value: Operand::of(value),
            }))),
        }
    }

    /// Returns what a macro iterates over: the elements of a list, or the keys of a map.
    pub(super) fn items(&self) -> Option<Box<dyn Iterator<Item = Operand<'a>> + 'a>> {
        if let Some(object) = self.object() {
            return Some(Box::new(object.members().map(|(key, _)| Operand::Text(key.into()))));
        }
        match self.elements() {
            Some(elements) => Some(elements),
            None => Some(Box::new(self.entries()?.map(|entry| entry.key))),
        }
    }

    /// Returns the object of a record, if the value is one.
    pub(super) fn object(&self) -> Option<Json<'a>> {
        match self {
            Self::Json(json) if json.kind() == Kind::Object => Some(*json),
            Self::Record(record) => Some(record.value.json()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use serde_json::json;

    #[test]
    fn numbers_of_records_have_the_type_that_their_notation_says() {
        let value = Value::new(&json!([1, -1, 9223372036854775808_u64, 1.0, 1e300]));
        let list = Operand::of(value.json());
        let types = list.elements().unwrap().map(|element| element.type_name());
        assert_eq!(types.collect::<Vec<_>>(), ["int", "int", "uint", "double", "double"]);
    }
}
