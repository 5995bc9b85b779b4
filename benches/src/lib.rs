//! Measures Headwater beside what it is compared with.
//!
//! The program of this crate prints the scoreboard; the criterion benchmarks beside it point at
//! the stage that became slower. Both measure a [`source::Source`]: a real remote to which pushes
//! are made. Nothing here handles errors: what fails to run cannot be measured, so it panics and
//! says why.

pub mod samples;
pub mod row;
pub mod progress;
pub mod machine;
pub mod connection;
pub mod load;
pub mod bare;
pub mod server;
pub mod rewrite;
pub mod source;
pub mod routes;
pub mod clone;
pub mod peer;
pub mod deployment;
pub mod board;
pub mod plot;
pub mod soak;
pub mod growth;

use std::sync::Arc;

use headwater_engine::engine::{Engine, EngineConfig, Ledger};
use headwater_engine::id::CommitId;
use headwater_engine::mirror::{Mirror, MirrorOptions, Remote, RemoteOptions};
use headwater_engine::options::LoadOptions;
use headwater_testkit::Upstream;
use headwater_testkit::corpus::{self, Civic};
use tempfile::TempDir;

/// A remote with the corpus civic-N, to which pushes are made.
pub struct Town {
    /// The remote.
    pub upstream: Upstream,
    /// The corpus on it.
    pub civic: Civic,
    /// The commit that holds the corpus and nothing else.
    pub head: CommitId,
    rounds: u64,
}

impl Town {
    /// Makes the remote and writes the corpus of `people` people to it.
    ///
    /// # Panics
    ///
    /// Panics when git fails, as everything here does: without it there is nothing to measure.
    pub fn new(people: usize) -> Self {
        let mut upstream = Upstream::new();
        let civic = corpus::civic(people);
        let head = id(&civic.write_to(&mut upstream));
        Self { upstream, civic, head, rounds: 0 }
    }

    /// Pushes a change of `records` people and returns the new head.
    pub fn push(&mut self, records: usize) -> CommitId {
        self.rounds += 1;
        let edits = self.civic.edits(records, self.rounds).collect::<Vec<_>>();
        id(&self.upstream.commit("edit").put_all(edits).push())
    }

    /// Opens the remote itself, for measuring what needs no fetch.
    pub fn mirror(&self) -> Mirror {
        let mirror = Mirror::open(self.upstream.path(), MirrorOptions::default());
        mirror.unwrap_or_else(|error| panic!("the remote cannot be opened: {error}"))
    }

    /// Opens an engine on a mirror in `folder`, cloned from the remote over `file://`.
    pub fn engine(&self, folder: &TempDir) -> Engine {
        let remote = Remote::new(&self.upstream.url(), RemoteOptions::default());
        let config = EngineConfig {
            repo: folder.path().join("mirror.git"),
            remote: Some(Arc::new(remote.unwrap_or_else(|error| panic!("no remote: {error}")))),
            branch: None,
            load: LoadOptions::default(),
            cache: true,
            fetch: Default::default(),
            limits: Default::default(),
            poll_interval: None,
            audit_interval: None,
            observer: Default::default(),
            rewrites: None,
        };
        let engine = Engine::open(config, Arc::new(Ledger::new()));
        engine.unwrap_or_else(|error| panic!("the engine does not open: {error}"))
    }
}

fn id(text: &str) -> CommitId {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
