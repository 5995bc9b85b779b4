//! Cases 21 to 26: where a record is.

use headwater_engine::problem::Rule;
use serde_json::{Value as Json, json};

use crate::twins::{PEOPLE_FILE, Twins, case, case_with, no_person, person};

/// Begins a case of people with another path template.
fn with_path(number: u8, template: &str) -> Option<Twins> {
    let definition = format!("[gitsheet]\nroot = \"people\"\npath = '{template}'\n");
    case_with(number, &[(PEOPLE_FILE, &definition)])
}

/// Writes a record with both, and compares the path of its file.
#[track_caller]
fn place(twins: &mut Twins, record: Json, expected: &str) {
    twins.agree(person(record));
    let files = twins.files();
    assert!(files.iter().any(|path| path == expected), "{expected} in {files:?}");
}

#[test]
fn fields_and_literals_make_a_path() {
    let Some(mut twins) = with_path(21, "${{ year }}/${{ status }}--${{ id }}") else { return };
    let record = json!({"year": 2026, "status": "active", "id": 12345});
    place(&mut twins, record, "people/2026/active--12345.toml");
}

#[test]
fn a_date_in_a_path_is_that_of_utc() {
    let Some(mut twins) = with_path(22, "${{ d: YYYY/MM/DD }}/${{ slug }}") else { return };
    let record = json!({"slug": "x", "d": "2025-12-31T23:30:00-05:00"});
    place(&mut twins, record, "people/2026/01/01/x.toml");
}

#[test]
fn a_week_is_in_the_year_that_iso_says() {
    let Some(mut twins) = with_path(23, "${{ d: YYYY/WW }}") else { return };
    place(&mut twins, json!({"d": "2027-01-01"}), "people/2026/53.toml");
    place(&mut twins, json!({"d": "2024-12-30"}), "people/2025/01.toml");
}

#[test]
fn a_date_in_a_path_has_one_of_four_shapes_and_a_component_for_itself() {
    for template in ["${{ d: YYYY-MM }}", "x${{ d: YYYY }}"] {
        let Some(mut twins) = with_path(24, template) else { return };
        let problems = twins.engine.snapshot().problems();
        assert!(problems.iter().any(|problem| problem.rule == Rule::Definition), "{problems:?}");
        twins.refuse(person(json!({"d": "2027-01-01"})), "config_invalid");
    }
    let Some(mut twins) = with_path(24, "${{ d: YYYY }}") else { return };
    twins.refuse(person(json!({"d": 2027})), "path_render_failed");
}

#[test]
fn a_value_stays_within_its_component_unless_that_is_recursive() {
    let Some(mut twins) = case(25) else { return };
    for slug in ["a:b", "a/b"] {
        twins.refuse(person(json!({"slug": slug})), "path_invalid_chars");
    }
    // On purpose: gitsheets writes names that do harm where the tree is checked out.
    let hostile = [person(json!({"slug": ".."}))];
    let ours = twins.ours(&hostile);
    assert!(ours[0].as_ref().is_err_and(|error| error.contains("Hostile")), "{ours:?}");
    assert!(twins.theirs(&hostile)[0].is_ok());

    let Some(mut twins) = with_path(25, "${{ contentPath/** }}") else { return };
    let nested = json!({"contentPath": "docs/guides/intro"});
    place(&mut twins, nested, "people/docs/guides/intro.toml");
    // On purpose: what is below a record of a recursive sheet is a record of its own there, so
    // nothing is taken for its attachment, moved with it or deleted with it.
    place(&mut twins, json!({"contentPath": "docs"}), "people/docs.toml");
    let delete = [no_person("docs")];
    assert!(twins.ours(&delete)[0].is_ok() && twins.theirs(&delete)[0].is_ok());
    assert_eq!(twins.files(), ["people/docs/guides/intro.toml"]);
    assert_eq!(twins.their_records("people"), json!({}));
}

#[test]
fn a_record_without_a_field_of_its_path_is_refused() {
    let Some(mut twins) = case(26) else { return };
    twins.refuse(person(json!({"name": "nobody"})), "path_render_failed");
}
