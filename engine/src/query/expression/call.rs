//! The implementation of the functions.

use std::cmp::Ordering;

use super::allocated_values;
use super::compare::{equal, member};
use super::cost_meter::Meter;
use super::flaw::Fault;
use super::function::Function;
use super::limits::MAX_LIST;
use super::operand::Operand;
use super::timestamp_parts::part_of;
use super::{convert, number, text, version};
use crate::budget::STEP;

/// Applies a function to values, whose number matches its signature.
///
/// # Errors
///
/// Fails if it does not take these values, or if the budget is used up.
pub(super) fn apply<'a>(
    function: Function,
    operands: Vec<Operand<'a>>,
    meter: &Meter<'_>,
) -> Result<Operand<'a>, Fault> {
    let weight = operands.iter().map(Operand::weight).sum();
    meter.spend(weight)?;
    match function {
        Function::Greatest => return number::extreme(operands, Ordering::Greater, meter),
        Function::Least => return number::extreme(operands, Ordering::Less, meter),
        _ => {}
    }
    let value = match (function, &operands[..]) {
        (_, [one]) => of_one(function, one, meter)?,
        (_, [one, other]) => of_two(function, one, other, meter)?,
        (_, [Operand::Text(of), Operand::Text(part), third, rest @ ..]) => {
            match (function, third, rest) {
                (Function::IndexOf, Operand::Int(from), []) => text::index_of(of, part, *from)?,
                (Function::LastIndexOf, Operand::Int(from), []) => {
                    text::last_index_of(of, part, Some(*from))?
                }
                (Function::Split, Operand::Int(most), []) => text::split(of, part, *most, meter)?,
                (Function::Replace, Operand::Text(by), []) => text::replace(of, part, by, -1)?,
                (Function::Replace, Operand::Text(by), [Operand::Int(most)]) => {
                    text::replace(of, part, by, *most)?
                }
                _ => return Err(Fault::TYPES),
            }
        }
        (Function::Substring, [Operand::Text(of), Operand::Int(from), Operand::Int(to)]) => {
            text::substring(of, *from, Some(*to))?
        }
        _ => return Err(Fault::TYPES),
    };
    // What was made is read, too.
    meter.spend(value.weight())?;
    Ok(value)
}

fn of_one<'a>(
    function: Function,
    one: &Operand<'a>,
    meter: &Meter<'_>,
) -> Result<Operand<'a>, Fault> {
    match (function, one) {
        (Function::Size, one) => size(one),
        (Function::Type, one) => Ok(Operand::Type(one.type_name())),
        (Function::Dyn, one) => Ok(one.clone()),
        (Function::Int, one) => convert::int(one),
        (Function::Uint, one) => convert::uint(one),
        (Function::Double, one) => convert::double(one),
        (Function::Text, one) => convert::string(one.clone()),
        (Function::Bool, one) => convert::boolean(one),
        (Function::Bytes, one) => convert::bytes(one.clone()),
        (Function::Timestamp, one) => convert::timestamp(one),
        (Function::Duration, one) => convert::duration(one),
        (Function::LowerAscii, Operand::Text(of)) => text::made(of.to_ascii_lowercase()),
        (Function::UpperAscii, Operand::Text(of)) => text::made(of.to_ascii_uppercase()),
        (Function::Trim, Operand::Text(of)) => text::made(of.trim().to_owned()),
        (Function::Reverse, Operand::Text(of)) => text::made(of.chars().rev().collect()),
        (Function::Join, list) => text::join(list, ""),
        (Function::Reverse, list) => {
            allocated_values::collect(elements(list)?.into_iter().rev(), meter).map(Operand::List)
        }
        (Function::Sum, list) => number::sum(list, meter),
        (Function::Min, list) => number::best(elements(list)?.into_iter(), Ordering::Less, meter),
        (Function::Max, list) => {
            number::best(elements(list)?.into_iter(), Ordering::Greater, meter)
        }
        (Function::Distinct, list) => {
            let mut distinct: Vec<Operand<'a>> = Vec::new();
            for element in elements(list)? {
                if !is_in(&element, &distinct, meter)? {
                    allocated_values::add(&mut distinct, element, meter)?;
                }
            }
            Ok(Operand::List(distinct.into()))
        }
        (Function::Ceil, Operand::Double(it)) => Ok(Operand::Double(it.ceil())),
        (Function::Floor, Operand::Double(it)) => Ok(Operand::Double(it.floor())),
        (Function::Round, Operand::Double(it)) => Ok(Operand::Double(it.round())),
        (Function::Trunc, Operand::Double(it)) => Ok(Operand::Double(it.trunc())),
        (Function::IsNan, Operand::Double(it)) => Ok(Operand::Bool(it.is_nan())),
        (Function::IsInf, Operand::Double(it)) => Ok(Operand::Bool(it.is_infinite())),
        (Function::IsFinite, Operand::Double(it)) => Ok(Operand::Bool(it.is_finite())),
        (Function::Abs, one) => number::abs(one.clone()),
        (Function::Sign, one) => number::sign(one.clone()),
        (Function::Sqrt, one) => number::sqrt(one.clone()),
        (Function::Semver | Function::IsSemver, one) => semver(function, one, false),
        (Function::Major, Operand::Version(it)) => version::number(it.major),
        (Function::Minor, Operand::Version(it)) => version::number(it.minor),
        (Function::Patch, Operand::Version(it)) => version::number(it.patch),
        (Function::Cvss, one) => version::cvss(one),
        (part, one) => part_of(one, None, part),
    }
}

