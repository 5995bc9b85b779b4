//! Random records, written by both programs.

use headwater_testkit::Upstream;
use serde_json::{Map, Value as Json, json};

use crate::oracle::tell;
use crate::random_records::{Dice, records, seed};
use crate::rewriting::{stays_in_gitsheets, stays_in_headwater};
use crate::two_branches::{PEOPLE, PEOPLE_FILE, Step, Twins, person};

/// The sheets with bodies.
const BODIES: [&str; 3] = ["posts", "pages", "raw"];
/// How often a body may be rewritten before it must stay the same.
const ROUNDS: usize = 10;

/// Returns a definition for Markdown.
fn bodies(root: &str, format: &str) -> String {
    format!(
        "[gitsheet]\nroot = \"{root}\"\npath = \"${{{{ slug }}}}\"\n\n[gitsheet.format]\n\
         body = \"body\"\n{format}\n"
    )
}

/// Returns a repository with the sheets of all records and with `files`.
fn upstream(files: impl IntoIterator<Item = (String, String)>) -> Upstream {
    let definitions = [
        (PEOPLE_FILE.to_owned(), PEOPLE.to_owned()),
        (".gitsheets/posts.toml".to_owned(), bodies("posts", "type = \"markdown\"\ntitle = \"t\"")),
        (".gitsheets/pages.toml".to_owned(), bodies("pages", "type = \"mdx\"")),
        (".gitsheets/raw.toml".to_owned(), bodies("raw", "type = \"markdown\"\nnormalize = false")),
    ];
    let mut upstream = Upstream::new();
    upstream.commit_stream("first", definitions.into_iter().chain(files));
    upstream
}

/// Makes both write what they read until nothing changes any more, and returns the number of
/// rounds.
///
/// A garbage body needs several: the formatter's output is not always stable under the formatter,
/// and one newline at the end of a body is lost with each reading. If that removes the title, both
/// refuse the record that they have written, and it is deleted.
fn settle(twins: &mut Twins) -> usize {
    for round in 0..ROUNDS {
        let (before, mut steps) = (twins.heads(), Vec::new());
        for sheet in BODIES {
            let records = twins.our_records(sheet);
            assert_eq!(twins.their_records(sheet), records);
            for (key, record) in records.as_object().unwrap() {
                steps.push(Step::Upsert(sheet.to_owned(), Some(key.clone()), record.clone()));
            }
        }
        let outcomes = twins.agree_on_all(&steps);
        let refused = steps.into_iter().zip(outcomes).filter_map(|(step, outcome)| match step {
            Step::Upsert(sheet, Some(key), _) if outcome.is_err() => Some(Step::Delete(sheet, key)),
            _ => None,
        });
        twins.agree_on_all(&refused.collect::<Vec<_>>());
        if twins.heads() == before {
            return round;
        }
    }
    panic!("the bodies do not settle");
}

/// Makes gitsheets read, validate and rewrite Headwater's output, and the other way round: neither
/// changes anything.
fn read_each_other(twins: Twins) {
    let Twins { upstream, engine, mut oracle, .. } = twins;
    // The repository has one writer at a time.
    drop(engine);
    stays_in_gitsheets(&mut oracle, &upstream, upstream.branch());
    stays_in_headwater(&upstream, "oracle");
}

#[test]
fn a_record_written_by_both_has_one_blob_id() {
    let (seed, count) = (seed(), records());
    let Some(mut twins) = Twins::of(upstream([])) else { return };
    let steps: Vec<Step> = (0..count).map(|number| step(seed, number)).collect();
    let outcomes = twins.agree_on_all(&steps);
    let refused = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    let rounds = settle(&mut twins);
    read_each_other(twins);
    tell(&format!(
        "{count} random records of seed {seed} agree: {refused} are refused, the others stay as they \
         are, some bodies after {rounds} rounds"
    ));
}

/// Returns the step that writes a random record: one in three is Markdown.
fn step(seed: u64, number: u64) -> Step {
    let mut dice = Dice::new(seed, number);
    let mut record = dice.fields();
    record.insert("slug".to_owned(), format!("r{number}").into());
    let sheet = *BODIES.get(number as usize % 9).unwrap_or(&"people");
    if sheet != "people" {
        record.insert("body".to_owned(), dice.body().into());
        if dice.chance(5) {
            record.insert("t".to_owned(), dice.text().into());
        }
    }
    Step::Upsert(sheet.to_owned(), None, record.into())
}

#[test]
fn a_date_that_both_rewrite_keeps_its_kind() {
    let (seed, count) = (seed(), records() / 5);
    // Neither library writes dates of every kind from JSON, so both are given files that contain
    // them, in a style that is not canonical.
    let file = |number: u64| {
        let mut dice = Dice::new(!seed, number);
        let (lines, fields) = (dice.native_lines(), dice.fields());
        let record = toml_v08::to_string_pretty(&without_null(fields.into())).unwrap();
        let text = format!("# {number}\nslug = \"r{number}\"\n{lines}{record}");
        (format!("people/r{number}.toml"), text)
    };
    let Some(mut twins) = Twins::of(upstream((0..count).map(file))) else { return };
    let read = twins.our_records("people");
    let (mut steps, mut restated) = (Vec::new(), Vec::new());
    for number in 0..count {
        let (path, text) = file(number);
        let record = read.get(format!("r{number}")).unwrap_or_else(|| panic!("{number}: {text}"));
        steps.push(person(record.clone()));
        restated.push(json!({"step": "restate", "sheet": "people", "path": path, "text": text}));
    }
    let (_, theirs) = twins.transact(&json!({ "steps": restated })).unwrap();
    let ours = twins.ours(&steps);
    twins.compare(&steps, &ours, &theirs);
    read_each_other(twins);
    tell(&format!("{count} random records with dates of seed {seed} agree"));
}

/// Removes nulls, which TOML lacks.
fn without_null(value: Json) -> Json {
    match value {
        Json::Object(members) => {
            let members = members.into_iter().filter(|(_, member)| !member.is_null());
            members.map(|(key, member)| (key, without_null(member))).collect::<Map<_, _>>().into()
        }
        Json::Array(elements) => elements.into_iter().map(without_null).collect(),
        other => other,
    }
}
