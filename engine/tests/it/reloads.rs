//! The engine over a real remote: pushes that go live, and pushes that do not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, mpsc};

use headwater_engine::engine::{
    Engine, FailureKind, HeldReason, OpenError, ReloadAnswer, ReloadCaller, ReloadRequest,
    RequestKind,
};
use headwater_engine::id::SheetName;
use headwater_engine::memory::{Memory, MemoryProbe};
use headwater_engine::plan::RebuildReason;
use headwater_engine::problem::Problem;
use headwater_engine::report::{OutcomeKind, Trigger};
use headwater_testkit::{Upstream, git};
use tempfile::TempDir;

use crate::remote_and_engine::{DEFINITION, House, config, held, id, open, remote};

#[test]
fn a_push_of_one_record_goes_live_and_nothing_else_changes() {
    let mut house = House::new();
    let before = house.engine().snapshot();
    let pushed = house.upstream.commit("edit").put("people/jane.toml", "id = 1\nname = \"J\"\n");
    let pushed = id(&pushed.push());
    let outcome = house.reload();
    assert_eq!(outcome.kind, OutcomeKind::Applied);
    assert_eq!((outcome.old, outcome.new), (before.commit(), pushed));
    let counts = outcome.changed.values().next().unwrap();
    assert_eq!((counts.added, counts.modified, counts.removed), (0, 1, 0));
    assert_eq!(house.name_of("jane").unwrap(), r#"{"id":1,"name":"J"}"#);
    let (old, new) = (before.visible("people", "joe"), house.engine().snapshot());
    assert!(Arc::ptr_eq(old.unwrap(), new.visible("people", "joe").unwrap()), "joe was read again");
    assert_ne!(before.digest(), outcome.digest);
    house.is_lawful();
}

#[test]
fn without_a_push_nothing_is_changed() {
    let house = House::new();
    let outcome = house.reload();
    assert_eq!(outcome.kind, OutcomeKind::Unchanged);
    assert!(outcome.changed.is_empty());
    assert_eq!(outcome.new, house.served());
}

#[test]
fn a_removed_record_is_gone_and_a_renamed_one_has_moved() {
    let mut house = House::new();
    let commit = house.upstream.commit("move").delete("people/joe.toml");
    commit.put("people/joseph.toml", "id = 2\nname = \"Joe\"\n").push();
    house.reload();
    assert_eq!(house.name_of("joe"), None);
    assert!(house.name_of("joseph").is_some());
    house.is_lawful();
}

#[test]
fn a_refused_push_changes_nothing_not_even_over_a_restart_and_the_next_good_one_goes_live() {
    let mut house = House::new();
    let good = house.served();
    let bad = id(&house.upstream.commit("bad").put("people/joe.toml", "id = = 2\n").push());
    let (kind, report) = house.failure(RequestKind::Reload);
    assert_eq!(kind, FailureKind::Refused);
    let (push, repeated) = held(&report);
    assert_eq!((push.commit, push.reason, repeated), (bad, HeldReason::Refused, false));
    assert_eq!((&*push.problems[0].path, push.problems[0].line), ("people/joe.toml", Some(1)));
    assert_eq!(house.served(), good);

    let again = house.run(RequestKind::Reload);
    assert!(held(&again).1, "the stored answer");
    assert_eq!(held(&again).0.id, push.id);

    let mut house = house.started();
    assert_eq!(house.served(), good);
    assert!(house.name_of("joe").is_some());
    assert_eq!(house.failure(RequestKind::Reload).0, FailureKind::Refused);

    house.upstream.commit("mend").put("people/joe.toml", "id = 2\nname = \"Joseph\"\n").push();
    let outcome = house.reload();
    assert_eq!(outcome.old, good);
    assert!(house.name_of("joe").unwrap().contains("Joseph"));
    assert!(house.engine().status().held.is_none());
    house.is_lawful();
}

#[test]
fn the_operator_lets_a_refused_push_through() {
    let mut house = House::new();
    let bad = id(&house.upstream.commit("bad").put("people/joe.toml", "id = = 2\n").push());
    let report = house.run(RequestKind::Reload);
    let outcome = house.run(RequestKind::Apply(held(&report).0.id));
    assert_eq!(outcome.result.as_ref().unwrap().new, bad);
    assert_eq!(house.name_of("joe"), None);
    assert_eq!(house.engine().snapshot().problems().len(), 1);
    assert!(house.engine().status().degraded);
    house.is_lawful();
}

#[test]
fn a_held_push_that_is_superseded_cannot_be_let_through() {
    let mut house = House::new();
    house.upstream.commit("bad").put("people/joe.toml", "id = = 2\n").push();
    let report = house.run(RequestKind::Reload);
    house.upstream.commit("worse").put("people/jane.toml", "id = = 2\n").push();
    let (kind, _) = house.failure(RequestKind::Apply(held(&report).0.id));
    assert_eq!(kind, FailureKind::NotHeld);
}

#[test]
fn a_note_that_cannot_be_written_keeps_no_push_from_going_live() {
    let mut house = House::new();
    // What a killed process leaves behind.
    let lock = house.mirror().join("refs/headwater/sync/published.lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    house.upstream.commit("more").put("people/amy.toml", "id = 3\n").push();
    assert_eq!(house.reload().kind, OutcomeKind::Applied);
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(house.reload().kind, OutcomeKind::Unchanged);
    let noted = git(house.mirror(), ["rev-parse", "refs/headwater/sync/published"]);
    assert_eq!(id(noted.trim()), house.served());
}

#[test]
fn a_rebuild_without_the_remote_forgets_no_held_push() {
    let mut house = House::new();
    house.upstream.commit("bad").put("people/amy.toml", "id = \n").push();
    let (_, report) = house.failure(RequestKind::Reload);
    let away = house.upstream.path().with_extension("away");
    std::fs::rename(house.upstream.path(), &away).unwrap();
    let rebuilt = house.run(RequestKind::Rebuild);
    assert_eq!(rebuilt.result.as_ref().unwrap().kind, OutcomeKind::Rebuilt);
    let status = house.engine().status();
    assert_eq!(status.held.map(|held| held.id), Some(held(&report).0.id));
    assert!(status.behind_since.is_some());
}

#[test]
fn one_number_in_two_notations_is_indexed_as_a_rebuild_does() {
    let mut house = House::new();
    let definition = DEFINITION.replace("unique = [\"id\"]", "index = [\"n\"]");
    let define = house.upstream.commit("define").put(".gitsheets/people.toml", definition);
    define.put("people/jane.toml", "n = 1000000000000000000\n").push();
    house.reload();
    house.upstream.commit("more").put("people/amy.toml", "n = 1e18\n").push();
    assert_eq!(house.reload().kind, OutcomeKind::Applied);
    house.is_lawful();
}

#[test]
fn a_date_at_the_end_of_the_calendar_is_no_reason_to_fail() {
    let mut house = House::new();
    let definition = "[gitsheet]\nroot = \"people\"\npath = \"${{ d: YYYY }}/${{ slug }}\"\n";
    let define = house.upstream.commit("define").put(".gitsheets/people.toml", definition);
    define.put("people/9999/late.toml", "d = 9999-12-31T23:59:59-01:00\n").push();
    assert_eq!(house.reload().kind, OutcomeKind::Applied);
    assert!(house.name_of("9999/late").is_some());
}

#[test]
fn no_problem_that_the_public_sees_names_a_hidden_record() {
    let mut house = House::new();
    let definition = format!("{DEFINITION}hidden = \"secret\"\npolicy = \"quarantine\"\n");
    let define = house.upstream.commit("define").put(".gitsheets/people.toml", definition);
    let hidden = define.put("people/amy.toml", "id = 7\nsecret = true\ncell = 555\n");
    hidden.put("people/bob.toml", "id = 7\n").put("people/cid.toml", "id = 2\n").push();
    house.reload();
    let snapshot = house.engine().snapshot();
    let paths = |problems: Vec<Problem>| -> Vec<String> {
        problems.into_iter().map(|problem| problem.path).collect()
    };
    assert_eq!(paths(snapshot.problems()), ["people/bob.toml", "people/joe.toml"]);
    assert_eq!(paths(snapshot.public_problems()), ["people/joe.toml"]);
    let fields = |house: &House| {
        let snapshot = house.engine().snapshot();
        let fields = snapshot.sheet("people").unwrap().fields();
        fields.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>()
    };
    assert_eq!(fields(&house), ["id 4", "name 2", "slug 4"], "nor does the list of fields");
    house.upstream.commit("show").put("people/amy.toml", "id = 7\ncell = 555\n").push();
    house.reload();
    assert_eq!(fields(&house), ["cell 1", "id 5", "name 2", "slug 5"]);
}

#[test]
fn an_unreachable_remote_is_told_and_a_rebuild_goes_on_without_it() {
    let house = House::new();
    let away = house.upstream.path().with_extension("away");
    std::fs::rename(house.upstream.path(), &away).unwrap();
    assert_eq!(house.failure(RequestKind::Reload).0, FailureKind::Unreachable);
    let report = house.run(RequestKind::Rebuild);
    let outcome = report.result.as_ref().unwrap();
    assert_eq!(outcome.kind, OutcomeKind::Rebuilt);
    assert_eq!(outcome.reason, Some(RebuildReason::Requested));
    assert!(!outcome.fetched && outcome.changed.is_empty());
}

#[test]
fn a_changed_definition_builds_its_sheet_anew_and_no_other() {
    let mut house = House::new();
    let tags = "[gitsheet]\nroot = \"tags\"\npath = \"${{ slug }}\"\n";
    let commit = house.upstream.commit("tags").put(".gitsheets/tags.toml", tags);
    commit.put("tags/red.toml", "slug = \"red\"\n").push();
    assert_eq!(house.reload().redefined, [SheetName::new("tags")]);
    let definition =
        DEFINITION.replace("unique = [\"id\"]", "index = [\"name\"]\nlanguage = \"en\"");
    house.upstream.commit("define").put(".gitsheets/people.toml", definition).push();
    let before = house.engine().snapshot();
    let outcome = house.reload();
    assert_eq!((outcome.kind, outcome.reason), (OutcomeKind::Applied, None));
    assert_eq!(outcome.redefined, [SheetName::new("people")]);
    assert!(outcome.changed.is_empty(), "no record differs: {:?}", outcome.changed);
    let after = house.engine().snapshot();
    let is_shared = |name: &str| match (before.sheet(name), after.sheet(name)) {
        (Some(before), Some(after)) => {
            before.records().zip(after.records()).all(|(a, b)| Arc::ptr_eq(a, b))
        }
        _ => panic!("{name} is there before and after"),
    };
    assert!(!is_shared("people") && is_shared("tags"));
    house.is_lawful();
}

#[test]
fn the_first_definition_builds_the_state_anew() {
    let mut house = House::new();
    house.upstream.commit("infer").delete(".gitsheets/people.toml").push();
    assert_eq!(house.reload().reason, Some(RebuildReason::LayoutChanged));
    house.is_lawful();
    house.upstream.commit("define").put(".gitsheets/people.toml", DEFINITION).push();
    assert_eq!(house.reload().reason, Some(RebuildReason::LayoutChanged));
    house.is_lawful();
}

#[test]
fn a_push_of_most_of_the_records_builds_the_state_anew() {
    let mut house = House::new();
    let files = (0..1_500).map(|n| (format!("people/p{n}.toml"), format!("id = {}\n", n + 10)));
    house.upstream.commit("many").put_all(files).push();
    let outcome = house.reload();
    assert_eq!(outcome.reason, Some(RebuildReason::TooManyChanges));
    assert_eq!(outcome.changed.values().next().unwrap().added, 1_500);
    house.is_lawful();
}

#[test]
fn fifty_requests_at_once_cost_at_most_two_reloads() {
    let mut house = House::new();
    house.upstream.commit("edit").put("people/amy.toml", "id = 3\n").push();
    let (engine, barrier) = (house.engine(), Barrier::new(50));
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..50 {
            let (sender, barrier) = (sender.clone(), &barrier);
            scope.spawn(move || {
                barrier.wait();
                let done = Box::new(move |ReloadAnswer { report, .. }| {
                    sender.send((report.id, report.serving)).unwrap();
                });
                let (kind, trigger) = (RequestKind::Reload, Trigger::Webhook);
                let request = ReloadRequest { kind, trigger, reserved: None };
                engine.submit(request, vec![ReloadCaller { commit: None, done }]);
            });
        }
    });
    drop(sender);
    let answers: Vec<_> = receiver.iter().collect();
    assert_eq!(answers.len(), 50);
    let head = id(&house.upstream.head().unwrap());
    assert!(answers.iter().all(|(_, serving)| *serving == head));
    let mut ids: Vec<_> = answers.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    // All fifty were requested while at most one reload was running, so there can be a few more
    // than two only if one ends before the last caller arrives.
    assert!(ids.len() <= 3, "{} reloads", ids.len());
}

