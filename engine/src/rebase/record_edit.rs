//! The effect of one of our changes on a record in a file of many.

use serde_json::Value as Json;

use super::merge::merge;
use crate::pointer::Pointer;

/// What the other side has of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum There<'a> {
    /// The record.
    Record(&'a Json),
    /// Nothing: they deleted it, or never had it.
    Nothing,
    /// Nothing under its key. They may have it under another key, or in a piece that cannot be read.
    Unknown,
}

/// The change to one of their records.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RecordEdit {
    Keep,
    Remove,
    Replace(Json),
    Insert(Json),
}

/// Decides what the change from `old` to `ours` makes of a record of theirs.
///
/// A record that they no longer have was deleted on both sides only if it is certain that they have
/// none: otherwise our deletion would be dropped as done, and the record would still be served.
///
/// # Errors
///
/// The fields that both sides changed differently, as JSON Pointers; the empty one is the record.
pub(super) fn record_edit(
    old: Option<&Json>,
    ours: Option<&Json>,
    there: There<'_>,
) -> Result<RecordEdit, Vec<Pointer>> {
    if old == ours {
        return Ok(RecordEdit::Keep);
    }
    let theirs = match there {
        There::Unknown if old.is_some() => return Err(vec![Pointer::whole()]),
        There::Record(record) => Some(record),
        There::Nothing | There::Unknown => None,
    };
    Ok(match merge(old, ours, theirs)? {
        merged if merged.as_ref() == theirs => RecordEdit::Keep,
        None => RecordEdit::Remove,
        Some(merged) if theirs.is_some() => RecordEdit::Replace(merged),
        Some(merged) => RecordEdit::Insert(merged),
    })
}

/// Returns whether `new` may be the record `old` under another key: besides one field, which may name it,
/// at most half of the fields differ. A wrong yes makes a conflict, and a wrong no loses a change.
pub(super) fn may_be_renamed(old: &Json, new: &Json) -> bool {
    let (Json::Object(old), Json::Object(new)) = (old, new) else { return old == new };
    let changed = old.iter().filter(|(name, value)| new.get(*name) != Some(value)).count();
    let added = new.keys().filter(|name| !old.contains_key(*name)).count();
    let differing = (changed + added).saturating_sub(1);
    let all = (old.len() + added).saturating_sub(1);
    2 * differing <= all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_that_they_may_still_have_is_never_taken_for_deleted() {
        let (a, b, c) = (json!({"n": 1, "m": 1}), json!({"n": 2, "m": 1}), json!({"n": 1, "m": 2}));
        let (one, other, ab) = (Some(&a), Some(&b), json!({"n": 2, "m": 2}));
        let record = There::Record;
        let conflict = |names: &[&str]| Err(vec![Pointer::of(names)]);
        for (old, ours, there, expected) in [
            (one, one, There::Unknown, Ok(RecordEdit::Keep)),
            (one, one, There::Nothing, Ok(RecordEdit::Keep)),
            (one, None, record(&a), Ok(RecordEdit::Remove)),
            (one, None, record(&b), conflict(&[])),
            (one, None, There::Nothing, Ok(RecordEdit::Keep)),
            (one, None, There::Unknown, conflict(&[])),
            (one, other, record(&a), Ok(RecordEdit::Replace(b.clone()))),
            (one, other, record(&b), Ok(RecordEdit::Keep)),
            (one, other, record(&c), Ok(RecordEdit::Replace(ab.clone()))),
            (one, other, There::Nothing, conflict(&[])),
            (one, other, There::Unknown, conflict(&[])),
            (None, other, There::Nothing, Ok(RecordEdit::Insert(b.clone()))),
            (None, other, There::Unknown, Ok(RecordEdit::Insert(b.clone()))),
            (None, other, record(&b), Ok(RecordEdit::Keep)),
            (None, other, record(&a), conflict(&["n"])),
        ] {
            assert_eq!(record_edit(old, ours, there), expected, "{old:?} {ours:?} {there:?}");
        }
    }

    #[test]
    fn a_record_with_half_of_its_fields_may_be_the_same_under_another_key() {
        let old = json!({"code": "AT", "name": "Austria", "size": 9});
        for (new, expected) in [
            (json!({"code": "OE", "name": "Austria", "size": 9}), true),
            (json!({"name": "Austria", "size": 9}), true),
            (json!({"code": "AT", "name": "Austria", "size": 9, "x": 1}), true),
            (json!({"code": "OE", "name": "Austria", "size": 8}), true),
            (json!({"code": "OE", "name": "Oz", "size": 8}), false),
            (json!({"iso": "AT", "name": "Austria", "size": 9}), true),
            (json!({"iso": "AT", "name": "Austria", "size": 8}), false),
            (json!({"code": "OE", "name": "Austria", "size": 9, "x": 1}), true),
            (json!({"code": "OE", "name": "Austria", "size": 8, "x": 1}), false),
            (json!({}), false),
        ] {
            assert_eq!(may_be_renamed(&old, &new), expected, "{new}");
        }
        assert!(may_be_renamed(&json!({}), &json!({})), "a map calls it by another name");
    }
}
