//! Case 39: what a schema refuses, and the formats of texts.

use headwater_engine::encode::{EncodeError, encode};
use headwater_engine::problem::Rule;
use headwater_testkit::Upstream;
use serde_json::{Value as Json, json};

use crate::two_branches::{PEOPLE, PEOPLE_FILE, Twins, case_with, person};

const SCHEMA: &str = "\n[gitsheet.schema]\nrequired = [\"slug\", \"email\"]\n\n\
                      [gitsheet.schema.properties.slug]\npattern = \"^[a-z0-9-]+$\"\n\n\
                      [gitsheet.schema.properties.email]\nformat = \"email\"\n";

/// Returns the keyword and the path of everything that Headwater reports as invalid, in order.
fn our_issues(twins: &Twins, record: &Json) -> Vec<Json> {
    let snapshot = twins.engine.snapshot();
    let spec = snapshot.layout().sheet("people").unwrap();
    let Err(EncodeError::Invalid { issues }) = encode(spec, "people/x.toml", record, None) else {
        return Vec::new();
    };
    let steps = |pointer: &str| pointer.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>();
    sorted(issues.iter().map(|issue| json!([issue.rule, steps(&issue.pointer)])).collect())
}

/// Returns the same for gitsheets.
fn their_issues(twins: &mut Twins, record: &Json) -> Vec<Json> {
    let steps = json!([{"step": "upsert", "sheet": "people", "record": record}]);
    let request = json!({"do": "write", "repo": twins.repo(), "branch": "oracle", "steps": steps});
    let result = twins.oracle.ask(&request).unwrap()["results"][0].clone();
    sorted(result["issues"].as_array().cloned().unwrap_or_default())
}

fn sorted(mut issues: Vec<Json>) -> Vec<Json> {
    issues.sort_by_key(Json::to_string);
    issues
}

#[test]
fn a_record_that_breaks_its_schema_is_refused_with_everything_that_is_wrong() {
    let definition = format!("{PEOPLE}{SCHEMA}");
    let Some(mut twins) = case_with(39, &[(PEOPLE_FILE, &definition)]) else { return };
    let record = json!({"slug": "A", "email": "x"});
    twins.refuse(person(record.clone()), "validation_failed");

    let (ours, theirs) = (our_issues(&twins, &record), their_issues(&mut twins, &record));
    assert_eq!(ours, theirs);
    assert_eq!(ours, [json!(["format", ["email"]]), json!(["pattern", ["slug"]])]);
    twins.agree(person(json!({"slug": "a", "email": "a@example.org"})));

    let bogus = format!("{PEOPLE}\n[gitsheet.schema]\nbogus = 1\n");
    let Some(mut twins) = case_with(39, &[(PEOPLE_FILE, &bogus)]) else { return };
    let problems = twins.engine.snapshot().problems();
    assert!(problems.iter().any(|problem| problem.rule == Rule::Definition), "{problems:?}");
    twins.refuse(person(json!({"slug": "a"})), "config_invalid");
}

/// Formats that schemas name; the last ones are not part of Draft 7.
#[rustfmt::skip]
const FORMATS: [&str; 18] = [
    "date-time", "date", "time", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6",
    "uri", "uri-reference", "iri", "iri-reference", "json-pointer", "relative-json-pointer",
    "regex", "uuid", "duration",
];

/// Texts that match some of them, or nearly.
#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "", "a", "2026-03-09", "2026-02-30", "2026-03-09T10:00:00", "2026-03-09T10:00:00Z",
    "2026-03-09t10:00:00.5z", "2026-03-09 10:00:00Z", "2026-03-09T23:59:60Z",
    "2026-03-09T10:00:60Z", "2026-03-09T10:00:00+24:00", "10:00:00", "10:00:00Z", "10:00:00+05:30",
    "24:00:00Z", "23:59:60Z", "a@b", "a@b.c", "a b@c.d", "\"a b\"@c.d", "a@[127.0.0.1]", "@c.d",
    "a@", "ä@ö.de", "a..b@c.d", ".a@c.d", "Jane <a@b.c>", "example.org", "-a.org", "a-.org",
    "a_b.org", "example.org.", "ex--ample.org", "xn--a", "bücher.de", "127.0.0.1", "127.0.0.256",
    "127.0.0.01", "127.1", "::1", "::g", "::1%eth0", "1::2::3", "::ffff:127.0.0.1", "http://x",
    "http://x/a b", "http:", "HTTP://X:80/?q#f", "http://x:port", "mailto:a@b.c", "//x/y", "/a/b",
    "../a", "?q", "#f", "http://ö.de/ü", "http://[::1]/", "http://x/%zz", "urn:a:b", "1:2",
    "/~0/~1", "/~2", "0", "0#", "1/a", "01/a", "^a+$", "(", "(?=a)", "[", "\\d", "(?<n>a)",
    "\\p{L}", "a{2,1}", "018a8b68-9248-74f8-af69-0c48b8296997", "018a8b68924874f8af690c48b8296997",
    "P1D", "P", "PT1H", "P1W", "P1Y2W",
];

#[test]
fn a_text_has_a_format_where_both_say_so() {
    let field = |format| format!("[gitsheet.schema.properties.{format}]\nformat = \"{format}\"\n");
    let schema = FORMATS.map(field).concat();
    let required = "[gitsheet.schema]\nrequired = [\"slug\"]\n";
    let mut upstream = Upstream::new();
    upstream.commit("first").put(PEOPLE_FILE, format!("{PEOPLE}\n{required}{schema}")).push();
    let Some(mut twins) = Twins::of(upstream) else { return };
    for text in TEXTS {
        let mut record = json!({"slug": "x"});
        for format in FORMATS {
            record[format] = (*text).into();
        }
        let (ours, theirs) = (our_issues(&twins, &record), their_issues(&mut twins, &record));
        assert_eq!(ours, theirs, "{text:?}");
    }
}
