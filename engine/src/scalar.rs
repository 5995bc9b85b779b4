//! Values that can be compared, as used by indexes, filters and sorting.

mod dated;
mod timestamp;
mod stored;
mod types;

use std::cmp::Ordering;

use arcstr::ArcStr;

pub use dated::Dated;
pub use stored::Stored;
pub use timestamp::Timestamp;
pub use types::{Types, ValueType};

/// A value in the order of the query API: booleans before numbers before strings before arrays and
/// objects. Null is not a scalar, since it is the same as absent.
///
/// Strings that denote a [`Timestamp`] sort after all other strings, by time. Two spellings of one
/// moment are two values, ordered by their bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scalar {
    /// A boolean.
    Bool(bool),
    /// A number, compared by value regardless of notation.
    Number(Number),
    /// A string that does not denote a moment; see [`Scalar::string`].
    String(ArcStr),
    /// A string that denotes a moment.
    Timestamp(Dated),
    /// An array or object, as its canonical text.
    Other(ArcStr),
}

impl Scalar {
    /// Returns the scalar of a string, which may denote a moment.
    pub fn string(text: &str) -> Self {
        match Timestamp::parse(text) {
            Some(moment) => Self::Timestamp(Dated::new(moment, text)),
            None => Self::String(text.into()),
        }
    }
}

/// A number. Integers of 64 bits are exact.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// A negative 64-bit integer, or a float with that value.
    Negative(i64),
    /// A non-negative 64-bit integer, or a float with that value.
    Natural(u64),
    /// Any other finite number.
    Float(f64),
}

impl Number {
    /// Parses a JSON number, or returns `None` if the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        // `str::parse::<f64>` accepts words ("inf", "nan") and a leading plus, which JSON does not.
        if !text.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
            return None;
        }
        if let Some(integer) = text.parse().ok().and_then(Self::integer) {
            return Some(integer);
        }
        let float: f64 = text.parse().ok().filter(|float: &f64| float.is_finite())?;
        // An integral float equals exactly one integer. So 1.0 and 1 are one value in one notation:
        // an index shows the value of whichever record came first.
        let integer = (float.fract() == 0.0).then(|| Self::integer(float as i128)).flatten();
        Some(integer.unwrap_or(Self::Float(float)))
    }

    fn integer(integer: i128) -> Option<Self> {
        let negative = || i64::try_from(integer).ok().map(Self::Negative);
        u64::try_from(integer).ok().map(Self::Natural).or_else(negative)
    }

    /// Returns the integer, or the float if it is not one.
    fn whole(self) -> Result<i128, f64> {
        match self {
            Self::Negative(integer) => Ok(integer.into()),
            Self::Natural(integer) => Ok(integer.into()),
            Self::Float(float) => Err(float),
        }
    }
}

impl std::fmt::Display for Number {
    /// Writes the number as JSON does.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Negative(integer) => integer.fmt(f),
            Self::Natural(integer) => integer.fmt(f),
            Self::Float(float) => serde_json::Value::from(*float).fmt(f),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.whole(), other.whole()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Err(a), Err(b)) => a.total_cmp(&b),
            (Ok(a), Err(b)) => compare(a, b),
            (Err(a), Ok(b)) => compare(b, a).reverse(),
        }
    }
}

/// Compares exactly: a float that is not an integer in range lies strictly between two integers, or
/// outside the range.
fn compare(integer: i128, float: f64) -> Ordering {
    // The cast saturates far outside the range of `integer`, so the order is right there too.
    let floor = float.floor() as i128;
    integer.cmp(&floor).then(if float > float.floor() { Ordering::Less } else { Ordering::Equal })
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl std::hash::Hash for Number {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self.whole() {
            Ok(integer) => integer.hash(state),
            // An integral float equals the integer, so both must have the same hash.
            Err(float) if float.fract() == 0.0 => (float as i128).hash(state),
            Err(float) => float.to_bits().hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn numbers_compare_by_value_and_keep_sixty_four_bits() {
        let ordered = [
            "-1e300",
            "-10000000000000000000",
            "-9223372036854775808",
            "-9223372036854775807",
            "-2",
            "-1.5",
            "-1",
            "0",
            "0.5",
            "1",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "1e300",
        ];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(number(a).cmp(&number(b)), i.cmp(&j), "{a} against {b}");
            }
        }
        assert_eq!(number("1.0"), number("1"));
        assert_eq!(number("-0.0"), number("0"));
        for (float, integer) in
            [("1e18", "1000000000000000000"), ("1.8e19", "18000000000000000000")]
        {
            assert!(matches!(number(float), Number::Natural(_)), "{float}");
            assert_eq!(number(float), number(integer));
        }
    }

    /// An index holds one scalar for each record and field.
    #[test]
    fn a_scalar_takes_sixteen_bytes() {
        assert_eq!(size_of::<Scalar>(), 16);
    }

    #[test]
    fn words_are_not_numbers() {
        for text in ["", "nan", "inf", "+1", "x", "1x"] {
            assert!(Number::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn kinds_order_bool_number_string_other() {
        let ordered = [
            Scalar::Bool(false),
            Scalar::Bool(true),
            Scalar::Number(number("7")),
            Scalar::string(""),
            Scalar::string("2024-01-01-draft"),
            Scalar::string("a"),
            Scalar::string("2023-12-31T23:00:00Z"),
            Scalar::string("2024-01-01"),
            Scalar::string("2024-01-01T00:00:00Z"),
            Scalar::string("2024-01-01T01:00:00+01:00"),
            Scalar::string("2024-01-01T00:00:00.5Z"),
            Scalar::Other("[]".into()),
        ];
        assert!(ordered.is_sorted());
    }
}
