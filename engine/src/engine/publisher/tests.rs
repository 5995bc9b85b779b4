//! Every way of publishing, with every field of the status and of the outcome afterwards.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use headwater_testkit::Upstream;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::engine::{
    Engine, EngineConfig, EngineStatus, HeldReason, Ledger, Observer, ReloadError, RequestKind,
    Rewrites,
};
use crate::id::{Key, SheetName};
use crate::load::load;
use crate::mirror::{Identity, Remote, RemoteOptions};
use crate::plan::RebuildReason;
use crate::report::{Counts, OutcomeKind, Timings, Trigger};
use crate::view::View;
use crate::write::{Action, Batch, Condition, MOST_WRITTEN, Operation, Scope};

const DEFINITION: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n";
const ADA: &str = "slug = \"ada\"\n";
const BROKEN: &str = "slug = = \n";

/// A remote that others push to, and the engine that serves it.
struct Served {
    upstream: Upstream,
    engine: Engine,
    seen: Arc<Mutex<Vec<(CommitId, CommitId, bool)>>>,
    /// When the served state was published.
    published_at: SystemTime,
    _folder: TempDir,
}

/// The fields of the status, without those that never change and without clock times.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    /// Whether a state was published since the last check.
    published: bool,
    degraded: bool,
    remote_head: Option<CommitId>,
    fetched: bool,
    behind: bool,
    ahead: u64,
    unpushed: bool,
    held: Option<HeldReason>,
    pinned: Option<CommitId>,
    retained: usize,
    branch_missing: bool,
    remote_empty: bool,
    /// Whether a reload was reported.
    reported: bool,
}

/// Returns the status of a state that is level with a remote at `head`.
fn level(head: CommitId) -> Said {
    Said {
        published: true,
        degraded: false,
        remote_head: Some(head),
        fetched: true,
        behind: false,
        ahead: 0,
        unpushed: false,
        held: None,
        pinned: None,
        retained: 0,
        branch_missing: false,
        remote_empty: false,
        reported: true,
    }
}

impl Served {
    /// Serves a remote with the record `ada`, and `joe` as given.
    fn new(joe: &str) -> Self {
        let mut upstream = Upstream::new();
        let first = upstream.commit("first").put(".gitsheets/people.toml", DEFINITION);
        first.put("people/ada.toml", ADA).put("people/joe.toml", joe).push();
        let folder = TempDir::new().unwrap();
        let remote = Remote::new(&upstream.url(), RemoteOptions::default()).unwrap();
        let config = EngineConfig {
            rewrites: Some(Rewrites::Replay),
            ..EngineConfig::of(folder.path().join("mirror.git"), Some(Arc::new(remote)))
        };
        Self::open(upstream, folder, config)
    }

    fn open(upstream: Upstream, folder: TempDir, config: EngineConfig) -> Self {
        let seen: Arc<Mutex<Vec<_>>> = Arc::default();
        let told = seen.clone();
        let observe = move |now: &Arc<Published>| {
            told.lock().unwrap().push((now.delta.from, now.delta.to, now.descends));
        };
        let config = EngineConfig {
            publication_observer: Observer::new(observe),
            writes: Some(Identity::parse("Headwater <headwater@localhost>").unwrap()),
            ..config
        };
        let engine = Engine::open(config, Arc::new(Ledger::new())).unwrap();
        let published_at = SystemTime::UNIX_EPOCH;
        Self { upstream, engine, seen, published_at, _folder: folder }
    }

    fn push(&mut self, name: &str, content: &str) -> CommitId {
        let commit = self.upstream.commit("a push").put(format!("people/{name}.toml"), content);
        commit.push().parse().unwrap()
    }

    fn write(&self, name: &str) -> CommitId {
        let record = json!({ "slug": name });
        let operation = Operation {
            sheet: SheetName::new("people"),
            action: Action::Put(Key::new(name), record),
            condition: Condition::Any,
        };
        let batch = Batch {
            operations: vec![operation],
            actor: "ada".into(),
            author: Identity::parse("Ada <ada@example.org>").unwrap(),
            scope: Scope::Every,
            view: crate::view::View::PUBLIC,
            message: "a record".to_owned(),
            trailers: vec![],
            repeat: None,
            limit: MOST_WRITTEN,
        };
        self.engine.commit(batch).unwrap().commit
    }

    fn run(&self, kind: RequestKind) -> ReloadOutcome {
        let report = self.engine.reload(kind, Trigger::Operator).unwrap();
        report.result.as_ref().unwrap().clone()
    }

    fn served(&self) -> CommitId {
        self.engine.snapshot().commit()
    }

