//! The subset of JavaScript that is evaluated in path templates: members of the record, `||`,
//! strings, and `toLowerCase()`.
//!
//! A wrong path would store a record twice. So unless it is certain that gitsheets gives an
//! expression the same result, it yields no path.
//!
//! This includes `date.getUTCFullYear()` and the like. gitsheets has a `Date` for a TOML date and a
//! string for a string, on which the call throws; here a value is JSON, in which both are the same
//! string. A date bucket, `${{ date: YYYY }}`, accepts both.

use crate::value::{Json, Kind, Value};

/// Names that already have a meaning in JavaScript, as a word or as a member of every object.
const TAKEN: &[&str] = &[
    "undefined",
    "NaN",
    "Infinity",
    "null",
    "true",
    "false",
    "this",
    "new",
    "typeof",
    "void",
    "delete",
    "in",
    "of",
    "instanceof",
    "function",
    "class",
    "return",
    "throw",
    "await",
    "yield",
    "async",
    "let",
    "const",
    "var",
    "if",
    "else",
    "for",
    "while",
    "do",
    "switch",
    "case",
    "try",
    "super",
    "import",
    "eval",
    "arguments",
    "record",
    "globalThis",
    "Math",
    "Date",
    "JSON",
    "Object",
    "Array",
    "String",
    "Number",
    "Boolean",
    "Symbol",
    "RegExp",
    "Map",
    "Set",
    "Promise",
    "Error",
    "BigInt",
    "Function",
    "isNaN",
    "isFinite",
    "parseInt",
    "parseFloat",
    "encodeURI",
    "decodeURI",
    "encodeURIComponent",
    "decodeURIComponent",
    "escape",
    "unescape",
    "constructor",
    "toString",
    "toLocaleString",
    "valueOf",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
];

/// An expression of a path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    /// The source text.
    pub(super) source: String,
    /// The operands of `||`, or `None` if the expression is outside the evaluated subset.
    terms: Option<Vec<Term>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Text(String),
    /// A field, nested members, and whether `toLowerCase()` is called at the end.
    Member {
        names: Vec<String>,
        is_lowered: bool,
    },
}

/// The result of an expression.
enum Outcome {
    Undefined,
    Text(String),
    /// A value that is not a string. As a truthy value it counts as `true`.
    Other {
        text: Option<String>,
        is_truthy: bool,
    },
}

impl Expression {
    pub(super) fn parse(source: &str) -> Self {
        let terms = cut(source).into_iter().map(Term::parse).collect();
        Self { source: source.to_owned(), terms }
    }

    /// Returns whether it is outside the evaluated subset.
    pub(super) fn is_foreign(&self) -> bool {
        self.terms.is_none()
    }

    /// Returns what it renders as, or `None` if it has no text form or is an error.
    pub(super) fn render(&self, value: &Value) -> Option<String> {
        let terms = self.terms.as_deref()?;
        let (last, first) = terms.split_last()?;
        for term in first {
            match term.evaluate(value)? {
                Outcome::Text(text) if !text.is_empty() => return Some(text),
                Outcome::Other { text, is_truthy: true } => return text,
                _ => {}
            }
        }
        match last.evaluate(value)? {
            Outcome::Undefined => None,
            Outcome::Text(text) => Some(text),
            Outcome::Other { text, .. } => text,
        }
    }
}

/// Splits an expression at each `||` outside quotes.
fn cut(source: &str) -> Vec<&str> {
    let (mut terms, mut begin, mut quote) = (Vec::new(), 0, None);
    for (at, character) in source.char_indices() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, '|') if at >= begin && source[at..].starts_with("||") => {
                terms.push(&source[begin..at]);
                begin = at + 2;
            }
            _ => {}
        }
    }
    terms.push(&source[begin..]);
    terms
}

impl Term {
    fn parse(source: &str) -> Option<Self> {
        let source = source.trim();
        if let Some(quote @ ('"' | '\'')) = source.chars().next() {
            let text = source.strip_prefix(quote)?.strip_suffix(quote)?;
            let is_plain = !text.contains(|c: char| c == quote || c == '\\' || c.is_control());
            return is_plain.then(|| Self::Text(text.to_owned()));
        }
        let (path, is_lowered) = match source.strip_suffix(".toLowerCase()") {
            Some(path) => (path, true),
            None => (source, false),
        };
        let names = path.split('.').map(|name| is_name(name).then(|| name.to_owned()));
        Some(Self::Member { names: names.collect::<Option<_>>()?, is_lowered })
    }

