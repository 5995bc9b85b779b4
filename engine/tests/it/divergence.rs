//! A remote that did not move forward: nothing is lost, and an operator decides.

use std::sync::Arc;

use headwater_engine::engine::{
    Engine, EngineConfig, FailureKind, HeldReason, Ledger, OpenError, RequestKind,
};
use headwater_engine::plan::RebuildReason;
use headwater_engine::report::{OutcomeKind, Trigger};
use headwater_testkit::{Upstream, git};
use tempfile::TempDir;

use crate::remote_and_engine::{DEFINITION, House, config, held, id, open, remote};

#[test]
fn a_rewritten_branch_is_held_until_the_operator_lets_it_through() {
    let mut house = House::new();
    let good = house.served();
    let other = house.upstream.force_commit_on(None, "rewritten");
    let other = other.put(".gitsheets/people.toml", DEFINITION).put("people/zoe.toml", "id = 9\n");
    let other = id(&other.push());
    let (kind, report) = house.failure(RequestKind::Reload);
    assert_eq!(kind, FailureKind::Diverged);
    assert_eq!(house.served(), good);
    assert!(house.name_of("zoe").is_none());
    let outcome = house.run(RequestKind::Apply(held(&report).0.id));
    assert_eq!(outcome.result.as_ref().unwrap().new, other);
    assert!(house.name_of("zoe").is_some() && house.name_of("jane").is_none());
    house.is_lawful();
    house.upstream.commit("on").put("people/amy.toml", "id = 3\n").push();
    assert_eq!(house.reload().kind, OutcomeKind::Applied);
}

#[test]
fn a_rewound_branch_is_held_and_heals_when_it_comes_back() {
    let mut house = House::new();
    let first = house.served().to_string();
    let second = house.upstream.commit("more").put("people/amy.toml", "id = 3\n").push();
    house.reload();
    house.upstream.reset_to(&first);
    assert_eq!(house.failure(RequestKind::Reload).0, FailureKind::Diverged);
    assert_eq!(house.served(), id(&second));
    house.upstream.reset_to(&second);
    assert_eq!(house.reload().kind, OutcomeKind::Unchanged);
    assert!(house.engine().status().held.is_none());
}

#[test]
fn a_rewind_is_seen_where_a_kill_came_before_the_note_of_what_is_in_step() {
    let mut house = House::new();
    let first = house.served().to_string();
    let second = house.upstream.commit("more").put("people/amy.toml", "id = 3\n").push();
    house.reload();
    house.engine().settle();
    git(house.mirror(), ["update-ref", "refs/headwater/sync/published", &first]);
    house.upstream.reset_to(&first);
    let house = house.started();
    assert_eq!(house.failure(RequestKind::Reload).0, FailureKind::Diverged);
    assert_eq!(house.served(), id(&second));
}

#[test]
fn unpushed_commits_of_ours_are_kept_when_a_diverged_head_is_let_through() {
    let mut house = House::new();
    let mirror = house.mirror();
    // A local commit that the remote does not have, as an API write would make it.
    let tree = git(&mirror, ["rev-parse", "published^{tree}"]);
    let ours = git(&mirror, ["commit-tree", tree.trim(), "-p", "published", "-m", "ours"]);
    git(&mirror, ["update-ref", "refs/heads/published", ours.trim()]);
    let theirs = house.upstream.commit("theirs").put("people/amy.toml", "id = 3\n").push();
    let (kind, report) = house.failure(RequestKind::Reload);
    assert_eq!(kind, FailureKind::Diverged);
    let outcome = house.run(RequestKind::Apply(held(&report).0.id));
    assert_eq!(outcome.result.as_ref().unwrap().new, id(&theirs));
    let kept = git(&mirror, ["for-each-ref", "--format=%(objectname)", "refs/heads/conflicts/"]);
    assert_eq!(kept.trim(), ours.trim());
}

