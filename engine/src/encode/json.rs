//! JSON in the order and style of the existing file: unchanged parts keep their exact bytes.

use serde_json::{Map, Value as Json};

use crate::decode;

/// Returns `record` as JSON. A new file has sorted keys and two spaces of indentation per level.
pub(super) fn written(record: &Json, before: Option<&str>) -> String {
    let old = before.and_then(|text| Some((text, decode::json(text.as_bytes()).ok()?)));
    let Some((text, old)) = old else {
        return Style::default().rendered(record, 0) + "\n";
    };
    let begin = text.find(['{', '[']).unwrap_or_default();
    let end = text.rfind(['}', ']']).map_or(text.len(), |end| end + 1);
    let style = Style::of(&text[begin..end]);
    let whole = edited(&text[begin..end], &old, record, &style, 0);
    format!("{}{whole}{}", &text[..begin], &text[end..])
}

/// The layout of a file.
#[derive(Debug)]
struct Style {
    /// The indentation of one level, or `None` if everything is on one line.
    indent: Option<String>,
    /// A line ending, followed by the indentation common to all lines.
    newline: String,
    /// The text between a key and its value.
    colon: &'static str,
    /// The text between values on one line.
    comma: &'static str,
}

impl Default for Style {
    fn default() -> Self {
        Self { indent: Some("  ".into()), newline: "\n".into(), colon: ": ", comma: ", " }
    }
}

impl Style {
    /// Detects the style of a container.
    fn of(text: &str) -> Self {
        let inside = &text[1..];
        let space = &inside[..inside.len() - inside.trim_start().len()];
        let indent = space.rfind('\n').map(|newline| &space[newline + 1..]);
        // The closing bracket is indented like the line with the opening bracket.
        let last = text.rsplit_once('\n').map_or("", |(_, last)| last);
        let base = &last[..last.len() - last.trim_start_matches([' ', '\t']).len()];
        let deeper = indent.and_then(|indent| indent.strip_prefix(base));
        let base = if deeper.is_some_and(|deeper| !deeper.is_empty()) { base } else { "" };
        let indent = deeper.filter(|deeper| !deeper.is_empty()).or(indent).map(str::to_owned);
        let spaced = text.contains("\": ") || !text.contains("\":");
        Self {
            newline: if text.contains("\r\n") { "\r\n" } else { "\n" }.to_owned() + base,
            colon: if spaced { ": " } else { ":" },
            comma: if spaced { ", " } else { "," },
            indent: indent.or_else(|| inside.trim_end().contains('\n').then(|| "  ".into())),
        }
    }

    fn on_one_line(&self) -> Self {
        Self { indent: None, newline: self.newline.clone(), ..*self }
    }

    /// Returns the text of a value that is `depth` levels deep.
    fn rendered(&self, value: &Json, depth: usize) -> String {
        let items = |items: Vec<String>, open: char, close: char| match &self.indent {
            _ if items.is_empty() => format!("{open}{close}"),
            None => format!("{open}{}{close}", items.join(self.comma)),
            Some(indent) => {
                let line = format!("{}{}", self.newline, indent.repeat(depth));
                let items = items.join(&format!(",{line}{indent}"));
                format!("{open}{line}{indent}{items}{line}{close}")
            }
        };
        match value {
            Json::Array(elements) => {
                let rendered = elements.iter().map(|element| self.rendered(element, depth + 1));
                items(rendered.collect(), '[', ']')
            }
            Json::Object(members) => {
                let member = |(key, value): (&String, &Json)| {
                    format!("{}{}{}", text(key), self.colon, self.rendered(value, depth + 1))
                };
                items(members.iter().map(member).collect(), '{', '}')
            }
            scalar => scalar.to_string(),
        }
    }
}

/// Returns a value whose lines begin with `inner`, a line ending and an indentation.
pub(super) fn below(value: &Json, inner: &str) -> String {
    Style { newline: inner.to_owned(), ..Style::default() }.rendered(value, 0)
}

fn text(key: &str) -> String {
    Json::from(key).to_string()
}

/// Returns the text of `new`, which replaces `old` with the text `text`.
fn edited(text: &str, old: &Json, new: &Json, style: &Style, depth: usize) -> String {
    match (old, new) {
        _ if old == new => text.to_owned(),
        (Json::Object(old), Json::Object(new)) if !old.is_empty() && !new.is_empty() => {
            edited_object(text, old, new, style, depth)
        }
        (Json::Array(old), Json::Array(_)) if !old.is_empty() && !text.contains('\n') => {
            style.on_one_line().rendered(new, depth)
        }
        _ => style.rendered(new, depth),
    }
}

fn edited_object(
    text: &str,
    old: &Map<String, Json>,
    new: &Map<String, Json>,
    style: &Style,
    depth: usize,
) -> String {
    let (members, tail) = members(text);
    let first = members.first().map_or("", |member| member.lead);
    let mut written = String::from("{");
    let lead_in = |written: &mut String, lead: &str| {
        // The first member has no comma before it, whichever member that is now.
        written.push_str(if written.len() == 1 { first } else { lead });
    };
    for member in &members {
        let (Some(was), Some(is)) = (old.get(&member.key), new.get(&member.key)) else { continue };
        let lead =
            if member.lead.contains(',') { member.lead.to_owned() } else { format!(",{first}") };
        lead_in(&mut written, &lead);
        written.push_str(member.name);
        written.push_str(&edited(member.value, was, is, style, depth + 1));
    }
    let last = members.last().filter(|member| member.lead.contains(','));
    let lead = match last {
        Some(last) => last.lead.to_owned(),
        None if first.contains('\n') => format!(",{first}"),
        None => style.comma.to_owned(),
    };
    let one_line = style.on_one_line();
    let style = if first.contains('\n') { style } else { &one_line };
    for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
        lead_in(&mut written, &lead);
        written.push_str(&format!(
            "{}{}{}",
            self::text(key),
            style.colon,
            style.rendered(value, depth + 1)
        ));
    }
    written + tail + "}"
}

