//! The value of a record: canonical JSON text, read in place.
//!
//! A GET answers with this text, so a read copies no more than its answer. Fields are found by
//! scanning the text, which costs less than keeping a tree of nodes: the tree of a record is
//! several times the size of its text.

mod path_fields;
mod paths;
mod positions;

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;

use crate::pointer::Pointer;

pub(crate) use paths::Beginning;
pub use paths::Paths;

/// A JSON value as compact text with object keys sorted by their bytes.
///
/// Two values are equal if their texts are, so equality, digests and ETags agree. The text may be
/// followed by [fields from the path](Value::path_fields), which are found like any others.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Value(Box<str>);

impl Value {
    /// Returns the canonical text of `json`.
    ///
    /// The order of keys is canonical because `serde_json` keeps objects in sorted maps here: its
    /// feature `preserve_order` is off, which a test of this module ensures.
    pub fn new(json: &serde_json::Value) -> Self {
        // Writing into a string cannot fail, and costs half as much as `Display`.
        Self(serde_json::to_string(json).unwrap_or_else(|_| json.to_string()).into_boxed_str())
    }

    /// Wraps a text that [`Value::stored`] returned. Any other text is read without a panic, but
    /// with arbitrary results.
    pub(crate) fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the JSON text, exactly the bytes that are served and hashed.
    pub fn as_str(&self) -> &str {
        self.texts().0
    }

    /// Returns the range of a value that was found in this one.
    pub(crate) fn place_of(&self, part: Json<'_>) -> Range<usize> {
        let begin = (part.0.as_ptr() as usize).saturating_sub(self.0.as_ptr() as usize);
        begin..begin + part.0.len()
    }

    /// Returns the value in a range that [`Value::place_of`] returned.
    pub(crate) fn at_place(&self, place: Range<usize>) -> Json<'_> {
        Json(self.0.get(place).unwrap_or("null"))
    }

    /// Returns the value for reading, without the fields from its path.
    pub fn json(&self) -> Json<'_> {
        Json(self.as_str())
    }

    /// Calls `found` with each value at `path`. Arrays on the way and at the end are opened, so
    /// that `maintainers.name` finds the name of every maintainer. Linear in the text.
    pub fn visit<'a>(&'a self, path: &FieldPath, found: &mut dyn FnMut(Json<'a>)) {
        for part in self.parts() {
            walk(part, Cut::Rest(path.as_str()), &mut (), &mut |(), json| found(json));
        }
    }

    /// As [`Value::visit`], with the JSON Pointer (RFC 6901) of each value.
    pub fn locate<'a>(&'a self, path: &FieldPath, found: &mut dyn FnMut(&Pointer, Json<'a>)) {
        let cut = Cut::Rest(path.as_str());
        for part in self.parts() {
            walk(part, cut, &mut Pointer::whole(), &mut |pointer, json| found(pointer, json));
        }
    }

    /// Returns the JSON Pointer of the first value at `path`; where there is none, that of the
    /// member that each dot of it would lead to.
    pub fn pointer(&self, path: &FieldPath) -> Pointer {
        let mut first = None;
        self.locate(path, &mut |pointer, _| {
            first.get_or_insert_with(|| pointer.clone());
        });
        first.unwrap_or_else(|| Pointer::of(path.segments()))
    }

    /// Returns the non-null values at `path`, without opening arrays. There may be several if names
    /// of members contain dots.
    pub fn all_at<'a>(&'a self, path: &FieldPath) -> SmallVec<[Json<'a>; 1]> {
        fn collect<'a>(json: Json<'a>, cut: Cut<'_>, found: &mut SmallVec<[Json<'a>; 1]>) {
            match cut {
                Cut::End if json.kind() != Kind::Null => found.push(json),
                Cut::End => {}
                Cut::Rest(path) => {
                    json.cuts(path).for_each(|(_, member, cut)| collect(member, cut, found));
                }
            }
        }
        let mut found = SmallVec::new();
        self.parts().for_each(|part| collect(part, Cut::Rest(path.as_str()), &mut found));
        found
    }

    /// Returns whether a value at `path` is set, which null and `false` are not. Arrays on the way are
    /// opened, as [`Value::visit`] does; one at the end is set, even if it is empty. A number among the
    /// names is the position of an element, too.
    pub fn is_set(&self, path: &FieldPath) -> bool {
        fn is_set(json: Json<'_>, cut: Cut<'_>) -> bool {
            match (json.kind(), cut) {
                (kind, Cut::End) => kind != Kind::Null && json.text() != "false",
                (Kind::Array, cut) => json.elements().any(|element| is_set(element, cut)),
                (_, Cut::Rest(path)) => json.cuts(path).any(|(_, member, cut)| is_set(member, cut)),
            }
        }
        self.parts().any(|part| is_set(part, Cut::Rest(path.as_str())))
            || self.is_set_by_position(path)
    }

    /// Returns the first non-null value at `path`, without opening arrays.
    pub fn at<'a>(&'a self, path: &FieldPath) -> Option<Json<'a>> {
        self.all_at(path).first().copied()
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a field, with dots between nested names: `address.city`.
///
/// Names may contain dots. So a dotted name stands for every way of splitting it into names:
/// `stats.17.4` is `4` in `17` in `stats`, `17.4` in `stats`, `4` in `stats.17`, and the member
/// `stats.17.4` itself.
///
/// Some of the names may be positions in lists: `releases.0.eol`, or `releases.-1.eol` counted from
/// the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    name: Box<str>,
    /// Which of the names between the dots are positions, in order.
    positions: Box<[usize]>,
}

