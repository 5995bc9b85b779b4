//! A remote, and an engine and a reloader on it, for tests.

use std::sync::Arc;
use std::time::Duration;

use headwater_testkit::Upstream;
use serde_json::json;
use tempfile::TempDir;

use super::held_pushes::Holds;
use super::locks::{Lock, Rank};
use super::refused_heads::RefusedHeads;
use super::reloader::Reloader;
use super::remote_view::RemoteView;
use super::{Engine, EngineConfig, RequestKind, Rewrites};
use crate::admit::AdmissionLimits;
use crate::id::{CommitId, Key, SheetName};
use crate::mirror::{Identity, Remote, RemoteOptions};
use crate::options::LoadOptions;
use crate::report::{Replayed, Trigger};
use crate::write::{Action, Batch, Condition, Operation};

const DEFINITION: &str = "[sheets.d]\nformat = \"yaml\"\nrecords = \"each\"\n\
                          key = \"${{ id }}\"\n";

/// A list of a hundred records on a remote, and an engine that never pushes.
pub(super) struct World {
    pub(super) upstream: Upstream,
    pub(super) engine: Engine,
    pub(super) reloader: Reloader,
    _folder: TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        let mut upstream = Upstream::new();
        let text: String = (0..100).map(|at| format!("- id: k{at}\n  n: 1\n")).collect();
        let first = upstream.commit("first").put("headwater.toml", DEFINITION);
        first.put("d/all.yaml", &text).push();
        let folder = TempDir::new().unwrap();
        let remote = Remote::new(&upstream.url(), RemoteOptions::default()).unwrap();
        let committer = Identity::parse("Headwater <headwater@localhost>").unwrap();
        let config = EngineConfig {
            writes: Some(committer),
            push: false,
            rewrites: Some(Rewrites::Replay),
            ..EngineConfig::of(folder.path().join("mirror.git"), Some(Arc::new(remote)))
        };
        let engine = Engine::open(config, Arc::default()).unwrap();
        let (states, status) = (engine.states.clone(), engine.status.clone());
        let reloader = Reloader {
            repository: engine.repository.clone(),
            publisher: engine.publisher.clone(),
            writer: engine.writer.clone(),
            pushes: engine.pushes.clone(),
            remote_view: RemoteView {
                repository: engine.repository.clone(),
                states: states.clone(),
                status: status.clone(),
                rewrites: Rewrites::Replay,
                role: engine.role.clone(),
                following: engine.following.clone(),
            },
            holds: Holds { states: states.clone(), status: status.clone() },
            load: LoadOptions::default(),
            limits: AdmissionLimits::default(),
            asks_again: Duration::ZERO,
            costly: Lock::new(Rank::Refused, RefusedHeads::default()),
            following: engine.following.clone(),
            states,
            status,
        };
        Self { upstream, engine, reloader, _folder: folder }
    }

    pub(super) fn write(&self, at: usize, n: i64) -> CommitId {
        let key = Key::new(format!("all/k{at}"));
        let action = Action::Patch(key, json!({ "n": n }));
        let (sheet, condition) = (SheetName::new("d"), Condition::Any);
        let author = Identity::parse("Ada <ada@example.org>").unwrap();
        let operation = Operation { sheet, action, condition };
        let batch = Batch::new(author, "a change".to_owned(), vec![operation]);
        self.engine.commit(batch).unwrap().commit
    }

    pub(super) fn push(&mut self, at: usize, n: i64) -> CommitId {
        let text: String = (0..100)
            .map(|other| format!("- id: k{other}\n  n: {}\n", if other == at { n } else { 1 }))
            .collect();
        self.upstream.commit("theirs").put("d/all.yaml", &text).push().parse().unwrap()
    }

    pub(super) fn replayed(&self) -> Replayed {
        let report = self.engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
        report.result.as_ref().unwrap().replayed.clone().unwrap()
    }

    pub(super) fn records(&self) -> String {
        let state = self.engine.snapshot();
        let value = |at: usize| {
            let record = state.sheet("d")?.record(&format!("all/k{at}"))?;
            Some(record.value.as_str().to_owned())
        };
        (0..6).filter_map(value).collect()
    }
}
