//! A remote, its mirror and the engine that serves it, for the tests of reloads.

use std::path::Path;
use std::sync::Arc;

use headwater_engine::engine::{
    Engine, EngineConfig, FailureKind, HeldPush, Ledger, OpenError, ReloadError, Report,
    RequestKind,
};
use headwater_engine::id::CommitId;
use headwater_engine::load::load;
use headwater_engine::mirror::{Identity, Mirror, MirrorOptions, Remote, RemoteOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::report::{ReloadOutcome, Trigger};
use headwater_testkit::Upstream;
use tempfile::TempDir;

pub(crate) const DEFINITION: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n\n[headwater]\n\
                          unique = [\"id\"]\n";

/// A remote, its mirror and the engine that serves it.
pub(crate) struct House {
    pub(crate) upstream: Upstream,
    pub(crate) folder: TempDir,
    pub(crate) engine: Option<Engine>,
}

impl House {
    pub(crate) fn new() -> Self {
        let mut upstream = Upstream::new();
        upstream
            .commit("first")
            .put(".gitsheets/people.toml", DEFINITION)
            .put("people/jane.toml", "id = 1\nname = \"Jane\"\n")
            .put("people/joe.toml", "id = 2\nname = \"Joe\"\n")
            .push();
        Self::of(upstream)
    }

    /// Serves a remote.
    pub(crate) fn of(upstream: Upstream) -> Self {
        Self { upstream, folder: TempDir::new().unwrap(), engine: None }.started()
    }

    pub(crate) fn mirror(&self) -> std::path::PathBuf {
        self.folder.path().join("mirror.git")
    }

    pub(crate) fn started(mut self) -> Self {
        // The lock of the old engine must be free before the new one takes it.
        self.engine = None;
        let remote = remote(&self.upstream);
        self.engine = Some(open(&self.mirror(), Some(remote)).unwrap());
        self
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    pub(crate) fn run(&self, kind: RequestKind) -> Arc<Report> {
        self.engine().reload(kind, Trigger::Webhook).unwrap()
    }

    pub(crate) fn reload(&self) -> ReloadOutcome {
        self.run(RequestKind::Reload).result.as_ref().unwrap().clone()
    }

    pub(crate) fn failure(&self, kind: RequestKind) -> (FailureKind, Arc<Report>) {
        let report = self.run(kind);
        (report.result.as_ref().unwrap_err().kind(), report)
    }

    pub(crate) fn name_of(&self, key: &str) -> Option<String> {
        let snapshot = self.engine().snapshot();
        snapshot.visible("people", key).map(|record| record.value.as_str().to_owned())
    }

    pub(crate) fn served(&self) -> CommitId {
        self.engine().snapshot().commit()
    }

    /// Checks the law for the published state: it equals one loaded from its commit.
    pub(crate) fn is_lawful(&self) {
        let snapshot = self.engine().snapshot();
        let objects = Mirror::open(&self.mirror(), MirrorOptions::default()).unwrap();
        let fresh = load(&objects.objects().unwrap(), snapshot.commit(), &LoadOptions::default());
        assert_eq!(snapshot.dump(), fresh.unwrap().dump());
    }
}

pub(crate) fn remote(upstream: &Upstream) -> Arc<Remote> {
    Arc::new(Remote::new(&upstream.url(), RemoteOptions::default()).unwrap())
}

pub(crate) fn config(repo: &Path, remote: Option<Arc<Remote>>) -> EngineConfig {
    EngineConfig {
        writes: Some(Identity::parse("Headwater <headwater@localhost>").unwrap()),
        ..EngineConfig::of(repo, remote)
    }
}

pub(crate) fn open(repo: &Path, remote: Option<Arc<Remote>>) -> Result<Engine, OpenError> {
    Engine::open(config(repo, remote), Arc::new(Ledger::new()))
}

pub(crate) fn id(text: &str) -> CommitId {
    text.parse().unwrap()
}

pub(crate) fn held(report: &Report) -> (&HeldPush, bool) {
    match &report.result {
        Err(ReloadError::Held { held, repeated }) => (held, *repeated),
        other => panic!("not held: {other:?}"),
    }
}
