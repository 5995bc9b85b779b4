//! Markdown: front matter and a body, taken apart in two ways.

use serde_json::{Map, Value};

use super::{Flaw, toml_1_0, toml_1_1, yaml};
use crate::problem::Rule;

/// Takes a file apart as gitsheets does, byte for byte, odd cases included: the delimiter may
/// stand anywhere, what is before it is dropped, and without a second one all is body.
pub(super) fn gitsheets(text: &str, body: &str) -> Result<Value, Flaw> {
    let Some(open) = delimiter(text, 0) else {
        return with_body(Map::new(), body, text.to_owned());
    };
    let begin = skip_newline(text, open.end);
    let Some(close) = delimiter(text, begin) else {
        return with_body(Map::new(), body, text[begin..].to_owned());
    };
    let front = &text[begin..close.start];
    let lines = text[..begin].matches('\n').count();
    let fields = object(toml_1_0(front.as_bytes()).map_err(|flaw| flaw.below(lines))?)?;
    let rest = skip_newline(text, skip_newline(text, close.end));
    let rest = &text[rest..];
    with_body(fields, body, rest.strip_suffix('\n').unwrap_or(rest).to_owned())
}

/// Takes a file apart that begins with `+++` (TOML) or `---` (YAML); without either all is body.
///
/// Blank lines between front matter and body, and one newline at the end, are no part of the body.
pub(super) fn front_matter(text: &str, body: &str) -> Result<Value, Flaw> {
    let first = text.lines().next().unwrap_or_default().trim_end();
    if first != "+++" && first != "---" {
        let body_text = text.strip_suffix('\n').unwrap_or(text);
        return with_body(Map::new(), body, body_text.to_owned());
    }
    let begin = text.find('\n').map_or(text.len(), |newline| newline + 1);
    let mut end = begin;
    let close = text[begin..].split_inclusive('\n').find_map(|line| {
        let start = end;
        end += line.len();
        (line.trim_end() == first).then_some(start)
    });
    let Some(close) = close else {
        let message = format!("the front matter is not closed by a line `{first}`");
        return Err(Flaw::new(Rule::Malformed, message).at(1, 1));
    };
    let front = &text[begin..close];
    let fields = match first {
        "+++" => toml_1_1(front.as_bytes()),
        // Front matter with nothing in it is no fields, although no YAML document.
        _ if front.lines().all(|line| line.trim().is_empty()) => Ok(Value::Object(Map::new())),
        _ => yaml(front.as_bytes()),
    };
    let fields = object(fields.map_err(|flaw| flaw.below(1))?)?;
    let rest = text[end..].trim_start_matches(['\r', '\n']);
    with_body(fields, body, rest.strip_suffix('\n').unwrap_or(rest).to_owned())
}

fn object(fields: Value) -> Result<Map<String, Value>, Flaw> {
    match fields {
        Value::Object(fields) => Ok(fields),
        _ => Err(Flaw::new(Rule::Malformed, "the front matter is not a table").at(2, 1)),
    }
}

fn with_body(mut fields: Map<String, Value>, name: &str, body: String) -> Result<Value, Flaw> {
    if fields.contains_key(name) {
        let message = format!("the field {name:?} of the front matter is the body's");
        return Err(Flaw::new(Rule::Malformed, message));
    }
    fields.insert(name.to_owned(), Value::String(body));
    Ok(Value::Object(fields))
}

/// Finds the first delimiter at or behind `from`: `+++` at the start of a line, then white space,
/// which may span lines, up to the end of one.
fn delimiter(text: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let mut start = from;
    loop {
        let at_line_start = start == 0 || text.as_bytes()[start - 1] == b'\n';
        if at_line_start && text[start..].starts_with("+++") {
            let behind = start + 3;
            let spaces = &text[behind..];
            let blank = spaces.len() - spaces.trim_start().len();
            // Greedy white space gives back what is needed to end before a newline.
            let end = match &spaces[blank..] {
                "" => Some(text.len()),
                _ => spaces[..blank].rfind('\n').map(|newline| behind + newline),
            };
            if let Some(end) = end {
                return Some(start..end);
            }
        }
        start += text[start..].find('\n')? + 1;
    }
}

fn skip_newline(text: &str, at: usize) -> usize {
    if text[at..].starts_with('\n') { at + 1 } else { at }
}
