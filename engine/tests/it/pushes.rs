//! Pushes: local writes reach the remote, whatever it takes, and nothing is forced.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;

use headwater_engine::engine::{
    Engine, EngineConfig, Ledger, Observer, Published, PushOutcome, RequestKind, Rewrites,
};
use headwater_engine::id::{CommitId, Key, SheetName};
use headwater_engine::mirror::{Identity, PushErrorKind};
use headwater_engine::report::{OutcomeKind, Replayed};
use headwater_engine::write::{
    Action, Batch, Condition, MOST_WRITTEN, Operation, Repeat, Scope, WriteError, WritesClosed,
};
use headwater_testkit::git;
use serde_json::{Value, json};

use crate::remote_and_engine::{DEFINITION, House, config, id, remote};

/// Returns a house whose engine pushes.
fn pushing(rewrites: Rewrites) -> House {
    opened(House::new(), |config| config.rewrites = Some(rewrites))
}

/// Reopens the house with other settings.
fn opened(mut house: House, change: impl FnOnce(&mut EngineConfig)) -> House {
    house.engine = None;
    let mut config = config(&house.mirror(), Some(remote(&house.upstream)));
    config.push = true;
    change(&mut config);
    house.engine = Some(Engine::open(config, std::sync::Arc::new(Ledger::new())).unwrap());
    house
}

fn batch(key: &str, mut patch: Value) -> Batch {
    // The slug determines the path of a record.
    patch["slug"] = key.into();
    let action = Action::Patch(Key::new(key), patch);
    Batch {
        operations: vec![Operation {
            sheet: SheetName::new("people"),
            action,
            condition: Condition::Any,
        }],
        actor: "ada".into(),
        author: Identity::parse("Ada <ada@example.org>").unwrap(),
        scope: Scope::Every,
        view: headwater_engine::view::View::PUBLIC,
        message: format!("ada: PATCH {key}"),
        trailers: vec![],
        repeat: None,
        limit: MOST_WRITTEN,
    }
}

fn write(house: &House, key: &str, patch: Value) -> CommitId {
    house.engine().commit(batch(key, patch)).unwrap().commit
}

/// Returns a time later than any test lasts.
fn later() -> std::time::Instant {
    std::time::Instant::now() + std::time::Duration::from_secs(600)
}

/// Waits until the remote has exactly this commit.
fn is_pushed(house: &House, commit: CommitId) {
    assert_eq!(carried(house, commit), PushOutcome::Pushed(commit));
}

/// Waits until the remote has the commit, or it is known that it will not.
fn carried(house: &House, commit: CommitId) -> PushOutcome {
    let (sender, receiver) = mpsc::channel();
    house.engine().when_pushed(
        "ada",
        commit,
        later(),
        Box::new(move |carried| sender.send(carried).unwrap()),
    );
    receiver.recv().unwrap()
}

fn remote_head(house: &House) -> CommitId {
    id(&house.upstream.head().unwrap())
}