fn of_two<'a>(
    function: Function,
    one: &Operand<'a>,
    other: &Operand<'a>,
    meter: &Meter<'_>,
) -> Result<Operand<'a>, Fault> {
    use Operand::{Bool, Int, Text, Version};
    match (function, one, other) {
        (Function::Contains, Text(one), Text(part)) => {
            Ok(Bool(memchr::memmem::find(one.as_bytes(), part.as_bytes()).is_some()))
        }
        (Function::StartsWith, Text(one), Text(part)) => Ok(Bool(one.starts_with(&**part))),
        (Function::EndsWith, Text(one), Text(part)) => Ok(Bool(one.ends_with(&**part))),
        (Function::CharAt, Text(one), Int(at)) => text::char_at(one, *at),
        (Function::IndexOf, Text(one), Text(part)) => text::index_of(one, part, 0),
        (Function::LastIndexOf, Text(one), Text(part)) => text::last_index_of(one, part, None),
        (Function::Split, Text(one), Text(separator)) => text::split(one, separator, -1, meter),
        (Function::Substring, Text(one), Int(from)) => text::substring(one, *from, None),
        (Function::Join, list, Text(separator)) => text::join(list, separator),
        (Function::Semver | Function::IsSemver, one, Bool(is_lenient)) => {
            semver(function, one, *is_lenient)
        }
        (Function::IsLessThan, Version(one), Version(other)) => {
            Ok(Bool(one.cmp_precedence(other).is_lt()))
        }
        (Function::IsGreaterThan, Version(one), Version(other)) => {
            Ok(Bool(one.cmp_precedence(other).is_gt()))
        }
        (Function::CompareTo, Version(one), Version(other)) => {
            Ok(Int(one.cmp_precedence(other) as i64))
        }
        (Function::SetsContains, one, other) => is_subset(other, one, meter).map(Bool),
        (Function::SetsEquivalent, one, other) => {
            Ok(Bool(is_subset(one, other, meter)? && is_subset(other, one, meter)?))
        }
        (Function::SetsIntersects, one, other) => {
            let others = elements(other)?;
            for element in elements(one)? {
                if is_in(&element, &others, meter)? {
                    return Ok(Bool(true));
                }
            }
            Ok(Bool(false))
        }
        (part, moment, Text(zone)) => part_of(moment, Some(zone), part),
        _ => Err(Fault::TYPES),
    }
}

