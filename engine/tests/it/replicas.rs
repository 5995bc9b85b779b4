//! Several engines: one leads, the others go where it is, and only by consent.

use std::path::Path;
use std::sync::{Arc, Mutex};

use headwater_engine::engine::{
    Announcement, Consent, Engine, EngineConfig, FailureKind, FollowTarget, Ledger, Mark, Moved,
    Observer, ReloadCaller, ReloadError, Report, RequestKind, Rewrites, Role, Stored, Withheld,
};
use headwater_engine::id::{CommitId, Key, SheetName};
use headwater_engine::load::load;
use headwater_engine::mirror::{
    Durability, Identity, Mirror, MirrorOptions, Remote, RemoteOptions,
};
use headwater_engine::options::LoadOptions;
use headwater_engine::plan::RebuildReason;
use headwater_engine::report::{OutcomeKind, ReloadOutcome, Trigger};
use headwater_engine::write::{
    Action, Batch, Condition, MOST_WRITTEN, Operation, Scope, StoreError, WriteError, WritesClosed,
};
use headwater_testkit::{Upstream, git};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};
use serde_json::json;
use tempfile::TempDir;

use crate::random_histories::{Definitions, Op, World, history};
use crate::remote_and_engine::{DEFINITION, config, id, remote};

/// What the replicas agree on, and what it answers.
#[derive(Debug, Default)]
struct Register {
    announced: Mutex<Vec<Announcement>>,
    withheld: Mutex<Option<Withheld>>,
}

impl Consent for Register {
    fn publish(&self, announcement: &Announcement) -> Result<(), Withheld> {
        self.announced.lock().unwrap().push(announcement.clone());
        self.withheld.lock().unwrap().map_or(Ok(()), Err)
    }
}

impl Register {
    fn withhold(&self, withheld: Option<Withheld>) {
        *self.withheld.lock().unwrap() = withheld;
    }

    fn last(&self) -> Option<Announcement> {
        self.announced.lock().unwrap().last().cloned()
    }
}

/// A remote and the replicas that serve it.
struct Fleet {
    upstream: Upstream,
    folder: TempDir,
    register: Arc<Register>,
    leader: Engine,
}

impl Fleet {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// Starts a leader, whose policy is to replay, with other settings.
    fn with(change: impl FnOnce(&mut EngineConfig)) -> Self {
        let mut upstream = Upstream::new();
        let first = upstream.commit("first").put(".gitsheets/people.toml", DEFINITION);
        let first = first.put("people/jane.toml", "id = 1\nname = \"Jane\"\n");
        first.put("people/joe.toml", "id = 2\nname = \"Joe\"\n").push();
        Self::of(upstream, change)
    }

    fn of(upstream: Upstream, change: impl FnOnce(&mut EngineConfig)) -> Self {
        let (folder, register) = (TempDir::new().unwrap(), Arc::new(Register::default()));
        let mirror = folder.path().join("leader.git");
        let mut config = EngineConfig {
            role: Role::Leading,
            consent: Some(register.clone()),
            rewrites: Some(Rewrites::Replay),
            ..config(&mirror, Some(remote(&upstream)))
        };
        change(&mut config);
        let leader = Engine::open(config, Arc::new(Ledger::new())).unwrap();
        let fleet = Self { upstream, folder, register, leader };
        fleet.run(RequestKind::Reload).unwrap();
        fleet
    }

    fn mirror(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("{name}.git"))
    }

    /// Returns settings of a follower that starts from nothing. Its remote is nowhere, so that
    /// nothing can come from there.
    fn follower_config(&self, name: &str) -> EngineConfig {
        let nowhere = self.folder.path().join("nowhere.git");
        let nowhere = Remote::new(nowhere.to_str().unwrap(), RemoteOptions::default()).unwrap();
        EngineConfig {
            role: Role::Following,
            first: Some(self.target()),
            ..config(&self.mirror(name), Some(Arc::new(nowhere)))
        }
    }

    fn follower(&self, name: &str) -> Engine {
        Engine::open(self.follower_config(name), Arc::new(Ledger::new())).unwrap()
    }

    /// Returns where a follower goes that knows what the leader says now.
    fn target(&self) -> FollowTarget {
        self.target_of(&self.leader.announcement())
    }

    fn target_of(&self, announcement: &Announcement) -> FollowTarget {
        FollowTarget {
            head: announcement.head,
            pinned: announcement.pinned,
            digest: announcement.digest,
            made_by: self.leader.made_by().to_owned(),
            synced: announcement.remote.synced,
            unpushed: announcement.remote.unpushed,
            sources: vec![source(&self.mirror("leader"))],
        }
    }

    fn run(&self, kind: RequestKind) -> Result<ReloadOutcome, FailureKind> {
        result(&self.leader.reload(kind, Trigger::Webhook).unwrap())
    }

    fn push(&mut self, path: &str, content: &str) -> CommitId {
        id(&self.upstream.commit("a push").put(path, content).push())
    }

    fn write(&self, name: &str) -> Result<CommitId, WriteError> {
        self.leader.commit(put(name)).map(|committed| committed.commit)
    }
}

