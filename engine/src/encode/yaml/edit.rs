//! Changes a YAML file member by member.
//!
//! It supports tables in block style, whose members begin on separate lines, which is nearly all
//! YAML that people write. Anything else is rewritten from scratch.

use serde_json::{Map, Value as Json};

use super::style::{Style, quoted};
use crate::decode;
use crate::scalar::Timestamp;

/// Returns the text with its members replaced by those of the record, or `None` if the file is not
/// understood. The result must be read back before it is trusted.
pub(super) fn edited(text: &str, record: &Json) -> Option<String> {
    let old = decode::yaml(text.as_bytes()).ok()?;
    let (old, new) = (old.as_object()?, record.as_object()?);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let style = Style::of(&lines);
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    Editor { style, newline }.table(&lines, 0, old, new)
}

impl Style {
    /// Detects how far tables and lists are indented in a file.
    pub(in crate::encode) fn of(lines: &[&str]) -> Self {
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

/// The style in which a file is changed.
pub(in crate::encode) struct Editor {
    pub(in crate::encode) style: Style,
    pub(in crate::encode) newline: &'static str,
}

/// A member of a table, as written.
pub(in crate::encode) struct Member<'t> {
    /// Blank lines and comments before it.
    pub(in crate::encode) lead: Vec<&'t str>,
    pub(in crate::encode) key: String,
    /// The key as written, without indentation and colon.
    name: &'t str,
    /// The line of the key and those that belong to its value.
    pub(in crate::encode) lines: Vec<&'t str>,
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

    /// Returns the lines of a member whose value changes.
    pub(in crate::encode) fn member(
        &self,
        member: &Member<'_>,
        indent: usize,
        was: &Json,
        is: &Json,
    ) -> String {
        let (first, rest) = member.lines.split_first().map_or(("", &[][..]), |(f, r)| (*f, r));
        let behind = first[indent + member.name.len()..].trim_start();
        let old = AfterColon::of(behind.strip_prefix(':').unwrap_or(behind));
        if old.value.is_empty()
            && let Some(inner) = rest.iter().find(|line| !is_between(line))
            && let Some(inside) = self.inside(rest, indentation(inner), indent, was, is)
        {
            return format!("{first}{inside}");
        }
        let space = &first[..indent];
        let value = self.value(&old, rest.is_empty(), is, indent);
        format!("{space}{}:{value}", member.name)
    }

    /// Changes a table or a list below its key.
    fn inside(
        &self,
        lines: &[&str],
        inner: usize,
        indent: usize,
        was: &Json,
        is: &Json,
    ) -> Option<String> {
        match (was, is) {
            (Json::Object(was), Json::Object(is)) if inner > indent => {
                self.table(lines, inner, was, is)
            }
            (Json::Array(was), Json::Array(is)) => self.list(lines, inner, was, is),
            _ => None,
        }
    }

    /// Returns the lines of a list: the common beginning and end stay, and the elements in between
    /// are changed one by one.
    fn list(&self, lines: &[&str], indent: usize, was: &[Json], is: &[Json]) -> Option<String> {
        let (elements, tail) = elements(lines, indent)?;
        if elements.len() != was.len() || is.is_empty() {
            return None;
        }
        let begin = was.iter().zip(is).take_while(|(was, is)| was == is).count();
        let rest = was[begin..].iter().rev().zip(is[begin..].iter().rev());
        let end = rest.take_while(|(was, is)| was == is).count();
        let (old, new) = (begin..was.len() - end, begin..is.len() - end);
        let mut text = String::new();
        for (at, element) in elements.iter().enumerate() {
            // Additional elements go before the common end.
            if at == old.end {
                self.fresh(&is[new.start + old.len().min(new.len())..new.end], indent, &mut text);
            }
            if !old.contains(&at) {
                element.lead.iter().chain(&element.lines).for_each(|line| text.push_str(line));
            } else if at - old.start < new.len() {
                element.lead.iter().for_each(|line| text.push_str(line));
                text.push_str(&self.element(element, indent, &was[at], &is[at]));
            }
            if !text.is_empty() && !text.ends_with('\n') {
                text.push_str(self.newline);
            }
        }
        if old.end == elements.len() {
            self.fresh(&is[new.start + old.len().min(new.len())..new.end], indent, &mut text);
        }
        tail.iter().for_each(|line| text.push_str(line));
        Some(text)
    }

    fn fresh(&self, elements: &[Json], indent: usize, text: &mut String) {
        let mut lines = String::new();
        self.style.elements(elements, indent, &mut lines);
        text.push_str(&self.in_lines(&lines));
    }

    /// Returns the lines of an element whose value changes.
    pub(in crate::encode) fn element(
        &self,
        element: &Element<'_>,
        indent: usize,
        was: &Json,
        is: &Json,
    ) -> String {
        let (first, rest) = element.lines.split_first().map_or(("", &[][..]), |(f, r)| (*f, r));
        let content = first[indent + 1..].trim_start_matches(' ');
        let inner = first.len() - content.len();
        if let (Json::Object(was), Json::Object(is)) = (was, is)
            && !content.trim_end().is_empty()
        {
            // The first member follows the dash, and the others are below it.
            let undashed = format!("{}{content}", " ".repeat(inner));
            let lines: Vec<&str> = [&*undashed].into_iter().chain(rest.iter().copied()).collect();
            let table = self.table(&lines, inner, was, is);
            if let Some(mut table) =
                table.filter(|table| !is_between(table.lines().next().unwrap_or("")))
            {
                table.replace_range(indent..=indent, "-");
                return table;
            }
        }
        let old = AfterColon::of(&first[indent + 1..]);
        if is.is_array() || is.is_object() {
            let mut fresh = String::new();
            self.fresh(std::slice::from_ref(is), indent, &mut fresh);
            return fresh;
        }
        format!("{}-{}", &first[..indent], self.value(&old, rest.is_empty(), is, indent))
    }

    /// Returns the text after a colon or a dash, in the style of the old text: quotes, brackets and
    /// comments stay, and a date stays plain.
    pub(in crate::encode) fn value(
        &self,
        old: &AfterColon<'_>,
        is_one_line: bool,
        is: &Json,
        indent: usize,
    ) -> String {
        let is_date = |text: &str| Timestamp::parse(text).is_some();
        let first = old.value.chars().next().filter(|_| is_one_line);
        let value = match (first, is) {
            (Some('\''), Json::String(text)) if !text.contains(char::is_control) => {
                format!(" '{}'\n", text.replace('\'', "''"))
            }
            (Some('"'), Json::String(text)) => format!(" {}\n", quoted(text)),
            (Some(_), Json::String(text)) if is_date(old.value) && is_date(text) => {
                format!(" {text}\n")
            }
            (Some('['), Json::Array(_)) | (Some('{'), Json::Object(_))
                if !matches!(old.value, "[]" | "{}") =>
            {
                format!(" {}\n", self.style.flow(is))
            }
            _ => self.style.value(is, indent),
        };
        let value = match value.split_once('\n') {
            Some((first, rest)) if is_one_line => format!("{first}{}\n{rest}", old.comment),
            _ => value,
        };
        self.in_lines(&value)
    }

    pub(in crate::encode) fn in_lines(&self, text: &str) -> String {
        if self.newline == "\n" { text.to_owned() } else { text.replace('\n', self.newline) }
    }
}

/// An element of a list, as written.
pub(in crate::encode) struct Element<'t> {
    /// Blank lines and comments before it.
    pub(in crate::encode) lead: Vec<&'t str>,
    /// The line of the dash and those that belong to its value.
    pub(in crate::encode) lines: Vec<&'t str>,
}

