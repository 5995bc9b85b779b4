//! `+ - * / %`, exact or an error.

use time::Duration;

use super::allocated_values;
use super::cost_meter::Meter;
use super::flaw::Fault;
use super::limits::MAX_TEXT;
use super::operand::Operand;
use crate::scalar::Timestamp;

/// The longest duration, in seconds: about ten thousand years.
const LONGEST: i64 = 315_576_000_000;

const NANOSECONDS: i128 = 1_000_000_000;

/// The first moment in the range of a timestamp: the beginning of the year 1.
const FIRST: i64 = -62_135_596_800;

/// Returns the duration, if it is not too long.
pub(super) fn duration(duration: Option<Duration>) -> Result<Operand<'static>, Fault> {
    let duration = duration.filter(|it| it.whole_seconds().unsigned_abs() <= LONGEST as u64);
    duration.map(Operand::Duration).ok_or(Fault::RANGE)
}

/// Returns the moment `nanoseconds` after the Unix epoch.
pub(super) fn moment(nanoseconds: Option<i128>) -> Result<Operand<'static>, Fault> {
    let nanoseconds = nanoseconds.filter(|at| *at >= i128::from(FIRST) * NANOSECONDS);
    nanoseconds.and_then(Timestamp::at).map(Operand::Timestamp).ok_or(Fault::RANGE)
}

pub(super) fn add<'a>(
    left: Operand<'a>,
    right: Operand<'a>,
    meter: &Meter<'_>,
) -> Result<Operand<'a>, Fault> {
    use Operand::{Bytes, Double, Int, Text, Uint};
    match (left, right) {
        (Int(left), Int(right)) => left.checked_add(right).map(Int).ok_or(Fault::RANGE),
        (Uint(left), Uint(right)) => left.checked_add(right).map(Uint).ok_or(Fault::RANGE),
        (Double(left), Double(right)) => Ok(Double(left + right)),
        (Text(left), Text(right)) => {
            let is_short = left.len() + right.len() <= MAX_TEXT;
            if is_short { Ok(Text([&*left, &*right].concat().into())) } else { Err(Fault::LONG) }
        }
        (Bytes(left), Bytes(right)) if left.len() + right.len() > MAX_TEXT => Err(Fault::LONG),
        (Bytes(left), Bytes(right)) => Ok(Bytes([&left[..], &right[..]].concat().into())),
        (Operand::Duration(left), Operand::Duration(right)) => duration(left.checked_add(right)),
        (Operand::Timestamp(at), Operand::Duration(by))
        | (Operand::Duration(by), Operand::Timestamp(at)) => {
            moment(at.nanoseconds().checked_add(by.whole_nanoseconds()))
        }
        (left, right) => {
            let both = left.elements().zip(right.elements()).ok_or(Fault::TYPES)?;
            allocated_values::collect(both.0.chain(both.1), meter).map(Operand::List)
        }
    }
}

pub(super) fn subtract<'a>(left: Operand<'a>, right: Operand<'a>) -> Result<Operand<'a>, Fault> {
    use Operand::{Double, Int, Uint};
    match (left, right) {
        (Int(left), Int(right)) => left.checked_sub(right).map(Int).ok_or(Fault::RANGE),
        (Uint(left), Uint(right)) => left.checked_sub(right).map(Uint).ok_or(Fault::RANGE),
        (Double(left), Double(right)) => Ok(Double(left - right)),
        (Operand::Duration(left), Operand::Duration(right)) => duration(left.checked_sub(right)),
        (Operand::Timestamp(at), Operand::Duration(by)) => {
            moment(at.nanoseconds().checked_sub(by.whole_nanoseconds()))
        }
        (Operand::Timestamp(at), Operand::Timestamp(from)) => {
            let between = at.nanoseconds() - from.nanoseconds();
            let seconds = i64::try_from(between.div_euclid(NANOSECONDS)).ok();
            // Less than a second always fits.
            let rest = between.rem_euclid(NANOSECONDS) as i32;
            duration(seconds.map(|seconds| Duration::new(seconds, rest)))
        }
        _ => Err(Fault::TYPES),
    }
}

pub(super) fn multiply<'a>(left: Operand<'a>, right: Operand<'a>) -> Result<Operand<'a>, Fault> {
    use Operand::{Double, Int, Uint};
    match (left, right) {
        (Int(left), Int(right)) => left.checked_mul(right).map(Int).ok_or(Fault::RANGE),
        (Uint(left), Uint(right)) => left.checked_mul(right).map(Uint).ok_or(Fault::RANGE),
        (Double(left), Double(right)) => Ok(Double(left * right)),
        _ => Err(Fault::TYPES),
    }
}

pub(super) fn divide<'a>(left: Operand<'a>, right: Operand<'a>) -> Result<Operand<'a>, Fault> {
    use Operand::{Double, Int, Uint};
    const ZERO: Fault = Fault("divides by zero");
    match (left, right) {
        (Int(_), Int(0)) | (Uint(_), Uint(0)) => Err(ZERO),
        (Int(left), Int(right)) => left.checked_div(right).map(Int).ok_or(Fault::RANGE),
        (Uint(left), Uint(right)) => Ok(Uint(left / right)),
        (Double(left), Double(right)) => Ok(Double(left / right)),
        _ => Err(Fault::TYPES),
    }
}

pub(super) fn remainder<'a>(left: Operand<'a>, right: Operand<'a>) -> Result<Operand<'a>, Fault> {
    use Operand::{Int, Uint};
    match (left, right) {
        (Int(left), Int(right)) => left.checked_rem(right).map(Int).ok_or(Fault::RANGE),
        (Uint(left), Uint(right)) => left.checked_rem(right).map(Uint).ok_or(Fault::RANGE),
        _ => Err(Fault::TYPES),
    }
}

/// Returns the negated value.
pub(super) fn negate(operand: Operand<'_>) -> Result<Operand<'_>, Fault> {
    match operand {
        Operand::Int(number) => number.checked_neg().map(Operand::Int).ok_or(Fault::RANGE),
        Operand::Double(number) => Ok(Operand::Double(-number)),
        _ => Err(Fault::TYPES),
    }
}