impl FieldPath {
    /// The maximum number of parts in a requested or declared name: the number of ways to split it
    /// grows with the square of its parts.
    pub const MOST_PARTS: usize = 64;

    /// Returns whether `dotted` has too many parts.
    pub fn has_too_many_parts(dotted: &str) -> bool {
        memchr::memchr_iter(b'.', dotted.as_bytes()).count() >= Self::MOST_PARTS
    }

    /// Wraps a dotted name without positions.
    pub fn new(dotted: impl Into<Box<str>>) -> Self {
        Self { name: dotted.into(), positions: Box::default() }
    }

    /// Wraps a dotted name in which the names at these indices, in order, are positions. They must
    /// be integers.
    pub(crate) fn with_positions(dotted: &str, positions: Vec<usize>) -> Self {
        Self { name: dotted.into(), positions: positions.into() }
    }

    /// Returns whether the path includes a position in a list.
    pub(crate) fn has_positions(&self) -> bool {
        !self.positions.is_empty()
    }

    /// Returns the dotted name without the positions in lists.
    pub(crate) fn without_positions(&self) -> Cow<'_, str> {
        if !self.has_positions() {
            return self.as_str().into();
        }
        let segments = self.segments().enumerate();
        let names = segments.filter(|(at, _)| !self.positions.contains(at)).map(|(_, name)| name);
        names.collect::<Vec<_>>().join(".").into()
    }

    /// Returns the dotted name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns the names between the dots, outermost first.
    pub fn segments(&self) -> std::str::Split<'_, char> {
        self.name.split('.')
    }

    /// Returns the possible names of the outermost member, shortest first.
    pub fn outermost(&self) -> impl Iterator<Item = &str> {
        outermost(&self.name)
    }

    /// Returns the rest of the path within the values of `outer`, or `None` if it is not inside
    /// them.
    pub fn inside(&self, outer: &Self) -> Option<Self> {
        let places = outer.segments().count();
        match Cut::behind(&self.name, &outer.name)? {
            Cut::End => None,
            Cut::Rest(_) if self.positions.contains(&places) => None,
            Cut::Rest(rest) => {
                let positions = self.positions.iter().filter_map(|at| at.checked_sub(places));
                Some(Self::with_positions(rest, positions.collect()))
            }
        }
    }

    /// Returns whether the path is `outer` or inside its values, but not inside an element that it
    /// selects by position there.
    pub fn is_within(&self, outer: &Self) -> bool {
        self.name == outer.name || self.inside(outer).is_some()
    }
}

