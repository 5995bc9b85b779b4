//! Going back to a previously served state, and staying there.

use std::sync::Arc;

use headwater_engine::engine::{Engine, EngineConfig, FailureKind, Ledger, RequestKind};
use headwater_engine::id::CommitId;
use headwater_engine::report::OutcomeKind;
use headwater_testkit::git;

use crate::remote_and_engine::{House, config, id, open, remote};

fn push(house: &mut House, name: &str) -> CommitId {
    let text = format!("id = 1\nname = \"{name}\"\n");
    id(&house.upstream.commit(name).put("people/jane.toml", text).push())
}

/// Returns a house that served two commits, and these commits.
fn two_states() -> (House, CommitId, CommitId) {
    let mut house = House::new();
    let first = house.served();
    let second = push(&mut house, "Second");
    house.reload();
    (house, first, second)
}

#[test]
fn a_pin_goes_back_at_once_and_holds_what_is_pushed_until_it_is_taken_back() {
    let (mut house, first, second) = two_states();
    let outcome = house.run(RequestKind::Pin(first)).result.as_ref().unwrap().clone();
    assert_eq!((outcome.kind, outcome.old, outcome.new), (OutcomeKind::Applied, second, first));
    assert_eq!(outcome.changed.values().map(|counts| counts.modified).sum::<u64>(), 1);
    assert!(house.name_of("jane").unwrap().contains("Jane"));
    house.is_lawful();
    assert_eq!(house.reload().kind, OutcomeKind::Unchanged);
    assert_eq!(house.served(), first, "the remote has nothing new");

    let third = push(&mut house, "Third");
    let held = house.reload();
    assert_eq!((held.kind, held.new, held.remote_head), (OutcomeKind::Held, first, Some(third)));
    assert!(house.reload().repeated);
    let status = house.engine().status();
    assert_eq!(status.pinned.map(|pinned| pinned.commit), Some(first));
    assert!(status.behind_since.is_some() && status.held.is_some());

    let outcome = house.run(RequestKind::Unpin).result.as_ref().unwrap().clone();
    assert_eq!((outcome.old, outcome.new), (first, second), "the head of the branch");
    assert_eq!(house.reload().new, third);
    let status = house.engine().status();
    assert!(status.pinned.is_none() && status.held.is_none() && status.behind_since.is_none());
    house.is_lawful();
}

#[test]
fn a_pin_survives_a_restart_and_the_branch_does_not_move() {
    let (house, first, second) = two_states();
    house.run(RequestKind::Pin(first)).result.as_ref().unwrap();
    let mut house = house.started();
    assert_eq!(house.served(), first);
    push(&mut house, "Third");
    assert_eq!(house.reload().kind, OutcomeKind::Held);
    let branch = git(house.mirror(), ["rev-parse", "refs/heads/published"]);
    assert_eq!(id(branch.trim()), second);
    let house = house.started();
    assert_eq!(house.run(RequestKind::Unpin).result.as_ref().unwrap().new, second);
    let house = house.started();
    assert_eq!(house.served(), second);
}

#[test]
fn a_commit_from_before_the_process_can_be_pinned_too() {
    let (house, first, _) = two_states();
    let house = house.started();
    let outcome = house.run(RequestKind::Pin(first)).result.as_ref().unwrap().clone();
    assert_eq!((outcome.kind, outcome.new), (OutcomeKind::Applied, first));
    house.is_lawful();
}

#[test]
fn only_what_was_served_can_be_pinned() {
    let (mut house, _, second) = two_states();
    let refused = id(&house.upstream.commit("bad").put("people/joe.toml", "id = = 2\n").push());
    assert_eq!(house.failure(RequestKind::Reload).0, FailureKind::Refused);
    let unknown = id(&"b".repeat(40));
    for commit in [refused, unknown] {
        assert_eq!(house.failure(RequestKind::Pin(commit)).0, FailureKind::NotPinnable);
    }
    assert_eq!(house.served(), second);
    assert!(house.engine().status().pinned.is_none());
}

#[test]
fn letting_the_held_push_through_ends_the_pin() {
    let (mut house, first, _) = two_states();
    house.run(RequestKind::Pin(first)).result.as_ref().unwrap();
    let third = push(&mut house, "Third");
    let held = house.reload().held.unwrap();
    let outcome = house.run(RequestKind::Apply(held)).result.as_ref().unwrap().clone();
    assert_eq!(outcome.new, third);
    assert!(house.engine().status().pinned.is_none());
    let house = house.started();
    assert_eq!(house.served(), third);
}

#[test]
fn a_push_that_came_while_the_head_was_pinned_goes_live_without_the_pin() {
    let (mut house, _, second) = two_states();
    house.run(RequestKind::Pin(second)).result.as_ref().unwrap();
    let third = push(&mut house, "Third");
    assert_eq!(house.reload().kind, OutcomeKind::Held);
    let outcome = house.run(RequestKind::Unpin).result.as_ref().unwrap().clone();
    assert_eq!(outcome.kind, OutcomeKind::Unchanged);
    assert_eq!(house.reload().new, third);
}

