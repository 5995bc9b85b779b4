//! Plain TOML, which most records are, read in one pass: one key and value per line, and tables of
//! such lines.
//!
//! It reads a subset of the language on which both versions of TOML agree, and gives up on anything
//! else. Then the parsers decide, and only they report errors. It reads that subset exactly as they
//! do, which a property test checks.

use serde_json::{Map, Number, Value};

/// Reads `text` if it is plain. `None` implies nothing about its validity.
pub(super) fn table(text: &str) -> Option<Map<String, Value>> {
    let mut rest = Rest(text);
    let mut root = Map::new();
    let mut header: Option<(&str, Map<String, Value>)> = None;
    loop {
        rest.skip(" \t\n");
        if rest.0.is_empty() {
            break;
        }
        if rest.takes("#") {
            let comment = rest.until('\n');
            if comment.bytes().any(is_control) {
                return None;
            }
        } else if rest.takes("[") {
            if let Some((name, table)) = header.take() {
                add(&mut root, name, Value::Object(table))?;
            }
            header = Some((rest.key()?, Map::new()));
            rest.takes("]").then_some(())?;
            rest.end_of_line()?;
        } else {
            let key = rest.key()?;
            rest.skip(" \t");
            rest.takes("=").then_some(())?;
            rest.skip(" \t");
            let value = rest.value()?;
            rest.end_of_line()?;
            let table = header.as_mut().map_or(&mut root, |(_, table)| table);
            add(table, key, value)?;
        }
    }
    if let Some((name, table)) = header {
        add(&mut root, name, Value::Object(table))?;
    }
    Some(root)
}

/// Adds a member, unless the name is taken: only the parsers decide what that means.
fn add(table: &mut Map<String, Value>, key: &str, value: Value) -> Option<()> {
    table.insert(key.to_owned(), value).is_none().then_some(())
}

/// The unread text. Each method takes from its front what the method is named after.
struct Rest<'t>(&'t str);

impl<'t> Rest<'t> {
    fn skip(&mut self, of: &str) {
        let skipped = self.0.bytes().take_while(|byte| of.as_bytes().contains(byte)).count();
        self.0 = &self.0[skipped..];
    }

    fn takes(&mut self, what: &str) -> bool {
        let rest = self.0.strip_prefix(what);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Takes everything before the next `end`, which is one byte.
    fn until(&mut self, end: char) -> &'t str {
        let (taken, rest) = self.0.split_at(self.0.find(end).unwrap_or(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Takes `count` bytes, which are ASCII.
    fn bytes(&mut self, count: usize) -> &'t str {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn end_of_line(&mut self) -> Option<()> {
        self.skip(" \t");
        (self.0.is_empty() || self.takes("\n")).then_some(())
    }

    /// Takes a bare key.
    fn key(&mut self) -> Option<&'t str> {
        let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let length = self.0.bytes().take_while(is_bare).count();
        (length > 0).then(|| self.bytes(length))
    }

    fn value(&mut self) -> Option<Value> {
        if self.takes("[") {
            return self.array();
        }
        self.scalar()
    }

    /// Takes the contents and the closing bracket of an array of scalars.
    fn array(&mut self) -> Option<Value> {
        let mut elements = Vec::new();
        loop {
            self.skip(" \t\n");
            if self.takes("]") {
                break;
            }
            elements.push(self.scalar()?);
            self.skip(" \t\n");
            if !self.takes(",") {
                self.takes("]").then_some(())?;
                break;
            }
        }
        Some(Value::Array(elements))
    }

    fn scalar(&mut self) -> Option<Value> {
        if self.takes("\"\"\"") {
            self.takes("\n");
            return self.text(true).map(Value::String);
        }
        if self.takes("\"") {
            return self.text(false).map(Value::String);
        }
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-+:._".contains(byte);
        let word = self.0.bytes().take_while(is_word).count();
        word_value(self.bytes(word))
    }

    /// Takes the contents of a basic string and its closing quotes.
    fn text(&mut self, long: bool) -> Option<String> {
        let mut text = String::new();
        loop {
            let ends = |byte: u8| byte == b'"' || byte == b'\\' || is_control(byte);
            let plain = self.0.bytes().position(ends)?;
            let (taken, rest) = self.0.split_at(plain);
            self.0 = rest;
            text.push_str(taken);
            if long && self.takes("\n") {
                text.push('\n');
            } else if self.takes("\\") {
                let escaped = [("n", '\n'), ("t", '\t'), ("\"", '"'), ("\\", '\\'), ("r", '\r')];
                let (_, symbol) = escaped.iter().find(|(letter, _)| self.takes(letter))?;
                text.push(*symbol);
            } else if long && self.takes("\"\"\"") {
                // Up to two more quotes would belong to the text.
                return (!self.0.starts_with('"')).then_some(text);
            } else if self.takes("\"") {
                if !long {
                    return Some(text);
                }
                text.push('"');
            } else {
                return None;
            }
        }
    }
}

/// Reads a value that is neither a string nor an array.
fn word_value(word: &str) -> Option<Value> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_whole = |text: &str| all_digits(text) && (text == "0" || !text.starts_with('0'));
    match word {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ if is_whole(digits) => word.parse::<i64>().ok().map(Value::from),
        _ if let Some((whole, fraction)) = digits.split_once('.')
            && is_whole(whole)
            && all_digits(fraction) =>
        {
            let float = word.parse::<f64>().ok();
            float.and_then(Number::from_f64).map(Value::Number)
        }
        _ if is_date(word) => {
            let time = word.parse::<toml_v08::value::Datetime>().ok()?;
            Some(Value::String(time.to_string()))
        }
        _ => None,
    }
}