fn source(mirror: &Path) -> Arc<Remote> {
    Arc::new(Remote::new(mirror.to_str().unwrap(), RemoteOptions::default()).unwrap())
}

fn result(report: &Report) -> Result<ReloadOutcome, FailureKind> {
    report.result.as_ref().map(Clone::clone).map_err(ReloadError::kind)
}

/// Returns a batch that puts a record.
fn put(name: &str) -> Batch {
    let operation = Operation {
        sheet: SheetName::new("people"),
        action: Action::Put(Key::new(name), json!({ "slug": name, "name": name })),
        condition: Condition::Any,
    };
    Batch {
        operations: vec![operation],
        actor: "ada".into(),
        author: Identity::parse("Ada <ada@example.org>").unwrap(),
        scope: Scope::Every,
        view: headwater_engine::view::View::PUBLIC,
        message: format!("put {name}"),
        trailers: vec![],
        repeat: None,
        limit: MOST_WRITTEN,
    }
}

/// Follows, and waits for the report.
fn follow(engine: &Engine, target: FollowTarget) -> Arc<Report> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let done = Box::new(move |answer: headwater_engine::engine::ReloadAnswer| {
        sender.send(answer.report).unwrap();
    });
    engine.follow(target, vec![ReloadCaller { commit: None, done }]);
    receiver.recv().unwrap()
}

/// Returns the references of a repository, except for what a fetch leaves.
fn references(mirror: &Path) -> String {
    let all = git(mirror, ["for-each-ref", "--format=%(refname) %(objectname)"]);
    let is_kept = |line: &&str| !line.starts_with("refs/remotes/");
    all.lines().filter(is_kept).map(|line| format!("{line}\n")).collect()
}

/// Checks that a follower is where the leader is, in memory and on disk, and that its state is the
/// one of its commit.
fn is_with(follower: &Engine, leader: &Engine, mirror: &Path) {
    let (theirs, ours) = (leader.announcement(), follower.announcement());
    assert_eq!((ours.head, ours.pinned), (theirs.head, theirs.pinned));
    let (theirs, ours) = (leader.snapshot(), follower.snapshot());
    assert_eq!((ours.commit(), ours.digest()), (theirs.commit(), theirs.digest()));
    let objects = Mirror::open(mirror, MirrorOptions::default()).unwrap().objects().unwrap();
    let fresh = load(&objects, ours.commit(), &LoadOptions::default()).unwrap();
    assert_eq!(ours.dump(), fresh.dump());
}

#[test]
fn an_empty_replica_gets_everything_from_the_leader_and_asks_the_remote_nothing() {
    let mut fleet = Fleet::new();
    let head = fleet.push("people/ann.toml", "id = 3\n");
    git(fleet.upstream.path(), ["tag", "v1", "published"]);
    fleet.run(RequestKind::Reload).unwrap();
    let ours = fleet.write("bob").unwrap();
    let follower = fleet.follower("follower");
    is_with(&follower, &fleet.leader, &fleet.mirror("follower"));
    assert_eq!(follower.snapshot().commit(), ours);
    assert_eq!(follower.remote_standing().synced, Some(head));
    assert_eq!(follower.commit_called("v1").unwrap(), head);
    assert_eq!(follower.stored(), None, "the observer is told by the first step");
    let outcome = result(&follow(&follower, fleet.target())).unwrap();
    assert_eq!((outcome.kind, outcome.ahead), (OutcomeKind::Unchanged, 1));
    assert_eq!(follower.stored(), Some(ours));
    let status = follower.status();
    assert_eq!((status.role, status.ahead), (Role::Following, 1));
    git(fleet.mirror("follower"), ["fsck", "--strict"]);
}

