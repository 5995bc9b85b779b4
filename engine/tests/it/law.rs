//! The law: a snapshot taken to a commit by the difference equals one loaded from it, and both
//! match the naive model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater_engine::admit::{AdmissionLimits, Health, PushLimits, admit};
use headwater_engine::budget::Budget;
use headwater_engine::cache::Cache;
use headwater_engine::delta::Delta;
use headwater_engine::id::CommitId;
use headwater_engine::load::{advance, load, load_cached, prepare};
use headwater_engine::mirror::{Mirror, MirrorOptions, Objects};
use headwater_engine::options::LoadOptions;
use headwater_engine::plan::RebuildReason;
use headwater_engine::problem::Rule;
use headwater_engine::record::Record;
use headwater_engine::search::{Matching, Query, Scope};
use headwater_engine::snapshot::{Snapshot, count};
use headwater_testkit::Upstream;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

use crate::model::{Expected, expected};
use crate::random_histories::{Definitions, Op, WORDS, World, history};

/// Returns the number of histories to try; more on demand.
pub(crate) fn cases() -> u32 {
    let cases = std::env::var("HEADWATER_LAW_CASES").ok();
    cases.and_then(|cases| cases.parse().ok()).unwrap_or(200)
}

#[test]
fn a_reload_equals_a_rebuild_and_both_equal_the_model() {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    proptest!(config, |((definitions, commits) in history(), jumps in any::<u64>())| {
        check(definitions, &commits, jumps)?;
    });
}

fn check(
    definitions: Definitions,
    commits: &[Vec<Op>],
    mut jumps: u64,
) -> Result<(), TestCaseError> {
    let mut upstream = Upstream::new();
    let mut worlds: Vec<World> = Vec::new();
    let mut snapshots: Vec<Snapshot> = Vec::new();
    for ops in commits {
        let mut world = worlds.last().cloned().unwrap_or_else(|| World::new(definitions));
        ops.iter().for_each(|op| world.apply(op, &worlds));
        let commit: CommitId = world.commit(&mut upstream).parse().unwrap();
        let objects = open(&upstream);
        let options = LoadOptions::default();
        let rebuilt = load(&objects, commit, &options).unwrap();
        // From the previous state, as after a push; and from any earlier one, as after two pushes
        // or a force-push.
        let mut bases: Vec<&Snapshot> = snapshots.iter().rev().take(1).collect();
        if !snapshots.is_empty() {
            bases.push(&snapshots[(jumps % snapshots.len() as u64) as usize]);
            jumps /= 7;
        }
        let mut next = rebuilt.clone();
        for base in bases {
            let (reloaded, reason) = advance(&objects, Some(base), commit, &options).unwrap();
            let (got, wanted) = (reloaded.dump(), rebuilt.dump());
            prop_assert_eq!(got, wanted, "from {} ({:?}) to {:#?}", base.commit(), reason, world);
            same_pages(&reloaded, &rebuilt)?;
            same_verdict(base, &reloaded, &rebuilt, &objects)?;
            tells_what_is_seen(base, &reloaded, &objects)?;
            next = reloaded;
        }
        // From the records of some earlier state, plus whatever it lacks.
        let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
        let cache = Cache::beside(&mirror, options.record_limit);
        let (warm, reason) = load_cached(&objects, commit, &cache, &options).unwrap();
        prop_assert_eq!(warm.dump(), rebuilt.dump(), "from the cache to {:#?}", world);
        prop_assert_eq!(reason, RebuildReason::FirstLoad);
        if jumps.is_multiple_of(2) {
            next.save(&cache).unwrap();
        }
        equals_model(&next, &expected(&world), &world)?;
        worlds.push(world);
        snapshots.push(next);
    }
    Ok(())
}

pub(crate) fn open(upstream: &Upstream) -> Objects {
    Mirror::open(upstream.path(), MirrorOptions::default()).unwrap().objects().unwrap()
}

/// Checks that every ranked page is the same to the last bit of its scores.
pub(crate) fn same_pages(reloaded: &Snapshot, rebuilt: &Snapshot) -> Result<(), TestCaseError> {
    for text in [
        "river",
        "stone cloud",
        "lan*",
        "\"river stone\"",
        "meadow -harbor",
        "the meadow",
        "rivr~ -stnoe~",
        "lanterns~2",
        "rivver",
        "medaow \"clouds\"",
        "river OR (stone -cloud)",
        "NOT river",
        "lan",
        "river stone cloud nowhere",
    ] {
        for matching in [Matching::All, Matching::Auto, Matching::Any] {
            let query = Query::parse(text).unwrap().matching(matching);
            let page = |snapshot: &Snapshot| {
                let hits =
                    snapshot.text().search(&query, Scope::All, 0, 5, &Budget::unlimited()).unwrap();
                let rows = hits.hits.iter().map(|hit| {
                    (hit.name.sheet.to_string(), hit.name.key.to_string(), hit.score.to_bits())
                });
                let corrections = hits.readings.corrections().to_vec();
                (hits.total, hits.relaxed, rows.collect::<Vec<_>>(), corrections)
            };
            prop_assert_eq!(page(reloaded), page(rebuilt), "search for {} {:?}", text, matching);
        }
    }
    Ok(())
}

