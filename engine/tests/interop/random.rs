//! Random records, written by both: two thousand, or as many as `HEADWATER_INTEROP_RECORDS` says,
//! from the seed `HEADWATER_INTEROP_SEED`.

use headwater_testkit::Upstream;
use serde_json::{Map, Value as Json, json};

use crate::dice::Dice;
use crate::oracle::tell;
use crate::rewriting::{rewrite, stays_in_gitsheets, stays_in_headwater, their_rewrite};
use crate::twins::{Outcome, PEOPLE, PEOPLE_FILE, Step, Twins, person};

/// How often a body is written before it has to stay as it is.
const ROUNDS: usize = 10;

/// Returns the number that a variable says.
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Returns a definition of Markdown.
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

/// Compares what became of each record, and prints the first that differs.
fn compare(twins: &Twins, seed: u64, numbers: &[u64], ours: &[Outcome], theirs: &[Outcome]) {
    let show = |outcome: &Outcome| match outcome {
        Ok(Some(blob)) => twins.git(["cat-file", "blob", blob]),
        other => format!("{other:?}"),
    };
    assert_eq!(ours.len(), theirs.len());
    for (number, (ours, theirs)) in numbers.iter().zip(ours.iter().zip(theirs)) {
        assert!(
            ours == theirs,
            "record {number} of seed {seed} differs\n== Headwater\n{:?}\n== gitsheets\n{:?}",
            show(ours),
            show(theirs),
        );
    }
    twins.have_one_tree();
}

/// Has both write what they read until that changes nothing any more, and returns in how many
/// rounds.
///
/// A body of garbage needs some: what the formatter makes of it is not always what it would leave
/// as it is, and one newline at the end of a body is lost with each reading. Both come to the same
/// tree in each round.
fn settle(twins: &mut Twins) -> usize {
    let mut rounds = 0;
    loop {
        let (_, ours) = rewrite(&twins.engine);
        let theirs = their_rewrite(&mut twins.oracle, &twins.upstream, "oracle");
        twins.have_one_tree();
        assert_eq!(ours, theirs, "both make a commit or none does");
        if !ours {
            return rounds;
        }
        rounds += 1;
        assert!(rounds < ROUNDS, "the bodies do not settle");
    }
}

/// Has gitsheets read, validate and write again what Headwater wrote, and the other way round:
/// neither changes anything.
fn read_each_other(twins: Twins) {
    let Twins { upstream, engine, mut oracle, .. } = twins;
    // The repository has one writer at a time.
    drop(engine);
    stays_in_gitsheets(&mut oracle, &upstream, upstream.branch());
    stays_in_headwater(&upstream, "oracle");
}

#[test]
fn a_record_written_by_both_has_one_blob_id() {
    let (seed, count) =
        (number("HEADWATER_INTEROP_SEED", 1), number("HEADWATER_INTEROP_RECORDS", 2_000));
    let Some(mut twins) = Twins::of(upstream([])) else { return };
    let numbers: Vec<u64> = (0..count).collect();
    let steps: Vec<Step> = numbers.iter().map(|number| step(seed, *number)).collect();
    let (ours, theirs) = (twins.ours(&steps), twins.theirs(&steps));
    compare(&twins, seed, &numbers, &ours, &theirs);
    let refused = ours.iter().filter(|outcome| outcome.is_err()).count();
    let rounds = settle(&mut twins);
    read_each_other(twins);
    tell(&format!(
        "{count} random records of seed {seed} agree: {refused} are refused, the others stay as they \
         are, some bodies after {rounds} rounds"
    ));
}

/// Returns the step that writes a random record: one of three is in Markdown.
fn step(seed: u64, number: u64) -> Step {
    let mut dice = Dice::new(seed, number);
    let mut record = dice.fields();
    record.insert("slug".to_owned(), format!("r{number}").into());
    let sheet =
        ["people", "people", "people", "people", "people", "people", "posts", "pages", "raw"]
            [number as usize % 9];
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
    let seed = number("HEADWATER_INTEROP_SEED", 1);
    let count = number("HEADWATER_INTEROP_RECORDS", 2_000) / 5;
    // Neither library writes a date of each kind that comes as JSON: both are given files with
    // them, in a style that is not canonical.
    let file = |number: u64| {
        let mut dice = Dice::new(seed, count + number);
        let (lines, fields) = (dice.native_lines(), dice.fields());
        let record = toml_v08::to_string_pretty(&without_null(fields.into())).unwrap();
        let text = format!("# {number}\nslug = \"r{number}\"\n{lines}{record}");
        (format!("people/r{number}.toml"), text)
    };
    let Some(mut twins) = Twins::of(upstream((0..count).map(file))) else { return };
    let read = twins.our_records("people");
    let (mut numbers, mut steps, mut restated) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        let (path, text) = file(number);
        let record = read.get(format!("r{number}")).unwrap_or_else(|| panic!("{number}: {text}"));
        numbers.push(number);
        steps.push(person(record.clone()));
        restated.push(json!({"step": "restate", "sheet": "people", "path": path, "text": text}));
    }
    let (_, theirs) = twins.transact(&json!({ "steps": restated })).unwrap();
    let ours = twins.ours(&steps);
    compare(&twins, seed, &numbers, &ours, &theirs);
    read_each_other(twins);
    tell(&format!("{count} random records with dates of seed {seed} agree"));
}

/// Leaves null out, which TOML has not.
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