#[test]
fn a_follower_goes_by_the_difference_and_tells_what_it_has_stored() {
    let mut fleet = Fleet::new();
    let told: Arc<Mutex<Vec<CommitId>>> = Arc::default();
    let seen = told.clone();
    let observe = move |stored: &Arc<Stored>| seen.lock().unwrap().push(stored.commit);
    let sources: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = sources.clone();
    let see = move |source: &Arc<Remote>| seen.lock().unwrap().push(source.to_string());
    let config = EngineConfig {
        stored_observer: Observer::new(observe),
        source_observer: Observer::new(see),
        ..fleet.follower_config("follower")
    };
    let follower = Engine::open(config, Arc::new(Ledger::new())).unwrap();
    let leader = fleet.target().sources[0].to_string();
    // The first state came from there, too.
    assert_eq!(sources.lock().unwrap().drain(..).collect::<Vec<_>>(), [&*leader]);
    let mut heads = Vec::new();
    for n in 0..3 {
        heads.push(fleet.push(&format!("people/n{n}.toml"), &format!("id = 1{n}\n")));
        fleet.run(RequestKind::Reload).unwrap();
        let outcome = result(&follow(&follower, fleet.target())).unwrap();
        assert_eq!((outcome.kind, outcome.new), (OutcomeKind::Applied, heads[n]));
        assert_eq!(outcome.changed.values().map(|counts| counts.added).sum::<u64>(), 1);
        is_with(&follower, &fleet.leader, &fleet.mirror("follower"));
        let outcome = result(&follow(&follower, fleet.target())).unwrap();
        assert_eq!(outcome.kind, OutcomeKind::Unchanged);
    }
    assert_eq!(*told.lock().unwrap(), heads);
    assert_eq!(*sources.lock().unwrap(), vec![leader; heads.len()], "one fetch a step");
    assert!(follower.status().ahead == 0 && follower.status().behind_since.is_none());
}

#[test]
fn a_follower_is_there_before_the_leaders_branch_moves() {
    /// Consents once the follower is at the commit.
    #[derive(Debug)]
    struct FollowerFirst(Mutex<Option<Followed>>);
    struct Followed {
        follower: Engine,
        source: Arc<Remote>,
        made_by: String,
    }
    impl std::fmt::Debug for Followed {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Followed")
        }
    }
    impl Consent for FollowerFirst {
        fn publish(&self, announcement: &Announcement) -> Result<(), Withheld> {
            let slot = self.0.lock().unwrap();
            let Some(Followed { follower, source, made_by }) = &*slot else { return Ok(()) };
            let target = FollowTarget {
                head: announcement.head,
                pinned: announcement.pinned,
                digest: announcement.digest,
                made_by: made_by.clone(),
                synced: announcement.remote.synced,
                unpushed: announcement.remote.unpushed,
                sources: vec![source.clone()],
            };
            let report = follow(follower, target);
            assert_eq!(result(&report).unwrap().new, announcement.served());
            Ok(())
        }
    }
    for durability in [Durability::Synced, Durability::Buffered] {
        let consent = Arc::new(FollowerFirst(Mutex::new(None)));
        let asked = consent.clone();
        let mut fleet = Fleet::with(|config| {
            config.durability = durability;
            config.consent = Some(asked);
        });
        let (follower, source) = (fleet.follower("follower"), source(&fleet.mirror("leader")));
        let made_by = fleet.leader.made_by().to_owned();
        *consent.0.lock().unwrap() = Some(Followed { follower, source, made_by });
        fleet.push("people/ann.toml", "id = 3\n");
        fleet.run(RequestKind::Reload).unwrap();
        fleet.write("bob").unwrap();
        fleet.push("people/eve.toml", "id = 4\n");
        assert_eq!(fleet.run(RequestKind::Reload).unwrap().replayed.unwrap().commits, 1);
        let followed = consent.0.lock().unwrap().take().unwrap();
        is_with(&followed.follower, &fleet.leader, &fleet.mirror("follower"));
    }
}

#[test]
fn nothing_is_published_without_consent_and_nothing_moves_on_disk() {
    for durability in [Durability::Synced, Durability::Buffered] {
        for withheld in [Withheld::LeaderChanged, Withheld::Unknown] {
            is_withheld(durability, withheld);
        }
    }
}

