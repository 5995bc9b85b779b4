//! The layout of YAML, and the formatting of values in it.

use serde_json::{Map, Value as Json};

/// The layout of YAML.
#[derive(Debug, Clone, Copy)]
pub(in crate::encode) struct Style {
    /// The indentation of a table inside a table.
    pub(in crate::encode) step: usize,
    /// The indentation of a list inside a table.
    pub(in crate::encode) list: usize,
    /// Whether every string is quoted, which is always valid.
    pub(in crate::encode) quoted: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { step: 2, list: 2, quoted: false }
    }
}

impl Style {
    pub(in crate::encode) fn document(&self, record: &Json) -> String {
        let mut text = String::new();
        match record {
            Json::Object(members) if !members.is_empty() => self.members(members, 0, &mut text),
            Json::Array(elements) if !elements.is_empty() => self.elements(elements, 0, &mut text),
            other => {
                text.push_str(self.value(other, 0).trim_start());
            }
        }
        text
    }

    fn members(&self, members: &Map<String, Json>, indent: usize, text: &mut String) {
        for (key, value) in members {
            text.push_str(&" ".repeat(indent));
            text.push_str(&self.member(key, value, indent));
        }
    }

    /// Returns a member of a table that is indented by `indent`, without that indentation.
    pub(in crate::encode) fn member(&self, key: &str, value: &Json, indent: usize) -> String {
        format!("{}:{}", self.key(key), self.value(value, indent))
    }

    fn key(&self, key: &str) -> String {
        if self.is_plain(key) { key.to_owned() } else { quoted(key) }
    }

    /// Returns the text after a colon: one line, or several indented ones.
    pub(in crate::encode) fn value(&self, value: &Json, indent: usize) -> String {
        match value {
            Json::Object(members) if !members.is_empty() => {
                let mut text = String::from("\n");
                self.members(members, indent + self.step, &mut text);
                text
            }
            Json::Array(elements) if !elements.is_empty() => {
                let mut text = String::from("\n");
                self.elements(elements, indent + self.list, &mut text);
                text
            }
            scalar => format!(" {}\n", self.scalar(scalar, indent)),
        }
    }

    pub(in crate::encode) fn elements(&self, elements: &[Json], indent: usize, text: &mut String) {
        let space = " ".repeat(indent);
        for element in elements {
            text.push_str(&space);
            // The contents follow the dash, indented by two.
            let mut inside = String::new();
            match element {
                Json::Object(members) if !members.is_empty() => {
                    self.members(members, indent + 2, &mut inside);
                }
                Json::Array(elements) if !elements.is_empty() => {
                    self.elements(elements, indent + 2, &mut inside);
                }
                scalar => inside = format!("{}\n", self.scalar(scalar, indent)),
            }
            text.push_str("- ");
            text.push_str(inside.trim_start_matches(' '));
        }
    }

    /// Returns a value on one line, in brackets if it has parts.
    pub(in crate::encode) fn flow(&self, value: &Json) -> String {
        let list = |items: Vec<String>, open, close| format!("{open}{}{close}", items.join(", "));
        match value {
            Json::Array(elements) => {
                list(elements.iter().map(|element| self.flow(element)).collect(), '[', ']')
            }
            Json::Object(members) => {
                let member = |(key, value): (&String, &Json)| {
                    format!("{}: {}", self.flow(&Json::from(key.as_str())), self.flow(value))
                };
                list(members.iter().map(member).collect(), '{', '}')
            }
            Json::String(text) if self.is_plain(text) && !text.contains(',') => text.clone(),
            Json::String(text) => quoted(text),
            other => other.to_string(),
        }
    }

    fn scalar(&self, value: &Json, indent: usize) -> String {
        match value {
            Json::String(string) if self.is_plain(string) => string.clone(),
            Json::String(string) => match literal(string, indent + self.step) {
                Some(lines) if !self.quoted => lines,
                _ => quoted(string),
            },
            Json::Array(_) => "[]".to_owned(),
            Json::Object(_) => "{}".to_owned(),
            other => other.to_string(),
        }
    }

    /// Returns whether a text can be written without quotes: it begins like a word, contains
    /// nothing that is special in YAML, and is not a word with another meaning in this version or
    /// an older one.
    fn is_plain(&self, text: &str) -> bool {
        const WORDS: [&str; 11] =
            ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan"];
        let is_word = |word: &&str| text.eq_ignore_ascii_case(word);
        let fits = |c: char| c.is_alphanumeric() || " _-./@+()',:#=;%".contains(c);
        !self.quoted
            && text.starts_with(|c: char| c.is_alphabetic())
            && !text.ends_with([' ', ':'])
            && !text.contains(": ")
            && !text.contains(" #")
            && text.chars().all(fits)
            && !WORDS.iter().chain(&["infinity"]).any(is_word)
    }
}

/// Returns a text of several lines as a block, if possible.
fn literal(text: &str, indent: usize) -> Option<String> {
    let odd = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    // Leading white space would require an indentation indicator.
    if !text.contains('\n') || text.starts_with(char::is_whitespace) || text.contains(odd) {
        return None;
    }
    let content = text.trim_end_matches('\n');
    let chomping = match text.len() - content.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    };
    let mut block = String::from(chomping);
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        block.push('\n');
        if !line.is_empty() {
            block.push_str(&" ".repeat(indent));
            block.push_str(line);
        }
    }
    Some(block)
}

/// Returns a text in quotes, which can express any text.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            '\u{fffe}' | '\u{ffff}' => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
