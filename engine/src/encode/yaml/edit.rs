//! Changes to a YAML file, member by member.
//!
//! It knows tables in block style, whose members begin on lines of their own; that is nearly all
//! YAML that people write. Anything else is left to be written afresh.

use serde_json::{Map, Value as Json};

use super::Style;
use crate::decode;

/// Returns the text with the members of the record in the place of its own; `None` where the file
/// is not understood. What is returned has to be read before it is believed.
pub(super) fn edited(text: &str, record: &Json) -> Option<String> {
    let old = decode::yaml(text.as_bytes()).ok()?;
    let (old, new) = (old.as_object()?, record.as_object()?);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let style = Style::of(&lines);
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    Editor { style, newline }.table(&lines, 0, old, new)
}

impl Style {
    /// Reads off a file by how much tables and lists are indented.
    fn of(lines: &[&str]) -> Self {
        let mut style = Self::default();
        let content = lines.iter().filter(|line| !is_between(line));
        let pairs = content.clone().zip(content.skip(1));
        let opened = pairs.filter(|(line, _)| line.trim_end().ends_with(':'));
        let (mut step, mut list) = (None, None);
        for (line, next) in opened {
            let Some(deeper) = indentation(next).checked_sub(indentation(line)) else { continue };
            if is_element(next) {
                list.get_or_insert(deeper);
            } else if deeper > 0 {
                step.get_or_insert(deeper);
            }
        }
        style.step = step.unwrap_or(style.step);
        style.list = list.unwrap_or(style.list);
        style
    }
}

struct Editor {
    style: Style,
    newline: &'static str,
}

/// A member of a table, as it is written.
struct Member<'t> {
    /// Blank lines and comments before it.
    lead: Vec<&'t str>,
    key: String,
    /// The key as it is written, without indentation and colon.
    name: &'t str,
    /// The line of the key and those that belong to its value.
    lines: Vec<&'t str>,
}

impl Editor {
    fn table(
        &self,
        lines: &[&str],
        indent: usize,
        old: &Map<String, Json>,
        new: &Map<String, Json>,
    ) -> Option<String> {
        let (members, tail) = members(lines, indent)?;
        let known = members.len() == old.len() && members.iter().all(|m| old.contains_key(&m.key));
        if !known || members.is_empty() || new.is_empty() {
            return None;
        }
        let mut text = String::new();
        for member in &members {
            member.lead.iter().for_each(|line| text.push_str(line));
            match (&old[&member.key], new.get(&member.key)) {
                (_, None) => {}
                (was, Some(is)) if was == is => {
                    member.lines.iter().for_each(|line| text.push_str(line));
                }
                (was, Some(is)) => text.push_str(&self.member(member, indent, was, is)),
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str(self.newline);
        }
        for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
            text.push_str(&" ".repeat(indent));
            text.push_str(&self.in_lines(&self.style.member(key, value, indent)));
        }
        tail.iter().for_each(|line| text.push_str(line));
        Some(text)
    }

    fn member(&self, member: &Member<'_>, indent: usize, was: &Json, is: &Json) -> String {
        let (first, rest) = member.lines.split_first().map_or(("", &[][..]), |(f, r)| (*f, r));
        let behind = first[indent + member.name.len()..].trim_start();
        let behind = behind.strip_prefix(':').unwrap_or(behind).trim();
        if let (Json::Object(was), Json::Object(is)) = (was, is)
            && (behind.is_empty() || behind.starts_with('#'))
            && let Some(inner) = rest.iter().find(|line| !is_between(line))
            && indentation(inner) > indent
            && let Some(inside) = self.table(rest, indentation(inner), was, is)
        {
            return format!("{first}{inside}");
        }
        let value = self.in_lines(&self.style.value(is, indent));
        // A comment behind a value on one line stays behind the value.
        let comment = (rest.is_empty() && !behind.starts_with(['"', '\'', '|', '>', '[', '{']))
            .then(|| behind.find(" #").map(|at| &behind[at..]))
            .flatten()
            .filter(|_| !value.trim_end().contains('\n'))
            .unwrap_or_default();
        let space = &first[..indent];
        format!("{space}{}:{}{comment}{}", member.name, value.trim_end(), self.newline)
    }

    fn in_lines(&self, text: &str) -> String {
        if self.newline == "\n" { text.to_owned() } else { text.replace('\n', self.newline) }
    }
}

/// Takes a table apart whose keys are indented by `indent`: its members, and the lines behind the
/// last one.
fn members<'t>(lines: &[&'t str], indent: usize) -> Option<(Vec<Member<'t>>, Vec<&'t str>)> {
    let mut members: Vec<Member<'t>> = Vec::new();
    let mut lead: Vec<&'t str> = Vec::new();
    let mut lines = lines.iter();
    for line in lines.by_ref() {
        let deeper = indentation(line) > indent && !line.trim().is_empty();
        if let Some(member) = members.last_mut()
            && (deeper || (indentation(line) == indent && is_element(line)))
        {
            // Blank lines and comments inside of a value are its own.
            member.lines.append(&mut lead);
            member.lines.push(line);
        } else if is_between(line) || (members.is_empty() && line.starts_with(['-', '%'])) {
            lead.push(line);
        } else if line.starts_with("...") {
            lead.push(line);
            break;
        } else if indentation(line) == indent {
            let (name, key) = key(&line[indent..])?;
            members.push(Member { lead: std::mem::take(&mut lead), key, name, lines: vec![line] });
        } else {
            return None;
        }
    }
    lead.extend(lines);
    Some((members, lead))
}

/// Returns the key that a line begins with, as it is written and as it is meant.
fn key(line: &str) -> Option<(&str, String)> {
    if line.starts_with(['&', '*', '!', '|', '>', '@', '`', '?', '[', '{', ',']) {
        return None;
    }
    let ends_key = |at: &usize| line[at + 1..].chars().next().is_none_or(char::is_whitespace);
    let colons = line.match_indices(':').map(|(at, _)| at).filter(ends_key);
    // A colon inside of quotes leaves a key before it that does not read.
    colons.map(|colon| line[..colon].trim_end()).find_map(|name| {
        let meant = decode::yaml(format!("{name}: 0").as_bytes()).ok()?;
        Some((name, meant.as_object()?.keys().next()?.clone()))
    })
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Says whether a line is blank or a comment.
fn is_between(line: &str) -> bool {
    let text = line.trim();
    text.is_empty() || text.starts_with('#')
}

fn is_element(line: &str) -> bool {
    let text = line.trim();
    text == "-" || text.starts_with("- ")
}
