//! The text index in the cache: a load that uses it equals one that does not, whatever has changed
//! since it was written, and indexes only those changes.

use headwater_engine::cache::Cache;
use headwater_engine::id::CommitId;
use headwater_engine::load::{load, load_cached};
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::plan::RebuildReason;
use headwater_engine::snapshot::Snapshot;
use headwater_testkit::Upstream;
use headwater_testkit::corpus::{self, Civic};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

use crate::law::{cases, same_pages};

/// Enough people for tantivy to write the index: below 1,024 documents nothing is stored.
const PEOPLE: usize = 1_000;

const HEAD: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n[headwater]\n";

/// The rest of the definition of people: other texts, other boosts, another language, and one that
/// nobody may search.
const SETTINGS: [&str; 5] = [
    "search = { fullName = 3.0, bio = 1.0 }\nhidden = \"deletedAt\"\n",
    "search = { fullName = 1.0 }\n",
    "search = { fullName = 7.0, bio = 1.0 }\n",
    "search = { fullName = 3.0, bio = 1.0 }\nlanguage = \"de\"\n",
    "public = false\n",
];

/// One step of a history.
#[derive(Debug, Clone)]
enum Op {
    /// Another bio; round 0 is that of the corpus.
    Edit(usize, u64),
    Hide(usize),
    Delete(usize),
    Settings(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let person = 0..PEOPLE;
    prop_oneof![
        6 => (person.clone(), 0..3_u64).prop_map(|(n, round)| Op::Edit(n, round)),
        2 => person.clone().prop_map(Op::Hide),
        2 => person.prop_map(Op::Delete),
        1 => (0..SETTINGS.len()).prop_map(Op::Settings),
    ]
}

/// A repository, and the cache next to it.
struct Site {
    civic: Civic,
    upstream: Upstream,
    cache: Cache,
}

impl Site {
    fn new() -> Self {
        let civic = corpus::civic(PEOPLE);
        let mut upstream = Upstream::new();
        civic.write_to(&mut upstream);
        let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
        let cache = Cache::beside(&mirror, LoadOptions::default().record_limit);
        Self { civic, upstream, cache }
    }

    fn commit(&mut self, ops: &[Op]) {
        let mut commit = self.upstream.commit("some steps");
        for op in ops {
            let path = |n: usize| self.civic.edit(n, 0).0;
            commit = match *op {
                Op::Edit(n, round) => {
                    let (path, bytes) = self.civic.edit(n, round);
                    commit.put(path, bytes)
                }
                Op::Hide(n) => {
                    let (path, bytes) = self.civic.edit(n, 0);
                    commit.put(path, [&b"deletedAt = 2026-01-01T00:00:00Z\n"[..], &bytes].concat())
                }
                Op::Delete(n) => commit.delete(path(n)),
                Op::Settings(n) => {
                    commit.put(".gitsheets/people.toml", [HEAD, SETTINGS[n]].concat())
                }
            };
        }
        commit.push();
    }

    /// Loads the head without the cache, and with it.
    fn both(&self) -> (Snapshot, Snapshot) {
        let mirror = Mirror::open(self.upstream.path(), MirrorOptions::default()).unwrap();
        let (objects, options) = (mirror.objects().unwrap(), LoadOptions::default());
        let head: CommitId = self.upstream.head().unwrap().parse().unwrap();
        let cold = load(&objects, head, &options).unwrap();
        let (warm, reason) = load_cached(&objects, head, &self.cache, &options).unwrap();
        assert_eq!(reason, RebuildReason::FirstLoad);
        (cold, warm)
    }
}

fn check(commits: &[Vec<Op>], mut saves: u8) -> Result<(), TestCaseError> {
    let mut site = Site::new();
    site.both().0.save(&site.cache).unwrap();
    for ops in commits {
        site.commit(ops);
        let (cold, warm) = site.both();
        prop_assert_eq!(warm.dump(), cold.dump(), "behind {:?}", commits);
        same_pages(&warm, &cold)?;
        if saves & 1 == 1 {
            warm.save(&site.cache).unwrap();
        }
        saves >>= 1;
    }
    Ok(())
}

#[test]
fn a_load_with_a_text_index_from_the_cache_equals_one_without() {
    let cases = cases().div_ceil(25);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let commits = prop::collection::vec(prop::collection::vec(op(), 1..8), 1..4);
    proptest!(config, |(commits in commits, saves in any::<u8>())| {
        check(&commits, saves)?;
    });
}

#[test]
fn only_what_the_cache_lacks_is_indexed() {
    let mut site = Site::new();
    let (cold, nothing_kept) = site.both();
    assert_eq!([cold.text().segments(), nothing_kept.text().segments()], [1, 1]);
    cold.save(&site.cache).unwrap();
    assert_eq!(site.both().1.text().segments(), 1, "nothing is to be added");
    site.commit(&[Op::Edit(7, 1), Op::Delete(8)]);
    let (cold, warm) = site.both();
    assert_eq!([cold.text().segments(), warm.text().segments()], [1, 2]);
    assert_eq!(warm.dump(), cold.dump());
    // With other boosts, the stored index cannot be used.
    site.commit(&[Op::Settings(2)]);
    let (cold, warm) = site.both();
    assert_eq!([cold.text().segments(), warm.text().segments()], [1, 1]);
    assert_eq!(warm.dump(), cold.dump());
}
