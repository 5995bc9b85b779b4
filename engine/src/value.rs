//! A record's value: canonical JSON text, read in place.
//!
//! The text is what a GET answers, so a read copies no more than its answer. Fields are found by
//! scanning it, which costs less than keeping a tree of nodes: one record's tree is several times
//! its text.

mod paths;

use std::borrow::Cow;

pub use paths::Paths;

/// A JSON value as compact text with object keys sorted by their bytes.
///
/// Two values are equal when their texts are, so equality, digests and ETags agree.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Value(Box<str>);

impl Value {
    /// Returns the canonical text of `json`.
    ///
    /// The order of keys is canonical because `serde_json` keeps objects in sorted maps here: its
    /// feature `preserve_order` is off, which a test of this module holds fast.
    pub fn new(json: &serde_json::Value) -> Self {
        // Writing into a string cannot fail, and costs half of what `Display` does.
        Self(serde_json::to_string(json).unwrap_or_else(|_| json.to_string()).into_boxed_str())
    }

    /// Wraps a text that [`Value::as_str`] returned before. Another text is read as something or
    /// other, without a panic.
    pub(crate) fn from_canonical(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the JSON text, the very bytes that are served and hashed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the whole value for reading.
    pub fn json(&self) -> Json<'_> {
        Json(&self.0)
    }

    /// Calls `found` with each value at `path`; arrays on the way and at the end are opened, so
    /// that `maintainers.name` finds the name of every maintainer. Linear in the text.
    pub fn visit<'a>(&'a self, path: &FieldPath, found: &mut dyn FnMut(Json<'a>)) {
        self.json().visit(path.segments(), found);
    }

    /// Returns the value at `path` without opening arrays, or `None` where it is absent or null.
    pub fn at<'a>(&'a self, path: &FieldPath) -> Option<Json<'a>> {
        let mut json = self.json();
        for segment in path.segments() {
            json = json.member(segment)?;
        }
        (json.kind() != Kind::Null).then_some(json)
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a field, with dots between nested names: `address.city`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Box<str>);

impl FieldPath {
    /// Wraps the dotted name.
    pub fn new(dotted: impl Into<Box<str>>) -> Self {
        Self(dotted.into())
    }

    /// Returns the dotted name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the nested names, outermost first.
    pub fn segments(&self) -> std::str::Split<'_, char> {
        self.0.split('.')
    }
}

impl std::fmt::Display for FieldPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The six kinds of JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number
    Number,
    /// A string
    String,
    /// An array
    Array,
    /// An object
    Object,
}

/// A JSON value inside a [`Value`], borrowed as the slice of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Returns the text of this value.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// Returns which kind of value this is. Constant time.
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// Returns the string with its escapes resolved, or `None` for another kind of value.
    pub fn as_string(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str(self.0).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// Returns the members of an object in key order; nothing for another kind of value.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Json<'a>)> {
        let mut items = Items::of(self, Kind::Object);
        std::iter::from_fn(move || {
            let key = items.next()?;
            let value = items.next()?;
            Some((key.as_string().unwrap_or_default(), value))
        })
    }

    /// Returns the elements of an array; nothing for another kind of value.
    pub fn elements(self) -> impl Iterator<Item = Json<'a>> {
        Items::of(self, Kind::Array)
    }

    /// Returns the member called `name`, or `None` where this is no object or has none.
    pub fn member(self, name: &str) -> Option<Json<'a>> {
        self.members().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn visit<'n>(
        self,
        mut path: impl Iterator<Item = &'n str> + Clone,
        found: &mut dyn FnMut(Json<'a>),
    ) {
        if self.kind() == Kind::Array {
            return self.elements().for_each(|element| element.visit_dyn(path.clone(), found));
        }
        match path.next() {
            None => found(self),
            Some(name) => {
                if let Some(member) = self.member(name) {
                    member.visit_dyn(path, found);
                }
            }
        }
    }

    fn visit_dyn<'n>(
        self,
        path: impl Iterator<Item = &'n str> + Clone,
        found: &mut dyn FnMut(Json<'a>),
    ) {
        self.visit(path, found);
    }
}