    /// Returns the current status; each of its fields is named here.
    fn said(&mut self) -> Said {
        let EngineStatus {
            role,
            branch,
            remote,
            remote_head,
            fetched_at,
            behind_since,
            ahead,
            push,
            held,
            pinned,
            retained,
            alive,
            last,
            degraded,
            opened,
            branch_missing,
            remote_empty,
            head_elsewhere,
            published_at,
        } = self.engine.status();
        assert_eq!((branch.as_str(), opened), ("published", RebuildReason::FirstLoad));
        assert!(alive > retained && remote.is_none_or(|remote| !remote.is_empty()));
        assert_eq!((head_elsewhere, role), (None, Role::Alone));
        assert!(!push.active && push.tip.is_none() && push.pushed_at.is_none());
        assert!(push.failure.is_none() && push.failures == 0 && push.next.is_none());
        let published = std::mem::replace(&mut self.published_at, published_at) != published_at;
        Said {
            published,
            degraded,
            remote_head,
            fetched: fetched_at.is_some(),
            behind: behind_since.is_some(),
            ahead,
            unpushed: push.unpushed_since.is_some(),
            held: held.map(|held| held.reason),
            pinned: pinned.map(|pinned| pinned.commit),
            retained,
            branch_missing,
            remote_empty,
            reported: last.is_some(),
        }
    }

    /// Returns the last observed publication: its old and new commit, and whether it descends.
    fn seen(&self) -> (CommitId, CommitId, bool) {
        *self.seen.lock().unwrap().last().unwrap()
    }

    /// Checks the outcome: `expected` has everything but the timings.
    fn came_to(&self, outcome: &ReloadOutcome, expected: ReloadOutcome) {
        let state = self.engine.snapshot();
        let expected = ReloadOutcome {
            new: state.commit(),
            digest: state.digest(),
            timings: outcome.timings,
            ..expected
        };
        assert_eq!(*outcome, expected);
        let is_published = outcome.kind != OutcomeKind::Unchanged;
        assert_eq!(outcome.timings.swap.is_zero(), !is_published);
    }
}

/// Returns the outcome of a reload that asked a remote at `head` and applied the state there.
fn applied(old: CommitId, head: CommitId, added: u64, modified: u64) -> ReloadOutcome {
    let counts = Counts { added, modified, removed: 0 };
    let changed: BTreeMap<_, _> =
        [(SheetName::new("people"), counts)].into_iter().filter(|(_, c)| !c.is_zero()).collect();
    ReloadOutcome {
        kind: OutcomeKind::Applied,
        shown: changed.clone(),
        changed,
        remote_head: Some(head),
        ..ReloadOutcome::staying(old, crate::digest::Digest::from_bytes([0; 32]))
    }
}

/// Publishes `state` as if it were the state of the published commit.
fn replace(engine: &Engine, state: Snapshot) {
    let publication = Publication {
        state: Arc::new(state),
        changed: Arc::default(),
        reason: None,
        lineage: Lineage::Same,
        timings: Timings::default(),
        origin: Origin::Compaction,
        branch: BranchMove::default(),
    };
    let on_disk = OnDisk { store: || Ok(()), refer: || Ok::<_, ReloadError>(None) };
    engine.publisher.publish(&engine.writer.turn(), publication, on_disk).unwrap();
}

#[test]
fn a_state_that_was_begun_in_another_role_is_not_published() {
    let served = Served::new("slug = \"joe\"\n");
    let engine = &served.engine;
    let before = engine.snapshot();
    let publish = |turn: &Turn<'_>| {
        let publication = Publication {
            state: Arc::new(Snapshot::clone(&before)),
            changed: Arc::default(),
            reason: None,
            lineage: Lineage::Same,
            timings: Timings::default(),
            origin: Origin::Audit,
            branch: BranchMove::default(),
        };
        let refer = || -> Result<_, Withheld> { panic!("nothing is moved") };
        engine.publisher.publish(turn, publication, OnDisk { store: || Ok(()), refer })
    };
    let turn = engine.writer.turn();
    for role in [Role::Leading, Role::Following, Role::Orphaned] {
        engine.set_role(role);
        assert_eq!(publish(&turn).unwrap_err(), Withheld::RoleChanged);
    }
    assert!(Arc::ptr_eq(&before, &engine.snapshot()));
}

#[test]
fn a_first_load_says_that_it_has_problems_and_nothing_of_the_remote() {
    let mut served = Served::new(BROKEN);
    let nothing =
        Said { remote_head: None, fetched: false, reported: false, ..level(served.served()) };
    assert_eq!(served.said(), Said { degraded: true, ..nothing });
    assert!(served.seen.lock().unwrap().is_empty());
}

