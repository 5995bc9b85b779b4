//! Functions on strings. Positions count characters, from 0.

use super::allocated_values::{self, Text};
use super::cost_meter::Meter;
use super::flaw::Fault;
use super::limits::MAX_TEXT;
use super::operand::Operand;

/// Returns a computed text, if it is short enough.
pub(super) fn made<'a>(text: String) -> Result<Operand<'a>, Fault> {
    if text.len() <= MAX_TEXT { Ok(Operand::Text(text.into())) } else { Err(Fault::LONG) }
}

/// Returns the byte offset of the character at a position, which may be the end.
fn byte_at(text: &str, position: i64) -> Result<usize, Fault> {
    let position = usize::try_from(position).map_err(|_| Fault::RANGE)?;
    let mut places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    places.nth(position).ok_or(Fault::RANGE)
}

fn position(text: &str, byte: usize) -> Operand<'static> {
    Operand::Int(i64::try_from(text[..byte].chars().count()).unwrap_or(i64::MAX))
}

pub(super) fn char_at<'a>(text: &str, at: i64) -> Result<Operand<'a>, Fault> {
    let character = text[byte_at(text, at)?..].chars().next();
    made(character.map(String::from).unwrap_or_default())
}

/// Returns the position of the first `part` at or after a position, or -1 if there is none.
pub(super) fn index_of<'a>(text: &str, part: &str, from: i64) -> Result<Operand<'a>, Fault> {
    let from = byte_at(text, from)?;
    let found = memchr::memmem::find(&text.as_bytes()[from..], part.as_bytes());
    Ok(found.map_or(Operand::Int(-1), |at| position(text, from + at)))
}

/// Returns the position of the last `part` at or before a position, or -1 if there is none.
pub(super) fn last_index_of<'a>(
    text: &str,
    part: &str,
    from: Option<i64>,
) -> Result<Operand<'a>, Fault> {
    let from = from.map_or(Ok(text.len()), |from| byte_at(text, from))?;
    let end = (from + part.len()).min(text.len());
    let found = memchr::memmem::rfind(&text.as_bytes()[..end], part.as_bytes());
    Ok(found.map_or(Operand::Int(-1), |at| position(text, at)))
}

/// Returns the text with the first `most` occurrences of `part` replaced, or all if `most` is
/// negative.
pub(super) fn replace<'a>(
    text: &str,
    part: &str,
    other: &str,
    most: i64,
) -> Result<Operand<'a>, Fault> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let count = match part.len() {
        0 => text.chars().count() + 1,
        _ => text.matches(part).count(),
    };
    // Checked before the text is built, since many long ones would not fit in memory.
    if text.len() + count.min(most).saturating_mul(other.len()) > 2 * MAX_TEXT {
        return Err(Fault::LONG);
    }
    made(text.replacen(part, other, most))
}

/// Returns the parts between separators, at most so many; a negative number is all.
pub(super) fn split<'a>(
    text: &Text<'a>,
    separator: &str,
    most: i64,
    meter: &Meter<'_>,
) -> Result<Operand<'a>, Fault> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let list = match text {
        Text::Borrowed(text) => {
            let parts = parts(text, separator, most).map(|part| Operand::Text(part.into()));
            allocated_values::collect(parts, meter)
        }
        Text::Made(text) => {
            let parts = parts(text, separator, most);
            allocated_values::collect(
                parts.map(|part| Operand::Text(part.to_owned().into())),
                meter,
            )
        }
    };
    list.map(Operand::List)
}

fn parts<'t: 's, 's>(
    text: &'t str,
    separator: &'s str,
    most: usize,
) -> Box<dyn Iterator<Item = &'t str> + 's> {
    let Some(before_last) = most.checked_sub(1) else { return Box::new(std::iter::empty()) };
    if !separator.is_empty() {
        return Box::new(text.splitn(most, separator));
    }
    // Each character is a part, and what is left is the last.
    let last = text.char_indices().nth(before_last).map_or(text.len(), |(at, _)| at);
    let (each, rest) = text.split_at(last);
    let each = each.char_indices().map(move |(at, c)| &text[at..at + c.len_utf8()]);
    Box::new(each.chain(Some(rest).filter(|rest| !rest.is_empty())))
}

pub(super) fn substring<'a>(
    text: &Text<'a>,
    from: i64,
    to: Option<i64>,
) -> Result<Operand<'a>, Fault> {
    let end = to.map_or(Ok(text.len()), |to| byte_at(text, to))?;
    let part = text.part(byte_at(text, from)?..end).ok_or(Fault::RANGE)?;
    let is_short = part.len() <= MAX_TEXT;
    if is_short { Ok(Operand::Text(part)) } else { Err(Fault::LONG) }
}

/// Joins the texts of a list with a separator.
pub(super) fn join<'a>(list: &Operand<'_>, separator: &str) -> Result<Operand<'a>, Fault> {
    let mut joined = String::new();
    for (at, element) in list.elements().ok_or(Fault::TYPES)?.enumerate() {
        let Operand::Text(text) = element else { return Err(Fault::TYPES) };
        joined.push_str(if at > 0 { separator } else { "" });
        joined.push_str(&text);
        if joined.len() > MAX_TEXT {
            return Err(Fault::LONG);
        }
    }
    made(joined)
}
