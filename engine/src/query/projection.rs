//! Shows only some fields of a value.

use std::collections::BTreeMap;

use crate::value::{FieldPath, Json, Kind, Value};

/// The fields to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection(Node);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// Everything from here on.
    Whole,
    /// Only these members.
    Members(BTreeMap<Box<str>, Node>),
}

impl Projection {
    /// Returns the projection on `fields`; a field that lies in another is shown with it.
    pub(crate) fn new<'a>(fields: impl IntoIterator<Item = &'a FieldPath>) -> Self {
        let mut root = Node::Members(BTreeMap::new());
        for field in fields {
            let mut node = &mut root;
            for name in field.segments() {
                let Node::Members(members) = node else { break };
                node = members.entry(name.into()).or_insert_with(|| Node::Members(BTreeMap::new()));
            }
            *node = Node::Whole;
        }
        Self(root)
    }

    /// Returns the JSON text of the fields that `value` has, in their places: members of other
    /// names are left out, and so are elements of arrays that have none of them.
    pub fn apply(&self, value: &Value) -> String {
        let mut text = String::new();
        if !write(value.json(), &self.0, &mut text) {
            text.push_str("{}");
        }
        text
    }
}

/// Writes what `node` shows of `json`, if that is anything. Recurses as deep as the projection and
/// the arrays in the value.
fn write(json: Json<'_>, node: &Node, text: &mut String) -> bool {
    let Node::Members(members) = node else {
        text.push_str(json.text());
        return true;
    };
    let begin = text.len();
    match json.kind() {
        Kind::Object => {
            text.push('{');
            for (name, member) in json.members() {
                let Some(node) = members.get(&*name) else { continue };
                let before = text.len();
                if text.len() > begin + 1 {
                    text.push(',');
                }
                text.push_str(&serde_json::Value::from(&*name).to_string());
                text.push(':');
                if !write(member, node, text) {
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
                if !write(element, node, text) {
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
        ] {
            let fields: Vec<_> = fields.split(',').map(FieldPath::new).collect();
            assert_eq!(Projection::new(&fields).apply(&value), expected);
        }
    }
}
