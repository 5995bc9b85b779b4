//! Repositories that one program writes and the other reads, and case 40: rewriting every record as
//! it was read makes no commit.

use headwater_engine::write::{Action, Condition, Operation};
use headwater_testkit::{Upstream, corpus, fixtures, git};
use serde_json::json;

use crate::oracle::{Oracle, tell};
use crate::two_branches::{Step, Twins, batch, engine};

/// The number of records written as one commit.
const GROUP: usize = 500;

/// Makes Headwater read and rewrite every record of a branch, and returns their number.
///
/// # Panics
///
/// If that changes anything.
#[track_caller]
pub(crate) fn stays_in_headwater(upstream: &Upstream, branch: &str) -> usize {
    let head = || git(upstream.path(), ["rev-parse", branch, &format!("{branch}^{{tree}}")]);
    let before = head();
    let engine = engine(upstream, branch);
    let snapshot = engine.snapshot();
    assert_eq!(snapshot.problems(), []);
    let records = snapshot
        .sheets()
        .flat_map(|sheet| sheet.records().map(|record| (sheet.spec().name.clone(), record)));
    let operations: Vec<Operation> = records
        .map(|(sheet, record)| {
            let value = serde_json::from_str(record.value.as_str()).unwrap();
            let action = Action::Put(record.key.clone(), value);
            Operation { sheet, action, condition: Condition::Present }
        })
        .collect();
    for group in operations.chunks(GROUP) {
        let done = engine.commit(batch(group.to_vec())).unwrap();
        assert!(!done.changed, "Headwater changes what is on {branch}");
    }
    assert_eq!(head(), before);
    operations.len()
}

/// Makes gitsheets read, validate and rewrite every record of a branch, and returns their number.
///
/// # Panics
///
/// If that changes anything.
#[track_caller]
pub(crate) fn stays_in_gitsheets(oracle: &mut Oracle, upstream: &Upstream, branch: &str) -> usize {
    let before = git(upstream.path(), ["rev-parse", branch]);
    let repo = upstream.path().to_str().unwrap();
    let answer = oracle.ask(&json!({"do": "rewrite", "repo": repo, "branch": branch})).unwrap();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.iter().find(|result| result.get("error").is_some()), None);
    assert!(answer["commit"].is_null(), "gitsheets changes what is on {branch}");
    assert_eq!(git(upstream.path(), ["rev-parse", branch]), before);
    results.len()
}

#[test]
fn a_repository_of_gitsheets_is_rewritten_without_a_commit() {
    let fixture = fixtures::civic();
    let Some(mut twins) = Twins::of(fixture) else { return };
    let snapshot = twins.engine.snapshot();
    let mut upserts = Vec::new();
    for sheet in snapshot.sheets() {
        for record in sheet.records() {
            let record = serde_json::from_str(record.value.as_str()).unwrap();
            upserts.push(Step::Upsert(sheet.spec().name.to_string(), None, record));
        }
    }
    let tree = twins.git(["rev-parse", "oracle^{tree}"]);
    for outcomes in [twins.ours(&upserts), twins.theirs(&upserts)] {
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }
    twins.have_one_tree();
    assert_eq!(twins.git(["rev-parse", "oracle^{tree}"]), tree);
    assert_eq!(twins.git(["rev-list", "--count", "oracle", "published"]), "1");
    let Twins { upstream, engine, mut oracle, .. } = twins;
    // The repository has one writer at a time.
    drop(engine);
    stays_in_gitsheets(&mut oracle, &upstream, upstream.branch());
    stays_in_headwater(&upstream, "oracle");
    tell(&format!("case 40 agrees: {} records of twelve sheets", upserts.len()));
}

#[test]
fn a_corpus_is_rewritten_without_a_commit() {
    let people = std::env::var("HEADWATER_INTEROP_PEOPLE").map_or(1_000, |n| n.parse().unwrap());
    let mut upstream = Upstream::new();
    let civic = corpus::civic(people);
    civic.write_to(&mut upstream);
    let count = stays_in_headwater(&upstream, upstream.branch());
    assert_eq!(count, civic.records());
    tell(&format!("{count} records of civic-{people} stay as they are in Headwater"));
    if let Some(mut oracle) = Oracle::start() {
        let count = stays_in_gitsheets(&mut oracle, &upstream, upstream.branch());
        tell(&format!("{count} records of civic-{people} stay as they are in gitsheets"));
    }
}
