//! Case 39: what a schema refuses.

use headwater_engine::encode::{EncodeError, encode};
use headwater_engine::problem::Rule;
use serde_json::{Value as Json, json};

use crate::twins::{PEOPLE, PEOPLE_FILE, case_with, person};

const SCHEMA: &str = "\n[gitsheet.schema]\nrequired = [\"slug\", \"email\"]\n\n\
                      [gitsheet.schema.properties.slug]\npattern = \"^[a-z0-9-]+$\"\n\n\
                      [gitsheet.schema.properties.email]\nformat = \"email\"\n";

#[test]
fn a_record_that_breaks_its_schema_is_refused_with_everything_that_is_wrong() {
    let definition = format!("{PEOPLE}{SCHEMA}");
    let Some(mut twins) = case_with(39, &[(PEOPLE_FILE, &definition)]) else { return };
    let record = json!({"slug": "A", "email": "x"});
    twins.refuse(person(record.clone()), "validation_failed");

    let steps = json!([{"step": "upsert", "sheet": "people", "record": record}]);
    let request = json!({"do": "write", "repo": twins.repo(), "branch": "oracle", "steps": steps});
    let theirs = twins.oracle.ask(&request).unwrap()["results"][0]["issues"].clone();
    let snapshot = twins.engine.snapshot();
    let spec = snapshot.layout().sheet("people").unwrap();
    let Err(EncodeError::Invalid { issues }) = encode(spec, "people/A.toml", &record, None) else {
        panic!("the record is not refused");
    };
    let mut ours: Vec<Json> =
        issues.iter().map(|issue| json!([issue.rule, [&issue.pointer[1..]]])).collect();
    let mut theirs = theirs.as_array().unwrap().clone();
    ours.sort_by_key(Json::to_string);
    theirs.sort_by_key(Json::to_string);
    assert_eq!(ours, theirs);
    assert_eq!(ours, [json!(["format", ["email"]]), json!(["pattern", ["slug"]])]);
    twins.agree(person(json!({"slug": "a", "email": "a@example.org"})));

    let bogus = format!("{PEOPLE}\n[gitsheet.schema]\nbogus = 1\n");
    let Some(mut twins) = case_with(39, &[(PEOPLE_FILE, &bogus)]) else { return };
    let problems = twins.engine.snapshot().problems();
    assert!(problems.iter().any(|problem| problem.rule == Rule::Definition), "{problems:?}");
    twins.refuse(person(json!({"slug": "a"})), "config_invalid");
}