#[test]
fn a_reload_that_mends_and_one_that_finds_nothing() {
    let mut served = Served::new(BROKEN);
    let first = served.served();
    served.said();
    let head = served.push("joe", "slug = \"joe\"\n");
    let outcome = served.run(RequestKind::Reload);
    served.came_to(&outcome, applied(first, head, 1, 0));
    assert_eq!(served.said(), Said { retained: 1, ..level(head) });
    assert_eq!(served.seen(), (first, head, true));

    let outcome = served.run(RequestKind::Reload);
    let unchanged = ReloadOutcome { kind: OutcomeKind::Unchanged, ..applied(head, head, 0, 0) };
    served.came_to(&outcome, unchanged);
    assert_eq!(served.said(), Said { published: false, retained: 1, ..level(head) });
    assert_eq!(served.seen.lock().unwrap().len(), 1);
}

#[test]
fn a_rebuild() {
    let mut served = Served::new("slug = \"joe\"\n");
    let first = served.served();
    let head = served.push("eve", "slug = \"eve\"\n");
    served.run(RequestKind::Reload);
    served.said();
    let outcome = served.run(RequestKind::Rebuild);
    let (kind, reason) = (OutcomeKind::Rebuilt, Some(RebuildReason::Requested));
    served.came_to(&outcome, ReloadOutcome { kind, reason, ..applied(head, head, 0, 0) });
    assert_eq!(served.said(), level(head), "nothing from before is kept");
    assert_eq!(served.seen(), (first, head, true));
}

#[test]
fn a_write_that_mends() {
    let mut served = Served::new(BROKEN);
    let first = served.served();
    served.run(RequestKind::Reload);
    served.said();
    let ours = served.write("joe");
    assert_eq!(served.served(), ours);
    let ahead = Said { ahead: 1, unpushed: true, retained: 1, ..level(first) };
    assert_eq!(served.said(), ahead);
    assert_eq!(served.seen(), (first, ours, true));

    let outcome = served.run(RequestKind::Reload);
    let kind = OutcomeKind::Unchanged;
    served.came_to(&outcome, ReloadOutcome { kind, ahead: 1, ..applied(ours, first, 0, 0) });
    assert_eq!(served.said(), Said { published: false, ..ahead });
}

#[test]
fn a_replay_of_ours_and_one_that_has_nothing_left() {
    let mut served = Served::new("slug = \"joe\"\n");
    served.run(RequestKind::Reload);
    let ours = served.write("bob");
    served.said();
    let head = served.push("eve", "slug = \"eve\"\n");
    let outcome = served.run(RequestKind::Reload);
    let replayed = Some(Replayed { commits: 1, kept: None });
    let expected = ReloadOutcome { ahead: 1, replayed, ..applied(ours, head, 1, 0) };
    served.came_to(&outcome, expected);
    assert_eq!(served.said(), Said { ahead: 1, unpushed: true, ..level(head) });
    let replaced = served.served();
    assert_eq!(served.seen(), (ours, replaced, false));

    // Somebody else pushes the same record, so that no local change remains.
    let head = served.push("bob", "slug = \"bob\"\n");
    let outcome = served.run(RequestKind::Reload);
    assert_eq!(served.served(), head);
    let replayed = Some(Replayed { commits: 0, kept: None });
    served.came_to(&outcome, ReloadOutcome { replayed, ..applied(replaced, head, 0, 0) });
    assert_eq!(served.said(), level(head));
}

#[test]
fn a_pin_and_its_end() {
    let mut served = Served::new(BROKEN);
    let first = served.served();
    let head = served.push("joe", "slug = \"joe\"\n");
    served.run(RequestKind::Reload);
    served.said();

    let outcome = served.run(RequestKind::Pin(first));
    let removed = Counts { removed: 1, ..Counts::default() };
    let changed = BTreeMap::from([(SheetName::new("people"), removed)]);
    let (fetched, remote_head) = (false, None);
    let back = ReloadOutcome {
        changed: changed.clone(),
        shown: changed,
        fetched,
        remote_head,
        ..applied(head, head, 0, 0)
    };
    served.came_to(&outcome, back);
    let pinned = Said { degraded: true, behind: true, pinned: Some(first), ..level(head) };
    assert_eq!(served.said(), pinned);
    assert_eq!(served.seen(), (head, first, false));

    // The same commit again: only the pin is new.
    let outcome = served.run(RequestKind::Pin(first));
    let kind = OutcomeKind::Unchanged;
    let unchanged = ReloadOutcome { kind, fetched, remote_head, ..applied(first, first, 0, 0) };
    served.came_to(&outcome, unchanged);
    assert_eq!(served.said(), Said { published: false, ..pinned.clone() });

    let outcome = served.run(RequestKind::Unpin);
    let forward = ReloadOutcome { fetched, remote_head, ..applied(first, head, 1, 0) };
    served.came_to(&outcome, forward);
    assert_eq!(served.said(), Said { retained: 1, ..level(head) });
    assert_eq!(served.seen(), (first, head, true));
}