#[test]
fn forty_pushes_in_a_row_keep_the_state_lawful() {
    let mut house = House::new();
    for round in 0..40 {
        let text = format!("id = 1\nname = \"round {round}\"\n");
        house.upstream.commit("edit").put("people/jane.toml", text).push();
        assert_eq!(house.reload().kind, OutcomeKind::Applied, "round {round}");
    }
    house.is_lawful();
}

#[test]
fn a_rebuild_that_has_no_room_is_refused_if_it_can_wait() {
    let mut house = House::new();
    house.engine = None;
    let available = Arc::new(AtomicU64::new(99));
    let left = available.clone();
    let mut config = config(&house.mirror(), Some(remote(&house.upstream)));
    config.load.memory = MemoryProbe::new(move || {
        Some(Memory { held: 100, available: left.load(Ordering::Relaxed) })
    });
    house.engine = Some(Engine::open(config, Arc::default()).unwrap());
    let before = house.engine().snapshot();
    for kind in [RequestKind::Rebuild, RequestKind::Audit] {
        assert_eq!(house.failure(kind).0, FailureKind::MemoryShort);
        assert!(Arc::ptr_eq(&before, &house.engine().snapshot()), "the old state serves");
    }
    house.upstream.commit("edit").put("people/jane.toml", "id = 1\n").push();
    assert_eq!(house.reload().kind, OutcomeKind::Applied, "a difference shares its memory");
    house.upstream.commit("infer").delete(".gitsheets/people.toml").push();
    assert_eq!(house.reload().reason, Some(RebuildReason::LayoutChanged), "the push needs it");
    available.store(100, Ordering::Relaxed);
    assert_eq!(house.run(RequestKind::Rebuild).result.as_ref().unwrap().kind, OutcomeKind::Rebuilt);
    assert_eq!(house.run(RequestKind::Audit).result.as_ref().unwrap().kind, OutcomeKind::Unchanged);
    house.is_lawful();
}

