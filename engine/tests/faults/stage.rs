//! The scenes in which each point is passed, and what must be true after each.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use headwater_engine::engine::{Engine, EngineConfig, Ledger, OpenError, Report, RequestKind};
use headwater_engine::id::CommitId;
use headwater_engine::load::load;
use headwater_engine::mirror::{Mirror, MirrorOptions, Remote, RemoteOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::report::Trigger;
use headwater_testkit::git::git_with_input;
use headwater_testkit::{Upstream, git};
use tempfile::TempDir;

const DEFINITION: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n";

/// What happens when a point is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    /// A first clone is opened.
    Open,
    /// A push of one record goes live.
    Push,
    /// A push is held because it is broken.
    Held,
    /// A diverged head is let through, and a local commit is kept.
    Conflict,
    /// The operator goes back to the previous commit.
    Pin,
    /// The state is compared with a newly built one.
    Audit,
    /// Enough pushes for segments of the text index to be merged.
    Compact,
    /// Enough packs for them to be merged.
    Repack,
}

impl Scene {
    /// Returns the scene that passes the point.
    pub(crate) fn of(point: &str) -> Self {
        match point {
            "hold.note" => Self::Held,
            "tidy.compact" | "tidy.merged" | "tidy.compacted" => Self::Compact,
            "tidy.repack" | "tidy.repacked" => Self::Repack,
            _ if point.starts_with("pin.") => Self::Pin,
            _ if point.starts_with("audit.") => Self::Audit,
            _ if point.starts_with("conflict.") => Self::Conflict,
            _ if point.starts_with("open.") => Self::Open,
            _ => Self::Push,
        }
    }
}

/// A remote and the folder of its mirror.
pub(crate) struct Stage {
    pub(crate) upstream: Upstream,
    folder: TempDir,
}

impl Stage {
    /// Makes a remote with a few records.
    pub(crate) fn new() -> Self {
        let mut upstream = Upstream::new();
        let mut commit = upstream.commit("first").put(".gitsheets/people.toml", DEFINITION);
        for n in 0..30 {
            commit = commit.put(format!("people/p{n}.toml"), format!("name = \"Person {n}\"\n"));
        }
        commit.push();
        Self { upstream, folder: TempDir::new().unwrap() }
    }

    pub(crate) fn mirror(&self) -> PathBuf {
        self.folder.path().join("mirror.git")
    }

    pub(crate) fn url(&self) -> String {
        self.upstream.url()
    }

    /// Opens the engine on the mirror, which is cloned if it does not exist.
    pub(crate) fn open(&self) -> Result<Engine, OpenError> {
        open(&self.mirror(), &self.url())
    }

    /// Prepares the mirror for `scene` and pushes what the scene needs; returns the request that
    /// triggers it.
    pub(crate) fn set(&mut self, scene: Scene, engine: &Engine) -> RequestKind {
        let published = engine.snapshot().commit();
        match scene {
            Scene::Open => {}
            Scene::Audit => return RequestKind::Audit,
            Scene::Held => {
                self.upstream.commit("bad").put("people/bad.toml", "name = \n").push();
            }
            Scene::Push => self.push_one("pushed"),
            Scene::Pin => {
                self.push_one("pushed");
                reload(engine, RequestKind::Reload).result.as_ref().unwrap();
                return RequestKind::Pin(published);
            }
            Scene::Compact => {
                // Each adds a segment of one record; the eighth triggers the merge.
                for n in 0..8 {
                    let text = format!("name = \"New {n}\"\n");
                    self.upstream.commit("new").put(format!("people/n{n}.toml"), text).push();
                    if n < 7 {
                        reload(engine, RequestKind::Reload).result.as_ref().unwrap();
                    }
                }
            }
            Scene::Repack => {
                add_packs(&self.mirror(), 50);
                self.push_one("pushed");
            }
            Scene::Conflict => {
                let mirror = self.mirror();
                let tree = git(&mirror, ["rev-parse", "published^{tree}"]);
                let ours =
                    git(&mirror, ["commit-tree", tree.trim(), "-p", "published", "-m", "ours"]);
                git(&mirror, ["update-ref", "refs/heads/published", ours.trim()]);
                self.push_one("theirs");
                let report = reload(engine, RequestKind::Reload);
                let held = engine.status().held.unwrap_or_else(|| panic!("{report:?}"));
                assert_eq!(engine.snapshot().commit(), published);
                return RequestKind::Apply(held.id);
            }
        }
        RequestKind::Reload
    }

    pub(crate) fn push_one(&mut self, name: &str) {
        self.upstream.commit("push").put("people/p1.toml", format!("name = \"{name}\"\n")).push();
    }

