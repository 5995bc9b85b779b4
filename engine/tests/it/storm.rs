//! Readers against publishes: every state seen is complete, and belongs to its commit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use headwater_engine::budget::Budget;
use headwater_engine::digest::Digest;
use headwater_engine::engine::{Engine, RequestKind};
use headwater_engine::id::CommitId;
use headwater_engine::load::load;
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::report::Trigger;
use headwater_engine::search::{Query, Scope};

use crate::remote_and_engine::{House, id};

/// Returns how long the storm lasts; longer on demand.
fn duration() -> Duration {
    let seconds = std::env::var("HEADWATER_STORM_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(2))
}

/// Reads until `stop` and compares each state with the digest of its commit; returns the number of
/// reads.
fn read(engine: &Engine, digests: &HashMap<CommitId, Digest>, stop: &AtomicBool) -> u64 {
    let query = Query::parse("common").unwrap();
    let mut reads = 0;
    while !stop.load(Ordering::Relaxed) {
        let snapshot = engine.snapshot();
        let commit = snapshot.commit();
        assert_eq!(digests.get(&commit), Some(&snapshot.digest()), "{commit}");
        assert_eq!(snapshot.text().stamp(), commit);
        let record = snapshot.visible("people", "jane").unwrap();
        let hits = snapshot.text().search(&query, Scope::All, 0, 10, &Budget::unlimited()).unwrap();
        let shown = hits.hits.iter().filter(|hit| hit.name.key.as_str() == "jane").count();
        assert!(record.value.as_str().contains("common") == (shown == 1), "{commit}: {record:?}");
        reads += 1;
    }
    reads
}

#[test]
fn every_state_that_is_seen_is_the_one_of_its_commit_however_fast_they_change() {
    let mut house = House::new();
    let definition = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n\n\
                      [headwater]\nsearch = { name = 1.0 }\n";
    house.upstream.commit("search").put(".gitsheets/people.toml", definition).push();
    house.reload();
    let mut commits = Vec::new();
    for n in 0..8 {
        let word = if n % 2 == 0 { "common" } else { "rare" };
        let jane = format!("id = 1\nname = \"Jane {word} {n}\"\n");
        commits.push(id(&house.upstream.commit("next").put("people/jane.toml", jane).push()));
        house.reload();
    }
    let objects = Mirror::open(&house.mirror(), MirrorOptions::default()).unwrap();
    let objects = objects.objects().unwrap();
    let fresh = |commit: &CommitId| load(&objects, *commit, &LoadOptions::default()).unwrap();
    let digests: HashMap<_, _> =
        commits.iter().map(|commit| (*commit, fresh(commit).digest())).collect();

    let (engine, stop) = (house.engine(), AtomicBool::new(false));
    let (reads, publishes) = std::thread::scope(|scope| {
        let readers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| read(engine, &digests, &stop))).collect();
        let (until, mut publishes) = (Instant::now() + duration(), 0);
        // Going back and forth between kept states is the fastest way to publish.
        for commit in commits.iter().cycle().take_while(|_| Instant::now() < until) {
            let report = engine.reload(RequestKind::Pin(*commit), Trigger::Operator).unwrap();
            assert_eq!(report.result.as_ref().unwrap().new, *commit);
            publishes += 1;
        }
        stop.store(true, Ordering::Relaxed);
        (readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>(), publishes)
    });
    assert!(reads > 0 && publishes > 8, "{reads} reads, {publishes} publishes");
    println!("{reads} reads against {publishes} publishes, none of another state");
    house.run(RequestKind::Unpin).result.as_ref().unwrap();
    house.is_lawful();
}