#[test]
fn a_rebuild_builds_the_pinned_commit_anew() {
    let (mut house, first, _) = two_states();
    house.run(RequestKind::Pin(first)).result.as_ref().unwrap();
    push(&mut house, "Third");
    let outcome = house.run(RequestKind::Rebuild).result.as_ref().unwrap().clone();
    assert_eq!((outcome.kind, outcome.new), (OutcomeKind::Rebuilt, first));
    assert!(house.engine().status().pinned.is_some());
}

#[test]
fn a_rewritten_branch_is_held_by_the_pin_and_judged_without_it() {
    let (mut house, first, second) = two_states();
    house.run(RequestKind::Pin(first)).result.as_ref().unwrap();
    house.upstream.force_commit_on(None, "anew").put("people/amy.toml", "id = 9\n").push();
    assert_eq!(house.reload().kind, OutcomeKind::Held);
    house.run(RequestKind::Unpin).result.as_ref().unwrap();
    assert_eq!(house.failure(RequestKind::Reload).0, FailureKind::Diverged);
    assert_eq!(house.served(), second);
}

#[test]
fn a_remote_that_went_back_to_the_pinned_commit_is_let_through_with_the_branch() {
    let (mut house, first, second) = two_states();
    house.run(RequestKind::Pin(first)).result.as_ref().unwrap();
    house.upstream.reset_to(&first.to_string());
    assert_eq!(house.reload().kind, OutcomeKind::Held);
    let held = house.engine().status().held.unwrap();
    let outcome = house.run(RequestKind::Apply(held.id)).result.as_ref().unwrap().clone();
    assert_eq!((outcome.kind, outcome.new), (OutcomeKind::Unchanged, first));
    assert_eq!(house.engine().announcement().head, first, "the branch was at {second}");
    let status = house.engine().status();
    assert!(status.pinned.is_none() && status.held.is_none());
    assert_eq!(house.started().served(), first);
}

#[test]
fn a_repository_without_a_remote_cannot_be_pinned() {
    let (house, first, _) = two_states();
    let engine = open(house.upstream.path(), None).unwrap();
    let report =
        engine.reload(RequestKind::Pin(first), headwater_engine::report::Trigger::Operator);
    let report = report.unwrap();
    assert_eq!(report.result.as_ref().unwrap_err().kind(), FailureKind::NotPinnable);
    assert_eq!(config(house.upstream.path(), None).remote.map(|_| ()), None);
}

#[test]
fn superseded_states_are_kept_and_those_before_a_rebuild_are_not() {
    let (mut house, ..) = two_states();
    push(&mut house, "Third");
    house.reload();
    assert_eq!(house.engine().status().retained, 2);
    let read = house.engine().snapshot();
    house.run(RequestKind::Rebuild).result.as_ref().unwrap();
    let status = house.engine().status();
    assert_eq!((status.retained, status.alive), (0, 2), "a reader still has one");
    drop(read);
    assert_eq!(house.engine().status().alive, 1);
}

/// Opens the mirror of the house for another branch of the same remote.
fn open_other(house: &mut House) -> Engine {
    house.engine = None;
    let config = config(&house.mirror(), Some(remote(&house.upstream)));
    let config = EngineConfig { branch: Some("other".to_owned()), ..config };
    Engine::open(config, Arc::new(Ledger::new())).unwrap()
}

#[test]
fn a_pin_and_what_is_in_step_belong_to_the_branch_that_they_were_made_for() {
    let (mut house, first, second) = two_states();
    git(house.upstream.path(), ["branch", "other", &second.to_string()]);
    house.run(RequestKind::Pin(first)).result.as_ref().unwrap();
    let other = open_other(&mut house);
    assert_eq!(other.snapshot().commit(), second, "the pin is another branch's");
    assert!(other.status().pinned.is_none());
    let report = other.reload(RequestKind::Unpin, headwater_engine::report::Trigger::Operator);
    assert!(report.unwrap().result.is_ok());
    drop(other);
    let house = house.started();
    assert_eq!((house.served(), house.engine().status().pinned.is_some()), (first, true));
    house.engine().settle();
    let marks = git(house.mirror(), ["for-each-ref", "--format=%(refname)", "refs/headwater"]);
    let expected = [
        "refs/headwater/pin/published",
        "refs/headwater/sync/other",
        "refs/headwater/sync/published",
    ];
    assert_eq!(marks.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn marks_of_an_earlier_build_go_to_the_branch_of_the_mirror() {
    let (mut house, first, second) = two_states();
    git(house.upstream.path(), ["branch", "other", &second.to_string()]);
    house.run(RequestKind::Pin(first)).result.as_ref().unwrap();
    house.engine().settle();
    house.engine = None;
    for (new, old) in [("pin/published", "pinned"), ("sync/published", "synced")] {
        let [new, old] = [new, old].map(|name| format!("refs/headwater/{name}"));
        git(house.mirror(), ["update-ref", &old, &new]);
        git(house.mirror(), ["update-ref", "-d", &new]);
    }
    // Whichever branch this build opens first.
    let other = open_other(&mut house);
    assert_eq!(other.snapshot().commit(), second);
    drop(other);
    let marks = git(house.mirror(), ["for-each-ref", "--format=%(refname)", "refs/headwater"]);
    assert!(!marks.contains("pinned") && !marks.contains("synced"), "{marks}");
    let house = house.started();
    assert_eq!((house.served(), house.engine().status().pinned.is_some()), (first, true));
    assert_eq!(house.run(RequestKind::Unpin).result.as_ref().unwrap().new, second);
}