    /// Returns the result, or `None` if JavaScript throws.
    fn evaluate(&self, value: &Value) -> Option<Outcome> {
        let (names, is_lowered) = match self {
            Self::Text(text) => return Some(Outcome::Text(text.clone())),
            Self::Member { names, is_lowered } => (names, *is_lowered),
        };
        let (field, names) = names.split_first()?;
        // A field that the record lacks is an undefined name.
        let mut json = Some(value.json().member(field)?);
        for name in names {
            json = json.filter(|json| json.kind() == Kind::Object)?.member(name);
        }
        let outcome = json.map_or(Outcome::Undefined, Outcome::of);
        match outcome {
            Outcome::Text(text) if is_lowered => Some(Outcome::Text(text.to_lowercase())),
            _ if is_lowered => None,
            outcome => Some(outcome),
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    text.starts_with(is_letter)
        && !text.starts_with("__")
        && text.chars().all(|c| is_letter(c) || c.is_ascii_digit())
        && !TAKEN.contains(&text)
}

impl Outcome {
    fn of(json: Json<'_>) -> Self {
        let other = |text: Option<String>, is_truthy| Self::Other { text, is_truthy };
        match json.kind() {
            Kind::String => Self::Text(json.as_string().unwrap_or_default().into_owned()),
            Kind::Bool => other(Some(json.text().to_owned()), json.text() == "true"),
            Kind::Number => {
                let number = json.text().parse::<f64>().unwrap_or(f64::NAN);
                // Outside this range, JavaScript rounds or writes an exponent.
                let is_plain = if number.fract() == 0.0 {
                    number.abs() <= 9_007_199_254_740_991.0
                } else {
                    number.abs() >= 1e-6
                };
                other(is_plain.then(|| (number + 0.0).to_string()), number != 0.0)
            }
            Kind::Null => other(None, false),
            Kind::Array | Kind::Object => other(None, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(source: &str) -> Option<String> {
        let value = json!({
            "a": {"b": "X", "n": 7, "e": "", "c": {"d": "ÄÖ"}}, "s": "Abc", "e": "", "f": 1.5,
            "t": true, "no": false, "zero": 0, "list": ["x"], "big": 9_007_199_254_740_993_i64,
            "tiny": 1e-7, "name": "N", "neg": -0.0,
        });
        Expression::parse(source).render(&Value::new(&value))
    }

    #[test]
    fn members_alternatives_texts_and_lower_case_are_evaluated() {
        for (source, expected) in [
            ("a.b", "X"),
            ("a.c.d.toLowerCase()", "äö"),
            ("s.toLowerCase()", "abc"),
            ("e || s", "Abc"),
            ("e||a.e|| 'it|| is'", "it|| is"),
            ("s || nothing", "Abc"),
            ("a.x || s", "Abc"),
            ("no || zero || f", "1.5"),
            ("neg || neg", "0"),
            ("t || s", "true"),
            ("e || a.e", ""),
            ("a.n", "7"),
            ("\"x\"", "x"),
        ] {
            assert_eq!(render(source).as_deref(), Some(expected), "{source}");
        }
    }

    #[test]
    fn what_throws_or_is_no_text_renders_as_nothing() {
        for source in [
            "a",
            "a.x",
            "a.x.y",
            "nothing.x",
            "nothing || s",
            "list || s",
            "list.x",
            "s.x",
            "a || s",
            "e || list",
            "t.toLowerCase()",
            "a.x.toLowerCase()",
            "big.x || s",
            "a.b.c || s",
        ] {
            assert!(!Expression::parse(source).is_foreign(), "{source}");
            assert_eq!(render(source), None, "{source}");
        }
        assert_eq!(render("big || s"), None);
        assert_eq!(render("tiny || s"), None);
    }

    #[test]
    fn anything_else_is_beyond_it() {
        for source in [
            "a + b",
            "a?.b",
            "a ?? b",
            "a[0]",
            "f(a)",
            "a.toUpperCase()",
            "a.getUTCFullYear()",
            "a.getUTCMonth() + 1",
            "a.getUTCDate()",
            "a.b()",
            "(a)",
            "!a",
            "a.",
            ".a",
            "1",
            "'x",
            "'a\\n'",
            "'a'b'",
            "a | b",
            "a && b",
            "a ? b : c",
            "`x`",
            "a || ",
            "typeof",
            "a.constructor",
            "this.a",
            "record.a",
            "a.__proto__",
            "a.toLowerCase().b",
            "Math.PI",
            "a, b",
            "a-b.c",
            "ä.b",
        ] {
            assert!(Expression::parse(source).is_foreign(), "{source}");
            assert_eq!(render(source), None, "{source}");
        }
    }
}