/// Returns the possible names of the outermost member of a dotted name, shortest first.
fn outermost(path: &str) -> impl Iterator<Item = &str> {
    let dots = path.match_indices('.').map(|(at, _)| at);
    dots.chain([path.len()]).map(|end| &path[..end])
}

/// The rest of a dotted name after the name of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut<'p> {
    /// Nothing: the name of the member is the whole name.
    End,
    /// The name of something inside the member.
    Rest(&'p str),
}

impl<'p> Cut<'p> {
    /// Removes the name of a member from the front of a dotted name, if it is there.
    pub(crate) fn behind(path: &'p str, name: &str) -> Option<Self> {
        match path.strip_prefix(name)? {
            "" => Some(Self::End),
            rest => rest.strip_prefix('.').map(Self::Rest),
        }
    }
}

impl std::fmt::Display for FieldPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
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

/// A JSON value inside a [`Value`], borrowed as a slice of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Returns the text of this value.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// Returns the kind of this value. Constant time.
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

    /// Returns the string with its escapes resolved, or `None` for any other kind of value.
    pub fn as_string(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str(self.0).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// Returns the members of an object in key order, or none for any other kind of value.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Json<'a>)> {
        let mut items = Items::of(self, Kind::Object);
        std::iter::from_fn(move || {
            let key = items.next()?;
            let value = items.next()?;
            Some((key.as_string().unwrap_or_default(), value))
        })
    }

    /// Returns the elements of an array, or none for any other kind of value.
    pub fn elements(self) -> impl Iterator<Item = Json<'a>> {
        Items::of(self, Kind::Array)
    }

    /// Returns the element at a position, counted from the end if negative. Returns `None` if this
    /// is not an array or has no such element.
    pub(crate) fn element(self, position: i64) -> Option<Json<'a>> {
        let from_end = || {
            let count = i64::try_from(self.elements().count()).ok()?;
            usize::try_from(count + position).ok()
        };
        let at = usize::try_from(position).ok().or_else(from_end)?;
        self.elements().nth(at)
    }

    /// Returns the member `name`, or `None` if this is not an object or has no such member.
    pub fn member(self, name: &str) -> Option<Json<'a>> {
        self.members().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Returns the members that `path` can begin with, each with the rest of the path.
    fn cuts<'p>(
        self,
        path: &'p str,
    ) -> impl Iterator<Item = (Cow<'a, str>, Json<'a>, Cut<'p>)> + use<'a, 'p> {
        // Members are sorted, and a prefix of a text never sorts after it.
        let near = self.members().take_while(move |(name, _)| **name <= *path);
        near.filter_map(move |(name, member)| {
            let cut = Cut::behind(path, &name)?;
            Some((name, member, cut))
        })
    }
}

/// The current position of a walk through a value. `()` records nothing.
trait Trail {
    /// Enters a member.
    fn enter(&mut self, name: &str);
    /// Enters an element.
    fn enter_at(&mut self, position: usize);
    /// Returns a mark to return to.
    fn mark(&self) -> usize;
    /// Returns to a mark.
    fn back(&mut self, mark: usize);
}

impl Trail for () {
    fn enter(&mut self, _: &str) {}
    fn enter_at(&mut self, _: usize) {}
    fn mark(&self) -> usize {
        0
    }
    fn back(&mut self, _: usize) {}
}

impl Trail for Pointer {
    fn enter(&mut self, name: &str) {
        self.push(name);
    }

    fn enter_at(&mut self, position: usize) {
        self.push(&position.to_string());
    }

    fn mark(&self) -> usize {
        self.len()
    }

    fn back(&mut self, mark: usize) {
        self.truncate(mark);
    }
}

