//! Markdown: front matter and a body, split in one of two ways.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Flaw, json, toml_1_0, toml_1_1, yaml};
use crate::problem::Rule;

/// The language of front matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    Toml,
    Yaml,
    Json,
}

/// A form of front matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// The language of its fields.
    pub(crate) syntax: Syntax,
    /// The line that closes it.
    pub(crate) fence: &'static str,
}

impl Form {
    /// Returns the form that `line`, with trailing white space removed, opens.
    fn opened_by(line: &str) -> Option<Self> {
        let (fence, language) = match line {
            "---" => ("---", "yaml"),
            "+++" => ("+++", "toml"),
            ";;;" => (";;;", "json"),
            _ => {
                let fences = ["---", "```"].into_iter();
                let mut named =
                    fences.filter_map(|f| Some((f, line.strip_prefix(f)?.trim_start())));
                named.next()?
            }
        };
        let syntax = match language {
            "toml" => Syntax::Toml,
            "yaml" | "yml" => Syntax::Yaml,
            "json" => Syntax::Json,
            _ => return None,
        };
        Some(Self { syntax, fence })
    }

    fn is_closed_by(self, line: &str) -> bool {
        line == self.fence || self.fence == "---" && self.syntax == Syntax::Yaml && line == "..."
    }

    /// Returns whether blank lines and comments may precede it. A fenced block after
    /// a comment is ordinary code.
    fn may_follow(self) -> bool {
        self.fence != "```"
    }
}

/// A Markdown file, split. The texts in order make up the whole file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Parts<'t> {
    /// Text that is lost: gitsheets accepts the first delimiter wherever it is.
    pub(crate) dropped: &'t str,
    /// The form of the front matter, if there is any.
    pub(crate) form: Option<Form>,
    /// The line of the first fence, and what precedes it.
    pub(crate) opening: &'t str,
    /// The fields.
    pub(crate) front: &'t str,
    /// The line of the second fence, and the blank lines that are not part of the body.
    pub(crate) closing: &'t str,
    /// The body.
    pub(crate) body: &'t str,
    /// The final newline, which is not part of the body.
    pub(crate) end: &'t str,
}

impl<'t> Parts<'t> {
    fn bodied(self, rest: &'t str) -> Self {
        let body = rest.strip_suffix('\n').unwrap_or(rest);
        Self { body, end: &rest[body.len()..], ..self }
    }

    /// Does the same as `bodied`, for either kind of newline.
    fn ended(self, rest: &'t str) -> Self {
        let body = rest.strip_suffix("\r\n").or(rest.strip_suffix('\n')).unwrap_or(rest);
        Self { body, end: &rest[body.len()..], ..self }
    }

    /// Adds the body of `text`, which begins with the front matter already in `self`.
    fn ended_from(self, text: &'t str) -> Self {
        if self.form.is_none() {
            return self.ended(text);
        }
        let behind = &text[self.front.len()..];
        let rest = behind.trim_start().len();
        // White space at the start of the first line belongs to the body.
        let lines = behind[..behind.len() - rest].rfind('\n').map_or(0, |newline| newline + 1);
        let rest = if rest == 0 { "" } else { &behind[lines..] };
        Self { closing: &behind[..behind.len() - rest.len()], ..self }.ended(rest)
    }
}

/// Splits a file exactly as gitsheets does, including odd cases: the delimiter may be anywhere,
/// everything before it is dropped, and without a second one everything is body.
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
        form: Some(Form { syntax: Syntax::Toml, fence: "+++" }),
        opening: &text[open.start..begin],
        front: &text[begin..close.start],
        closing: &text[close.start..rest],
        ..Parts::default()
    };
    parts.bodied(&text[rest..])
}

/// Decodes a gitsheets file.
pub(super) fn gitsheets(text: &str, body: &str) -> Result<Value, Flaw> {
    let parts = gitsheets_parts(text);
    let lines = || (parts.dropped.to_owned() + parts.opening).matches('\n').count();
    let fields = match parts.form {
        None => Map::new(),
        Some(_) => {
            object(toml_1_0(parts.front.as_bytes()).map_err(|flaw| flaw.below(lines()))?, 2)?
        }
    };
    with_body(fields, body, parts.body.to_owned())
}

