//! Markdown: front matter and a body, taken apart in two ways.

use serde_json::{Map, Value};

use super::{Flaw, toml_1_0, toml_1_1, yaml};
use crate::problem::Rule;

/// A Markdown file, taken apart. The texts in their order, without `fence`, are the whole file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Parts<'t> {
    /// What is lost: gitsheets takes the first delimiter wherever it stands.
    pub(crate) dropped: &'t str,
    /// `+++` or `---`; empty where there is no front matter.
    pub(crate) fence: &'t str,
    /// The line of the first fence.
    pub(crate) opening: &'t str,
    /// The fields.
    pub(crate) front: &'t str,
    /// The line of the second fence, and the blank lines that are no part of the body.
    pub(crate) closing: &'t str,
    /// The body.
    pub(crate) body: &'t str,
    /// The newline at the end that is no part of the body.
    pub(crate) end: &'t str,
}

impl<'t> Parts<'t> {
    fn bodied(self, rest: &'t str) -> Self {
        let body = rest.strip_suffix('\n').unwrap_or(rest);
        Self { body, end: &rest[body.len()..], ..self }
    }

    /// As `bodied`, whatever the newline is.
    fn ended(self, rest: &'t str) -> Self {
        let body = rest.strip_suffix("\r\n").or(rest.strip_suffix('\n')).unwrap_or(rest);
        Self { body, end: &rest[body.len()..], ..self }
    }
}

/// Takes a file apart as gitsheets does, byte for byte, odd cases included: the delimiter may
/// stand anywhere, what is before it is dropped, and without a second one all is body.
pub(crate) fn gitsheets_parts(text: &str) -> Parts<'_> {
    let Some(open) = delimiter(text, 0) else {
        return Parts { body: text, ..Parts::default() };
    };
    let begin = skip_newline(text, open.end);
    let Some(close) = delimiter(text, begin) else {
        return Parts { dropped: &text[..begin], body: &text[begin..], ..Parts::default() };
    };
    let rest = skip_newline(text, skip_newline(text, close.end));
    let parts = Parts {
        dropped: &text[..open.start],
        fence: &text[open.start..open.start + 3],
        opening: &text[open.start..begin],
        front: &text[begin..close.start],
        closing: &text[close.start..rest],
        ..Parts::default()
    };
    parts.bodied(&text[rest..])
}

/// Decodes a file of gitsheets.
pub(super) fn gitsheets(text: &str, body: &str) -> Result<Value, Flaw> {
    let parts = gitsheets_parts(text);
    let lines = || (parts.dropped.to_owned() + parts.opening).matches('\n').count();
    let fields = match parts.fence {
        "" => Map::new(),
        _ => object(toml_1_0(parts.front.as_bytes()).map_err(|flaw| flaw.below(lines()))?)?,
    };
    with_body(fields, body, parts.body.to_owned())
}

/// Takes a file apart that begins with `+++` (TOML) or `---` (YAML); without either all is body.
///
/// Front matter ends with the line that it began with, and YAML with `...`, too. Blank lines between
/// it and the body, and one newline at the end, are no part of the body.
pub(crate) fn parts(text: &str) -> Result<Parts<'_>, Flaw> {
    let first = text.lines().next().unwrap_or_default().trim_end();
    if first != "+++" && first != "---" {
        return Ok(Parts::default().ended(text));
    }
    let ends = |line: &str| line == first || first == "---" && line == "...";
    let begin = text.find('\n').map_or(text.len(), |newline| newline + 1);
    let mut end = begin;
    let close = text[begin..].split_inclusive('\n').find_map(|line| {
        let start = end;
        end += line.len();
        ends(line.trim_end()).then_some(start)
    });
    let Some(close) = close else {
        let message = format!("the front matter is not closed by a line `{first}`");
        return Err(Flaw::new(Rule::Malformed, message).at(1, 1));
    };
    let rest = text[end..].trim_start_matches(['\r', '\n']);
    let parts = Parts {
        fence: first,
        opening: &text[..begin],
        front: &text[begin..close],
        closing: &text[close..text.len() - rest.len()],
        ..Parts::default()
    };
    Ok(parts.ended(rest))
}

/// Decodes a file of a sheet of Headwater's own.
pub(super) fn front_matter(text: &str, body: &str) -> Result<Value, Flaw> {
    let parts = parts(text)?;
    let fields = match parts.fence {
        "" => Ok(Value::Object(Map::new())),
        "+++" => toml_1_1(parts.front.as_bytes()),
        // Front matter with nothing in it is no fields, although no YAML document.
        _ if is_blank(parts.front) => Ok(Value::Object(Map::new())),
        _ => yaml(parts.front.as_bytes()),
    };
    let fields = object(fields.map_err(|flaw| flaw.below(1))?)?;
    with_body(fields, body, parts.body.to_owned())
}

/// Says whether there is nothing in front matter but comments.
pub(crate) fn is_blank(front: &str) -> bool {
    front.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
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