#[test]
fn the_end_of_a_pin_where_a_push_waits() {
    let mut served = Served::new("slug = \"joe\"\n");
    let first = served.served();
    let second = served.push("eve", "slug = \"eve\"\n");
    served.run(RequestKind::Reload);
    served.run(RequestKind::Pin(first));
    let head = served.push("amy", "slug = \"amy\"\n");
    served.said();
    let outcome = served.run(RequestKind::Reload);
    let held = served.engine.status().held.unwrap();
    let kind = OutcomeKind::Held;
    let expected = ReloadOutcome { kind, held: Some(held.id), ..applied(first, head, 0, 0) };
    assert_eq!(outcome, ReloadOutcome { digest: outcome.digest, ..expected });
    let waits =
        Said { behind: true, pinned: Some(first), held: Some(HeldReason::Pinned), ..level(head) };
    assert_eq!(served.said(), Said { published: false, ..waits });

    served.run(RequestKind::Unpin);
    let behind = Said { behind: true, retained: 1, ..level(head) };
    assert_eq!((served.served(), served.said()), (second, behind));
    served.run(RequestKind::Reload);
    assert_eq!((served.served(), served.said()), (head, Said { retained: 2, ..level(head) }));
}

#[test]
fn a_push_that_is_let_through_ends_the_pin() {
    let mut served = Served::new("slug = \"joe\"\n");
    let first = served.served();
    served.run(RequestKind::Pin(first));
    let head = served.push("joe", BROKEN);
    served.run(RequestKind::Reload);
    served.said();
    let id = served.engine.status().held.unwrap().id;
    let outcome = served.run(RequestKind::Apply(id));
    let removed = Counts { removed: 1, ..Counts::default() };
    let changed = BTreeMap::from([(SheetName::new("people"), removed)]);
    let expected =
        ReloadOutcome { changed: changed.clone(), shown: changed, ..applied(first, head, 0, 0) };
    served.came_to(&outcome, expected);
    assert_eq!(served.said(), Said { degraded: true, retained: 1, ..level(head) });
}

#[test]
fn a_rewritten_branch_that_is_let_through_takes_the_place_of_ours() {
    let mut upstream = Upstream::new();
    let first = upstream.commit("first").put(".gitsheets/people.toml", DEFINITION);
    first.put("people/ada.toml", ADA).push();
    let folder = TempDir::new().unwrap();
    let remote = Remote::new(&upstream.url(), RemoteOptions::default()).unwrap();
    let config = EngineConfig::of(folder.path().join("mirror.git"), Some(Arc::new(remote)));
    let mut served = Served::open(upstream, folder, config);
    served.run(RequestKind::Reload);
    let ours = served.write("joe");
    let head = served.push("eve", "slug = \"eve\"\n");
    let report = served.engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
    assert!(report.result.is_err());
    served.said();
    let held = served.engine.status().held.unwrap();
    let outcome = served.run(RequestKind::Apply(held.id));
    let counts = Counts { added: 1, modified: 0, removed: 1 };
    let changed = BTreeMap::from([(SheetName::new("people"), counts)]);
    let kept = outcome.replayed.as_ref().unwrap().kept.clone().unwrap();
    assert_eq!(kept.commit, ours);
    let replayed = Some(Replayed { commits: 0, kept: Some(kept) });
    let expected = ReloadOutcome {
        changed: changed.clone(),
        shown: changed,
        replayed,
        ..applied(ours, head, 0, 0)
    };
    served.came_to(&outcome, expected);
    assert_eq!(served.said(), level(head));
    assert_eq!(served.seen(), (ours, head, false));
}