/// The text after a colon or a dash in its line.
pub(in crate::encode) struct AfterColon<'t> {
    pub(in crate::encode) value: &'t str,
    /// The comment, with the space before it.
    pub(in crate::encode) comment: &'t str,
}

impl<'t> AfterColon<'t> {
    pub(in crate::encode) fn of(text: &'t str) -> Self {
        let content = text.trim_start();
        let end = end_of_value(content).min(content.trim_end().len());
        let value = content[..end].trim_end();
        // A comment by itself has the space before it too.
        let rest = if value.is_empty() { text } else { &content[value.len()..] };
        let is_comment = rest.trim_start().starts_with('#');
        Self { value, comment: if is_comment { rest.trim_end() } else { "" } }
    }
}

/// Returns where the value at the beginning of a line ends.
fn end_of_value(text: &str) -> usize {
    let comment = || {
        let hashes = text.match_indices('#').map(|(at, _)| at);
        let mut hashes = hashes.filter(|at| *at == 0 || text[..*at].ends_with([' ', '\t']));
        hashes.next().unwrap_or(text.len())
    };
    if !text.starts_with(['"', '\'', '[', '{']) {
        return comment();
    }
    let (mut depth, mut quote) = (0_usize, None);
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some('"'), '\\') => drop(characters.next()),
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => continue,
            (None, '"' | '\'') => quote = Some(character),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, _) => continue,
        }
        // Inside single quotes, two quotes stand for one.
        let doubled = character == '\'' && text[at + 1..].starts_with('\'') && depth == 0;
        if quote.is_none() && depth == 0 && !doubled {
            return at + character.len_utf8();
        }
    }
    text.len()
}

