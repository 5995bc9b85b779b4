//! Equality and order of values.

use std::cmp::Ordering;

use super::cost_meter::Meter;
use super::flaw::Fault;
use super::operand::Operand;
use crate::budget::STEP;
use crate::scalar::Timestamp;

/// Returns whether two values are equal. Those of different types are not, but numbers are compared
/// by their value whatever their type, and a text that spells a moment with a timestamp.
///
/// # Errors
///
/// Fails if the budget is used up: each pair of parts that is compared costs by itself, so that a list
/// which shares its elements costs what it is as a tree.
pub(super) fn equal(
    one: &Operand<'_>,
    other: &Operand<'_>,
    meter: &Meter<'_>,
) -> Result<bool, Fault> {
    use Operand::{Bool, Bytes, Duration, Null, Text, Type, Version};
    meter.spend(comparing(one, other))?;
    Ok(match (one, other) {
        (Null, Null) => true,
        (Bool(one), Bool(other)) => one == other,
        (Text(one), Text(other)) => **one == **other,
        (Bytes(one), Bytes(other)) => one == other,
        (Duration(one), Duration(other)) => one == other,
        (Type(one), Type(other)) => one == other,
        (Version(one), Version(other)) => one.cmp_precedence(other).is_eq(),
        _ => {
            if let (Some(one), Some(other)) = (Numeric::of(one), Numeric::of(other)) {
                return Ok(one.compare(other) == Some(Ordering::Equal));
            }
            if let Some((one, other)) = moments(one, other) {
                return Ok(one == other);
            }
            match (one.elements(), other.elements()) {
                (Some(ones), Some(others)) => equal_lists(ones, others, meter)?,
                (None, None) => equal_maps(one, other, meter)?,
                _ => false,
            }
        }
    })
}

/// Returns what it costs to compare two values, without the parts of lists and maps that were made.
/// What lies in a record is read to find its parts, each of which costs again what it is.
fn comparing(one: &Operand<'_>, other: &Operand<'_>) -> usize {
    use Operand::{Json, Record, Timestamp};
    let (one_weight, other_weight) = (one.weight(), other.weight());
    let reads = |it: &Operand<'_>| matches!(it, Json(_) | Record(_) | Timestamp(_));
    if reads(one) || reads(other) {
        STEP + one_weight + other_weight
    } else {
        STEP + one_weight.min(other_weight)
    }
}

fn equal_lists<'a, 'b>(
    mut ones: impl Iterator<Item = Operand<'a>>,
    mut others: impl Iterator<Item = Operand<'b>>,
    meter: &Meter<'_>,
) -> Result<bool, Fault> {
    loop {
        match (ones.next(), others.next()) {
            (None, None) => return Ok(true),
            (Some(one), Some(other)) if equal(&one, &other, meter)? => {}
            _ => return Ok(false),
        }
    }
}

/// Compares two maps; nothing else is equal to anything here.
fn equal_maps(one: &Operand<'_>, other: &Operand<'_>, meter: &Meter<'_>) -> Result<bool, Fault> {
    if let (Some(one), Some(other)) = (one.object(), other.object()) {
        // Members of records are in order.
        let (mut ones, mut others) = (one.members(), other.members());
        loop {
            match (ones.next(), others.next()) {
                (None, None) => return Ok(true),
                (Some((one, left)), Some((other, right)))
                    if one == other && equal(&Operand::of(left), &Operand::of(right), meter)? => {}
                _ => return Ok(false),
            }
        }
    }
    let (Some(ones), Some(others)) = (one.entries(), other.entries()) else { return Ok(false) };
    let mut count = 0;
    for entry in ones {
        count += 1;
        match member(other, &entry.key, meter)? {
            Some(value) if equal(&entry.value, &value, meter)? => {}
            _ => return Ok(false),
        }
    }
    Ok(count == others.count())
}

/// Returns the member of a map under `key`; `None` if there is none, or if `map` is not a map.
///
/// # Errors
///
/// Fails if the budget is used up.
pub(super) fn member<'a>(
    map: &Operand<'a>,
    key: &Operand<'_>,
    meter: &Meter<'_>,
) -> Result<Option<Operand<'a>>, Fault> {
    match (map, key) {
        (Operand::Map(map), key) => {
            for entry in map.iter() {
                if equal(&entry.key, key, meter)? {
                    return Ok(Some(entry.value.clone()));
                }
            }
            Ok(None)
        }
        (map, Operand::Text(key)) => {
            meter.spend(map.weight())?;
            Ok(map.object().and_then(|object| object.member(key)).map(Operand::of))
        }
        _ => Ok(None),
    }
}