/// Tries every way of publishing, first without consent and then with it.
fn is_withheld(durability: Durability, withheld: Withheld) {
    let mut fleet = Fleet::with(|config| config.durability = durability);
    let mirror = fleet.mirror("leader");
    let first = fleet.leader.snapshot().commit();
    let way = |fleet: &Fleet, what: &str, publish: &dyn Fn() -> Result<(), FailureKind>| {
        let state = || {
            let (snapshot, status) = (fleet.leader.snapshot(), fleet.leader.status());
            let pinned = status.pinned.map(|pinned| pinned.commit);
            (snapshot.commit(), snapshot.digest(), pinned, references(&mirror))
        };
        fleet.leader.settle();
        let (before, asked) = (state(), fleet.register.announced.lock().unwrap().len());
        fleet.register.withhold(Some(withheld));
        assert_eq!(publish().unwrap_err(), FailureKind::LeaderChanged, "{what}");
        fleet.leader.settle();
        assert_eq!(state(), before, "{what}");
        assert!(fleet.register.announced.lock().unwrap().len() > asked, "{what} asks");
        fleet.register.withhold(None);
        publish().unwrap_or_else(|kind| panic!("{what}: {kind:?}"));
        fleet.leader.settle();
        assert_ne!(state(), before, "{what}");
        let (said, is) = (fleet.register.last().unwrap(), fleet.leader.announcement());
        assert_eq!((said.head, said.pinned), (is.head, is.pinned), "{what}");
        assert_eq!((said.digest, said.served()), (is.digest, is.served()), "{what}");
        assert_eq!(said.remote.synced, is.remote.synced, "{what}");
        assert_eq!(said.remote.unpushed, is.remote.unpushed, "{what}");
        assert_eq!(said.remote.held.is_some(), is.remote.held.is_some(), "{what}");
    };
    let run = |fleet: &Fleet, kind| fleet.run(kind).map(drop);
    let write = |fleet: &Fleet| match fleet.write("bob") {
        Ok(_) => Ok(()),
        Err(WriteError::Store(store)) if matches!(*store, StoreError::Withheld(_)) => {
            Err(FailureKind::LeaderChanged)
        }
        Err(error) => panic!("{error}"),
    };
    let second = fleet.push("people/ann.toml", "id = 3\n");
    way(&fleet, "a reload", &|| run(&fleet, RequestKind::Reload));
    way(&fleet, "a pin", &|| run(&fleet, RequestKind::Pin(first)));
    way(&fleet, "the end of a pin", &|| run(&fleet, RequestKind::Unpin));
    way(&fleet, "a pin of what is served", &|| run(&fleet, RequestKind::Pin(second)));
    let third = fleet.push("people/eve.toml", "id = 4\n");
    fleet.run(RequestKind::Reload).unwrap();
    let held = fleet.leader.status().held.unwrap().id;
    way(&fleet, "a push that is let through", &|| run(&fleet, RequestKind::Apply(held)));
    assert_eq!(fleet.leader.snapshot().commit(), third);
    way(&fleet, "a write", &|| write(&fleet));
    let ours = fleet.leader.snapshot().commit();
    fleet.push("people/amy.toml", "id = 5\n");
    way(&fleet, "a replay", &|| run(&fleet, RequestKind::Reload));
    let moved = Moved { old: ours, new: Some(fleet.leader.snapshot().commit()) };
    assert_eq!(fleet.register.last().unwrap().moves, [moved]);
}

#[test]
fn a_rebuild_needs_consent_too_and_who_does_not_lead_asks_nobody() {
    let fleet = Fleet::new();
    fleet.register.withhold(Some(Withheld::LeaderChanged));
    let before = fleet.leader.snapshot();
    assert_eq!(fleet.run(RequestKind::Rebuild), Err(FailureKind::LeaderChanged));
    assert!(Arc::ptr_eq(&before, &fleet.leader.snapshot()));
    let asked = fleet.register.announced.lock().unwrap().len();
    fleet.leader.set_role(Role::Orphaned);
    fleet.run(RequestKind::Rebuild).unwrap();
    assert_eq!(fleet.register.announced.lock().unwrap().len(), asked);
}

