//! JSON Lines: one JSON value per line. Empty lines are skipped.

use serde_json::Value as Json;

use super::piece::{Cut, table};
use crate::decode::{Flaw, json};

/// Returns where the first non-empty line at or after `at` begins.
pub(super) fn next(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start_matches(is_space).len()
}

/// Returns the line that begins at `at`.
pub(super) fn line(text: &str, at: usize) -> Option<Cut> {
    if at == text.len() {
        return None;
    }
    let line_end = memchr::memchr(b'\n', &text.as_bytes()[at..]).map(|end| at + end);
    let body = text[at..line_end.unwrap_or(text.len())].trim_end_matches(is_space);
    Some(Cut { body: at..at + body.len(), end: next(text, line_end.unwrap_or(text.len())) })
}

/// Reads a line.
pub(super) fn read(body: &str) -> Result<Json, Flaw> {
    table(json(body.as_bytes())?, "line")
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}
