//! Cases 17 to 20: lists that their sheet sorts, and random lists.

use headwater_testkit::Upstream;
use serde_json::{Value as Json, json};

use crate::oracle::tell;
use crate::random_records::{Dice, records, seed};
use crate::two_branches::{PEOPLE, PEOPLE_FILE, Step, Twins, case_with, person};

/// Writes a list in a sheet with a sorting rule, and compares the result.
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

#[test]
fn a_number_of_too_many_digits_is_refused_where_gitsheets_crashes() {
    let mut upstream = Upstream::new();
    let rule = "[gitsheet.fields.list]\nsort = true\n";
    upstream.commit("first").put(PEOPLE_FILE, format!("{PEOPLE}\n{rule}")).push();
    let Some(mut twins) = Twins::of(upstream) else { return };
    let long = [person(json!({"slug": "x", "list": [format!("1{}", "0".repeat(308)), "2"]}))];
    let ours = twins.ours(&long);
    assert!(ours[0].as_ref().is_err_and(|error| error.contains("SortDigits")), "{ours:?}");
    assert_eq!(twins.theirs(&long), [Err("PanicException".to_owned())]);
}

#[test]
fn a_random_list_sorted_by_both_has_one_order() {
    let rules = "[gitsheet.fields.collated]\nsort = true\n\n[gitsheet.fields.by]\nsort = [\"x\"]\n\n\
                 [gitsheet.fields.directed.sort]\nx = \"DESC\"\ny = \"ASC\"\n";
    let mut upstream = Upstream::new();
    upstream.commit("first").put(PEOPLE_FILE, format!("{PEOPLE}\n{rules}")).push();
    let Some(mut twins) = Twins::of(upstream) else { return };
    let (seed, count) = (seed(), records() / 4);
    let step = |number: u64| {
        let mut dice = Dice::new(seed ^ 17, number);
        let (collated, by, directed) = (dice.list(), dice.list(), dice.list());
        let slug = format!("r{number}");
        person(json!({"slug": slug, "collated": collated, "by": by, "directed": directed}))
    };
    let outcomes = twins.agree_on_all(&(0..count).map(step).collect::<Vec<Step>>());
    assert!(outcomes.iter().all(Result::is_ok));
    tell(&format!("{count} random records with sorted lists of seed {seed} agree"));
}