#[test]
fn who_is_deposed_takes_no_more_writes() {
    /// Takes the lead away while it is asked about a write.
    #[derive(Debug, Default)]
    struct Deposes(Mutex<Option<std::sync::mpsc::Sender<()>>>);
    impl Consent for Deposes {
        fn publish(&self, _: &Announcement) -> Result<(), Withheld> {
            if let Some(sender) = &*self.0.lock().unwrap() {
                sender.send(()).unwrap();
                return Err(Withheld::LeaderChanged);
            }
            Ok(())
        }
    }
    let consent = Arc::new(Deposes::default());
    let asked = consent.clone();
    let fleet = Fleet::with(|config| config.consent = Some(asked));
    let (sender, receiver) = std::sync::mpsc::channel();
    *consent.0.lock().unwrap() = Some(sender);
    let before = fleet.leader.snapshot().commit();
    let (told, written) = std::sync::mpsc::channel();
    fleet.leader.write(put("bob"), Box::new(move |result| told.send(result).unwrap()));
    receiver.recv().unwrap();
    fleet.leader.set_role(Role::Following);
    assert!(written.recv().unwrap().is_err());
    let closed = fleet.write("eve");
    assert!(matches!(closed, Err(WriteError::Closed(WritesClosed::Following))), "{closed:?}");
    assert_eq!(fleet.leader.snapshot().commit(), before);
}

#[test]
fn a_follower_decides_nothing() {
    let mut fleet = Fleet::new();
    let first = fleet.leader.snapshot().commit();
    let follower = fleet.follower("follower");
    let run = |kind| result(&follower.reload(kind, Trigger::Webhook).unwrap());
    for kind in [
        RequestKind::Reload,
        RequestKind::Rebuild,
        RequestKind::Pin(first),
        RequestKind::Unpin,
        RequestKind::Apply(Ledger::new().reserve()),
    ] {
        assert_eq!(run(kind), Err(FailureKind::WrongRole), "{kind:?}");
    }
    assert_eq!(run(RequestKind::Audit).unwrap().kind, OutcomeKind::Unchanged);
    let written = follower.commit(put("bob"));
    assert!(matches!(written, Err(WriteError::Closed(WritesClosed::Following))), "{written:?}");
    assert!(!follower.status().push.active);
    // The leader goes nowhere on anybody's word.
    fleet.push("people/ann.toml", "id = 3\n");
    let stale = fleet.target();
    fleet.run(RequestKind::Reload).unwrap();
    let report = follow(&fleet.leader, stale);
    assert!(matches!(report.result, Err(ReloadError::NotFollowing { role: Role::Leading })));
}

#[test]
fn an_orphan_goes_forward_by_itself_and_holds_whatever_needs_a_decision() {
    let mut fleet = Fleet::new();
    let first = fleet.leader.snapshot().commit();
    let config = EngineConfig {
        remote: Some(remote(&fleet.upstream)),
        rewrites: Some(Rewrites::Follow),
        ..fleet.follower_config("follower")
    };
    let follower = Engine::open(config, Arc::new(Ledger::new())).unwrap();
    follower.set_role(Role::Orphaned);
    let run = |kind| result(&follower.reload(kind, Trigger::Poll).unwrap());
    let second = fleet.push("people/ann.toml", "id = 3\n");
    assert_eq!(run(RequestKind::Reload).unwrap().new, second);
    let written = follower.commit(put("bob"));
    assert!(matches!(written, Err(WriteError::Closed(WritesClosed::Orphaned))), "{written:?}");
    let rewritten = fleet.upstream.force_commit_on(Some(&first.to_string()), "rewritten");
    let rewritten = id(&rewritten.put("people/eve.toml", "id = 4\n").push());
    assert_eq!(run(RequestKind::Reload), Err(FailureKind::Diverged));
    let held = follower.status().held.unwrap();
    assert_eq!(held.commit, rewritten);
    assert_eq!(run(RequestKind::Apply(held.id)), Err(FailureKind::WrongRole));
    assert_eq!(run(RequestKind::Pin(first)), Err(FailureKind::WrongRole));
    assert_eq!(follower.snapshot().commit(), second);
    // Where the leader is wins: nothing of what the orphan had is kept as its own.
    fleet.run(RequestKind::Reload).unwrap();
    follower.set_role(Role::Following);
    assert!(follower.status().held.is_none());
    let outcome = result(&follow(&follower, fleet.target())).unwrap();
    assert_eq!((outcome.new, outcome.replayed), (rewritten, None));
    is_with(&follower, &fleet.leader, &fleet.mirror("follower"));
}

