//! How values are counted: by value, by the year, month or day of a moment, or by ranges of
//! numbers.

use std::borrow::Cow;
use std::cmp::Reverse;

use foldhash::{HashMap, HashMapExt as _};

use crate::scalar::{Number, Scalar, Stored};
use crate::value::FieldPath;

/// The maximum length of a value in a facet, in bytes of JSON. This bounds the facets of a list by
/// the size of its records.
pub const MAX_FACET_VALUE: usize = 4096;

/// The number of listed records that hold each value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// The field, as requested.
    pub name: Box<str>,
    /// The values with their counts, in the requested number and order.
    pub values: Vec<(Scalar, usize)>,
    /// The number of further values.
    pub more: usize,
}

/// A counted value is longer than [`MAX_FACET_VALUE`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` has values of more than {MAX_FACET_VALUE} bytes, which are not counted")]
pub struct LongValue {
    /// The field, as requested.
    pub name: Box<str>,
}

/// The maximum number of ranges of one field.
pub(crate) const MAX_RANGES: usize = 100;

/// A field whose values are counted, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grouping {
    /// The name as requested: `published:month`.
    pub(crate) name: Box<str>,
    pub(crate) field: FieldPath,
    pub(crate) by: By,
}

/// When two values are in one group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum By {
    /// They are equal.
    Value,
    /// They are moments whose texts in UTC begin with the same bytes, this many of them.
    Period(usize),
    /// They are numbers between the same two bounds. The bounds are sorted; the lower one is
    /// included, the upper one is not.
    Ranges(Vec<Number>),
}

/// Stands for a group without a value: null.
pub(crate) const NOTHING: Stored<'static> = Stored::Other("null");

impl By {
    /// Returns the period with this name.
    pub(crate) fn period(name: &str) -> Option<Self> {
        let length = match name {
            "year" => "2024".len(),
            "month" => "2024-05".len(),
            "day" => "2024-05-01".len(),
            _ => return None,
        };
        Some(Self::Period(length))
    }

    /// Returns the group of a value: [`NOTHING`] for a value of another kind.
    pub(crate) fn group<'a>(&self, value: Stored<'a>) -> Stored<'a> {
        match (self, value) {
            (Self::Value, value) => value,
            (Self::Period(length), Stored::Timestamp(moment, _)) => {
                let mut text = moment.text();
                text.truncate(*length);
                Stored::String(Cow::Owned(text))
            }
            (Self::Ranges(bounds), Stored::Number(number)) => {
                let range = bounds.partition_point(|bound| *bound <= number);
                Stored::Number(Number::Natural(range as u64))
            }
            _ => NOTHING,
        }
    }

    /// Returns a group as it is reported: a range as the conditions that define it.
    pub(crate) fn told(&self, group: &Stored<'_>) -> Scalar {
        let (Self::Ranges(bounds), Stored::Number(Number::Natural(range))) = (self, group) else {
            return group.to_scalar();
        };
        let above = usize::try_from(*range).unwrap_or(usize::MAX);
        let from = above.checked_sub(1).and_then(|at| bounds.get(at)).map(|bound| ("gte", bound));
        let below = bounds.get(above).map(|bound| ("lt", bound));
        let sides = from.into_iter().chain(below);
        let sides: Vec<_> = sides.map(|(name, bound)| format!("\"{name}\":{bound}")).collect();
        Scalar::Other(format!("{{{}}}", sides.join(",")).into())
    }
}

/// Which of the counted values are reported, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReportedCounts {
    pub(crate) limit: usize,
    pub(crate) order: CountOrder,
}

/// The order in which counted values are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CountOrder {
    /// `count`: most frequent first, equal counts by value.
    Count,
    /// `value`
    Value,
}

impl Grouping {
    /// Returns the facet for these counts of values. A record that is counted more than once must
    /// not hold two values of one group.
    pub(crate) fn facet<'a>(
        &self,
        counts: impl IntoIterator<Item = (Stored<'a>, usize)>,
        told: ReportedCounts,
    ) -> Result<Facet, LongValue> {
        let mut groups: HashMap<Stored<'a>, usize> = HashMap::new();
        for (value, count) in counts {
            *groups.entry(self.by.group(value)).or_default() += count;
        }
        self.facet_of_groups(groups, told)
    }

    /// Returns the facet for these counts of groups.
    pub(crate) fn facet_of_groups<'a>(
        &self,
        counts: HashMap<Stored<'a>, usize>,
        told: ReportedCounts,
    ) -> Result<Facet, LongValue> {
        let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        let more = counts.len().saturating_sub(told.limit);
        counts.sort_unstable_by(|(a, a_count), (b, b_count)| match told.order {
            CountOrder::Count => Reverse(a_count).cmp(&Reverse(b_count)).then_with(|| a.cmp(b)),
            CountOrder::Value => a.cmp(b),
        });
        counts.truncate(told.limit);
        let values = counts.iter().map(|(value, count)| match self.by.told(value) {
            scalar if json_len(&scalar) > MAX_FACET_VALUE => {
                Err(LongValue { name: self.name.clone() })
            }
            scalar => Ok((scalar, *count)),
        });
        let values = values.collect::<Result<_, _>>()?;
        Ok(Facet { name: self.name.clone(), values, more })
    }
}

/// Returns the approximate size of a value in bytes of JSON.
pub(crate) fn json_len(scalar: &Scalar) -> usize {
    let escaped = |byte: u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    match scalar {
        Scalar::Bool(_) | Scalar::Number(_) => size_of::<Scalar>(),
        Scalar::String(text) => text.bytes().map(escaped).sum(),
        Scalar::Timestamp(text) => text.as_str().bytes().map(escaped).sum(),
        Scalar::Other(text) => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Stored<'static> {
        Stored::Number(Number::parse(text).unwrap())
    }

    #[test]
    fn a_range_has_its_lower_bound_and_not_its_upper_one() {
        let bounds = ["0", "4", "7.5"].map(|text| Number::parse(text).unwrap());
        let by = By::Ranges(bounds.to_vec());
        for (value, told) in [
            ("-1", r#"{"lt":0}"#),
            ("0", r#"{"gte":0,"lt":4}"#),
            ("3.99", r#"{"gte":0,"lt":4}"#),
            ("4", r#"{"gte":4,"lt":7.5}"#),
            ("7.5", r#"{"gte":7.5}"#),
        ] {
            assert_eq!(by.told(&by.group(number(value))), Scalar::Other(told.into()), "{value}");
        }
        let text = by.group(Stored::String("x".into()));
        assert_eq!(by.told(&text), Scalar::Other("null".into()));
    }

    #[test]
    fn a_period_is_that_of_the_moment_in_utc() {
        let month = By::period("month").unwrap();
        for (text, told) in [
            ("2024-05-01", "2024-05"),
            ("2024-05-01T01:00:00+02:00", "2024-04"),
            ("2024/12/31", "2024-12"),
        ] {
            let value = Scalar::string(text);
            assert_eq!(month.told(&month.group(Stored::from(&value))), Scalar::string(told));
        }
        assert_eq!(month.group(number("2024")), NOTHING);
        assert_eq!(By::period("week"), None);
    }
}