#[test]
fn an_audit_that_mends_and_one_that_finds_nothing() {
    let mut served = Served::new("slug = \"joe\"\n");
    let first = served.served();
    served.run(RequestKind::Reload);
    let objects = served.engine.mirror().objects().unwrap();
    let options = crate::options::LoadOptions { record_limit: 1, ..Default::default() };
    let wrong = load(&objects, first, &options).unwrap();
    served.said();
    replace(&served.engine, wrong);
    assert_eq!(served.said(), Said { published: false, degraded: true, ..level(first) });
    let outcome = served.run(RequestKind::Audit);
    let (kind, reason) = (OutcomeKind::Rebuilt, Some(RebuildReason::AuditMismatch));
    let (fetched, remote_head) = (false, None);
    let mended =
        ReloadOutcome { kind, reason, fetched, remote_head, ..applied(first, first, 2, 0) };
    served.came_to(&outcome, mended);
    assert_eq!(served.said(), level(first));
    assert_eq!(served.seen(), (first, first, true));

    let outcome = served.run(RequestKind::Audit);
    let kind = OutcomeKind::Unchanged;
    let unchanged = ReloadOutcome { kind, fetched, remote_head, ..applied(first, first, 0, 0) };
    served.came_to(&outcome, unchanged);
    assert_eq!(served.said(), Said { published: false, ..level(first) });
}

#[test]
fn a_local_branch_that_is_followed_and_written_to() {
    let mut upstream = Upstream::new();
    let first = upstream.commit("first").put(".gitsheets/people.toml", DEFINITION);
    first.put("people/ada.toml", BROKEN).push();
    let config = EngineConfig::of(upstream.path(), None);
    let mut served = Served::open(upstream, TempDir::new().unwrap(), config);
    let first = served.served();
    let nothing = Said { remote_head: None, fetched: false, reported: false, ..level(first) };
    assert_eq!(served.said(), Said { degraded: true, ..nothing });

    let head = served.push("ada", ADA);
    let outcome = served.run(RequestKind::Reload);
    served.came_to(&outcome, ReloadOutcome { fetched: false, ..applied(first, head, 1, 0) });
    assert_eq!(served.said(), Said { retained: 1, ..level(head) });
    assert_eq!(served.seen(), (first, head, true));

    let ours = served.write("joe");
    assert_eq!(
        served.said(),
        Said { retained: 2, ..level(ours) },
        "the branch is what is followed"
    );
    assert_eq!(served.seen(), (head, ours, true));
}

#[test]
fn a_local_branch_that_was_rewritten_is_ahead_of_nothing() {
    let mut upstream = Upstream::new();
    let first = upstream.commit("first").put(".gitsheets/people.toml", DEFINITION);
    let first = first.put("people/ada.toml", ADA).push();
    let config = EngineConfig::of(upstream.path(), None);
    let mut served = Served::open(upstream, TempDir::new().unwrap(), config);
    served.push("eve", "slug = \"eve\"\n");
    served.run(RequestKind::Reload);
    served.said();
    let anew = served.upstream.force_commit_on(Some(&first), "anew");
    let head = anew.put("people/amy.toml", "slug = \"amy\"\n").push().parse().unwrap();
    let report = served.engine.reload(RequestKind::Reload, Trigger::Watch).unwrap();
    assert!(report.result.is_err());
    let held = Some(HeldReason::Diverged);
    let expected = Said { published: false, behind: true, held, retained: 1, ..level(head) };
    assert_eq!(served.said(), expected);
}

#[test]
fn a_rebuild_of_what_is_pinned_says_nothing_of_a_push_that_waits() {
    let mut served = Served::new("slug = \"joe\"\n");
    let first = served.served();
    served.run(RequestKind::Pin(first));
    let head = served.push("eve", "slug = \"eve\"\n");
    served.run(RequestKind::Reload);
    served.said();
    served.run(RequestKind::Rebuild);
    let waits =
        Said { behind: true, pinned: Some(first), held: Some(HeldReason::Pinned), ..level(head) };
    assert_eq!(served.said(), waits);
}

#[test]
fn a_rewritten_branch_goes_on_from_the_pin_that_it_still_has() {
    let mut served = Served::new("slug = \"joe\"\n");
    let first = served.served();
    let second = served.push("eve", "slug = \"eve\"\n");
    served.run(RequestKind::Reload);
    served.run(RequestKind::Pin(first));
    let commit = served.upstream.force_commit_on(Some(&first.to_string()), "anew");
    let head = commit.put("people/amy.toml", "slug = \"amy\"\n").push().parse().unwrap();
    served.run(RequestKind::Reload);
    let id = served.engine.status().held.unwrap().id;
    served.said();
    served.run(RequestKind::Apply(id));
    assert_eq!(served.said(), Said { retained: 1, ..level(head) });
    assert_eq!(served.seen(), (first, head, true));
    assert!(
        served.engine.kept(&View::PUBLIC, second).is_none()
            && served.engine.at(&View::PUBLIC, second).is_err()
    );
}