#[test]
fn who_takes_over_goes_on_where_the_leader_was() {
    let fleet = Fleet::new();
    let config = EngineConfig {
        remote: Some(remote(&fleet.upstream)),
        push: true,
        ..fleet.follower_config("follower")
    };
    let follower = Engine::open(config, Arc::new(Ledger::new())).unwrap();
    let ours = fleet.write("bob").unwrap();
    result(&follow(&follower, fleet.target())).unwrap();
    fleet.leader.shut_down();
    assert_eq!(id(&fleet.upstream.head().unwrap()), fleet.target().synced.unwrap());
    follower.set_role(Role::Leading);
    follower.reload(RequestKind::Reload, Trigger::Boot).unwrap();
    follower.settle_pushes();
    assert_eq!(id(&fleet.upstream.head().unwrap()), ours, "what it followed is pushed");
    let next = follower.commit(put("eve")).unwrap().commit;
    follower.settle_pushes();
    assert_eq!(id(&fleet.upstream.head().unwrap()), next);
    let standing = follower.remote_standing();
    assert_eq!((standing.synced, standing.unpushed), (Some(next), 0));
}

#[test]
fn pins_are_followed_and_last_over_a_restart() {
    let mut fleet = Fleet::new();
    let first = fleet.leader.snapshot().commit();
    let follower = fleet.follower("follower");
    let second = fleet.push("people/ann.toml", "id = 3\n");
    fleet.run(RequestKind::Reload).unwrap();
    fleet.run(RequestKind::Pin(first)).unwrap();
    result(&follow(&follower, fleet.target())).unwrap();
    is_with(&follower, &fleet.leader, &fleet.mirror("follower"));
    let announced = follower.announcement();
    assert_eq!((announced.head, announced.pinned), (second, Some(first)));
    drop(follower);
    let follower = fleet.follower("follower");
    assert_eq!(follower.snapshot().commit(), first);
    fleet.run(RequestKind::Unpin).unwrap();
    result(&follow(&follower, fleet.target())).unwrap();
    is_with(&follower, &fleet.leader, &fleet.mirror("follower"));
    assert_eq!(follower.announcement().pinned, None);
}

#[test]
fn commits_that_no_other_replica_has_are_kept_here_and_never_pushed() {
    let fleet = Fleet::new();
    let open = |role| {
        let config = EngineConfig {
            remote: Some(remote(&fleet.upstream)),
            push: role == Role::Leading,
            role,
            ..fleet.follower_config("follower")
        };
        Engine::open(config, Arc::new(Ledger::new())).unwrap()
    };
    // It wrote while it was alone.
    let alone = open(Role::Alone);
    let ours = alone.commit(put("bob")).unwrap().commit;
    drop(alone);
    let follower = open(Role::Following);
    let report = follow(&follower, fleet.target());
    let kept = result(&report).unwrap().replayed.unwrap().kept.unwrap();
    assert_eq!(kept.commit, ours);
    let mirror = fleet.mirror("follower");
    assert_eq!(id(git(&mirror, ["rev-parse", &kept.reference]).trim()), ours);
    is_with(&follower, &fleet.leader, &mirror);
    assert_eq!(result(&follow(&follower, fleet.target())).unwrap().replayed, None);
    drop(follower);
    // Not even when it leads.
    let leader = open(Role::Leading);
    leader.reload(RequestKind::Reload, Trigger::Boot).unwrap();
    leader.settle_pushes();
    let branches = git(fleet.upstream.path(), ["for-each-ref", "--format=%(refname)"]);
    assert_eq!(branches.trim(), "refs/heads/published");
}

#[test]
fn what_the_leader_replaced_is_not_a_followers_own() {
    let mut fleet = Fleet::new();
    let follower = fleet.follower("follower");
    let replaced = fleet.write("bob").unwrap();
    result(&follow(&follower, fleet.target())).unwrap();
    fleet.push("people/ann.toml", "id = 3\n");
    assert_eq!(fleet.run(RequestKind::Reload).unwrap().replayed.unwrap().commits, 1);
    let outcome = result(&follow(&follower, fleet.target())).unwrap();
    assert_eq!(outcome.replayed, None);
    is_with(&follower, &fleet.leader, &fleet.mirror("follower"));
    // Whoever waits for a replaced commit finds its successor here, too.
    let moves = fleet.register.last().unwrap().moves;
    follower.learn_moves(&moves);
    follower.learn_moves(&moves);
    assert_eq!(follower.successor_of(replaced), Some(outcome.new));
    // Neither is what it published itself while it led.
    fleet.leader.set_role(Role::Following);
    follower.set_role(Role::Leading);
    follower.commit(put("eve")).unwrap();
    follower.settle();
    let mirror = fleet.mirror("follower");
    let followed = git(&mirror, ["rev-parse", &Mark::Followed.of("published")]);
    assert_eq!(id(followed.trim()), follower.snapshot().commit());
    follower.set_role(Role::Following);
    let outcome = result(&follow(&follower, fleet.target())).unwrap();
    assert_eq!(outcome.replayed, None);
    is_with(&follower, &fleet.leader, &mirror);
}