    /// Returns the head of the remote.
    pub(crate) fn head(&self) -> CommitId {
        self.upstream.head().unwrap().parse().unwrap()
    }

    /// Checks the final state: the remote's head is served, its state equals that of a load, and
    /// git finds nothing missing in the mirror.
    pub(crate) fn converges(&mut self, engine: &Engine, point: &str) {
        // The next good push repairs whatever came before it.
        let bad = self.upstream.commit("heal").delete("people/bad.toml");
        bad.put("people/p2.toml", format!("name = \"healed of {point}\"\n")).push();
        let mut report = reload(engine, RequestKind::Reload);
        if let Some(held) = engine.status().held {
            report = reload(engine, RequestKind::Apply(held.id));
        }
        assert!(report.result.is_ok(), "{point}: {:?}", report.result);
        assert_eq!(engine.snapshot().commit(), self.head(), "{point}");
        self.is_lawful(engine, point);
    }

    /// Checks that the served state equals that of a load, and that git finds nothing missing.
    pub(crate) fn is_lawful(&self, engine: &Engine, point: &str) {
        let snapshot = engine.snapshot();
        let objects = Mirror::open(&self.mirror(), MirrorOptions::default()).unwrap();
        let fresh = load(&objects.objects().unwrap(), snapshot.commit(), &LoadOptions::default());
        let fresh = fresh.unwrap();
        assert_eq!(snapshot.digest(), fresh.digest(), "{point}");
        assert_eq!(snapshot.dump(), fresh.dump(), "{point}");
        // Git may look for a pack that is being merged into another one.
        engine.settle();
        git(self.mirror(), ["fsck", "--connectivity-only", "--no-dangling"]);
    }
}

/// Opens the engine on `mirror`, which is cloned from `url` if it does not exist.
pub(crate) fn open(mirror: &Path, url: &str) -> Result<Engine, OpenError> {
    Engine::open(config(mirror, url), Arc::new(Ledger::new()))
}

/// Returns the configuration of an engine that writes nothing and does nothing by itself.
pub(crate) fn config(mirror: &Path, url: &str) -> EngineConfig {
    let remote = Remote::new(url, RemoteOptions::default()).unwrap();
    EngineConfig::of(mirror, Some(Arc::new(remote)))
}

pub(crate) fn reload(engine: &Engine, kind: RequestKind) -> Arc<Report> {
    engine.reload(kind, Trigger::Webhook).unwrap()
}

/// Adds `count` packs of one small blob each.
fn add_packs(mirror: &Path, count: usize) {
    for n in 0..count {
        let blob = mirror.join(format!("blob-{n}"));
        std::fs::write(&blob, format!("pack {n}\n")).unwrap();
        let id = git(mirror, ["hash-object", "-w", blob.to_str().unwrap()]);
        let list = format!("{}\n", id.trim());
        git_with_input(mirror, ["pack-objects", "-q", "objects/pack/pack"], list.as_bytes());
        std::fs::remove_file(blob).unwrap();
    }
    git(mirror, ["prune-packed", "-q"]);
}

/// A thread that reads continuously and checks each answer: a complete state, never an older one.
pub(crate) struct Reader {
    stop: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
    thread: JoinHandle<Vec<CommitId>>,
}

impl Reader {
    pub(crate) fn start(engine: &Arc<Engine>) -> Self {
        let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = std::thread::spawn({
            let (engine, stop, reads) = (engine.clone(), stop.clone(), reads.clone());
            move || {
                let mut seen: Vec<CommitId> = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let snapshot = engine.snapshot();
                    let record = snapshot.visible("people", "p1").unwrap();
                    assert!(record.value.as_str().contains("name"), "{record:?}");
                    assert_eq!(snapshot.text().stamp(), snapshot.commit());
                    if seen.last() != Some(&snapshot.commit()) {
                        assert!(!seen.contains(&snapshot.commit()), "an old state came back");
                        seen.push(snapshot.commit());
                    }
                    reads.fetch_add(1, Ordering::Relaxed);
                }
                seen
            }
        });
        Self { stop, reads, thread }
    }

    /// Waits until some more reads were answered.
    pub(crate) fn goes_on(&self) {
        let before = self.reads.load(Ordering::Relaxed);
        while self.reads.load(Ordering::Relaxed) < before + 100 {
            assert!(!self.thread.is_finished(), "the reader failed");
            std::thread::yield_now();
        }
    }

    /// Ends the reading and returns the served commits, in order.
    pub(crate) fn finish(self) -> Vec<CommitId> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
