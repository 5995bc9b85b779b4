//! Functions on numbers.

use std::cmp::Ordering;

use super::arithmetic;
use super::compare::order;
use super::cost_meter::Meter;
use super::flaw::Fault;
use super::operand::Operand;

/// Returns the greatest or the least of some numbers, or of those in a list, depending on `side`.
pub(super) fn extreme<'a>(
    operands: Vec<Operand<'a>>,
    side: Ordering,
    meter: &Meter<'_>,
) -> Result<Operand<'a>, Fault> {
    let numbers = match &operands[..] {
        [list] if list.elements().is_some() => list.elements().into_iter().flatten().collect(),
        _ => operands,
    };
    let is_number =
        |it: &Operand<'_>| matches!(it, Operand::Int(_) | Operand::Uint(_) | Operand::Double(_));
    if !numbers.iter().all(is_number) {
        return Err(Fault::TYPES);
    }
    best(numbers.into_iter(), side, meter)
}

/// Returns the first element that no other one precedes on this side.
pub(super) fn best<'a>(
    mut elements: impl Iterator<Item = Operand<'a>>,
    side: Ordering,
    meter: &Meter<'_>,
) -> Result<Operand<'a>, Fault> {
    let mut best = elements.next().ok_or(Fault("has no value for an empty list"))?;
    for element in elements {
        if order(&element, &best, meter)? == Some(side) {
            best = element;
        }
    }
    Ok(best)
}

/// Returns the sum of a list of numbers or durations of one type.
pub(super) fn sum<'a>(list: &Operand<'a>, meter: &Meter<'_>) -> Result<Operand<'a>, Fault> {
    let mut elements = list.elements().ok_or(Fault::TYPES)?;
    let Some(first) = elements.next() else { return Ok(Operand::Int(0)) };
    let is_summand = matches!(
        first,
        Operand::Int(_) | Operand::Uint(_) | Operand::Double(_) | Operand::Duration(_)
    );
    if !is_summand {
        return Err(Fault::TYPES);
    }
    elements.try_fold(first, |sum, element| arithmetic::add(sum, element, meter))
}

pub(super) fn abs(operand: Operand<'_>) -> Result<Operand<'_>, Fault> {
    match operand {
        Operand::Int(number) => number.checked_abs().map(Operand::Int).ok_or(Fault::RANGE),
        Operand::Double(number) => Ok(Operand::Double(number.abs())),
        number @ Operand::Uint(_) => Ok(number),
        _ => Err(Fault::TYPES),
    }
}

pub(super) fn sign(operand: Operand<'_>) -> Result<Operand<'_>, Fault> {
    match operand {
        Operand::Int(number) => Ok(Operand::Int(number.signum())),
        Operand::Uint(number) => Ok(Operand::Uint(number.min(1))),
        Operand::Double(number) if number == 0.0 || number.is_nan() => Ok(Operand::Double(number)),
        Operand::Double(number) => Ok(Operand::Double(number.signum())),
        _ => Err(Fault::TYPES),
    }
}

pub(super) fn sqrt(operand: Operand<'_>) -> Result<Operand<'_>, Fault> {
    match operand {
        Operand::Int(number) => Ok(Operand::Double((number as f64).sqrt())),
        Operand::Uint(number) => Ok(Operand::Double((number as f64).sqrt())),
        Operand::Double(number) => Ok(Operand::Double(number.sqrt())),
        _ => Err(Fault::TYPES),
    }
}
