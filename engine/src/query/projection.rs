//! Shows only some fields of a value.

use smallvec::SmallVec;

use crate::value::{Cut, FieldPath, Json, Kind, Value};

/// The fields to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection(Box<[FieldPath]>);

impl Projection {
    /// Returns the projection on `fields`; a field that lies in another is shown with it.
    pub(crate) fn new<'a>(fields: impl IntoIterator<Item = &'a FieldPath>) -> Self {
        Self(fields.into_iter().cloned().collect())
    }

    /// Returns the JSON text of the fields that `value` has, in their places: members of other
    /// names are left out, and so are elements of arrays that have none of them. Fields that only
    /// the path has are shown, too.
    pub fn apply(&self, value: &Value) -> String {
        let mut text = String::new();
        let fields: SmallVec<_> = self.0.iter().map(FieldPath::as_str).collect();
        if !write(value.whole().json(), &Shown::Parts(fields), &mut text) {
            text.push_str("{}");
        }
        text
    }
}

/// What of a value is shown.
enum Shown<'p> {
    /// Everything.
    Whole,
    /// What these dotted names find in it.
    Parts(SmallVec<[&'p str; 8]>),
}

impl<'p> Shown<'p> {
    /// Returns what is shown of the member `name`, where that is `fields` of its table.
    fn of_member(fields: &[&'p str], name: &str) -> Self {
        let mut parts = SmallVec::new();
        for cut in fields.iter().filter_map(|field| Cut::behind(field, name)) {
            match cut {
                Cut::End => return Self::Whole,
                Cut::Rest(rest) => parts.push(rest),
            }
        }
        Self::Parts(parts)
    }
}

/// Writes what is shown of `json`, if that is anything. Recurses as deep as the names and the
/// arrays in the value.
fn write(json: Json<'_>, shown: &Shown<'_>, text: &mut String) -> bool {
    let fields = match shown {
        Shown::Whole => {
            text.push_str(json.text());
            return true;
        }
        Shown::Parts(fields) => fields,
    };
    let begin = text.len();
    match json.kind() {
        Kind::Object => {
            text.push('{');
            for (name, member) in json.members() {
                let shown = Shown::of_member(fields, &name);
                if matches!(&shown, Shown::Parts(parts) if parts.is_empty()) {
                    continue;
                }
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
        _ => return false,
    }
    if text.len() == begin + 1 {
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
        ] {
            let fields: Vec<_> = fields.split(',').map(FieldPath::new).collect();
            assert_eq!(Projection::new(&fields).apply(&value), expected);
        }
    }
}
