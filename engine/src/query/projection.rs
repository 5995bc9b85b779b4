//! Restricts a value to some of its fields.

use smallvec::SmallVec;

use crate::value::{Cut, FieldPath, Json, Kind, Value};

/// The fields to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// These fields; `None` is all.
    fields: Option<Box<[FieldPath]>>,
    /// Except these.
    without: Box<[FieldPath]>,
}

impl Projection {
    /// Returns the projection on `fields`, or on all if that is `None`, without those in `without`.
    /// A field that contains another includes it.
    pub(crate) fn new(fields: Option<Vec<FieldPath>>, without: Vec<FieldPath>) -> Self {
        Self { fields: fields.map(Vec::into_boxed_slice), without: without.into() }
    }

    /// Returns the fields; `None` is all.
    pub(crate) fn fields(&self) -> Option<&[FieldPath]> {
        self.fields.as_deref()
    }

    /// Returns the fields that are left out.
    pub(crate) fn without(&self) -> &[FieldPath] {
        &self.without
    }

    /// Returns the JSON text of the selected fields of `value`, in their places. Other members are
    /// left out, and so are array elements without any of them. Fields from the path are included.
    pub fn apply(&self, value: &Value) -> String {
        self.apply_to(value.whole().json())
    }

    /// Returns the JSON text of the fields that a value has.
    pub fn apply_to(&self, json: Json<'_>) -> String {
        let mut text = String::new();
        let shown =
            Shown { parts: self.fields.as_deref().map(names_of), without: names_of(&self.without) };
        if !write(json, &shown, &mut text) {
            text.push_str("{}");
        }
        text
    }
}

fn names_of(fields: &[FieldPath]) -> Names<'_> {
    fields.iter().map(FieldPath::as_str).collect()
}

/// Dotted names.
type Names<'p> = SmallVec<[&'p str; 8]>;

/// The shown part of a value.
struct Shown<'p> {
    /// The parts at these names; `None` is everything.
    parts: Option<Names<'p>>,
    /// Except the parts at these names.
    without: Names<'p>,
}

impl Shown<'_> {
    /// Returns the shown part of the member `name` of a table, or `None` if nothing is shown.
    fn of_member(&self, name: &str) -> Option<Self> {
        let mut without = Names::new();
        for cut in self.without.iter().filter_map(|field| Cut::behind(field, name)) {
            match cut {
                Cut::End => return None,
                Cut::Rest(rest) => without.push(rest),
            }
        }
        let Some(fields) = &self.parts else { return Some(Self { parts: None, without }) };
        let mut parts = Names::new();
        for cut in fields.iter().filter_map(|field| Cut::behind(field, name)) {
            match cut {
                Cut::End => return Some(Self { parts: None, without }),
                Cut::Rest(rest) => parts.push(rest),
            }
        }
        (!parts.is_empty()).then_some(Self { parts: Some(parts), without })
    }
}

/// Writes the shown part of `json`, if there is any. Recurses as deep as the names and the arrays
/// in the value.
fn write(json: Json<'_>, shown: &Shown<'_>, text: &mut String) -> bool {
    if shown.parts.is_none() && shown.without.is_empty() {
        text.push_str(json.text());
        return true;
    }
    let begin = text.len();
    match json.kind() {
        Kind::Object => {
            text.push('{');
            for (name, member) in json.members() {
                let Some(shown) = shown.of_member(&name) else { continue };
                let before = text.len();
                if text.len() > begin + 1 {
                    text.push(',');
                }
                text.push_str(&serde_json::Value::from(&*name).to_string());
                text.push(':');
                if !write(member, &shown, text) {
                    text.truncate(before);
                }
            }
        }
        Kind::Array => {
            text.push('[');
            for element in json.elements() {
                let before = text.len();
                if text.len() > begin + 1 {
                    text.push(',');
                }
                if !write(element, shown, text) {
                    text.truncate(before);
                }
            }
        }
        _ if shown.parts.is_none() => {
            text.push_str(json.text());
            return true;
        }
        _ => return false,
    }
    if shown.parts.is_some() && text.len() == begin + 1 {
        text.truncate(begin);
        return false;
    }
    text.push(if json.kind() == Kind::Object { '}' } else { ']' });
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_named_fields_are_shown_in_their_places() {
        let value = Value::new(&json!({
            "a": 1,
            "b": {"c": [1, 2], "d": {"e": null}},
            "m": [{"n": "x", "o": 1}, {"o": 2}, 3],
            "q\"": true,
            "n.h": 1,
            "n": {"h": {"i.j": 2, "k": 3}},
        }));
        for (fields, expected) in [
            ("a", r#"{"a":1}"#),
            ("b.c,a", r#"{"a":1,"b":{"c":[1,2]}}"#),
            ("b.c,b", r#"{"b":{"c":[1,2],"d":{"e":null}}}"#),
            ("b,b.c", r#"{"b":{"c":[1,2],"d":{"e":null}}}"#),
            ("m.n", r#"{"m":[{"n":"x"}]}"#),
            ("m.o", r#"{"m":[{"o":1},{"o":2}]}"#),
            ("b.d.e", r#"{"b":{"d":{"e":null}}}"#),
            ("a.x,nothing", "{}"),
            ("q\"", r#"{"q\"":true}"#),
            ("n.h", r#"{"n":{"h":{"i.j":2,"k":3}},"n.h":1}"#),
            ("n.h.i.j", r#"{"n":{"h":{"i.j":2}}}"#),
            ("b,-b.d", r#"{"b":{"c":[1,2]}}"#),
            ("b,-b.d.e", r#"{"b":{"c":[1,2],"d":{}}}"#),
            ("-b,-m,-n.h,-q\"", r#"{"a":1,"n":{}}"#),
            ("-b,-n,-n.h,-a,-m.o", r#"{"m":[{"n":"x"},{},3],"q\"":true}"#),
            ("a,-a", "{}"),
        ] {
            let (without, fields): (Vec<&str>, Vec<&str>) =
                fields.split(',').partition(|field| field.starts_with('-'));
            let without = without.iter().map(|field| FieldPath::new(&field[1..]));
            let fields: Vec<_> = fields.into_iter().map(FieldPath::new).collect();
            let fields = Some(fields).filter(|fields| !fields.is_empty());
            let projection = Projection::new(fields, without.collect());
            assert_eq!(projection.apply(&value), expected);
        }
    }
}
