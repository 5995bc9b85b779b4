//! Merges two changes of one record, field by field.

use serde_json::{Map, Value as Json};

use crate::pointer::Pointer;

/// Applies to `theirs` the changes that `ours` made to `old`; `None` is a record that does not
/// exist.
/// Members of objects are merged one by one, at any depth; everything else, including lists, is one
/// field.
///
/// # Errors
///
/// The fields that both sides changed differently, as JSON Pointers (RFC 6901).
pub(super) fn merge(
    old: Option<&Json>,
    ours: Option<&Json>,
    theirs: Option<&Json>,
) -> Result<Option<Json>, Vec<Pointer>> {
    let mut conflicts = Vec::new();
    let merged = merged(&Pointer::whole(), old, ours, theirs, &mut conflicts);
    if conflicts.is_empty() { Ok(merged) } else { Err(conflicts) }
}

fn merged(
    pointer: &Pointer,
    old: Option<&Json>,
    ours: Option<&Json>,
    theirs: Option<&Json>,
    conflicts: &mut Vec<Pointer>,
) -> Option<Json> {
    if ours == old || ours == theirs {
        return theirs.cloned();
    }
    if theirs == old {
        return ours.cloned();
    }
    let (Some(Json::Object(ours)), Some(Json::Object(theirs))) = (ours, theirs) else {
        conflicts.push(pointer.clone());
        return theirs.cloned();
    };
    let none = Map::new();
    let old = old.and_then(Json::as_object).unwrap_or(&none);
    let added = ours.keys().filter(|name| !theirs.contains_key(*name));
    let both = theirs.keys().chain(added).filter_map(|name| {
        let pointer = pointer.member(name);
        let side = |side: &Map<String, Json>| side.get(name).cloned();
        let (old, ours, theirs) = (side(old), side(ours), side(theirs));
        let value = merged(&pointer, old.as_ref(), ours.as_ref(), theirs.as_ref(), conflicts);
        value.map(|value| (name.clone(), value))
    });
    Some(Json::Object(both.collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(old: Json, ours: Json, theirs: Json) -> Result<Json, Vec<Pointer>> {
        let there = |value: &Json| (!value.is_null()).then(|| value.clone());
        let [old, ours, theirs] = [old, ours, theirs].map(|value| there(&value));
        let merged = merge(old.as_ref(), ours.as_ref(), theirs.as_ref());
        merged.map(Option::unwrap_or_default)
    }

    #[test]
    fn fields_that_one_side_changed_are_merged() {
        let old = json!({ "name": "Jane", "city": "x", "at": { "a": 1, "b": 2 }, "tags": [1] });
        let ours =
            json!({ "name": "Jane Doe", "at": { "a": 1, "b": 3 }, "tags": [1], "new": true });
        let theirs =
            json!({ "name": "Jane", "city": "x", "at": { "b": 2, "c": 4 }, "tags": [1, 2] });
        assert_eq!(
            of(old, ours, theirs),
            Ok(
                json!({ "name": "Jane Doe", "at": { "b": 3, "c": 4 }, "tags": [1, 2], "new": true })
            )
        );
    }

    #[test]
    fn the_same_change_on_both_sides_is_no_conflict() {
        for same in [json!({ "a": 2 }), json!({}), Json::Null] {
            assert_eq!(of(json!({ "a": 1 }), same.clone(), same.clone()), Ok(same));
        }
        assert_eq!(of(Json::Null, json!({ "a": 1 }), json!({ "a": 1 })), Ok(json!({ "a": 1 })));
    }

    #[test]
    fn a_field_that_both_changed_is_named() {
        let old = json!({ "a/b": 1, "c": { "d~": [1], "e": 1 }, "f": 1 });
        let ours = json!({ "a/b": 2, "c": { "d~": [2], "e": 2 }, "f": 1 });
        let theirs = json!({ "a/b": 3, "c": { "d~": [3], "e": 1 } });
        assert_eq!(
            of(old, ours, theirs),
            Err(vec![Pointer::of(["a/b"]), Pointer::of(["c", "d~"])])
        );
    }

    #[test]
    fn a_record_that_one_side_deleted_and_the_other_changed_is_a_conflict_as_a_whole() {
        let (old, new) = (json!({ "a": 1 }), json!({ "a": 2 }));
        assert_eq!(of(old.clone(), new.clone(), Json::Null), Err(vec![Pointer::whole()]));
        assert_eq!(of(old.clone(), Json::Null, new.clone()), Err(vec![Pointer::whole()]));
        assert_eq!(of(old.clone(), Json::Null, old.clone()), Ok(Json::Null));
        assert_eq!(of(old.clone(), old.clone(), Json::Null), Ok(Json::Null));
        // Two new records with the same key agree if their fields are equal.
        let (one, other) = (json!({ "id": 1, "k": 0 }), json!({ "id": 2, "k": 0 }));
        assert_eq!(of(Json::Null, one, other), Err(vec![Pointer::of(["id"])]));
        let (one, other) = (json!({ "k": 0, "a": 1 }), json!({ "k": 0, "b": 2 }));
        assert_eq!(of(Json::Null, one, other), Ok(json!({ "k": 0, "a": 1, "b": 2 })));
    }
}
