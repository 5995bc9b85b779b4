//! Writes: each is a commit, durable and published when it is acknowledged.

use headwater_engine::engine::RequestKind;
use headwater_engine::id::{Key, SheetName};
use headwater_engine::mirror::{Identity, Trailer};
use headwater_engine::report::Trigger;
use headwater_engine::write::{
    Action, Batch, Committed, Condition, MOST_WRITTEN, Operation, Repeat, Scope, WriteError,
    WritesClosed, version,
};
use serde_json::{Value, json};

use crate::remote_and_engine::{DEFINITION, House, held, id};

fn batch(actions: impl IntoIterator<Item = Action>) -> Batch {
    let operation =
        |action| Operation { sheet: SheetName::new("people"), action, condition: Condition::Any };
    Batch {
        operations: actions.into_iter().map(operation).collect(),
        actor: "ada".into(),
        author: Identity::parse("Ada <ada@example.org>").unwrap(),
        scope: Scope::Every,
        view: headwater_engine::view::View::PUBLIC,
        message: "ada: a change".to_owned(),
        trailers: vec![Trailer::new("Action", "people.change").unwrap()],
        repeat: None,
        limit: MOST_WRITTEN,
    }
}

fn put(key: &str, record: Value) -> Action {
    Action::Put(Key::new(key), record)
}

fn write(house: &House, action: Action) -> Result<Committed, WriteError> {
    house.engine().commit(batch([action]))
}