fn semver<'a>(
    function: Function,
    operand: &Operand<'a>,
    is_lenient: bool,
) -> Result<Operand<'a>, Fault> {
    let Operand::Text(text) = operand else { return Err(Fault::TYPES) };
    let version = version::semver(text, is_lenient);
    if function == Function::IsSemver {
        return Ok(Operand::Bool(version.is_some()));
    }
    version.map(Operand::Version).ok_or(Fault("is not a semantic version, such as \"1.22.1\""))
}

fn size<'a>(operand: &Operand<'_>) -> Result<Operand<'a>, Fault> {
    let size = match operand {
        Operand::Text(text) => text.chars().count(),
        Operand::Bytes(bytes) => bytes.len(),
        Operand::List(list) => list.len(),
        Operand::Map(map) => map.len(),
        operand => operand.items().ok_or(Fault::TYPES)?.count(),
    };
    i64::try_from(size).map(Operand::Int).map_err(|_| Fault::RANGE)
}

/// Returns the elements of a list, if it is not too long.
fn elements<'a>(list: &Operand<'a>) -> Result<Vec<Operand<'a>>, Fault> {
    let elements = list.elements().ok_or(Fault::TYPES)?;
    let elements: Vec<_> = elements.take(MAX_LIST + 1).collect();
    if elements.len() <= MAX_LIST { Ok(elements) } else { Err(Fault::LONG) }
}

fn is_in(element: &Operand<'_>, list: &[Operand<'_>], meter: &Meter<'_>) -> Result<bool, Fault> {
    for other in list {
        if equal(element, other, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_subset(one: &Operand<'_>, other: &Operand<'_>, meter: &Meter<'_>) -> Result<bool, Fault> {
    let others = elements(other)?;
    for element in elements(one)? {
        if !is_in(&element, &others, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns whether a list has an element, or a map a key.
///
/// # Errors
///
/// Fails if it is neither, or if the budget is used up.
pub(super) fn contains<'a>(
    element: &Operand<'a>,
    of: &Operand<'a>,
    meter: &Meter<'_>,
) -> Result<bool, Fault> {
    if let Operand::List(list) = of {
        return is_in(element, list, meter);
    }
    meter.spend(of.weight())?;
    let Some(elements) = of.elements() else {
        let is_map = of.entries().is_some();
        return if is_map { Ok(member(of, element, meter)?.is_some()) } else { Err(Fault::TYPES) };
    };
    for other in elements {
        if equal(element, &other, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns an element of a list, by position, or the member of a map under a key.
///
/// # Errors
///
/// Fails if there is none, or if the budget is used up.
pub(super) fn at<'a>(
    of: &Operand<'a>,
    index: &Operand<'a>,
    meter: &Meter<'_>,
) -> Result<Operand<'a>, Fault> {
    // Finding an element of a computed list is free.
    let weight = if matches!(of, Operand::List(_)) { STEP } else { of.weight() };
    meter.spend(weight)?;
    if of.elements().is_none() {
        let is_map = of.entries().is_some();
        let absent = if is_map { Fault::ABSENT } else { Fault::TYPES };
        return member(of, index, meter)?.ok_or(absent);
    }
    let position = match index {
        Operand::Int(at) => usize::try_from(*at).ok(),
        Operand::Uint(at) => usize::try_from(*at).ok(),
        // A float with an integral value is a valid position.
        Operand::Double(at) if at.fract() == 0.0 && (0.0..1e15).contains(at) => Some(*at as usize),
        Operand::Double(_) => None,
        _ => return Err(Fault::TYPES),
    };
    let position = position.ok_or(Fault::ABSENT)?;
    let element = match of {
        Operand::List(list) => list.get(position).cloned(),
        of => of.elements().and_then(|mut elements| elements.nth(position)),
    };
    element.ok_or(Fault::ABSENT)
}