/// Returns whether `word` has the shape `2020-01-31` or `2020-01-31T23:59:59Z`.
fn is_date(word: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00Z";
    let alike = |(byte, shape): (u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        _ => byte == *shape,
    };
    [10, SHAPE.len()].contains(&word.len()) && word.bytes().zip(SHAPE).all(alike)
}

/// Returns whether `byte` is a control character that text must not contain unescaped.
fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::decode::toml::{parsed_1_0, parsed_1_1};

    /// Asserts that both parsers agree with this reader on `text`, if it reads `text` at all.
    /// Returns whether it does.
    fn agrees(text: &str) -> Result<bool, TestCaseError> {
        let Some(plain) = table(text) else { return Ok(false) };
        let plain = Value::Object(plain);
        for parsed in [parsed_1_0(text), parsed_1_1(text)] {
            prop_assert_eq!(parsed.as_ref(), Ok(&plain), "{}", text);
        }
        Ok(true)
    }

    #[test]
    fn records_as_they_are_usually_written_are_plain() {
        let text = "# a person\nname = \"Ada \\\"L\\\"\"\nborn = 1815-12-10\n\
            at = 2020-01-31T23:59:59Z\nage = -36\nshare = 0.50\nok = true\n\
            tags = [\"a\", \"b\",]\nlong = [\n    1,\n    2\n]\nnone = []\n\n[address]\n\
            city = \"\"\nbio = \"\"\"\nfirst \"x\"\n\\tsecond\n\"\"\"\n[other]\n";
        let expected = json!({
            "name": "Ada \"L\"", "born": "1815-12-10", "at": "2020-01-31T23:59:59Z", "age": -36,
            "share": 0.5, "ok": true, "tags": ["a", "b"], "long": [1, 2], "none": [],
            "address": {"city": "", "bio": "first \"x\"\n\tsecond\n"}, "other": {},
        });
        assert_eq!(table(text).map(Value::Object), Some(expected));
        assert!(agrees(text).unwrap());
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_parsers() {
        for text in [
            "a = 1\na = 2",
            "a.b = 1",
            "\"a\" = 1",
            "a = 'x'",
            "a = 1_000",
            "a = 0x1",
            "a = 01",
            "a = -0x",
            "a = inf",
            "a = \"\\u0041\"",
            "a = \"x",
            "a = \"\"\"x",
            "a = \"\"\"x\"\"\"\"",
            "a = \"\"\"x \\\n y\"\"\"",
            "a = 1 b = 2",
            "a = {}",
            "[a.b]",
            "[[a]]",
            "[a]\n[a]",
            "a = 1\n[a]",
            "a = [1 2]",
            "a = [,]",
            "a = [[1]]",
            "a = 1\r\n",
            "a = \"\u{7f}\"",
            "a =",
            "= 1",
            "a",
            "a = 1979-13-01",
            "a = 12:00:00",
            "a = 1.",
            "a = .5",
            "a = 1e5",
            "#\u{1}",
            "a = 99999999999999999999",
        ] {
            assert_eq!(table(text), None, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn what_is_plain_is_read_as_the_parsers_read_it(
            lines in prop::collection::vec((
                r#"[ab]{1,2}|\[[ab]\]|"[ab]"|#é|"#,
                r" ?= ?|",
                prop_oneof![
                    r#""([a-zé\t' ]|\\[nt"\\rb])*""#,
                    r#""""\n?([a-z \n"]|\\[nt"\\]){0,8}""""#,
                    r"-?[0-9]{1,20}", r"-?[0-9]{1,3}\.[0-9]{1,12}", "true|false|nan|-0|-0.0",
                    r"[0-9]{4}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z)?",
                    r#"\[[ \n]?(1|"a"|true|1.5)?( ?,[ \n]?(2|"b"))?,? ?\]"#,
                    r"\{\}|\[\[\]\]|",
                ],
                r"[ \t]?(#c)?",
            ), 0..5),
            noise in r#"[ab\[\]="\\#\n\t .,0-9-]{0,24}"#,
        ) {
            let lines = lines.iter().map(|(a, b, c, d)| format!("{a}{b}{c}{d}"));
            agrees(&lines.collect::<Vec<_>>().join("\n"))?;
            agrees(&noise)?;
        }

        #[test]
        fn what_the_writer_of_gitsheets_writes_is_read_alike(
            fields in prop::collection::btree_map("[a-z]{1,3}", prop_oneof![
                any::<i64>().prop_map(|n| json!(n)),
                (-1e9..1e9_f64).prop_map(|n| json!(n)),
                any::<String>().prop_map(|text| json!(text)),
                "[a-z\n\"\\\\]{0,12}".prop_map(|text| json!(text)),
                prop::collection::vec("[a-z]{0,3}", 0..3).prop_map(|list| json!(list)),
            ], 0..5),
        ) {
            agrees(&toml_v08::to_string(&fields).unwrap())?;
            agrees(&toml_v08::to_string_pretty(&fields).unwrap())?;
        }
    }
}