/// Splits a file that begins with front matter. Without front matter, everything is body.
///
/// The forms are those of static site generators: `---` (YAML; closed by `---` or `...`) and `+++`
/// (TOML), which blank lines and HTML comments may precede as in Hugo; `---toml`, `---yaml` and
/// `---json` of gray-matter; `;;;` (JSON) of Middleman; the leading JSON object of Hugo; and the
/// fenced block of RustSec. Blank lines after the front matter and one newline at the end are not
/// part of the body.
pub(crate) fn parts(text: &str) -> Result<Parts<'_>, Flaw> {
    let start = preamble(text);
    let first = text[start..].lines().next().unwrap_or_default().trim_end();
    let Some(form) = Form::opened_by(first).filter(|form| start == 0 || form.may_follow()) else {
        return Ok(leading_object(text).unwrap_or_default().ended_from(text));
    };
    let begin = text[start..].find('\n').map_or(text.len(), |newline| start + newline + 1);
    let mut end = begin;
    let close = text[begin..].split_inclusive('\n').find_map(|line| {
        let start = end;
        end += line.len();
        form.is_closed_by(line.trim_end()).then_some(start)
    });
    let Some(close) = close else {
        let message = format!("the front matter is not closed by a line `{}`", form.fence);
        return Err(Flaw::new(Rule::Malformed, message).at_offset(text, start));
    };
    let rest = text[end..].trim_start_matches(['\r', '\n']);
    let parts = Parts {
        form: Some(form),
        opening: &text[..begin],
        front: &text[begin..close],
        closing: &text[close..text.len() - rest.len()],
        ..Parts::default()
    };
    Ok(parts.ended(rest))
}

/// Returns the offset of the first line that is neither blank nor part of an HTML comment.
fn preamble(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        match rest.strip_prefix("<!--").and_then(|inside| inside.split_once("-->")) {
            Some((_, after)) => rest = after,
            // A fence must be at the beginning of its line.
            None => {
                let before = &text[..text.len() - rest.len()];
                return before.rfind('\n').map_or(0, |newline| newline + 1);
            }
        }
    }
}

/// Splits off the JSON object that a file begins with. Many other things begin with a brace
/// (Liquid, MDX, attribute lists), so the object must have a first member, or be empty.
fn leading_object(text: &str) -> Option<Parts<'_>> {
    let inside = text.strip_prefix('{')?.trim_start();
    let named = || {
        let after = &inside[1 + string_end(&inside[1..])?..];
        after.trim_start().starts_with(':').then_some(())
    };
    match inside.chars().next()? {
        '}' => {}
        '"' => named()?,
        _ => return None,
    }
    let end = object_end(text)?;
    let line = text[end..].split_inclusive('\n').next().unwrap_or_default();
    line.trim().is_empty().then(|| Parts {
        form: Some(Form { syntax: Syntax::Json, fence: "}" }),
        front: &text[..end],
        ..Parts::default()
    })
}

/// Returns the offset after the closing quote of a JSON string.
fn string_end(inside: &str) -> Option<usize> {
    let mut escaped = false;
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map(|end| end + 1)
}

/// Returns the offset after the closing brace of the object at the start of `text`.
fn object_end(text: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = text.as_bytes().get(at) {
        at += 1;
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth -= 1,
            b'"' => at += string_end(&text[at..])?,
            _ => {}
        }
    }
    None
}

/// Decodes a file of a sheet that Headwater defines.
pub(super) fn front_matter(text: &str, body: &str) -> Result<Value, Flaw> {
    let parts = parts(text)?;
    let lines = parts.opening.matches('\n').count();
    let fields = match parts.form.map(|form| form.syntax) {
        None => Ok(Value::Object(Map::new())),
        Some(Syntax::Toml) => toml_1_1(parts.front.as_bytes()),
        Some(Syntax::Json) => json(members_of(parts.front).as_bytes()),
        // Empty front matter has no fields, although it is not a YAML document.
        Some(Syntax::Yaml) if is_blank(parts.front) => Ok(Value::Object(Map::new())),
        Some(Syntax::Yaml) => yaml(parts.front.as_bytes()),
    };
    let fields = fields.map_err(|flaw| flaw.below(lines))?;
    with_body(object(fields, lines + 1)?, body, parts.body.to_owned())
}

/// Returns JSON front matter with the braces that Middleman omits.
pub(crate) fn members_of(front: &str) -> Cow<'_, str> {
    if front.trim_start().starts_with(['{', '[']) {
        return front.into();
    }
    format!("{{{front}}}").into()
}

/// Returns whether front matter contains nothing but comments.
pub(crate) fn is_blank(front: &str) -> bool {
    front.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
}

fn object(fields: Value, line: usize) -> Result<Map<String, Value>, Flaw> {
    match fields {
        Value::Object(fields) => Ok(fields),
        _ => Err(Flaw::new(Rule::Malformed, "the front matter is not a table").at(line, 1)),
    }
}

fn with_body(mut fields: Map<String, Value>, name: &str, body: String) -> Result<Value, Flaw> {
    if fields.contains_key(name) {
        let message = format!("the front matter has the field {name:?}, which is the body");
        return Err(Flaw::new(Rule::Malformed, message));
    }
    fields.insert(name.to_owned(), Value::String(body));
    Ok(Value::Object(fields))
}

/// Finds the first delimiter at or after `from`: `+++` at the start of a line, followed only by
/// white space, which may span lines, up to the end of a line.
fn delimiter(text: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let mut start = from;
    loop {
        let at_line_start = start == 0 || text.as_bytes()[start - 1] == b'\n';
        if at_line_start && text[start..].starts_with("+++") {
            let behind = start + 3;
            let spaces = &text[behind..];
            let blank = spaces.len() - spaces.trim_start().len();
            // Greedy white space backtracks as far as needed to end before a newline.
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