/// Checks that a follower of the public records ends up with those of the later state, whether a
/// push changed the records or their visibility rules.
pub(crate) fn tells_what_is_seen(
    before: &Snapshot,
    after: &Snapshot,
    objects: &Objects,
) -> Result<(), TestCaseError> {
    let seen = |state: &Snapshot| -> BTreeMap<(String, String), String> {
        let shown = state.sheets().flat_map(|sheet| {
            let records = sheet.records().filter(|record| sheet.shows(record));
            records.map(|record| {
                let name = (sheet.spec().name.to_string(), record.key.to_string());
                (name, record.value.as_str().to_owned())
            })
        });
        shown.collect()
    };
    let prepared = prepare(objects, Some(before), after.commit(), None, &LoadOptions::default());
    let Some(prepared) = prepared.unwrap() else { return Ok(()) };
    let changed = prepared.changed_from(before);
    let (mut follower, later) = (seen(before), seen(after));
    for change in Delta::of(before, after, &changed).changes {
        let name = (change.sheet.to_string(), change.key.to_string());
        let value =
            |record: Option<Arc<Record>>| record.map(|record| record.value.as_str().to_owned());
        let (was, is) = (value(change.before), value(change.after));
        prop_assert_ne!(&was, &is, "{:?} is told without a difference", name);
        let had = match is {
            Some(is) => follower.insert(name, is),
            None => follower.remove(&name),
        };
        prop_assert_eq!(had, was);
    }
    prop_assert_eq!(follower, later);
    Ok(())
}

/// Checks that the verdict about a reloaded state is the verdict about two freshly loaded ones.
pub(crate) fn same_verdict(
    base: &Snapshot,
    reloaded: &Snapshot,
    rebuilt: &Snapshot,
    objects: &Objects,
) -> Result<(), TestCaseError> {
    let fresh_base = load(objects, base.commit(), &LoadOptions::default()).unwrap();
    let push = PushLimits { removed: Some(0.1), changed: Some(0.2), problems: Some(1) };
    let limits = AdmissionLimits { problems: 2, share: 0.5, push };
    let verdict = |before: &Snapshot, after: &Snapshot| {
        let step = count(&after.differences(before));
        admit(&Health::of(before), &Health::of(after), &step, &limits)
    };
    prop_assert_eq!(verdict(base, reloaded), verdict(&fresh_base, rebuilt));
    Ok(())
}

fn equals_model(
    snapshot: &Snapshot,
    expected: &Expected,
    world: &World,
) -> Result<(), TestCaseError> {
    let mut records = BTreeMap::new();
    let mut index: BTreeMap<(String, String, String), BTreeSet<String>> = BTreeMap::new();
    for sheet in snapshot.sheets() {
        let name = sheet.spec().name.to_string();
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let rows = sheet.records().map(|r| (r.key.to_string(), json(r.value.as_str())));
        records.insert(name.clone(), rows.collect::<BTreeMap<_, _>>());
        for field in sheet.spec().indexed() {
            let field = field.as_str();
            for (scalar, keys) in sheet.index(field).unwrap().values() {
                let entry = (name.clone(), field.to_owned(), json_text(scalar));
                index.entry(entry).or_default().extend(keys.iter().map(ToString::to_string));
            }
        }
    }
    prop_assert_eq!(&records, &expected.records, "records of {:#?}", world);
    prop_assert_eq!(&index, &expected.index, "indexes of {:#?}", world);
    let problems: BTreeSet<(String, String)> =
        snapshot.problems().iter().map(|p| (p.path.clone(), p.rule.to_string())).collect();
    prop_assert_eq!(&problems, &expected.problems, "problems of {:#?}", world);
    let public = snapshot.public_problems();
    prop_assert_eq!(snapshot.problem_count(), snapshot.problems().len());
    prop_assert_eq!(snapshot.public_problem_count(), public.len());
    for limit in [2, 1_000] {
        let starts = (0..public.len()).step_by(limit);
        let pages = starts.flat_map(|skip| snapshot.public_problems_page(skip, limit));
        prop_assert_eq!(&pages.collect::<Vec<_>>(), &public, "pages of {} in {:#?}", limit, world);
    }
    let open = public.into_iter().filter(|p| p.rule == Rule::DanglingRef);
    let open: BTreeSet<String> = open.map(|problem| problem.path).collect();
    prop_assert_eq!(&open, &expected.open, "open references of {:#?}", world);
    prop_assert_eq!(snapshot.text().documents(), expected.texts.len() as u64);
    for word in WORDS {
        let query = Query::parse(word).unwrap().going_on(false);
        let found =
            snapshot.text().search(&query, Scope::All, 0, 1_000, &Budget::unlimited()).unwrap();
        let wanted = expected.search(word, world.definitions);
        prop_assert_eq!(found.total, wanted.len() as u64, "total of {} in {:#?}", word, world);
        let scores: BTreeMap<_, _> = wanted.into_iter().collect();
        let mut last = f64::INFINITY;
        for hit in &found.hits {
            let name = (hit.name.sheet.to_string(), hit.name.key.to_string());
            let Some(score) = scores.get(&name) else {
                return Err(TestCaseError::fail(format!("{name:?} does not have {word}")));
            };
            prop_assert!(
                (f64::from(hit.score) - score).abs() < 1e-3 * score.abs().max(1.0),
                "{:?} scores {} and the model {}",
                name,
                hit.score,
                score
            );
            prop_assert!(*score <= last + 1e-3, "{:?} is ranked too low for {}", name, word);
            last = *score;
        }
    }
    Ok(())
}

fn json_text(scalar: &headwater_engine::scalar::Scalar) -> String {
    use headwater_engine::scalar::{Number, Scalar};
    match scalar {
        Scalar::Bool(bool) => bool.to_string(),
        Scalar::Number(Number::Negative(integer)) => integer.to_string(),
        Scalar::Number(Number::Natural(integer)) => integer.to_string(),
        Scalar::Number(Number::Float(float)) => float.to_string(),
        Scalar::String(text) => serde_json::to_string(&**text).unwrap(),
        Scalar::Timestamp(text) => serde_json::to_string(text.as_str()).unwrap(),
        Scalar::Other(text) => text.to_string(),
    }
}