#[test]
fn our_commits_are_kept_where_nothing_was_ever_noted_as_in_step() {
    let mut upstream = Upstream::new();
    upstream.commit("first").put("people/jane.json", "{}").push();
    let folder = TempDir::new().unwrap();
    let mirror = folder.path().join("mirror.git");
    // A bare clone made by hand, with a commit that was never pushed.
    let address = upstream.url();
    git(folder.path(), ["clone", "-q", "--bare", &address, "mirror.git"]);
    let tree = git(&mirror, ["rev-parse", "published^{tree}"]);
    let ours = git(&mirror, ["commit-tree", tree.trim(), "-p", "published", "-m", "ours"]);
    git(&mirror, ["update-ref", "refs/heads/published", ours.trim()]);
    let theirs = upstream.commit("theirs").put("people/joe.json", "{}").push();
    let engine = open(&mirror, Some(remote(&upstream))).unwrap();
    let report = engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
    assert_eq!(held(&report).0.reason, HeldReason::Diverged);
    assert_eq!(engine.status().ahead, 1);
    let through = RequestKind::Apply(held(&report).0.id);
    let report = engine.reload(through, Trigger::Operator).unwrap();
    assert_eq!(report.result.as_ref().unwrap().new, id(&theirs));
    let kept = git(&mirror, ["for-each-ref", "--format=%(objectname)", "refs/heads/conflicts/"]);
    assert_eq!(kept.trim(), ours.trim());
}

#[test]
fn a_branch_that_a_mirror_and_its_remote_do_not_have_is_an_error() {
    let house = House::new();
    let mirror = house.mirror();
    let remote = remote(&house.upstream);
    drop(house.engine);
    let config =
        EngineConfig { branch: Some("publisched".into()), ..config(&mirror, Some(remote)) };
    let error = Engine::open(config, Arc::new(Ledger::new())).unwrap_err();
    let OpenError::BranchMissing { branch, branches } = &error else { panic!("{error}") };
    assert_eq!((branch.as_str(), &branches[..]), ("publisched", &["published".to_owned()][..]));
}

#[test]
fn a_published_commit_that_was_pruned_is_held_and_let_through() {
    let mut upstream = Upstream::new();
    upstream.commit("first").put("people/jane.json", "{}").push();
    let engine = open(upstream.path(), None).unwrap();
    let other = upstream.force_commit_on(None, "rewritten").put("people/zoe.json", "{}").push();
    git(upstream.path(), ["reflog", "expire", "--expire=now", "--all"]);
    git(upstream.path(), ["gc", "-q", "--prune=now"]);
    let report = engine.reload(RequestKind::Reload, Trigger::Poll).unwrap();
    assert_eq!(held(&report).0.reason, HeldReason::Diverged);
    let report = engine.reload(RequestKind::Apply(held(&report).0.id), Trigger::Operator).unwrap();
    let outcome = report.result.as_ref().unwrap();
    assert_eq!((outcome.new, outcome.reason), (id(&other), Some(RebuildReason::BaseMissing)));
}

#[test]
fn we_are_ahead_and_nothing_is_lost() {
    let house = House::new();
    let mirror = house.mirror();
    let tree = git(&mirror, ["rev-parse", "published^{tree}"]);
    let ours = git(&mirror, ["commit-tree", tree.trim(), "-p", "published", "-m", "ours"]);
    git(&mirror, ["update-ref", "refs/heads/published", ours.trim()]);
    let outcome = house.reload();
    assert_eq!((outcome.ahead, outcome.new), (1, id(ours.trim())));
}

#[test]
fn a_branch_that_is_gone_is_told_and_served_on() {
    let mut house = House::new();
    let (good, head) = (house.served(), house.upstream.head().unwrap());
    house.upstream.delete_branch();
    assert_eq!(house.failure(RequestKind::Reload).0, FailureKind::BranchMissing);
    assert_eq!(house.served(), good);
    assert!(house.engine().status().branch_missing);
    house.upstream.reset_to(&head);
    assert_eq!(house.reload().kind, OutcomeKind::Unchanged);
    assert!(!house.engine().status().branch_missing);
}