/// Compares two values of one type, two numbers, or a moment with a text that denotes one. Returns
/// `None` if one of them is NaN.
///
/// # Errors
///
/// Fails if they have no order, or if the budget is used up.
pub(super) fn order(
    one: &Operand<'_>,
    other: &Operand<'_>,
    meter: &Meter<'_>,
) -> Result<Option<Ordering>, Fault> {
    use Operand::{Bool, Bytes, Duration, Text};
    meter.spend(comparing(one, other))?;
    Ok(Some(match (one, other) {
        (Bool(one), Bool(other)) => one.cmp(other),
        (Text(one), Text(other)) => str::cmp(one, other),
        (Bytes(one), Bytes(other)) => one.cmp(other),
        (Duration(one), Duration(other)) => one.cmp(other),
        _ => {
            if let (Some(one), Some(other)) = (Numeric::of(one), Numeric::of(other)) {
                return Ok(one.compare(other));
            }
            let (one, other) = moments(one, other).ok_or(Fault::TYPES)?;
            one.cmp(&other)
        }
    }))
}

/// Returns both as moments, if one is a timestamp and the other is too, or is a text that denotes a
/// moment as query parameters spell it.
fn moments(one: &Operand<'_>, other: &Operand<'_>) -> Option<(Timestamp, Timestamp)> {
    match (one, other) {
        (Operand::Timestamp(one), Operand::Timestamp(other)) => Some((*one, *other)),
        (Operand::Timestamp(one), Operand::Text(other)) => Some((*one, Timestamp::parse(other)?)),
        (Operand::Text(one), Operand::Timestamp(other)) => Some((Timestamp::parse(one)?, *other)),
        _ => None,
    }
}

/// A number of any type.
#[derive(Debug, Clone, Copy)]
enum Numeric {
    Whole(i128),
    Double(f64),
}

impl Numeric {
    fn of(operand: &Operand<'_>) -> Option<Self> {
        match operand {
            Operand::Int(number) => Some(Self::Whole((*number).into())),
            Operand::Uint(number) => Some(Self::Whole((*number).into())),
            Operand::Double(number) => Some(Self::Double(*number)),
            _ => None,
        }
    }

    /// Compares exactly; returns `None` if one is NaN.
    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => Some(one.cmp(&other)),
            (Self::Double(one), Self::Double(other)) => one.partial_cmp(&other),
            (Self::Whole(whole), Self::Double(double)) => compare(whole, double),
            (Self::Double(double), Self::Whole(whole)) => {
                compare(whole, double).map(Ordering::reverse)
            }
        }
    }
}

fn compare(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // The cast saturates far outside the range of integers, so the order is right there too.
    let floor = double.floor();
    let fraction = if double > floor { Ordering::Less } else { Ordering::Equal };
    Some(whole.cmp(&(floor as i128)).then(fraction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::value::Value;
    use serde_json::json;

    fn equal(one: &Operand<'_>, other: &Operand<'_>) -> bool {
        super::equal(one, other, &Meter::new(&Budget::unlimited())).unwrap()
    }

    fn order(one: &Operand<'_>, other: &Operand<'_>) -> Result<Option<Ordering>, Fault> {
        super::order(one, other, &Meter::new(&Budget::unlimited()))
    }

    #[test]
    fn numbers_are_compared_exactly_whatever_their_types() {
        use Operand::{Double, Int, Uint};
        let ordered = [
            Double(f64::NEG_INFINITY),
            Int(i64::MIN),
            Int(-1),
            Double(-0.5),
            Int(0),
            Double(0.5),
            Uint(1),
            Int((1 << 53) + 1),
            Double(9_007_199_254_740_994.0),
            Int(i64::MAX),
            Double(9_223_372_036_854_775_808.0),
            Uint(u64::MAX),
            Double(f64::INFINITY),
        ];
        for (i, one) in ordered.iter().enumerate() {
            for (j, other) in ordered.iter().enumerate() {
                assert_eq!(order(one, other), Ok(Some(i.cmp(&j))), "{one:?} {other:?}");
                assert_eq!(equal(one, other), i == j, "{one:?} {other:?}");
            }
            assert_eq!(order(one, &Double(f64::NAN)), Ok(None));
        }
        assert!(equal(&Double(0.0), &Double(-0.0)) && equal(&Double(1.0), &Uint(1)));
        assert!(!equal(&Double(f64::NAN), &Double(f64::NAN)));
    }

    #[test]
    fn what_is_nested_is_equal_by_value_and_not_by_text() {
        let [one, other, third] = [
            json!({"a": [1, {"b": 2.0}], "c": null}),
            json!({"a": [1.0, {"b": 2}], "c": null}),
            json!({"a": [1, {"b": 2}], "d": null}),
        ]
        .map(|json| Value::new(&json));
        let [one, other, third] = [&one, &other, &third].map(|value| Operand::of(value.json()));
        assert!(equal(&one, &other) && !equal(&one, &third));
    }

    #[test]
    fn a_text_that_spells_a_moment_is_compared_with_timestamps_and_no_other_is() {
        let text = |text: &'static str| Operand::Text(text.into());
        let moment = Operand::Timestamp(Timestamp::parse("2024-05-01").unwrap());
        assert_eq!(order(&text("2024-04-30"), &moment), Ok(Some(Ordering::Less)));
        assert!(equal(&moment, &text("2024-05-01T02:00:00+02:00")));
        assert_eq!(order(&text("soon"), &moment), Err(Fault::TYPES));
        assert!(!equal(&text("soon"), &moment));
        assert_eq!(order(&Operand::Bool(false), &moment), Err(Fault::TYPES));
    }
}
