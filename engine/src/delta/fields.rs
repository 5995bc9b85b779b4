//! Finds the fields in which two values of a record differ.

use std::cmp::Ordering;

use crate::pointer::Pointer;
use crate::value::{Json, Kind, Value};

/// The most fields that are listed for one record; with more, the record differs as a whole.
const MOST: usize = 100;

/// A field that differs, and its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange<'a> {
    /// Its location as a JSON Pointer (RFC 6901); empty for the record as a whole.
    pub pointer: Pointer,
    /// The old value, if any.
    pub before: Option<Json<'a>>,
    /// The new value, if any.
    pub after: Option<Json<'a>>,
}

/// Returns the fields in which two values differ, in order.
///
/// Members of objects are compared one by one at any depth, and so are the elements of arrays of
/// equal length; other arrays differ as a whole. If more than a hundred fields differ, the record
/// differs as a whole. Linear in both texts, times the depth.
pub fn changed_fields<'a>(before: &'a Value, after: &'a Value) -> Vec<FieldChange<'a>> {
    let mut found = Vec::new();
    let mut pointer = Pointer::whole();
    compare(&mut pointer, Some(before.json()), Some(after.json()), &mut found);
    if found.len() > MOST {
        let (before, after) = (Some(before.json()), Some(after.json()));
        return vec![FieldChange { pointer: Pointer::whole(), before, after }];
    }
    found
}

/// Recurses as deep as both values are, which decoding limits.
fn compare<'a>(
    pointer: &mut Pointer,
    before: Option<Json<'a>>,
    after: Option<Json<'a>>,
    found: &mut Vec<FieldChange<'a>>,
) {
    if found.len() > MOST || before.map(Json::text) == after.map(Json::text) {
        return;
    }
    let kinds =
        before.zip(after).map(|(before, after)| (before, after, before.kind(), after.kind()));
    match kinds {
        Some((before, after, Kind::Object, Kind::Object)) => {
            merged(before, after, |name, before, after| {
                within(pointer, name, |pointer| {
                    compare(pointer, before, after, found);
                });
            });
        }
        Some((before, after, Kind::Array, Kind::Array))
            if before.elements().count() == after.elements().count() =>
        {
            for (at, (before, after)) in before.elements().zip(after.elements()).enumerate() {
                within(pointer, &at.to_string(), |pointer| {
                    compare(pointer, Some(before), Some(after), found);
                });
            }
        }
        _ => found.push(FieldChange { pointer: pointer.clone(), before, after }),
    }
}

fn within(pointer: &mut Pointer, name: &str, work: impl FnOnce(&mut Pointer)) {
    let length = pointer.len();
    pointer.push(name);
    work(pointer);
    pointer.truncate(length);
}

/// Walks the members of two objects side by side; both are sorted by name.
fn merged<'a>(
    before: Json<'a>,
    after: Json<'a>,
    mut each: impl FnMut(&str, Option<Json<'a>>, Option<Json<'a>>),
) {
    let (mut old, mut new) = (before.members().peekable(), after.members().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        let before = if order.is_le() { old.next() } else { None };
        let after = if order.is_ge() { new.next() } else { None };
        let (before_value, after_value) =
            (before.as_ref().map(|(_, json)| *json), after.as_ref().map(|(_, json)| *json));
        if let Some((name, _)) = before.as_ref().or(after.as_ref()) {
            each(name, before_value, after_value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Node, json};

    fn changed(before: &Node, after: &Node) -> Vec<(Pointer, Option<Node>, Option<Node>)> {
        let (before, after) = (Value::new(before), Value::new(after));
        let node =
            |json: Option<Json<'_>>| json.map(|json| serde_json::from_str(json.text()).unwrap());
        changed_fields(&before, &after)
            .into_iter()
            .map(|field| (field.pointer, node(field.before), node(field.after)))
            .collect()
    }

    #[test]
    fn fields_are_named_where_they_differ() {
        let before = json!({"a": 1, "b": {"c": [1, 2], "d/~": "x"}, "e": [1], "gone": true});
        let after = json!({"a": 1, "b": {"c": [1, 3], "d/~": "y"}, "e": [1, 2], "new": null});
        let expected = [
            ("/b/c/1", Some(json!(2)), Some(json!(3))),
            ("/b/d~1~0", Some(json!("x")), Some(json!("y"))),
            ("/e", Some(json!([1])), Some(json!([1, 2]))),
            ("/gone", Some(json!(true)), None),
            ("/new", None, Some(json!(null))),
        ];
        let expected =
            expected.map(|(text, before, after)| (Pointer::parse(text).unwrap(), before, after));
        assert_eq!(changed(&before, &after), expected);
        assert_eq!(changed(&before, &before), []);
    }

    #[test]
    fn a_value_of_another_kind_differs_as_a_whole() {
        let (before, after) = (json!({"a": {"b": 1}}), json!({"a": [1]}));
        let expected = (Pointer::of(["a"]), Some(json!({"b": 1})), Some(json!([1])));
        assert_eq!(changed(&before, &after), [expected]);
    }

    #[test]
    fn a_record_with_more_changes_than_anybody_reads_differs_as_a_whole() {
        let all = |value: i32| -> Node {
            (0..200)
                .map(|n| (format!("f{n}"), json!(value)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let found = changed(&all(1), &all(2));
        assert_eq!((found.len(), &*found[0].0), (1, ""));
    }

    fn any_node() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Node::from),
            (0..3).prop_map(Node::from),
            "[ab/~]{0,2}".prop_map(Node::from)
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Node::from),
                prop::collection::btree_map("[ab/~]{0,2}", inner, 0..3)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        /// Applying the changes to the earlier value produces the later one.
        #[test]
        fn the_changes_lead_from_one_value_to_the_other(before in any_node(), after in any_node()) {
            let mut value = before.clone();
            for (pointer, old, new) in changed(&before, &after) {
                prop_assert_eq!(before.pointer(&pointer), old.as_ref());
                prop_assert_eq!(after.pointer(&pointer), new.as_ref());
                let (parent, _) = pointer.rsplit_once('/').unwrap_or_default();
                let name = pointer.names().last().unwrap_or_default();
                match (pointer.is_empty(), value.pointer_mut(parent), new) {
                    (true, _, Some(new)) => value = new,
                    (false, Some(Node::Object(members)), Some(new)) => drop(members.insert(name, new)),
                    (false, Some(Node::Object(members)), None) => drop(members.remove(&name)),
                    (false, Some(Node::Array(elements)), Some(new)) => elements[name.parse::<usize>().unwrap()] = new,
                    (_, place, new) => prop_assert!(false, "{pointer} {place:?} {new:?}"),
                }
            }
            prop_assert_eq!(value, after);
        }
    }
}
