//! The types that values have.

use std::fmt;

use super::Timestamp;
use crate::value::{Json, Kind};

/// What a value is, so far as values are compared with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// True or false.
    Boolean,
    /// A number.
    Number,
    /// A string that spells no moment.
    Text,
    /// A string that spells a moment.
    Timestamp,
    /// An object.
    Table,
}

impl ValueType {
    /// Every type.
    pub const ALL: [Self; 5] =
        [Self::Boolean, Self::Number, Self::Text, Self::Timestamp, Self::Table];

    /// Returns the type of a value, or `None` for null and for a list, which is its elements.
    pub fn of(json: Json<'_>) -> Option<Self> {
        match json.kind() {
            Kind::Null | Kind::Array => None,
            Kind::Bool => Some(Self::Boolean),
            Kind::Number => Some(Self::Number),
            Kind::String => json.as_string().map(|text| match Timestamp::parse(&text) {
                Some(_) => Self::Timestamp,
                None => Self::Text,
            }),
            Kind::Object => Some(Self::Table),
        }
    }

    /// Returns its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Text => "text",
            Self::Timestamp => "date",
            Self::Table => "table",
        }
    }

    /// Returns what its values are called.
    const fn plural(self) -> &'static str {
        match self {
            Self::Boolean => "booleans",
            Self::Number => "numbers",
            Self::Text => "texts",
            Self::Timestamp => "dates",
            Self::Table => "tables",
        }
    }
}

/// A set of types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Types(u8);

impl Types {
    /// The types of strings.
    pub const STRINGS: Self = Self(1 << ValueType::Text as u8 | 1 << ValueType::Timestamp as u8);

    /// Returns whether no type is in it.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Returns the types that are in it, in the order of [`ValueType::ALL`].
    pub fn iter(self) -> impl Iterator<Item = ValueType> {
        ValueType::ALL.into_iter().filter(move |one| self.meets([*one].into_iter().collect()))
    }

    /// Returns whether some type is in both.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl FromIterator<ValueType> for Types {
    fn from_iter<I: IntoIterator<Item = ValueType>>(types: I) -> Self {
        Self(types.into_iter().fold(0, |set, one| set | 1 << one as u8))
    }
}

impl fmt::Display for Types {
    /// Writes what values of these types are called: `numbers and texts`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(ValueType::plural).collect();
        match names.split_last() {
            None => Ok(()),
            Some((last, [])) => f.write_str(last),
            Some((last, others)) => write!(f, "{} and {last}", others.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn every_value_that_compares_has_a_type() {
        for (text, expected) in [
            ("true", Some(ValueType::Boolean)),
            ("1.5", Some(ValueType::Number)),
            ("\"a\"", Some(ValueType::Text)),
            ("\"2024\"", Some(ValueType::Text)),
            ("\"2024-05-01\"", Some(ValueType::Timestamp)),
            ("{}", Some(ValueType::Table)),
            ("[1]", None),
            ("null", None),
        ] {
            assert_eq!(ValueType::of(Value::from_stored(text).json()), expected, "{text}");
        }
    }

    #[test]
    fn a_set_names_its_types() {
        let told = |types: &[ValueType]| types.iter().copied().collect::<Types>().to_string();
        assert_eq!(told(&[]), "");
        assert_eq!(told(&[ValueType::Timestamp]), "dates");
        assert_eq!(told(&[ValueType::Text, ValueType::Number]), "numbers and texts");
        assert_eq!(told(&ValueType::ALL), "booleans, numbers, texts, dates and tables");
        assert!(!Types::STRINGS.meets([ValueType::Number].into_iter().collect()));
    }
}