#[test]
fn a_second_engine_on_the_same_repository_is_refused() {
    let house = House::new();
    let remote = remote(&house.upstream);
    let second = open(&house.mirror(), Some(remote));
    assert!(matches!(second, Err(OpenError::Locked { .. })), "{second:?}");
}

#[test]
fn an_empty_remote_is_served_empty_and_its_first_push_goes_live() {
    let upstream = Upstream::new();
    let folder = TempDir::new().unwrap();
    let mut house = House { upstream, folder, engine: None }.started();
    assert!(house.served().is_zero());
    assert_eq!(house.reload().kind, OutcomeKind::Unchanged);
    house.upstream.commit("first").put("people/jane.json", "{\"id\": 1}").push();
    house.reload();
    assert!(house.name_of("jane").is_some());
    house.is_lawful();
}

#[test]
fn a_repository_without_a_remote_follows_its_branch_and_moves_nothing() {
    let mut upstream = Upstream::new();
    upstream.commit("first").put("people/jane.json", "{}").push();
    let engine = open(upstream.path(), None).unwrap();
    assert!(engine.snapshot().visible("people", "jane").is_some());
    let refs = git(upstream.path(), ["for-each-ref"]);
    upstream.commit("second").put("people/joe.json", "{}").push();
    let report = engine.reload(RequestKind::Reload, Trigger::Poll).unwrap();
    assert_eq!(report.result.as_ref().unwrap().kind, OutcomeKind::Applied);
    assert!(engine.snapshot().visible("people", "joe").is_some());
    let after = git(upstream.path(), ["for-each-ref"]);
    assert_eq!(refs.lines().count(), after.lines().count(), "no reference was added");
}
