//! Cases 17 to 20: lists that their sheet sorts.

use serde_json::{Value as Json, json};

use crate::twins::{PEOPLE, PEOPLE_FILE, case_with, person};

/// Writes a list in a sheet with a rule for it, and compares what comes of it.
#[track_caller]
fn sort(number: u8, rule: &str, list: &Json, expected: &Json) {
    let definition = format!("{PEOPLE}\n{rule}\n");
    let Some(mut twins) = case_with(number, &[(PEOPLE_FILE, &definition)]) else { return };
    twins.agree(person(json!({"slug": "x", "list": list})));
    assert_eq!(&twins.our_records("people")["x"]["list"], expected);
}

#[test]
fn a_list_of_texts_is_sorted_as_people_do() {
    let (list, sorted) = (json!(["B", "a", "10", "2"]), json!(["2", "10", "a", "B"]));
    sort(17, "[gitsheet.fields.list]\nsort = true", &list, &sorted);
}

#[test]
fn texts_that_differ_in_accents_or_hyphens_stay_in_their_order() {
    let list = json!(["coop", "co-op", "é", "e"]);
    sort(18, "[gitsheet.fields.list]\nsort = true", &list, &list);
}

#[test]
fn a_list_is_sorted_by_one_field_after_another() {
    let list = json!([{"b": 1, "a": 2}, {"b": 0, "a": 9}, {"a": 5}, {"b": 1, "a": 1}]);
    let sorted = json!([{"a": 9, "b": 0}, {"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 5}]);
    sort(19, "[gitsheet.fields.list]\nsort = [\"b\", \"a\"]", &list, &sorted);
}

#[test]
fn directions_apply_in_the_order_of_the_names_of_their_fields() {
    let (list, sorted) = (json!([{"b": 1, "a": 2}, {"b": 2, "a": 1}]), json!([1, 2]));
    let rule = "[gitsheet.fields.list.sort]\nb = \"ASC\"\na = \"ASC\"";
    let definition = format!("{PEOPLE}\n{rule}\n");
    let Some(mut twins) = case_with(20, &[(PEOPLE_FILE, &definition)]) else { return };
    twins.agree(person(json!({"slug": "x", "list": list})));
    let read = &twins.our_records("people")["x"]["list"];
    assert_eq!(json!([read[0]["a"], read[1]["a"]]), sorted);
}
