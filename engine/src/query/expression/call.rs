//! The implementation of the functions.

use std::cmp::Ordering;
use std::sync::Arc;

use super::clock::part_of;
use super::compare::{equal, member, order};
use super::flaw::Fault;
use super::function::Function;
use super::limits::MAX_LIST;
use super::operand::Operand;
use super::{convert, number, text, version};
use crate::budget::{Budget, STEP};

/// Applies a function to values, whose number matches its signature.
///
/// # Errors
///
/// Fails if the function does not accept these values, or if `budget` is used up.
pub(super) fn apply<'a>(
    function: Function,
    operands: Vec<Operand<'a>>,
    budget: &Budget,
) -> Result<Operand<'a>, Fault> {
    let weight = operands.iter().map(Operand::weight).sum();
    if !budget.spend(weight) {
        return Err(Fault::SPENT);
    }
    match function {
        Function::Greatest => return number::extreme(operands, Ordering::Greater),
        Function::Least => return number::extreme(operands, Ordering::Less),
        _ => {}
    }
    let value = match (function, &operands[..]) {
        (_, [one]) => of_one(function, one, budget)?,
        (_, [one, other]) => of_two(function, one, other, budget)?,
        (_, [Operand::Text(of), Operand::Text(part), third, rest @ ..]) => {
            match (function, third, rest) {
                (Function::IndexOf, Operand::Int(from), []) => text::index_of(of, part, *from)?,
                (Function::LastIndexOf, Operand::Int(from), []) => {
                    text::last_index_of(of, part, Some(*from))?
                }
                (Function::Split, Operand::Int(most), []) => text::split(of, part, *most)?,
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
    // Reading the result costs too.
    if budget.spend(value.weight()) { Ok(value) } else { Err(Fault::SPENT) }
}

fn of_one<'a>(
    function: Function,
    one: &Operand<'a>,
    budget: &Budget,
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
            let mut elements = elements(list)?;
            elements.reverse();
            Ok(Operand::List(elements.into()))
        }
        (Function::Sum, list) => number::sum(list),
        (Function::Min, list) => number::best(elements(list)?.into_iter(), Ordering::Less),
        (Function::Max, list) => number::best(elements(list)?.into_iter(), Ordering::Greater),
        (Function::Distinct, list) => {
            let mut distinct: Vec<Operand<'a>> = Vec::new();
            for element in elements(list)? {
                if !is_in(&element, &distinct, budget)? {
                    distinct.push(element);
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
    budget: &Budget,
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
        (Function::Split, Text(one), Text(separator)) => text::split(one, separator, -1),
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
        (Function::SetsContains, one, other) => is_subset(other, one, budget).map(Bool),
        (Function::SetsEquivalent, one, other) => {
            Ok(Bool(is_subset(one, other, budget)? && is_subset(other, one, budget)?))
        }
        (Function::SetsIntersects, one, other) => {
            let others = elements(other)?;
            for element in elements(one)? {
                if is_in(&element, &others, budget)? {
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
    version.map(Operand::Version).ok_or(Fault("is no semantic version, such as \"1.22.1\""))
}

fn size<'a>(operand: &Operand<'_>) -> Result<Operand<'a>, Fault> {
    let size = match operand {
        Operand::Text(text) => text.chars().count(),
        Operand::Bytes(bytes) => bytes.len(),
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

fn is_in(element: &Operand<'_>, list: &[Operand<'_>], budget: &Budget) -> Result<bool, Fault> {
    for other in list {
        if !budget.spend(STEP + element.weight().min(other.weight())) {
            return Err(Fault::SPENT);
        }
        if equal(element, other) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_subset(one: &Operand<'_>, other: &Operand<'_>, budget: &Budget) -> Result<bool, Fault> {
    let others = elements(other)?;
    for element in elements(one)? {
        if !is_in(&element, &others, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns whether a list has an element, or a map a key.
///
/// # Errors
///
/// Fails if it is neither, or if `budget` is used up.
pub(super) fn contains<'a>(
    element: &Operand<'a>,
    of: &Operand<'a>,
    budget: &Budget,
) -> Result<bool, Fault> {
    if !budget.spend(of.weight()) {
        return Err(Fault::SPENT);
    }
    if let Operand::List(list) = of {
        return is_in(element, list, budget);
    }
    match of.elements() {
        Some(mut elements) => Ok(elements.any(|other| equal(element, &other))),
        None if of.entries().is_some() => Ok(member(of, element).is_some()),
        None => Err(Fault::TYPES),
    }
}

/// Compares two values. Nothing is less or greater than NaN.
///
/// # Errors
///
/// Fails if the values have no order, or if `budget` is used up.
pub(super) fn ordered(
    left: &Operand<'_>,
    right: &Operand<'_>,
    budget: &Budget,
) -> Result<Option<Ordering>, Fault> {
    if budget.spend(left.weight().min(right.weight())) {
        order(left, right)
    } else {
        Err(Fault::SPENT)
    }
}

/// Returns an element of a list, by position, or the member of a map under a key.
///
/// # Errors
///
/// Fails if there is none, or if `budget` is used up.
pub(super) fn at<'a>(
    of: &Operand<'a>,
    index: &Operand<'a>,
    budget: &Budget,
) -> Result<Operand<'a>, Fault> {
    // Finding an element of a computed list is free.
    let weight = if matches!(of, Operand::List(_)) { STEP } else { of.weight() };
    if !budget.spend(weight) {
        return Err(Fault::SPENT);
    }
    if of.elements().is_none() {
        let is_map = of.entries().is_some();
        return member(of, index).ok_or(if is_map { Fault::ABSENT } else { Fault::TYPES });
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

/// Returns a list of these elements, if they are not too many.
pub(super) fn list(elements: Vec<Operand<'_>>) -> Result<Operand<'_>, Fault> {
    let is_short = elements.len() <= MAX_LIST;
    if is_short { Ok(Operand::List(Arc::from(elements))) } else { Err(Fault::LONG) }
}