/// Splits a list whose dashes are indented by `indent` into its elements and the lines after the
/// last one.
pub(in crate::encode) fn elements<'t>(
    lines: &[&'t str],
    indent: usize,
) -> Option<(Vec<Element<'t>>, Vec<&'t str>)> {
    let mut elements: Vec<Element<'t>> = Vec::new();
    let mut lead: Vec<&'t str> = Vec::new();
    for line in lines {
        if is_element(line) && indentation(line) == indent {
            elements.push(Element { lead: std::mem::take(&mut lead), lines: vec![line] });
        } else if let Some(element) = elements.last_mut()
            && indentation(line) > indent
            && !line.trim().is_empty()
        {
            element.lines.append(&mut lead);
            element.lines.push(line);
        } else if is_between(line) {
            lead.push(line);
        } else {
            return None;
        }
    }
    Some((elements, lead))
}

/// Splits a table whose keys are indented by `indent` into its members and the lines after the last
/// one.
pub(in crate::encode) fn members<'t>(
    lines: &[&'t str],
    indent: usize,
) -> Option<(Vec<Member<'t>>, Vec<&'t str>)> {
    let mut members: Vec<Member<'t>> = Vec::new();
    let mut lead: Vec<&'t str> = Vec::new();
    let mut lines = lines.iter();
    for line in lines.by_ref() {
        let deeper = indentation(line) > indent && !line.trim().is_empty();
        if let Some(member) = members.last_mut()
            && (deeper || (indentation(line) == indent && is_element(line)))
        {
            // Blank lines and comments inside a value belong to it.
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

/// Returns the key that a line begins with, as written and as decoded.
fn key(line: &str) -> Option<(&str, String)> {
    if line.starts_with(['&', '*', '!', '|', '>', '@', '`', '?', '[', '{', ',']) {
        return None;
    }
    // A colon inside of quotes ends no key.
    let start = if line.starts_with(['"', '\'']) { end_of_value(line) } else { 0 };
    let ends_key = |at: &usize| line[at + 1..].chars().next().is_none_or(char::is_whitespace);
    let colon = line[start..].match_indices(':').map(|(at, _)| start + at).find(ends_key)?;
    let name = line[..colon].trim_end();
    let meant = decode::yaml(format!("{name}: 0").as_bytes()).ok()?;
    Some((name, meant.as_object()?.keys().next()?.clone()))
}

/// Returns how many spaces a line is indented by.
pub(in crate::encode) fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Returns whether a line is blank or a comment.
pub(in crate::encode) fn is_between(line: &str) -> bool {
    let text = line.trim();
    text.is_empty() || text.starts_with('#')
}

fn is_element(line: &str) -> bool {
    let text = line.trim();
    text == "-" || text.starts_with("- ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes the first colon that leaves a key before it that reads.
    fn key_that_reads(line: &str) -> Option<(&str, String)> {
        if line.starts_with(['&', '*', '!', '|', '>', '@', '`', '?', '[', '{', ',']) {
            return None;
        }
        let ends_key = |at: &usize| line[at + 1..].chars().next().is_none_or(char::is_whitespace);
        let colons = line.match_indices(':').map(|(at, _)| at).filter(ends_key);
        colons.map(|colon| line[..colon].trim_end()).find_map(|name| {
            let meant = decode::yaml(format!("{name}: 0").as_bytes()).ok()?;
            Some((name, meant.as_object()?.keys().next()?.clone()))
        })
    }

    #[test]
    fn a_key_ends_behind_its_quotes_whatever_is_in_them() {
        let line = |colons: usize| format!("\"{}\" : 1\n", ": ".repeat(colons));
        let short = line(500);
        let found = key(&short);
        assert_eq!(found, Some((short.trim_end_matches(" : 1\n"), ": ".repeat(500))));
        // YAML has no key of more than 1,024 characters.
        assert!(key(&line(500_000)).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_key_ends_where_it_reads(line in "[ab\"'-][ab\"'\\\\:# -]{0,8}(: ?)?[a:\"' ]{0,4}\n?") {
            prop_assert_eq!(key(&line), key_that_reads(&line));
        }
    }
}
