//! Cases 21 to 26: the paths of records, and random paths.

use headwater_engine::problem::Rule;
use headwater_testkit::Upstream;
use serde_json::{Value as Json, json};

use crate::oracle::tell;
use crate::random_records::{Dice, records, seed};
use crate::two_branches::{PEOPLE_FILE, Step, Twins, case, case_with, no_person, person};

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
    // On purpose: gitsheets writes names that are dangerous where the tree is checked out.
    let hostile = [person(json!({"slug": ".."}))];
    let ours = twins.ours(&hostile);
    assert!(ours[0].as_ref().is_err_and(|error| error.contains("Hostile")), "{ours:?}");
    assert!(twins.theirs(&hostile)[0].is_ok());

    let Some(mut twins) = with_path(25, "${{ contentPath/** }}") else { return };
    let nested = json!({"contentPath": "docs/guides/intro"});
    place(&mut twins, nested, "people/docs/guides/intro.toml");
    // On purpose: in a recursive sheet, whatever is below a record is a separate record, so nothing
    // is taken for its attachment, or moved or deleted with it.
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

/// Returns a repository of people with another path template.
fn upstream(template: &str) -> Upstream {
    let definition = format!("[gitsheet]\nroot = \"people\"\npath = '{template}'\n");
    let mut upstream = Upstream::new();
    upstream.commit("first").put(PEOPLE_FILE, definition).push();
    upstream
}

#[test]
fn a_random_record_has_one_place() {
    let Some(mut twins) = Twins::of(upstream("${{ a }}/x-${{ b }}/${{ n }}")) else { return };
    let (seed, count) = (seed(), records() / 4);
    let step = |number: u64| {
        let mut dice = Dice::new(seed ^ 21, number);
        person(json!({"a": dice.name(), "b": dice.name(), "n": number}))
    };
    let steps: Vec<Step> = (0..count).map(step).collect();
    let ours = twins.ours(&steps);
    // On purpose: gitsheets writes names that no record of Headwater may have, and names that some
    // file systems confuse with another file or folder.
    let hostile = |(_, outcome): &(_, &Result<_, String>)| {
        outcome.as_ref().is_err_and(|error| error.contains("Hostile") || error.contains("Twin"))
    };
    let (refused, rest): (Vec<_>, Vec<_>) = steps.iter().cloned().zip(&ours).partition(hostile);
    let (steps, ours): (Vec<_>, Vec<_>) =
        rest.into_iter().map(|(step, outcome)| (step, outcome.clone())).unzip();
    let theirs = twins.theirs(&steps);
    twins.compare(&steps, &ours, &theirs);
    let hostile = refused.len();
    tell(&format!(
        "{count} random paths of seed {seed} agree, but for {hostile} hostile names and twins"
    ));
}

#[test]
fn a_text_is_a_date_in_a_path_where_both_say_so() {
    let Some(mut twins) = Twins::of(upstream("${{ d: YYYY/MM/DD }}/${{ n }}")) else { return };
    for (n, date) in [
        "2026-03-09",
        "2024-02-29",
        "2026-03-09T10:00:00",
        "2026-03-09T10:00:00.25",
        "2026-03-09T23:59:60",
        "2026-03-09T10:00:00Z",
        "2026-03-09t10:00:00z",
        "2026-03-09 23:00:00-05:00",
        "2026-03-09T23:59:60Z",
        "2026-03-09T10:00:00.123456789+05:45",
        "2026-02-30",
        "2026-03-09T23:59",
        "2026-03-09T10",
        "2026-03-09T10:00:00+0500",
        "2026-03-09T10:00:00+05",
        "2026-03-09T24:00:00",
        "2026-03-09T10:00:00,5",
        "2026-03-09T10:00:00.",
        "2026-03-09t10:00:00",
        "2026-03-09 10:00:00",
        "2026-03-09T10:00:60",
        "2026-03-09T23:59Z",
        "2026-03-09T10:00:00+24:00",
        "2026-03-09T10:00:00+23:59",
        "2026-03-09T10:00:00+05:60",
        "2026-03-09T10:00:00-00:00",
        "2026-03-09T10:00:00Z ",
        "0001-01-01T00:30:00+01:00",
        "0000-01-01",
        "02026-03-09",
        "20260309",
        "20260309T100000",
        "2026-W11-1",
        "2026-068",
        "2026-03",
        "2026",
        "03:04:05",
        "soon",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        twins.agree_on_all(&[person(json!({"d": date, "n": n}))]);
    }
    // On purpose: only the core of gitsheets accepts these, its JavaScript does not.
    for (n, date) in
        ["2026-3-9", "+2026-03-09", " 2026-03-09", "2026-03-09T1:00:00"].into_iter().enumerate()
    {
        let lenient = [person(json!({"d": date, "n": format!("lenient-{n}")}))];
        assert_eq!(twins.ours(&lenient), [Err("path_render_failed".to_owned())], "{date}");
        assert!(twins.theirs(&lenient)[0].is_ok(), "{date}");
    }
}