/// A member of an object, as written.
struct Member<'t> {
    /// The comma and the space before it; no comma before the first.
    lead: &'t str,
    key: String,
    /// The quoted key, the colon, and the space around it.
    name: &'t str,
    value: &'t str,
}

/// Splits an object into its members and the space before its closing bracket.
///
/// The text was decoded before, so every bracket and every quote is closed.
fn members(text: &str) -> (Vec<Member<'_>>, &str) {
    let mut members = Vec::new();
    let end = text.len() - 1;
    let mut at = 1;
    while let Some(key) = text[at..end].find('"').map(|quote| at + quote) {
        let key_end = end_of_value(text, key);
        let colon = text[key_end..].find(':').map_or(key_end, |colon| key_end + colon + 1);
        let space = text[colon..].len() - text[colon..].trim_start().len();
        let value_end = end_of_value(text, colon + space);
        members.push(Member {
            lead: &text[at..key],
            key: serde_json::from_str(&text[key..key_end]).unwrap_or_default(),
            name: &text[key..colon + space],
            value: &text[colon + space..value_end],
        });
        at = value_end;
    }
    (members, &text[at..end])
}

/// Returns where the value that begins at `start` ends.
pub(super) fn end_of_value(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut quoted, mut at) = (0_usize, false, start);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += 1,
            b'"' => {
                quoted = !quoted;
                if !quoted && depth == 0 {
                    return at + 1;
                }
            }
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            byte if depth == 0 && (byte == b',' || byte.is_ascii_whitespace()) => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_new_file_has_sorted_keys_and_two_spaces() {
        let record = json!({"b": [1, {}], "a": {"c": []}});
        let expected = "{\n  \"a\": {\n    \"c\": []\n  },\n  \"b\": [\n    1,\n    {}\n  ]\n}\n";
        assert_eq!(written(&record, None), expected);
        assert_eq!(written(&json!({}), None), "{}\n");
    }

    #[test]
    fn the_order_and_the_style_of_a_file_are_kept() {
        for (before, record, expected) in [
            (
                "{\n\t\"b\": 1,\n\t\"a\" : [1,  2],\n\t\"c\": {\"x\":1}\n}",
                json!({"a": [1, 2], "b": 2, "c": {"x": 2, "y": 3}, "d": {"e": 1}}),
                "{\n\t\"b\": 2,\n\t\"a\" : [1,  2],\n\t\"c\": {\"x\":2, \"y\": 3},\n\t\"d\": {\n\t\t\"e\": 1\n\t}\n}",
            ),
            ("{\"b\":1,\"a\":2}\n", json!({"a": 3, "c": [1, 2]}), "{\"a\":3,\"c\":[1,2]}\n"),
            ("{\"a\": 1}", json!({"a": 1, "b": {"c": 2}}), "{\"a\": 1, \"b\": {\"c\": 2}}"),
            ("{\"a\": 1, \"b\": 2}", json!({"c": 2}), "{\"c\": 2}"),
            ("{}\n", json!({"a": 1}), "{\"a\": 1}\n"),
            (
                "{\r\n  \"a\": 1\r\n}\r\n",
                json!({"b": [1]}),
                "{\r\n  \"b\": [\r\n    1\r\n  ]\r\n}\r\n",
            ),
            ("{\n  \"a\": [1, 2]\n}\n", json!({"a": [1, 2, 3]}), "{\n  \"a\": [1, 2, 3]\n}\n"),
            (
                "{\n  \"a\": [\n    1\n  ]\n}\n",
                json!({"a": [1, 2]}),
                "{\n  \"a\": [\n    1,\n    2\n  ]\n}\n",
            ),
            ("[\n  1\n]\n", json!([1, 2]), "[\n  1,\n  2\n]\n"),
            (
                "\u{feff}{ \"}{\\\"\": \",\" , \"z\":1 }\n",
                json!({"}{\"": ",", "z": 2}),
                "\u{feff}{ \"}{\\\"\": \",\" , \"z\":2 }\n",
            ),
            ("{ broken", json!({"a": 1}), "{\n  \"a\": 1\n}\n"),
        ] {
            assert_eq!(written(&record, Some(before)), expected, "{before}");
        }
    }

    proptest! {
        #[test]
        fn an_edited_file_reads_as_the_record(
            old in super::super::tests::any_record(),
            new in super::super::tests::any_record(),
            pretty in any::<bool>(),
        ) {
            let before = if pretty {
                serde_json::to_string_pretty(&old).unwrap()
            } else {
                old.to_string()
            };
            prop_assert_eq!(&written(&old, Some(&before)), &before);
            let text = written(&new, Some(&before));
            prop_assert_eq!(&decode::json(text.as_bytes()).unwrap(), &new);
            prop_assert_eq!(&written(&new, Some(&text)), &text);
        }
    }
}