/// Runs git in the mirror.
fn git(house: &House, args: &[&str]) -> String {
    let mut git = std::process::Command::new("git");
    let output = git.arg("-C").arg(house.mirror()).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_write_is_a_commit_on_the_branch_and_is_served() {
    let house = House::new();
    let before = house.served();
    let record = json!({"slug": "ada", "id": 3, "name": "Ada \"L\""});
    let done = write(&house, put("ada", record)).unwrap();
    assert!(done.changed && !done.written[0].existed());
    assert_eq!(house.served(), done.commit);
    assert_eq!(house.name_of("ada").unwrap(), r#"{"id":3,"name":"Ada \"L\"","slug":"ada"}"#);
    let head = git(&house, &["rev-parse", "HEAD"]);
    assert_eq!(id(head.trim()), done.commit);
    let commit = git(&house, &["cat-file", "commit", "HEAD"]);
    assert!(
        commit.contains(&format!("parent {before}\nauthor Ada <ada@example.org> ")),
        "{commit}"
    );
    assert!(commit.contains("\ncommitter Headwater <headwater@localhost> "), "{commit}");
    assert!(commit.ends_with("\n\nada: a change\n\nAction: people.change\n"), "{commit}");
    let file = git(&house, &["cat-file", "blob", "HEAD:people/ada.toml"]);
    assert_eq!(file, "id = 3\nname = 'Ada \"L\"'\nslug = \"ada\"\n");
    git(&house, &["fsck", "--strict"]);
    house.is_lawful();
    assert_eq!(house.engine().status().ahead, 1);
}

#[test]
fn a_dry_run_tells_what_a_write_would_do_and_does_nothing() {
    let house = House::new();
    let before = write(&house, put("jane", json!({"slug": "jane", "id": 1}))).unwrap().commit;
    let head = git(&house, &["rev-parse", "HEAD"]);
    let tried = |action| house.engine().dry_run(&batch([action]));
    let jane = tried(put("jane", json!({"slug": "jane", "id": 1, "name": "Ja"}))).unwrap();
    assert_eq!((jane.changes, jane.commit, jane.written[0].existed()), (true, before, true));
    assert_eq!(
        jane.written[0].value.as_ref().unwrap().as_str(),
        r#"{"id":1,"name":"Ja","slug":"jane"}"#
    );
    let same = tried(Action::Patch(Key::new("jane"), json!({}))).unwrap();
    assert!(!same.changes);
    // The same rules hold as for the write.
    for action in [
        put("ada", json!({"slug": "ada", "id": 2})),
        put("ada", json!({"id": 9})),
        Action::Delete(Key::new("nobody")),
    ] {
        let (tried, written) =
            (tried(action.clone()).unwrap_err(), write(&house, action).unwrap_err());
        assert_eq!(tried.to_string(), written.to_string());
    }
    let done = (house.served(), git(&house, &["rev-parse", "HEAD"]), house.engine().status().ahead);
    assert_eq!(done, (before, head, 1));
    git(&house, &["fsck", "--strict"]);
    house.is_lawful();
}

#[test]
fn nothing_can_be_tried_where_nothing_can_be_written() {
    let house = House::new();
    let first = house.served();
    write(&house, put("ada", json!({"slug": "ada", "id": 3}))).unwrap();
    house.engine().reload(RequestKind::Pin(first), Trigger::Operator).unwrap();
    let record = batch([put("eve", json!({"slug": "eve", "id": 4}))]);
    let tried = house.engine().dry_run(&record).unwrap_err();
    assert!(matches!(tried, WriteError::Closed(WritesClosed::Pinned { .. })), "{tried}");
}

#[test]
fn a_change_that_changes_nothing_makes_no_commit() {
    let house = House::new();
    let record = json!({"slug": "jane", "id": 1, "name": "Jane"});
    let first = write(&house, put("jane", record.clone())).unwrap();
    assert!(first.changed && first.written[0].existed());
    let again = write(&house, put("jane", record)).unwrap();
    assert_eq!((again.changed, again.commit), (false, first.commit));
    let patched = write(&house, Action::Patch(Key::new("jane"), json!({"name": "Jane"}))).unwrap();
    assert_eq!((patched.changed, house.served()), (false, first.commit));
}

#[test]
fn records_are_created_patched_moved_and_deleted() {
    let house = House::new();
    let created = write(&house, Action::Create(json!({"slug": "new", "id": 7}))).unwrap();
    assert_eq!(created.written[0].key.as_str(), "new");
    let patch = json!({"id": null, "name": "N", "slug": "newer"});
    let moved = write(&house, Action::Patch(Key::new("new"), patch)).unwrap();
    assert_eq!(moved.written[0].moved_from, Some(Key::new("new")));
    assert_eq!(house.name_of("new"), None);
    assert_eq!(house.name_of("newer").unwrap(), r#"{"name":"N","slug":"newer"}"#);
    let deleted = write(&house, Action::Delete(Key::new("newer"))).unwrap();
    assert_eq!(deleted.written[0].value, None);
    assert_eq!(house.name_of("newer"), None);
    house.is_lawful();
    let gone = write(&house, Action::Delete(Key::new("newer"))).unwrap_err();
    assert!(matches!(gone, WriteError::NotFound { .. }), "{gone}");
}

#[test]
fn attachments_go_where_their_record_goes() {
    let mut house = House::new();
    house.upstream.commit("picture").put("people/jane/photo.jpg", "pixels").push();
    house.reload();
    let record = json!({"slug": "jeanne", "id": 1});
    write(&house, put("jane", record)).unwrap();
    let files = || git(&house, &["ls-tree", "-r", "--name-only", "HEAD", "people/"]);
    assert_eq!(files(), "people/jeanne.toml\npeople/jeanne/photo.jpg\npeople/joe.toml\n");
    write(&house, Action::Delete(Key::new("jeanne"))).unwrap();
    assert_eq!(files(), "people/joe.toml\n");
}

#[test]
fn attachments_go_along_however_often_their_record_moves_and_take_nobodys_place() {
    let mut house = House::new();
    let commit = house.upstream.commit("files").put("people/jane/photo.jpg", "pixels");
    commit.put("people/joan/left.jpg", "of a record that is gone").push();
    house.reload();
    let rename = |from: &str, to: &str| Action::Patch(Key::new(from), json!({ "slug": to }));
    let occupied = write(&house, rename("jane", "joan")).unwrap_err();
    assert!(matches!(occupied, WriteError::Occupied { .. }), "{occupied:?}");
    assert!(occupied.is_conflict());
    let attach = Action::Attach(Key::new("jane"), "cv.pdf".into(), b"text"[..].into());
    let steps = batch([attach, rename("jane", "jana"), rename("jana", "juna")]);
    house.engine().commit(steps).unwrap();
    let files = git(&house, &["ls-tree", "-r", "--name-only", "HEAD", "people/"]);
    let expected = "people/joan/left.jpg\npeople/joe.toml\npeople/juna.toml\n\
                    people/juna/cv.pdf\npeople/juna/photo.jpg\n";
    assert_eq!(files, expected);
    let attach = Action::Attach(Key::new("new"), "a.txt".into(), b"text"[..].into());
    let create = Action::Create(json!({ "slug": "new", "id": 5 }));
    house.engine().commit(batch([create, attach, rename("new", "newer")])).unwrap();
    let files =
        git(&house, &["ls-tree", "-r", "--name-only", "HEAD", "people/new", "people/newer"]);
    assert_eq!(files, "people/newer/a.txt\n");
    house.is_lawful();
}

#[test]
fn several_operations_are_one_commit_or_none() {
    let house = House::new();
    let before = house.served();
    let all = batch([
        put("ada", json!({"slug": "ada", "id": 3})),
        Action::Patch(Key::new("ada"), json!({"name": "Ada"})),
        Action::Delete(Key::new("joe")),
    ]);
    let done = house.engine().commit(all).unwrap();
    assert_eq!(git(&house, &["rev-list", "--count", &format!("{before}..HEAD")]).trim(), "1");
    assert_eq!(house.name_of("ada").unwrap(), r#"{"id":3,"name":"Ada","slug":"ada"}"#);
    let none = batch([Action::Delete(Key::new("ada")), Action::Delete(Key::new("nobody"))]);
    let refused = house.engine().commit(none).unwrap_err();
    let WriteError::Operation { index: 1, source } = refused else { panic!("{refused}") };
    assert!(matches!(*source, WriteError::NotFound { .. }), "{source}");
    assert_eq!(house.served(), done.commit);
    house.is_lawful();
}

#[test]
fn a_condition_that_is_not_met_says_what_is_there() {
    let house = House::new();
    let with = |condition| {
        let mut batch = batch([put("jane", json!({"slug": "jane", "id": 1, "n": 1}))]);
        batch.operations[0].condition = condition;
        house.engine().commit(batch)
    };
    let now = version(house.name_of("jane").unwrap().as_bytes());
    for condition in [Condition::Absent, Condition::Is(vec![[0; 16]])] {
        let stale = with(condition).unwrap_err();
        let is = |error: &WriteError| matches!(error, WriteError::Stale { version, .. } if *version == Some(now));
        assert!(is(&stale), "{stale:?}");
    }
    assert!(with(Condition::Is(vec![[0; 16], now])).unwrap().changed);
    assert!(with(Condition::Present).is_ok());
}

#[test]
fn what_would_be_a_problem_is_refused_and_names_it() {
    let house = House::new();
    let before = house.served();
    let taken = write(&house, put("ada", json!({"slug": "ada", "id": 1}))).unwrap_err();
    assert!(taken.is_conflict(), "{taken:?}");
    let other = write(&house, put("ada", json!({"slug": "eve", "id": 9}))).unwrap_err();
    assert!(matches!(other, WriteError::OtherKey { .. }), "{other:?}");
    let nowhere = write(&house, put("ada", json!({"id": 9}))).unwrap_err();
    assert!(matches!(nowhere, WriteError::Path { .. }), "{nowhere:?}");
    let hostile = write(&house, Action::Create(json!({"slug": "..", "id": 9}))).unwrap_err();
    assert!(matches!(hostile, WriteError::Path { .. }), "{hostile:?}");
    let moved = write(&house, Action::Patch(Key::new("joe"), json!({"slug": "jane"}))).unwrap_err();
    assert!(moved.is_conflict(), "{moved:?}");
    assert_eq!(house.served(), before);
    git(&house, &["fsck", "--strict"]);
}

#[test]
fn a_refused_batch_does_not_concern_those_that_wait_with_it() {
    let house = House::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    for n in 0..200 {
        let sender = sender.clone();
        // Every tenth claims an id that is taken.
        let number = if n % 10 == 0 { 1 } else { n + 10 };
        let record = json!({"slug": format!("p{n}"), "id": number});
        let done = move |result: Result<Committed, WriteError>| sender.send((n, result)).unwrap();
        house.engine().write(batch([put(&format!("p{n}"), record)]), Box::new(done));
    }
    drop(sender);
    let mut commits = Vec::new();
    for (n, result) in receiver {
        assert_eq!(result.is_ok(), n % 10 != 0, "{n}: {result:?}");
        commits.extend(result.map(|done| done.commit));
    }
    assert_eq!(commits.len(), 180);
    assert_eq!(commits.last(), Some(&house.served()));
    for commit in commits {
        git(&house, &["merge-base", "--is-ancestor", &commit.to_string(), "HEAD"]);
    }
    house.is_lawful();
}

#[test]
fn what_waits_is_bounded_and_the_rest_is_told_to_come_back() {
    let house = House::new();
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let (writing, is_writing) = std::sync::mpsc::channel();
    // The writing thread waits in the answer to the first.
    let stuck = Box::new(move |_| {
        writing.send(()).unwrap();
        let _ = gate.recv();
    });
    house.engine().write(batch([put("first", json!({"slug": "first", "id": 10}))]), stuck);
    is_writing.recv().unwrap();
    let (sender, answers) = std::sync::mpsc::channel();
    for _ in 0..1_005 {
        let sender = sender.clone();
        let done = Box::new(move |result| sender.send(result).unwrap());
        house.engine().write(batch([put("next", json!({"slug": "next", "id": 11}))]), done);
    }
    for _ in 0..5 {
        let refused = answers.recv().unwrap().unwrap_err();
        assert!(matches!(refused, WriteError::Closed(WritesClosed::Full)), "{refused}");
    }
    drop((sender, go_on));
    let written: Vec<_> = answers.iter().collect();
    assert_eq!(written.len(), 1_000);
    assert!(written.iter().all(Result::is_ok));
    assert_eq!(written.iter().flatten().filter(|done| done.changed).count(), 1);
}

#[test]
fn the_bytes_that_wait_are_bounded_and_room_comes_back() {
    let house = House::new();
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let (writing, is_writing) = std::sync::mpsc::channel();
    let stuck = Box::new(move |_| {
        writing.send(()).unwrap();
        let _ = gate.recv();
    });
    house.engine().write(batch([put("jane", json!({"slug": "jane", "id": 1}))]), stuck);
    is_writing.recv().unwrap();
    let attach = |n: u8| {
        let (sender, answer) = std::sync::mpsc::channel();
        let file = vec![n; 10 << 20];
        let action = Action::Attach(Key::new("jane"), format!("{n}.bin"), file.into());
        house.engine().write(batch([action]), Box::new(move |done| sender.send(done).unwrap()));
        answer
    };
    // The fourth would exceed the 32 MiB that one actor may have.
    let taken: Vec<_> = (0..3).map(attach).collect();
    for n in 4..7 {
        let refused = attach(n).try_recv().unwrap().unwrap_err();
        assert!(matches!(refused, WriteError::Closed(WritesClosed::Full)), "{refused}");
    }
    drop(go_on);
    for answer in taken {
        assert!(answer.recv().unwrap().unwrap().changed);
    }
    assert!(attach(7).recv().unwrap().unwrap().changed);
}

#[test]
fn a_record_of_too_many_values_is_refused_before_it_waits() {
    let house = House::new();
    // One megabyte of text.
    let many = Value::Array(vec![json!({"": 0}); 145_000]);
    let heavy = write(&house, put("ada", json!({"slug": "ada", "id": 3, "x": many}))).unwrap_err();
    assert!(matches!(heavy, WriteError::TooHeavy), "{heavy:?}");
    // Nor may it become too heavy step by step.
    let part = Value::Array(vec![json!({"": 0}); 14_000]);
    let patch =
        |field: &str| Action::Patch(Key::new("joe"), json!({ "slug": "joe", field: part.clone() }));
    write(&house, patch("a")).unwrap();
    let heavy = write(&house, patch("b")).unwrap_err();
    assert!(matches!(heavy, WriteError::TooHeavy), "{heavy:?}");
}

#[test]
fn a_batch_reads_and_writes_no_more_than_its_limit() {
    let house = House::new();
    let text = "x".repeat(900 << 10);
    write(&house, put("ada", json!({"slug": "ada", "id": 3, "text": text}))).unwrap();
    let before = house.served();
    let patch = |n: usize| Action::Patch(Key::new("ada"), json!({ "n": n }));
    // Each of these has thirty bytes and writes a megabyte.
    let refused = house.engine().commit(batch((0..100).map(patch))).unwrap_err();
    let WriteError::Operation { index, source } = refused else { panic!("{refused:?}") };
    assert!(matches!(*source, WriteError::BatchTooLarge), "{source:?}");
    assert!((4..8).contains(&index), "{index}");
    assert_eq!(house.served(), before);
    house.engine().commit(batch((0..4).map(patch))).unwrap();
    let unbounded = Batch { limit: usize::MAX, ..batch((0..20).map(patch)) };
    house.engine().commit(unbounded).unwrap();
}

#[test]
fn what_comes_to_much_is_written_in_several_groups_and_others_go_between() {
    let house = House::new();
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let (writing, is_writing) = std::sync::mpsc::channel();
    let stuck = Box::new(move |_| {
        writing.send(()).unwrap();
        let _ = gate.recv();
    });
    let jane = batch([put("jane", json!({"slug": "jane", "id": 1}))]);
    house.engine().write(Batch { actor: "jane".to_owned(), ..jane }, stuck);
    is_writing.recv().unwrap();
    let (sender, answers) = std::sync::mpsc::channel();
    let ask = |name: &'static str, batch: Batch| {
        let sender = sender.clone();
        let done = Box::new(move |done: Result<Committed, WriteError>| {
            sender.send((name, done.unwrap().commit)).unwrap();
        });
        house.engine().write(batch, done);
    };
    // The size that the patches produce is unknown until the record exists.
    let text = "x".repeat(900 << 10);
    let first = put("ada", json!({"slug": "ada", "id": 3, "text": text}));
    for round in 0..3 {
        let patch = |n: usize| Action::Patch(Key::new("ada"), json!({ "n": round * 100 + n }));
        let first = (round == 0).then(|| first.clone());
        let all = batch(first.into_iter().chain((0..14).map(patch)));
        ask("ada", Batch { limit: usize::MAX, ..all });
    }
    let (actor, author) = ("joe".to_owned(), Identity::parse("Joe <joe@example.org>").unwrap());
    let put = put("joe", json!({"slug": "joe", "id": 2, "n": 1}));
    ask("joe", Batch { actor, author, ..batch([put]) });
    drop((sender, go_on));
    let order: Vec<_> = answers.iter().map(|(name, _)| name).collect();
    assert_eq!(order, ["ada", "joe", "ada", "ada"]);
    // A group is one pack; the first of these is the earlier commit.
    let log = git(&house, &["log", "--format=%an", "-4"]);
    assert_eq!(log.trim(), "Ada\nAda\nJoe\nAda");
}

#[test]
fn a_patch_weighs_what_it_writes_anew_and_one_who_patches_much_leaves_room_for_others() {
    let house = House::new();
    let text = "x".repeat(900 << 10);
    write(&house, put("ada", json!({"slug": "ada", "id": 3, "text": text}))).unwrap();
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let (writing, is_writing) = std::sync::mpsc::channel();
    let stuck = Box::new(move |_| {
        writing.send(()).unwrap();
        let _ = gate.recv();
    });
    house.engine().write(batch([put("jane", json!({"slug": "jane", "id": 1}))]), stuck);
    is_writing.recv().unwrap();
    let ask = |actor: &str, actions: Vec<Action>| {
        let (sender, answer) = std::sync::mpsc::channel();
        let limit = usize::MAX;
        let batch = Batch { actor: actor.to_owned(), limit, ..batch(actions) };
        house.engine().write(batch, Box::new(move |done| sender.send(done).unwrap()));
        answer
    };
    let patches = |round: usize| {
        let patch = |n: usize| Action::Patch(Key::new("ada"), json!({ "n": round * 100 + n }));
        (0..13).map(patch).collect()
    };
    let taken = [ask("ada", patches(0)), ask("ada", patches(1))];
    let refused = ask("ada", patches(2)).try_recv().unwrap().unwrap_err();
    assert!(matches!(refused, WriteError::Closed(WritesClosed::Full)), "{refused}");
    let other = ask("joe", vec![put("joe", json!({"slug": "joe", "id": 2, "n": 1}))]);
    drop(go_on);
    assert!(other.recv().unwrap().unwrap().changed);
    for answer in taken {
        assert!(answer.recv().unwrap().unwrap().changed);
    }
}

/// Pushes a commit with this date of its committer.
fn push_dated(house: &mut House, seconds: i64) {
    let remote = house.upstream.path().to_owned();
    let git = |args: &[&str]| {
        let mut git = std::process::Command::new("git");
        let identities = ["GIT_AUTHOR", "GIT_COMMITTER"];
        let identities = identities.iter().flat_map(|who| {
            [(format!("{who}_NAME"), "A"), (format!("{who}_EMAIL"), "a@example.org")]
        });
        let git = git.envs(identities).env("GIT_COMMITTER_DATE", format!("@{seconds} +0000"));
        let output = git.arg("-C").arg(&remote).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let branch = format!("refs/heads/{}", house.upstream.branch());
    let dated = git(&["commit-tree", &format!("{branch}^{{tree}}"), "-p", &branch, "-m", "dated"]);
    git(&["update-ref", &branch, &dated]);
    house.upstream.reset_to(&dated);
    house.reload();
}

#[test]
fn a_commit_is_of_now_and_not_before_its_parent_whatever_dates_are_pushed() {
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        i64::try_from(since.unwrap().as_secs()).unwrap()
    };
    let begun = now();
    let soon = begun + 3_600;
    for (pushed, inherited) in [(begun - 3_600, None), (soon, Some(soon)), (253_402_300_800, None)]
    {
        let mut house = House::new();
        push_dated(&mut house, pushed);
        for n in 0..2 {
            let done = write(&house, put("joe", json!({ "slug": "joe", "n": n }))).unwrap();
            let times = git(&house, &["log", "-1", "--format=%at %ct", &done.commit.to_string()]);
            let (author, committer) = times.trim().split_once(' ').unwrap();
            let (author, committer): (i64, i64) =
                (author.parse().unwrap(), committer.parse().unwrap());
            assert!((begun..=now()).contains(&author), "{times}");
            assert_eq!(committer, inherited.unwrap_or(author), "{times}");
        }
        git(&house, &["fsck", "--strict"]);
    }
}

#[test]
fn a_write_that_mends_the_last_problem_ends_the_degradation() {
    let mut house = House::new();
    house.upstream.commit("bad").put("people/joe.toml", "id = 1\nname = \"Joe\"\n").push();
    let report = house.run(RequestKind::Reload);
    house.run(RequestKind::Apply(held(&report).0.id));
    write(&house, put("ada", json!({ "slug": "ada", "id": 3 }))).unwrap();
    assert!(house.engine().status().degraded, "the problem is still there");
    write(&house, put("joe", json!({ "slug": "joe", "id": 2 }))).unwrap();
    assert_eq!(house.engine().snapshot().problems().len(), 0);
    assert!(!house.engine().status().degraded);
}

#[test]
fn writes_and_reloads_take_turns() {
    let mut house = House::new();
    let done = write(&house, put("ada", json!({"slug": "ada", "id": 3}))).unwrap();
    // Nothing was pushed, so a reload keeps the local commit.
    assert_eq!(house.reload().new, done.commit);
    // Others pushed something, so it is not a fast-forward.
    house.upstream.commit("other").put("people/eve.toml", "slug = \"eve\"\nid = 4\n").push();
    let report = house.run(RequestKind::Reload);
    assert!(report.result.is_err());
    let held = write(&house, Action::Delete(Key::new("ada"))).unwrap_err();
    let is_held = matches!(held, WriteError::Closed(WritesClosed::Held { diverged: true, .. }));
    assert!(is_held, "{held:?}");
    assert_eq!(house.served(), done.commit);
    house.is_lawful();
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let house = House::new();
    let done = write(&house, put("ada", json!({"slug": "ada", "id": 3}))).unwrap();
    let house = house.started();
    assert_eq!(house.served(), done.commit);
    house.is_lawful();
}

#[test]
fn a_request_that_comes_again_finds_its_commit_even_after_a_restart() {
    let house = House::new();
    let request = |digest: &str, number| {
        let mut batch = batch([put("ada", json!({"slug": "ada", "id": number}))]);
        let (actor, key) = ("ada".to_owned(), "5f0c".to_owned());
        batch.repeat = Some(Repeat { actor, key, digest: digest.to_owned() });
        batch
    };
    let first = house.engine().commit(request("a", 3)).unwrap();
    write(&house, Action::Patch(Key::new("ada"), json!({"id": 4}))).unwrap();
    let house = house.started();
    for _ in 0..2 {
        let again = house.engine().commit(request("a", 3)).unwrap();
        assert_eq!((again.commit, again.repeated), (first.commit, true));
    }
    assert_eq!(house.name_of("ada").unwrap(), r#"{"id":4,"slug":"ada"}"#);
    let other = house.engine().commit(request("b", 5)).unwrap_err();
    assert!(matches!(other, WriteError::KeyReused { .. }), "{other:?}");
}

#[test]
fn a_key_belongs_to_its_actor_and_is_known_where_nothing_changed() {
    let house = House::new();
    let request = |actor: &str, digest: &str, number| {
        let mut batch = batch([put("jane", json!({"slug": "jane", "id": number}))]);
        let (actor, key) = (actor.to_owned(), "5f0c".to_owned());
        batch.repeat = Some(Repeat { actor, key, digest: digest.to_owned() });
        batch
    };
    write(&house, put("jane", json!({"slug": "jane", "id": 7}))).unwrap();
    let idle = house.engine().commit(request("ada", "a", 7)).unwrap();
    assert_eq!((idle.changed, idle.repeated), (false, false));
    write(&house, Action::Patch(Key::new("jane"), json!({"id": 8}))).unwrap();
    let again = house.engine().commit(request("ada", "a", 7)).unwrap();
    assert_eq!((again.commit, again.changed, again.repeated), (idle.commit, false, true));
    assert_eq!(house.name_of("jane").unwrap(), r#"{"id":8,"slug":"jane"}"#);
    let reused = house.engine().commit(request("ada", "b", 9)).unwrap_err();
    assert!(matches!(reused, WriteError::KeyReused { .. }), "{reused:?}");
    let other = house.engine().commit(request("eve", "c", 9)).unwrap();
    assert!(other.changed && !other.repeated);
    // The history records whose key it is.
    let house = house.started();
    let again = house.engine().commit(request("eve", "c", 9)).unwrap();
    assert_eq!((again.commit, again.repeated), (other.commit, true));
    let own = house.engine().commit(request("ada", "d", 10)).unwrap();
    assert!(own.changed && !own.repeated);
}

#[test]
fn the_first_record_of_an_empty_remote_begins_the_history() {
    let mut house = House::new();
    let definition = house.upstream.commit("only the sheet").delete("people/jane.toml");
    definition.delete("people/joe.toml").put(".gitsheets/people.toml", DEFINITION).push();
    house.reload();
    let done = write(&house, put("ada", json!({"slug": "ada", "id": 3}))).unwrap();
    assert_eq!(house.served(), done.commit);
    let last = write(&house, Action::Delete(Key::new("ada"))).unwrap();
    assert!(last.changed);
    house.is_lawful();
}

#[test]
fn a_file_that_cannot_be_read_is_replaced_and_not_left_beside_the_record() {
    let mut house = House::new();
    let define = house.upstream.commit("define").put("notes/a.yml", "- [\n");
    let definition = "[sheets.notes]\nformat = 'yaml'\npolicy = 'quarantine'\n";
    // As many good records as a sheet must have to be served with a bad one.
    let others = (0..40).map(|n| (format!("notes/n{n}.yml"), "b: 2\n"));
    define.put("headwater.toml", definition).put_all(others).push();
    house.reload();
    assert_eq!(house.engine().snapshot().problems().len(), 1);
    let mut batch = batch([put("a", json!({"b": 1}))]);
    batch.operations[0].sheet = SheetName::new("notes");
    assert!(!house.engine().commit(batch).unwrap().written[0].existed());
    assert_eq!(
        git(&house, &["ls-tree", "--name-only", "HEAD", "notes/a.yml", "notes/a.yaml"]),
        "notes/a.yml\n"
    );
    assert_eq!(git(&house, &["cat-file", "blob", "HEAD:notes/a.yml"]), "b: 1\n");
    assert_eq!(house.engine().snapshot().problems(), []);
}

#[test]
fn a_file_is_written_through_one_sheet_of_a_batch_only() {
    let sheet = |name: &str, path: &str| {
        let path = format!("path = \"{path}\"\n");
        format!("[sheets.{name}]\nroot = \"s\"\nformat = \"json\"\n{path}")
    };
    let definition = sheet("a", "${{ k }}") + &sheet("b", "${{ path/** }}");
    let record = r#"{"k": "x", "n": 0}"#;
    let house = crate::lists::house(&definition, &[("s/x.json", record), ("s/y.json", "{}")]);
    let key = || Key::new("x");
    let [put, patch] =
        [Action::Put(key(), json!({"k": "x", "n": 5})), Action::Patch(key(), json!({"m": 1}))];
    let new = || json!({"k": "z"});
    let operations = |one: &Action, other: &Action| {
        let operation = |sheet: &str, action: &Action| Operation {
            sheet: SheetName::new(sheet),
            action: action.clone(),
            condition: Condition::Any,
        };
        vec![operation("a", one), operation("b", other)]
    };
    for (one, other) in [
        (&put, &patch),
        (&put, &Action::Delete(key())),
        (&Action::Delete(key()), &patch),
        (&Action::Patch(key(), json!({"k": "w"})), &patch),
        (&Action::Create(new()), &Action::Put(Key::new("z"), new())),
    ] {
        let batch = Batch { operations: operations(one, other), ..batch([]) };
        let before = house.served();
        let refused = house.engine().commit(batch).unwrap_err();
        let WriteError::Operation { index: 1, source } = refused else { panic!("{refused:?}") };
        assert!(matches!(*source, WriteError::SharedFile { .. }), "{source:?}");
        assert_eq!(house.served(), before, "nothing was written");
    }
    let elsewhere = operations(&put, &Action::Patch(Key::new("y"), json!({"m": 1})));
    assert!(house.engine().commit(Batch { operations: elsewhere, ..batch([]) }).unwrap().changed);
    house.is_lawful();
}