/// Cuts the inside of an array or object at its top-level commas and colons.
struct Items<'a> {
    rest: &'a str,
}

impl<'a> Items<'a> {
    fn of(json: Json<'a>, kind: Kind) -> Self {
        let inside = (json.kind() == kind).then(|| json.0.get(1..json.0.len() - 1)).flatten();
        Self { rest: inside.unwrap_or_default() }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = end_of_value(self.rest);
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Some(Json(value))
    }
}

/// Returns the length of the value that `json` begins with. The text is our own compact JSON, so
/// there is no white space and every bracket closes.
fn end_of_value(json: &str) -> usize {
    let text = json.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => {
                at = end_of_string(text, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => match depth {
                0 | 1 => return at + 1,
                _ => depth -= 1,
            },
            b',' | b':' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Returns the position behind the closing quote of the string that opens at `open`.
fn end_of_string(text: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    // Strings are most of the text, and this looks at many bytes at once.
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        match text[at] {
            b'"' => return at + 1,
            _ => at += 2,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(value: &serde_json::Value, path: &str) -> Vec<String> {
        let mut texts = Vec::new();
        Value::new(value)
            .visit(&FieldPath::new(path), &mut |json| texts.push(json.text().to_owned()));
        texts
    }

    #[test]
    fn keys_are_sorted_whatever_order_they_came_in() {
        let value: serde_json::Value =
            serde_json::from_str(r#"{"b":1,"a":{"d":2,"c":3}}"#).unwrap();
        assert_eq!(Value::new(&value).as_str(), r#"{"a":{"c":3,"d":2},"b":1}"#);
    }

    #[test]
    fn a_nested_field_is_found_behind_values_that_look_like_syntax() {
        let value = json!({"a": "},{\"x\\", "b": [1, {"c": ","}], "z": {"y": {"x": 7}}});
        assert_eq!(found(&value, "z.y.x"), ["7"]);
        assert_eq!(found(&value, "b.c"), [r#"",""#]);
        assert_eq!(found(&value, "b"), ["1", r#"{"c":","}"#]);
        assert_eq!(found(&value, "nothing.here"), [] as [&str; 0]);
    }

    #[test]
    fn every_array_on_the_way_is_opened() {
        let value = json!({"m": [{"n": ["a", "b"]}, {"n": "c"}, 3]});
        assert_eq!(found(&value, "m.n"), [r#""a""#, r#""b""#, r#""c""#]);
    }

    #[test]
    fn escaped_keys_and_strings_read_as_written() {
        let value = json!({"a\"b": "line\nbreak", "é": ""});
        let value = Value::new(&value);
        let members: Vec<_> = value.json().members().collect();
        assert_eq!(members[0].0, "a\"b");
        assert_eq!(members[0].1.as_string().unwrap(), "line\nbreak");
        assert_eq!(members[1].1.as_string().unwrap(), "");
    }

    #[test]
    fn empty_containers_have_nothing_inside() {
        let value = Value::new(&json!({"a": [], "b": {}, "c": [[]]}));
        let inside = |name| value.json().member(name).unwrap().elements().count();
        assert_eq!((inside("a"), inside("b"), inside("c")), (0, 0, 1));
    }

    #[test]
    fn null_is_absent() {
        let value = Value::new(&json!({"a": null, "b": false}));
        assert_eq!(value.at(&FieldPath::new("a")), None);
        assert_eq!(value.at(&FieldPath::new("b")).map(Json::kind), Some(Kind::Bool));
    }

    proptest::proptest! {
        #[test]
        fn a_text_that_is_no_json_is_read_without_a_panic(text in r#"[{}\[\],:"\\a0é]{0,24}"#) {
            let value = Value::from_canonical(&text);
            for path in ["a", "a.a", ""] {
                value.visit(&FieldPath::new(path), &mut |json| drop(json.as_string()));
            }
            fn walk(json: Json<'_>) -> usize {
                let members = json.members().map(|(name, json)| name.len() + walk(json));
                members.sum::<usize>() + json.elements().map(walk).sum::<usize>()
            }
            walk(value.json());
        }
    }
}