fn walk<'a, T: Trail>(
    json: Json<'a>,
    cut: Cut<'_>,
    trail: &mut T,
    found: &mut dyn FnMut(&T, Json<'a>),
) {
    let mark = trail.mark();
    match (json.kind(), cut) {
        (Kind::Array, cut) => {
            for (position, element) in json.elements().enumerate() {
                trail.enter_at(position);
                walk(element, cut, trail, found);
                trail.back(mark);
            }
        }
        (_, Cut::End) => found(trail, json),
        (_, Cut::Rest(path)) => {
            for (name, member, cut) in json.cuts(path) {
                trail.enter(&name);
                walk(member, cut, trail, found);
                trail.back(mark);
            }
        }
    }
}

/// Splits the contents of an array or object at its top-level commas and colons.
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

/// Returns the length of the value at the start of `json`. The text is our own compact JSON, so
/// there is no white space and every bracket is closed.
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

/// Returns the position after the closing quote of the string that opens at `open`.
fn end_of_string(text: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    // Strings are most of the text, and this scans many bytes at once.
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
    fn a_dotted_name_is_every_way_in_which_it_can_be_cut() {
        let value = json!({
            "a": {"b": {"c": 1}, "b.c": 2}, "a.b": {"c": 3}, "a.b.c": 4,
            "a.": {"b": 8}, "a.x": [{"y.z": 5}, {"y": {"z": 6}}], "ab": 9, ".hidden": 7,
        });
        assert_eq!(found(&value, "a.b.c"), ["1", "2", "3", "4"]);
        assert_eq!(found(&value, "a.x.y.z"), ["5", "6"]);
        assert_eq!(found(&value, "a..b"), ["8"]);
        assert_eq!(found(&value, ".hidden"), ["7"]);
        assert_eq!(found(&value, "a.bc"), [] as [&str; 0]);
        let value = Value::new(&value);
        let at: Vec<_> = value.all_at(&FieldPath::new("a.b.c")).iter().map(|j| j.text()).collect();
        assert_eq!(at, ["1", "2", "3", "4"]);
        let outermost = FieldPath::new("a.b.c");
        assert_eq!(outermost.outermost().collect::<Vec<_>>(), ["a", "a.b", "a.b.c"]);
    }

    #[test]
    fn a_value_is_found_with_its_pointer() {
        let value = Value::new(&json!({"a/b": [{"c.d": 1}, {"c": {"d": 2}}], "~": 0}));
        let mut found = Vec::new();
        value.locate(&FieldPath::new("a/b.c.d"), &mut |pointer, json| {
            found.push(format!("{pointer} {}", json.text()));
        });
        assert_eq!(found, ["/a~1b/0/c.d 1", "/a~1b/1/c/d 2"]);
        assert_eq!(value.pointer(&FieldPath::new("~")).as_str(), "/~0");
        assert_eq!(value.pointer(&FieldPath::new("x/y.z")).as_str(), "/x~1y/z");
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

    #[test]
    fn a_field_is_set_where_a_filter_by_its_name_finds_something_else_than_false() {
        let set = [
            json!({"a": {"h": true}}),
            json!({"a.h": 1}),
            json!({"a": [{"h": true}]}),
            json!({"a": [{"h": false}, {"h": "x"}]}),
            json!({"a": [[{"h": {}}]]}),
            json!([{"a": {"h": 1}}]),
            json!({"a": {"h": []}}),
            json!({"a": [{"h": [false]}]}),
        ];
        let unset = [
            json!({"a": [{"h": false}, {"h": null}, {"other": 1}, 7]}),
            json!({"a": []}),
            json!({"a": {"h": false}}),
            json!({"h": true}),
            json!({"a": true}),
        ];
        let field = FieldPath::new("a.h");
        for value in set {
            assert!(Value::new(&value).is_set(&field), "{value}");
        }
        for value in unset {
            assert!(!Value::new(&value).is_set(&field), "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_text_that_is_no_json_is_read_without_a_panic(text in r#"[{}\[\],:"\\a0é]{0,24}"#) {
            let value = Value::from_stored(&text);
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
