//! A scalar within the text of a record.

use std::borrow::Cow;

use crate::scalar::{Dated, Number, Scalar, Timestamp};
use crate::value::{Json, Kind};

/// A [`Scalar`] without a copy of its text. Both compare alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stored<'a> {
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string that does not denote a moment.
    String(Cow<'a, str>),
    /// A string that denotes a moment, with the moment.
    Timestamp(Timestamp, Cow<'a, str>),
    /// An array or object, as its canonical text.
    Other(&'a str),
}

impl<'a> Stored<'a> {
    /// Returns about what it costs to compare, hash or copy it, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Bool(_) | Self::Number(_) => 0,
            Self::String(text) | Self::Timestamp(_, text) => text.len(),
            Self::Other(text) => text.len(),
        }
    }

    /// Returns how many bytes it takes, with its text where that is its own.
    pub fn size(&self) -> usize {
        let own = match self {
            Self::String(Cow::Owned(text)) | Self::Timestamp(_, Cow::Owned(text)) => text.len(),
            _ => 0,
        };
        size_of::<Self>() + own
    }

    /// Reads `json`, or returns `None` for null. Takes no memory, unless a string has escapes.
    pub fn read(json: Json<'a>) -> Option<Self> {
        match json.kind() {
            Kind::Null => None,
            Kind::Bool => Some(Self::Bool(json.text() == "true")),
            Kind::Number => Number::parse(json.text()).map(Self::Number),
            Kind::String => json.as_string().map(|text| match Timestamp::parse(&text) {
                Some(moment) => Self::Timestamp(moment, text),
                None => Self::String(text),
            }),
            Kind::Array | Kind::Object => Some(Self::Other(json.text())),
        }
    }

    /// Returns a scalar with its own copy of the text.
    pub fn to_scalar(&self) -> Scalar {
        match self {
            Self::Bool(boolean) => Scalar::Bool(*boolean),
            Self::Number(number) => Scalar::Number(*number),
            Self::String(text) => Scalar::String((**text).into()),
            Self::Timestamp(moment, text) => Scalar::Timestamp(Dated::new(*moment, text)),
            Self::Other(text) => Scalar::Other((*text).into()),
        }
    }
}

impl Scalar {
    /// Reads `json`, or returns `None` for null.
    pub fn read(json: Json<'_>) -> Option<Self> {
        Stored::read(json).map(|stored| stored.to_scalar())
    }
}

impl<'a> From<&'a Scalar> for Stored<'a> {
    fn from(scalar: &'a Scalar) -> Self {
        match scalar {
            Scalar::Bool(boolean) => Self::Bool(*boolean),
            Scalar::Number(number) => Self::Number(*number),
            Scalar::String(text) => Self::String(Cow::Borrowed(text)),
            Scalar::Timestamp(dated) => {
                Self::Timestamp(dated.moment(), Cow::Borrowed(dated.as_str()))
            }
            Scalar::Other(text) => Self::Other(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_compare_alike(
            texts in prop::collection::vec(
                "true|false|-?[0-3]{1,2}|1\\.[05]|\"[a\\\\n]?\"|\"202[34]-0[12]-01\"|\\[\\]|\\{\\}",
                2,
            ),
        ) {
            let values: Vec<_> = texts.iter().map(|text| Value::from_stored(text)).collect();
            let stored: Vec<_> = values.iter().filter_map(|v| Stored::read(v.json())).collect();
            let scalars: Vec<_> = stored.iter().map(Stored::to_scalar).collect();
            if let [a, b] = &stored[..] {
                prop_assert_eq!(a.cmp(b), scalars[0].cmp(&scalars[1]));
                prop_assert_eq!(Stored::from(&scalars[0]), a.clone());
            }
        }
    }
}