/// Installs a script that the remote runs before it accepts a push.
fn hook(house: &House, script: &str) {
    let hook = house.upstream.path().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn conflicts(folder: &std::path::Path) -> Vec<CommitId> {
    let listed = git(folder, ["for-each-ref", "--format=%(objectname)", "refs/heads/conflicts/"]);
    listed.lines().map(id).collect()
}

fn replayed(house: &House) -> Replayed {
    let outcome = house.reload();
    outcome.replayed.unwrap()
}

#[test]
fn what_is_written_reaches_the_remote() {
    let house = pushing(Rewrites::Hold);
    let commit = write(&house, "jane", json!({ "name": "J" }));
    is_pushed(&house, commit);
    assert_eq!(remote_head(&house), commit);
    let status = house.engine().status();
    assert_eq!(
        (status.ahead, status.push.tip, status.push.unpushed_since),
        (0, Some(commit), None)
    );
    // The webhook that the push triggers finds nothing new.
    assert_eq!(house.reload().kind, OutcomeKind::Unchanged);
    git(house.upstream.path(), ["fsck", "--strict"]);
    house.is_lawful();
}

#[test]
fn a_push_carries_all_that_waits() {
    let house = pushing(Rewrites::Hold);
    let commits: Vec<_> = (0..40).map(|n| write(&house, "joe", json!({ "n": n }))).collect();
    is_pushed(&house, *commits.last().unwrap());
    is_pushed(&house, commits[0]);
    assert_eq!(remote_head(&house), commits[39]);
    let reflog = git(house.upstream.path(), ["rev-list", "--count", "published"]);
    assert_eq!(reflog.trim(), "41");
}

#[test]
fn what_was_not_pushed_before_a_restart_is_pushed_behind_it() {
    let house = pushing(Rewrites::Hold);
    let away = house.upstream.parent().join("away");
    std::fs::rename(house.upstream.path(), &away).unwrap();
    let commit = write(&house, "jane", json!({ "name": "J" }));
    house.engine().settle_pushes();
    let status = house.engine().status();
    assert_eq!((status.ahead, status.push.failures), (1, 1));
    assert_eq!(status.push.failure.unwrap().0, PushErrorKind::Unreachable);
    assert!(status.push.next.is_some() && status.push.unpushed_since.is_some());
    let house = opened(house, |_| {});
    assert_eq!(house.engine().status().ahead, 1, "the remote does not answer yet");
    std::fs::rename(&away, house.upstream.path()).unwrap();
    let house = opened(house, |_| {});
    house.engine().settle_pushes();
    assert_eq!((remote_head(&house), house.engine().status().ahead), (commit, 0));
}

#[test]
fn a_remote_that_answers_a_fetch_again_is_pushed_to_at_once() {
    let house = pushing(Rewrites::Hold);
    let away = house.upstream.parent().join("away");
    std::fs::rename(house.upstream.path(), &away).unwrap();
    let commit = write(&house, "jane", json!({ "name": "J" }));
    house.engine().settle_pushes();
    std::fs::rename(&away, house.upstream.path()).unwrap();
    house.reload();
    is_pushed(&house, commit);
    assert_eq!(remote_head(&house), commit);
    assert_eq!(house.engine().status().push.failure, None);
}

#[test]
fn a_remote_that_refuses_is_told_to_those_who_wait_and_not_asked_again_soon() {
    let house = pushing(Rewrites::Hold);
    let before = remote_head(&house);
    hook(&house, "echo x >>attempts; echo 'closed for the season' >&2; exit 1");
    let commit = write(&house, "jane", json!({ "name": "J" }));
    assert_eq!(carried(&house, commit), PushOutcome::Stuck(PushErrorKind::Refused));
    house.reload();
    house.engine().settle_pushes();
    assert_eq!(remote_head(&house), before);
    let attempts = std::fs::read_to_string(house.upstream.path().join("attempts")).unwrap();
    assert_eq!(attempts.lines().count(), 1, "a fetch that works says nothing about a hook");
    assert_eq!(house.served(), commit, "the acknowledged write is served nonetheless");
}

#[test]
fn no_more_is_taken_where_too_much_waits() {
    let house = opened(House::new(), |config| config.unpushed_limit = Some(2));
    hook(&house, "exit 1");
    write(&house, "jane", json!({ "n": 1 }));
    write(&house, "jane", json!({ "n": 2 }));
    let error = house.engine().commit(batch("jane", json!({ "n": 3 }))).unwrap_err();
    assert!(matches!(error, WriteError::Closed(WritesClosed::Unpushed { commits: 2 })), "{error}");
}

#[test]
fn an_empty_remote_gets_its_first_branch() {
    let mut house = House::new();
    let mut upstream = headwater_testkit::Upstream::new();
    let commit = upstream.commit("x").put(".gitsheets/people.toml", DEFINITION).push();
    git(upstream.path(), ["update-ref", "-d", "refs/heads/published"]);
    house.engine = None;
    house.upstream = upstream;
    house.folder = tempfile::TempDir::new().unwrap();
    // A repository made by hand, whose remote is still empty.
    git(house.folder.path(), ["init", "-q", "--bare", "-b", "published", "mirror.git"]);
    let source = house.upstream.path().to_str().unwrap().to_owned();
    git(house.mirror(), ["fetch", "-q", &source, &format!("+{commit}:refs/heads/published")]);
    let house = opened(house, |_| {});
    assert_eq!(house.reload().ahead, 1);
    is_pushed(&house, id(&commit));
    assert_eq!(remote_head(&house), id(&commit));
    assert_eq!(house.reload().kind, OutcomeKind::Unchanged);
}

#[test]
fn a_branch_that_somebody_deleted_does_not_come_back_by_itself() {
    let mut house = pushing(Rewrites::Hold);
    house.upstream.delete_branch();
    house.failure(RequestKind::Reload);
    write(&house, "jane", json!({ "name": "J" }));
    house.engine().settle_pushes();
    assert_eq!(house.upstream.head(), None);
}

#[test]
fn a_remote_that_moved_on_is_held_and_nothing_is_overwritten() {
    let mut house = pushing(Rewrites::Hold);
    let theirs = house.upstream.commit("theirs").put("people/amy.toml", "id = 3\n").push();
    let ours = write(&house, "jane", json!({ "name": "J" }));
    house.engine().settle_pushes();
    // The push requested a reload, which holds the remote's head.
    let (_, report) = house.failure(RequestKind::Reload);
    assert_eq!(crate::remote_and_engine::held(&report).0.commit, id(&theirs));
    assert_eq!((remote_head(&house), house.served()), (id(&theirs), ours));
    let error = house.engine().commit(batch("joe", json!({ "n": 1 }))).unwrap_err();
    assert!(
        matches!(error, WriteError::Closed(WritesClosed::Held { diverged: true, .. })),
        "{error}"
    );
    // Once let through, the local commits are on a separate branch, here and on the remote.
    let held = crate::remote_and_engine::held(&report).0.id;
    assert_eq!(house.run(RequestKind::Apply(held)).result.as_ref().unwrap().new, id(&theirs));
    house.engine().settle_pushes();
    assert_eq!(conflicts(&house.mirror()), [ours]);
    assert_eq!(conflicts(house.upstream.path()), [ours]);
    let next = write(&house, "joe", json!({ "n": 1 }));
    is_pushed(&house, next);
}

#[test]
fn ours_go_on_top_of_what_the_remote_has_field_by_field() {
    let mut house = pushing(Rewrites::Replay);
    hook(&house, "exit 1");
    let ours = write(&house, "jane", json!({ "name": "J" }));
    let more = write(&house, "joe", json!({ "n": 1 }));
    house.engine().settle_pushes();
    std::fs::remove_file(house.upstream.path().join("hooks/pre-receive")).unwrap();
    let jane = "id = 1\nname = \"Jane\"\ncity = \"x\"\n";
    let theirs = house.upstream.commit("theirs").put("people/jane.toml", jane).push();
    assert_eq!(replayed(&house), Replayed { commits: 2, kept: None });
    assert_eq!(house.name_of("jane").unwrap(), r#"{"city":"x","id":1,"name":"J","slug":"jane"}"#);
    assert_eq!(house.name_of("joe").unwrap(), r#"{"id":2,"n":1,"name":"Joe","slug":"joe"}"#);
    house.is_lawful();
    let head = house.served();
    assert!(head != ours && head != more);
    let parents = git(house.mirror(), ["log", "--format=%H %an %cn %s", "-3", &head.to_string()]);
    assert!(parents.contains(" Ada Headwater ada: PATCH joe"), "{parents}");
    assert!(parents.lines().last().unwrap().starts_with(&theirs), "{parents}");
    assert_eq!(house.engine().status().ahead, 2);
}

#[test]
fn a_push_that_comes_too_late_is_replayed_and_pushed_without_anybody_asking() {
    let mut house = pushing(Rewrites::Replay);
    for n in 0..5 {
        let path = format!("people/amy{n}.toml");
        house.upstream.commit("theirs").put(&path, format!("id = 1{n}\n")).push();
        let ours = write(&house, "jane", json!({ "n": n }));
        let carried = carried(&house, ours);
        assert_eq!(carried, PushOutcome::Pushed(house.served()));
        assert_eq!(remote_head(&house), house.served());
    }
    assert_eq!(git(house.upstream.path(), ["rev-list", "--count", "published"]).trim(), "11");
    house.is_lawful();
}

#[test]
fn who_waits_for_a_push_is_told_of_what_overruled_it_once_that_is_published() {
    let (events, told) = mpsc::channel();
    let (published, overruled) = (events.clone(), events);
    let mut house = opened(House::new(), |config| {
        config.rewrites = Some(Rewrites::Replay);
        let observe = move |seen: &std::sync::Arc<Published>| {
            published.send(format!("published {}", seen.delta.to)).unwrap();
        };
        config.publication_observer = Observer::new(observe);
    });
    hook(&house, "exit 1");
    let ours = write(&house, "jane", json!({ "name": "J" }));
    house.engine().settle_pushes();
    let theirs = house.upstream.commit("theirs").put("people/jane.toml", "id = 1\nname = \"K\"\n");
    let theirs = id(&theirs.push());
    std::fs::remove_file(house.upstream.path().join("hooks/pre-receive")).unwrap();
    let done = move |outcome| overruled.send(format!("{outcome:?}")).unwrap();
    house.engine().when_pushed("ada", ours, later(), Box::new(done));
    assert!(replayed(&house).kept.is_some());
    let expected = [format!("published {ours}"), format!("published {theirs}"), "Overruled".into()];
    assert_eq!(told.iter().take(3).collect::<Vec<String>>(), expected);
}

#[test]
fn where_both_changed_the_same_field_ours_are_kept_and_pushed_beside() {
    let mut house = pushing(Rewrites::Replay);
    hook(&house, "exit 1");
    let mut request = batch("jane", json!({ "name": "J" }));
    request.repeat = Some(Repeat { actor: "ada".into(), key: "k".into(), digest: "d".into() });
    let ours = house.engine().commit(request).unwrap().commit;
    house.engine().settle_pushes();
    let theirs = house.upstream.commit("theirs").put("people/jane.toml", "id = 1\nname = \"K\"\n");
    let theirs = id(&theirs.push());
    std::fs::remove_file(house.upstream.path().join("hooks/pre-receive")).unwrap();
    let (sender, waiting) = mpsc::channel();
    house.engine().when_pushed(
        "ada",
        ours,
        later(),
        Box::new(move |carried| sender.send(carried).unwrap()),
    );
    let Replayed { commits: 0, kept: Some(kept) } = replayed(&house) else { panic!("no conflict") };
    assert_eq!((kept.commit, house.served()), (ours, theirs));
    let lost: Vec<_> = kept.lost.iter().map(|l| (l.path.as_str(), l.pointer.as_str())).collect();
    assert_eq!(lost, [("people/jane.toml", "/name")]);
    assert_eq!(conflicts(&house.mirror()), [ours]);
    assert!(matches!(waiting.recv().unwrap(), PushOutcome::Overruled | PushOutcome::Stuck(_)));
    let house = opened(house, |config| config.rewrites = Some(Rewrites::Replay));
    house.reload();
    house.engine().settle_pushes();
    assert_eq!(conflicts(house.upstream.path()), [ours]);
    let next = write(&house, "joe", json!({ "n": 1 }));
    is_pushed(&house, next);
    house.is_lawful();
}

#[test]
fn a_record_of_ours_whose_sheet_the_remote_moved_is_kept_beside_and_told() {
    let mut house = pushing(Rewrites::Replay);
    hook(&house, "exit 1");
    let ours = write(&house, "jane", json!({ "n": 1 }));
    house.engine().settle_pushes();
    let moved = DEFINITION.replace("\"people\"", "\"folk\"");
    assert_ne!(moved, DEFINITION);
    let theirs = house.upstream.commit("theirs").put(".gitsheets/people.toml", &moved).push();
    std::fs::remove_file(house.upstream.path().join("hooks/pre-receive")).unwrap();
    let Replayed { commits: 0, kept: Some(kept) } = replayed(&house) else { panic!("no conflict") };
    assert_eq!((kept.commit, house.served()), (ours, id(&theirs)));
    let lost: Vec<_> = kept.lost.iter().map(|l| (l.path.as_str(), l.pointer.as_str())).collect();
    assert_eq!(lost, [("people/jane.toml", "")]);
    assert_eq!(conflicts(&house.mirror()), [ours]);
}

#[test]
fn two_changes_that_are_right_alone_and_wrong_together_are_a_conflict() {
    let mut house = pushing(Rewrites::Replay);
    hook(&house, "exit 1");
    let ours = write(&house, "jane", json!({ "id": 7 }));
    house.engine().settle_pushes();
    let theirs = house.upstream.commit("theirs").put("people/amy.toml", "id = 7\n").push();
    let kept = replayed(&house).kept.unwrap();
    assert_eq!((kept.commit, house.served()), (ours, id(&theirs)));
    assert!(kept.lost.iter().any(|lost| lost.path.starts_with("people/")), "{:?}", kept.lost);
}

#[test]
fn a_request_that_comes_again_behind_a_replay_finds_its_commit() {
    let mut house = pushing(Rewrites::Replay);
    let request = || {
        let mut request = batch("jane", json!({ "name": "J" }));
        request.repeat = Some(Repeat { actor: "ada".into(), key: "k".into(), digest: "d".into() });
        request
    };
    hook(&house, "exit 1");
    house.engine().commit(request()).unwrap();
    house.engine().settle_pushes();
    std::fs::remove_file(house.upstream.path().join("hooks/pre-receive")).unwrap();
    house.upstream.commit("theirs").put("people/amy.toml", "id = 3\n").push();
    assert_eq!(replayed(&house).commits, 1);
    let again = house.engine().commit(request()).unwrap();
    assert_eq!((again.repeated, again.commit), (true, house.served()));
}

#[test]
fn a_mirror_that_follows_keeps_what_was_written_before_it_goes_along() {
    let mut house = pushing(Rewrites::Follow);
    hook(&house, "exit 1");
    let ours = write(&house, "jane", json!({ "name": "J" }));
    house.engine().settle_pushes();
    let theirs = house.upstream.force_commit_on(None, "rewritten");
    let theirs = theirs.put(".gitsheets/people.toml", DEFINITION).push();
    assert_eq!(house.reload().new, id(&theirs));
    assert_eq!(conflicts(&house.mirror()), [ours]);
}

#[test]
fn a_push_that_arrived_and_was_not_noted_is_no_divergence() {
    let house = pushing(Rewrites::Hold);
    let before = house.served().to_string();
    let first = write(&house, "jane", json!({ "n": 1 }));
    is_pushed(&house, first);
    // The line broke after the last word, and then something was written.
    git(house.mirror(), ["update-ref", "refs/headwater/sync/published", &before]);
    git(house.mirror(), ["update-ref", "refs/remotes/origin/published", &before]);
    let second = write(&house, "jane", json!({ "n": 2 }));
    assert_eq!(house.reload().kind, OutcomeKind::Unchanged);
    is_pushed(&house, second);
    assert_eq!(remote_head(&house), second);
    assert!(house.engine().status().held.is_none());
}

#[test]
fn what_was_removed_from_the_remote_does_not_come_back_with_what_is_ours() {
    let mut house = pushing(Rewrites::Replay);
    let clean = house.upstream.head().unwrap();
    house.upstream.commit("a secret").put("people/secret.toml", "id = 9\n").push();
    house.reload();
    hook(&house, "exit 1");
    write(&house, "jane", json!({ "n": 1 }));
    house.engine().settle_pushes();
    house.upstream.reset_to(&clean);
    assert_eq!(replayed(&house), Replayed { commits: 1, kept: None });
    assert!(house.name_of("secret").is_none());
    assert_eq!(house.name_of("jane").unwrap(), r#"{"id":1,"n":1,"name":"Jane","slug":"jane"}"#);
    let log = git(house.mirror(), ["log", "--format=%s", "published"]);
    assert_eq!(log.trim(), "ada: PATCH jane\nfirst");
}

#[test]
fn what_is_written_on_a_rewritten_branch_that_was_let_through_is_pushed() {
    let mut house = pushing(Rewrites::Hold);
    let other = house.upstream.force_commit_on(None, "rewritten");
    let other = other.put(".gitsheets/people.toml", DEFINITION);
    other.put("people/zoe.toml", "id = 9\n").push();
    let (_, report) = house.failure(RequestKind::Reload);
    let held = crate::remote_and_engine::held(&report).0.id;
    house.run(RequestKind::Apply(held)).result.as_ref().unwrap();
    let commit = write(&house, "zoe", json!({ "n": 1 }));
    is_pushed(&house, commit);
    assert_eq!(remote_head(&house), commit);
}

#[test]
fn what_the_remote_has_purged_is_written_anew_when_its_request_comes_again() {
    let mut house = pushing(Rewrites::Hold);
    let before = remote_head(&house);
    let mut request = batch("jane", json!({ "name": "J" }));
    request.repeat = Some(Repeat { actor: "ada".into(), key: "k".into(), digest: "d".into() });
    let purged = house.engine().commit(request.clone()).unwrap().commit;
    is_pushed(&house, purged);
    house.upstream.reset_to(&before.to_string());
    let (_, report) = house.failure(RequestKind::Reload);
    let held = crate::remote_and_engine::held(&report).0.id;
    house.run(RequestKind::Apply(held)).result.as_ref().unwrap();
    assert_eq!(house.served(), before);
    let again = house.engine().commit(request.clone()).unwrap();
    assert!(again.changed && !again.repeated, "it is not in the branch");
    assert!(house.engine().commit(request).unwrap().repeated);
}

#[test]
fn a_remote_that_takes_no_branches_of_conflicts_takes_the_branch_all_the_same() {
    let mut house = pushing(Rewrites::Hold);
    let only =
        "while read old new name; do case $name in refs/heads/conflicts/*) exit 1;; esac; done";
    hook(&house, only);
    house.upstream.commit("theirs").put("people/amy.toml", "id = 3\n").push();
    let mut request = batch("jane", json!({ "name": "J" }));
    request.repeat = Some(Repeat { actor: "ada".into(), key: "k".into(), digest: "d".into() });
    let ours = house.engine().commit(request.clone()).unwrap().commit;
    house.engine().settle_pushes();
    let (_, report) = house.failure(RequestKind::Reload);
    let held = crate::remote_and_engine::held(&report).0.id;
    let outcome = house.run(RequestKind::Apply(held));
    let kept = outcome.result.as_ref().unwrap().replayed.clone().unwrap().kept.unwrap();
    assert_eq!((kept.commit, conflicts(&house.mirror())), (ours, vec![ours]));
    // A commit that is no longer in the branch does not count for a repeated request.
    let again = house.engine().commit(request).unwrap();
    assert!(again.changed && !again.repeated);
    is_pushed(&house, again.commit);
    assert_eq!(carried(&house, ours), PushOutcome::Overruled);
    assert_eq!(remote_head(&house), again.commit);
}

#[test]
fn what_is_ours_does_not_count_as_taken_away_by_the_remote() {
    let mut house = opened(House::new(), |config| {
        config.rewrites = Some(Rewrites::Replay);
        config.limits.push.removed = Some(0.1);
    });
    hook(&house, "exit 1");
    for n in 0..12 {
        let action = Action::Create(json!({ "slug": format!("new{n}"), "id": 100 + n }));
        let mut batch = batch("x", json!({}));
        batch.operations[0].action = action;
        house.engine().commit(batch).unwrap();
    }
    house.engine().settle_pushes();
    house.upstream.commit("theirs").put("people/amy.toml", "id = 3\n").push();
    assert_eq!(replayed(&house), Replayed { commits: 12, kept: None });
}

/// Returns a server of its own for the remote of `house`, which writes there, too.
pub(crate) fn another(house: &House) -> (tempfile::TempDir, Engine) {
    let folder = tempfile::TempDir::new().unwrap();
    let mut config = config(&folder.path().join("mirror.git"), Some(remote(&house.upstream)));
    (config.push, config.rewrites) = (true, Some(Rewrites::Replay));
    let engine = Engine::open(config, std::sync::Arc::new(Ledger::new())).unwrap();
    (folder, engine)
}

/// Returns a write with an idempotency key.
fn keyed(key: &str, record: &str, patch: Value) -> Batch {
    let repeat = Repeat { actor: "ada".into(), key: key.into(), digest: "d".into() };
    Batch { repeat: Some(repeat), ..batch(record, patch) }
}

#[test]
fn a_request_that_another_server_took_is_dropped_from_ours_whatever_became_of_the_record() {
    let house = pushing(Rewrites::Replay);
    hook(&house, "exit 1");
    let ours = house.engine().commit(keyed("k", "jane", json!({ "name": "J" }))).unwrap().commit;
    let more = write(&house, "joe", json!({ "n": 1 }));
    house.engine().settle_pushes();
    std::fs::remove_file(house.upstream.path().join("hooks/pre-receive")).unwrap();
    // The caller got no answer, and sent it to another server.
    let (_folder, other) = another(&house);
    let theirs = other.commit(keyed("k", "jane", json!({ "name": "J" }))).unwrap().commit;
    let later = other.commit(batch("jane", json!({ "name": "K" }))).unwrap().commit;
    other.shut_down();
    assert_eq!(remote_head(&house), later);
    assert_eq!(replayed(&house), Replayed { commits: 1, kept: None });
    assert_eq!(house.name_of("jane").unwrap(), r#"{"id":1,"name":"K","slug":"jane"}"#);
    assert_eq!(house.name_of("joe").unwrap(), r#"{"id":2,"n":1,"name":"Joe","slug":"joe"}"#);
    let engine = house.engine();
    assert_eq!(engine.successor_of(ours), Some(theirs));
    assert_eq!(engine.successor_of(more), Some(house.served()));
    assert_eq!(carried(&house, ours), PushOutcome::Pushed(theirs));
    let again = engine.commit(keyed("k", "jane", json!({ "name": "J" }))).unwrap();
    assert_eq!((again.repeated, again.commit), (true, theirs));
    let log = git(house.mirror(), ["log", "--format=%(trailers:key=Idempotency-Key)", "published"]);
    assert_eq!(log.matches("Idempotency-Key: k").count(), 1, "{log}");
    house.is_lawful();
}

#[test]
fn a_request_that_another_server_took_is_known_once_its_commit_is_fetched() {
    let house = pushing(Rewrites::Replay);
    // From here on, the keys of the history are known.
    let first = house.engine().commit(keyed("first", "joe", json!({ "n": 1 }))).unwrap().commit;
    is_pushed(&house, first);
    let (_folder, other) = another(&house);
    let theirs = other.commit(keyed("k", "jane", json!({ "name": "J" }))).unwrap().commit;
    other.commit(batch("jane", json!({ "name": "K" }))).unwrap();
    other.shut_down();
    house.reload();
    let again = house.engine().commit(keyed("k", "jane", json!({ "name": "J" }))).unwrap();
    assert_eq!((again.repeated, again.commit), (true, theirs));
    let again = house.engine().commit(keyed("first", "joe", json!({ "n": 1 }))).unwrap();
    assert_eq!((again.repeated, again.commit), (true, first));
}

#[test]
fn pushes_are_apart_and_the_last_one_waits_for_nothing() {
    let hour = std::time::Duration::from_secs(3_600);
    let mut house = opened(House::new(), |config| config.push_interval = hour);
    let first = write(&house, "jane", json!({ "n": 1 }));
    is_pushed(&house, first);
    let last = (2..5).map(|n| write(&house, "jane", json!({ "n": n }))).last().unwrap();
    house.reload();
    house.engine().settle_pushes();
    assert_eq!(remote_head(&house), first, "a remote that answers does not end the interval");
    let status = house.engine().status();
    assert_eq!((status.ahead, status.push.failures), (3, 0));
    assert!(status.push.next.unwrap() > std::time::SystemTime::now());
    // What the remote has is told all the same.
    is_pushed(&house, first);
    house.engine = None;
    assert_eq!(remote_head(&house), last);
}