#[test]
fn another_source_is_asked_where_one_does_not_have_the_commit() {
    let mut fleet = Fleet::new();
    let (follower, other) = (fleet.follower("follower"), fleet.follower("other"));
    fleet.push("people/ann.toml", "id = 3\n");
    fleet.run(RequestKind::Reload).unwrap();
    let before = follower.snapshot().commit();
    let nowhere = source(&fleet.folder.path().join("nowhere.git"));
    for sources in [vec![], vec![nowhere.clone(), source(&fleet.mirror("other"))]] {
        let report = follow(&follower, FollowTarget { sources, ..fleet.target() });
        assert_eq!(result(&report), Err(FailureKind::CannotFollow));
        assert!(!FailureKind::CannotFollow.is_of_remote());
    }
    assert_eq!(follower.snapshot().commit(), before);
    drop(other);
    let sources = vec![nowhere, source(&fleet.mirror("other")), source(&fleet.mirror("leader"))];
    result(&follow(&follower, FollowTarget { sources, ..fleet.target() })).unwrap();
    is_with(&follower, &fleet.leader, &fleet.mirror("follower"));
}

#[test]
fn a_branch_does_not_go_back_to_nothing() {
    let fleet = Fleet::new();
    let follower = fleet.follower("follower");
    let before = follower.snapshot();
    let nothing = FollowTarget { head: CommitId::ZERO, synced: None, ..fleet.target() };
    assert_eq!(result(&follow(&follower, nothing)), Err(FailureKind::CannotFollow));
    assert!(Arc::ptr_eq(&follower.snapshot(), &before));
}

#[test]
fn replicas_of_a_remote_without_commits_begin_with_nothing() {
    let mut fleet = Fleet::of(Upstream::new(), |config| config.branch = Some("published".into()));
    let follower = fleet.follower("follower");
    assert!(follower.snapshot().commit().is_zero());
    let outcome = result(&follow(&follower, fleet.target())).unwrap();
    assert_eq!(outcome.kind, OutcomeKind::Unchanged);
    let first = fleet.upstream.commit("first").put(".gitsheets/people.toml", DEFINITION);
    first.put("people/jane.toml", "id = 1\n").push();
    fleet.run(RequestKind::Reload).unwrap();
    result(&follow(&follower, fleet.target())).unwrap();
    is_with(&follower, &fleet.leader, &fleet.mirror("follower"));
}

#[test]
fn a_digest_that_no_build_has_is_refused_until_the_leader_says_another() {
    let mut fleet = Fleet::new();
    let follower = fleet.follower("follower");
    let before = follower.snapshot();
    fleet.push("people/ann.toml", "id = 3\n");
    fleet.run(RequestKind::Reload).unwrap();
    let wrong = FollowTarget { digest: before.digest(), ..fleet.target() };
    for _ in 0..2 {
        let report = follow(&follower, wrong.clone());
        let Err(ReloadError::ReplicaDiverged { commit, ours, theirs }) = &report.result else {
            panic!("{:?}", report.result);
        };
        assert_eq!((*commit, *theirs), (wrong.head, wrong.digest));
        assert_eq!(*ours, fleet.leader.snapshot().digest());
        assert!(Arc::ptr_eq(&follower.snapshot(), &before));
    }
    // What is made in another way is not compared.
    let made_by = "0.0.0/other".to_owned();
    let outcome = result(&follow(&follower, FollowTarget { made_by, ..wrong })).unwrap();
    assert_eq!(outcome.kind, OutcomeKind::Applied);
    result(&follow(&follower, fleet.target())).unwrap();
    is_with(&follower, &fleet.leader, &fleet.mirror("follower"));
    assert_eq!(RebuildReason::DigestMismatch.as_str(), "digest_mismatch");
}

