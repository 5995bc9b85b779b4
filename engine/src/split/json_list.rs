//! The elements of a JSON list, separated by scanning brackets.

use serde_json::Value as Json;

use super::piece::{Cut, table};
use crate::decode::{Flaw, json};
use crate::problem::Rule;

/// Returns where the first element begins, or `None` if the text does not begin like a list.
pub(super) fn begin(text: &str) -> Option<usize> {
    let at = space(text.as_bytes(), 0);
    (text.as_bytes().get(at) == Some(&b'[')).then(|| space(text.as_bytes(), at + 1))
}

/// Returns the element that begins at `at`.
pub(super) fn element(text: &str, begin: usize, at: usize) -> Result<Option<Cut>, Flaw> {
    let bytes = text.as_bytes();
    let flaw = |at: usize, message: &str| Flaw::new(Rule::Malformed, message).at_offset(text, at);
    match bytes.get(at) {
        None => return Err(flaw(at, "the list has no end")),
        // The previous piece ends with the comma after it.
        Some(b']') if at > begin && bytes[..at].trim_ascii_end().ends_with(b",") => {
            return Err(flaw(at, "an element is missing"));
        }
        Some(b']') => {
            let behind = space(bytes, at + 1);
            if behind < bytes.len() {
                return Err(flaw(behind, "something follows the list"));
            }
            return Ok(None);
        }
        Some(_) => {}
    }
    let end = value_end(bytes, at).map_err(|at| flaw(at, "the brackets do not match"))?;
    let behind = space(bytes, end);
    let next = match bytes.get(behind) {
        Some(b',') if end > at => space(bytes, behind + 1),
        Some(b']') if end > at => behind,
        Some(_) => return Err(flaw(behind, "an element is not followed by `,` or `]`")),
        None => return Err(flaw(behind, "the list has no end")),
    };
    Ok(Some(Cut { body: at..end, end: next }))
}

/// Reads an element.
pub(super) fn read(body: &str) -> Result<Json, Flaw> {
    table(json(body.as_bytes())?, "element")
}

/// Returns where the value that begins at `start` ends, or the position of an unmatched closing
/// bracket. Only brackets and quotes are checked, so it need not be JSON.
fn value_end(bytes: &[u8], start: usize) -> Result<usize, usize> {
    let mut open: Vec<u8> = Vec::new();
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at).ok_or(at)?;
                if open.is_empty() {
                    return Ok(at);
                }
                continue;
            }
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b'}' | b']' if open.last() == Some(byte) => {
                open.pop();
                if open.is_empty() {
                    return Ok(at + 1);
                }
            }
            // A value that is neither a list nor a table ends where the next token begins.
            b',' | b']' | b' ' | b'\t' | b'\r' | b'\n' if open.is_empty() => return Ok(at),
            b'}' | b']' => return Err(at),
            _ => {}
        }
        at += 1;
    }
    if open.is_empty() { Ok(at) } else { Err(at) }
}

/// Returns where the string that begins at `at` ends, including quotes.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// Returns the position of the next byte that is not white space.
fn space(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count()
}