/// What a leader does.
#[derive(Debug, Clone)]
enum Step {
    Push(Vec<Op>),
    /// A rewritten branch, back to an earlier commit.
    Rewrite(prop::sample::Index),
    Write(u8),
    Rebuild,
    Pin(prop::sample::Index),
    Unpin,
    /// Lets the held push through.
    Apply,
}

fn steps() -> impl Strategy<Value = (Definitions, Vec<(Step, bool)>)> {
    let step = prop_oneof![
        3 => (0..3_u8).prop_map(Step::Write),
        1 => any::<prop::sample::Index>().prop_map(Step::Rewrite),
        1 => Just(Step::Rebuild),
        1 => any::<prop::sample::Index>().prop_map(Step::Pin),
        1 => Just(Step::Unpin),
        2 => Just(Step::Apply),
    ];
    let between = prop::collection::vec((step, any::<bool>()), 0..4);
    let rounds = prop::collection::vec((any::<bool>(), between), 7);
    (history(), rounds).prop_map(|((definitions, pushes), rounds)| {
        let mut steps = Vec::new();
        for (ops, (follows, between)) in pushes.into_iter().zip(rounds) {
            steps.push((Step::Push(ops), follows));
            steps.extend(between);
        }
        (definitions, steps)
    })
}

/// Returns the number of histories to try. Each opens two engines, so it is a part of that of the law.
fn cases() -> u32 {
    (crate::law::cases() / 10).max(1)
}

#[test]
fn a_follower_with_any_number_of_steps_left_out_has_the_state_of_the_leader() {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    proptest!(config, |((definitions, steps) in steps())| {
        follows(definitions, &steps)?;
    });
}

fn follows(definitions: Definitions, steps: &[(Step, bool)]) -> Result<(), TestCaseError> {
    let mut upstream = Upstream::new();
    let mut worlds = vec![World::new(definitions)];
    let mut pushed = vec![worlds[0].commit(&mut upstream)];
    let mut fleet = Fleet::of(upstream, |_| {});
    let follower = fleet.follower("follower");
    for (step, follows) in steps {
        match step {
            Step::Push(ops) => {
                let mut world = worlds.last().unwrap().clone();
                ops.iter().for_each(|op| world.apply(op, &worlds));
                pushed.push(world.commit(&mut fleet.upstream));
                worlds.push(world);
                let _ = fleet.run(RequestKind::Reload);
            }
            Step::Rewrite(to) => {
                fleet.upstream.reset_to(to.get::<String>(&pushed));
                let _ = fleet.run(RequestKind::Reload);
            }
            // A sheet may not be there, and a pin or a held push closes writes.
            Step::Write(n) => drop(fleet.leader.commit(put_note(*n))),
            Step::Rebuild => drop(fleet.run(RequestKind::Rebuild)),
            Step::Pin(to) => drop(fleet.run(RequestKind::Pin(id(to.get::<String>(&pushed))))),
            Step::Unpin => drop(fleet.run(RequestKind::Unpin)),
            Step::Apply => {
                if let Some(held) = fleet.leader.status().held {
                    let _ = fleet.run(RequestKind::Apply(held.id));
                }
            }
        }
        let is = fleet.leader.announcement();
        if let Some(said) = fleet.register.last() {
            prop_assert_eq!((said.head, said.pinned), (is.head, is.pinned), "{:?}", step);
            prop_assert_eq!(said.digest, is.digest, "{:?}", step);
        }
        if *follows {
            let report = follow(&follower, fleet.target_of(&is));
            let outcome = result(&report);
            prop_assert!(outcome.is_ok(), "{:?}: {:?}", step, report.result);
            let outcome = outcome.unwrap();
            prop_assert_ne!(outcome.reason, Some(RebuildReason::DigestMismatch));
            prop_assert_eq!(outcome.replayed, None, "{:?}", step);
            is_with(&follower, &fleet.leader, &fleet.mirror("follower"));
        }
    }
    Ok(())
}

/// Returns a batch that puts a record into `notes`, which some definitions declare.
fn put_note(n: u8) -> Batch {
    let slug = format!("w{n}");
    let operation = Operation {
        sheet: SheetName::new("notes"),
        action: Action::Put(Key::new(slug.as_str()), json!({ "slug": slug, "title": "river" })),
        condition: Condition::Any,
    };
    Batch { operations: vec![operation], ..put("note") }
}
