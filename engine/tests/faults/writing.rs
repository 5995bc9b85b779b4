//! The points of writes, pushes and replays, failing in every way: acknowledged writes are never
//! lost, and a repeated request does not make a second commit.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use headwater_engine::engine::{Engine, EngineConfig, Ledger, PushOutcome, RequestKind, Rewrites};
use headwater_engine::fault::POINTS;
use headwater_engine::id::{CommitId, Key, SheetName};
use headwater_engine::mirror::Identity;
use headwater_engine::write::{
    Action, Batch, Committed, Condition, MOST_WRITTEN, Operation, Repeat, Scope, WriteError,
};
use headwater_testkit::git;
use serde_json::json;

use crate::matrix::{alone, stall};
use crate::stage::{Reader, Stage, config, reload};

/// The parameters for the child that dies: the point, the mirror and the remote.
const CHILD: [&str; 3] = ["HEADWATER_FAULT_POINT", "HEADWATER_FAULT_MIRROR", "HEADWATER_FAULT_URL"];

/// What happens when a point is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    Write,
    Push,
    /// A conflict branch is pushed.
    PushConflict,
    /// Both sides moved, and the local commits go on top.
    Replay,
}

impl Scene {
    fn of(point: &str) -> Option<Self> {
        match point.split_once('.')?.0 {
            "write" => Some(Self::Write),
            "push" if point == "push.conflict" => Some(Self::PushConflict),
            "push" => Some(Self::Push),
            "rebase" => Some(Self::Replay),
            _ => None,
        }
    }

    fn pushes(self) -> bool {
        matches!(self, Self::Push | Self::PushConflict)
    }
}

/// Returns whether the point belongs to one of these scenes.
pub(crate) fn is_of_writing(point: &str) -> bool {
    Scene::of(point).is_some()
}

fn points() -> impl Iterator<Item = (&'static str, Scene)> {
    POINTS.iter().filter_map(|point| Some((*point, Scene::of(point)?)))
}

fn open(mirror: &std::path::Path, url: &str, pushes: bool) -> Engine {
    let writes = Some(Identity::parse("Headwater <headwater@localhost>").unwrap());
    let config = EngineConfig {
        writes,
        push: pushes,
        rewrites: Some(Rewrites::Replay),
        ..config(mirror, url)
    };
    Engine::open(config, Arc::new(Ledger::new())).unwrap()
}

/// Returns the request, which is always the same.
fn request() -> Batch {
    let action = Action::Put(Key::new("ours"), json!({ "slug": "ours", "name": "Ours" }));
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
        message: "ada: PUT ours".into(),
        trailers: vec![],
        repeat: Some(Repeat { actor: "ada".into(), key: "key-1".into(), digest: "d".into() }),
        limit: MOST_WRITTEN,
    }
}

fn commit(engine: &Engine) -> Result<Committed, WriteError> {
    engine.commit(request())
}

/// Prepares the mirror for the scene.
fn set(stage: &mut Stage, scene: Scene, engine: &Engine) {
    match scene {
        Scene::Write | Scene::Push => {}
        Scene::PushConflict => {
            let head = engine.snapshot().commit().to_string();
            git(stage.mirror(), ["update-ref", "refs/heads/conflicts/x", &head]);
        }
        Scene::Replay => {
            commit(engine).unwrap();
            stage.push_one("theirs");
        }
    }
}

/// Runs the scene; returns whether its caller was told that it succeeded.
fn run(scene: Scene, engine: &Engine) -> bool {
    match scene {
        Scene::Write => commit(engine).is_ok(),
        Scene::Push | Scene::PushConflict => {
            let done = commit(engine).is_ok();
            engine.settle_pushes();
            done
        }
        Scene::Replay => reload(engine, RequestKind::Reload).result.is_ok(),
    }
}

/// Returns a time later than any test lasts.
fn later() -> std::time::Instant {
    std::time::Instant::now() + std::time::Duration::from_secs(600)
}

/// Checks the final state, with an engine that pushes: the request is in the branch once, the
/// remote and the mirror agree, and the state equals that of a load.
fn converges(stage: &Stage, point: &str) {
    let engine = open(&stage.mirror(), &stage.url(), true);
    let first = reload(&engine, RequestKind::Reload);
    assert!(first.result.is_ok(), "{point}: {first:?}");
    let again = commit(&engine).unwrap();
    let (sender, carried) = channel();
    let done = move |carried| sender.send(carried).unwrap();
    engine.when_pushed("ada", engine.snapshot().commit(), later(), Box::new(done));
    assert!(matches!(carried.recv().unwrap(), PushOutcome::Pushed(_)), "{point}");
    let key = "--grep=^Idempotency-Key: key-1$";
    let listed = git(stage.mirror(), ["rev-list", "--count", key, "published"]);
    assert_eq!(listed.trim(), "1", "{point}: {again:?}");
    assert_eq!(engine.snapshot().commit(), stage.head(), "{point}");
    let head: CommitId = git(stage.mirror(), ["rev-parse", "published"]).trim().parse().unwrap();
    assert_eq!(head, stage.head(), "{point}");
    stage.is_lawful(&engine, point);
}

fn fails(point: &'static str, scene: Scene, action: &str) {
    let mut stage = Stage::new();
    let engine = Arc::new(open(&stage.mirror(), &stage.url(), scene.pushes()));
    reload(&engine, RequestKind::Reload).result.as_ref().unwrap();
    engine.settle_pushes();
    let reader = Reader::start(&engine);
    set(&mut stage, scene, &engine);
    let before = engine.snapshot().commit();
    fail::cfg(point, action).unwrap();
    let went_well = run(scene, &engine);
    let pushed = engine.status().push.failures == 0;
    fail::remove(point);
    reader.goes_on();
    let served = engine.snapshot().commit();
    if scene.pushes() {
        // A failed push does not fail the write: the remote just gets it later.
        assert!(went_well && !pushed && served != before, "{point} {action} was not passed");
    } else {
        assert!(!went_well, "{point} {action} was not passed");
        assert!(served == before || point == "write.published", "{point} {action}");
    }
    reader.finish();
    drop(engine);
    converges(&stage, point);
}

#[test]
fn an_error_at_any_point_of_a_write_a_push_or_a_replay_loses_nothing() {
    let _alone = alone();
    points().for_each(|(point, scene)| fails(point, scene, "return"));
}

#[test]
fn a_panic_at_any_point_of_a_write_a_push_or_a_replay_loses_nothing() {
    let _alone = alone();
    points().for_each(|(point, scene)| fails(point, scene, "panic"));
}

#[test]
fn a_stall_at_any_point_of_a_write_a_push_or_a_replay_stalls_no_reader() {
    let _alone = alone();
    for (point, scene) in points() {
        let mut stage = Stage::new();
        let engine = Arc::new(open(&stage.mirror(), &stage.url(), scene.pushes()));
        reload(&engine, RequestKind::Reload).result.as_ref().unwrap();
        engine.settle_pushes();
        set(&mut stage, scene, &engine);
        let reader = Reader::start(&engine);
        let (arrivals, go_on) = stall(point);
        let (sender, done) = channel();
        let runner = std::thread::spawn({
            let engine = engine.clone();
            move || sender.send(run(scene, &engine)).unwrap()
        });
        arrivals.recv().unwrap();
        reader.goes_on();
        drop(go_on);
        assert!(done.recv().unwrap(), "{point}");
        runner.join().unwrap();
        fail::remove(point);
        reader.finish();
        drop(engine);
        converges(&stage, point);
    }
}

#[test]
fn who_writes_does_not_wait_while_ours_are_put_on_top() {
    let _alone = alone();
    let point = "rebase.rehearse";
    let mut stage = Stage::new();
    let engine = Arc::new(open(&stage.mirror(), &stage.url(), false));
    reload(&engine, RequestKind::Reload).result.as_ref().unwrap();
    set(&mut stage, Scene::Replay, &engine);
    let (arrivals, go_on) = stall(point);
    let runner = std::thread::spawn({
        let engine = engine.clone();
        move || run(Scene::Replay, &engine)
    });
    arrivals.recv().unwrap();
    let (sender, written) = channel();
    engine.write(request(), Box::new(move |result| sender.send(result).unwrap_or_default()));
    let written = written.recv_timeout(Duration::from_secs(60));
    drop(go_on);
    assert!(runner.join().unwrap());
    fail::remove(point);
    written.expect("nobody holds the writer").unwrap();
    drop(engine);
    converges(&stage, point);
}

#[test]
fn what_is_written_last_and_does_not_fit_sets_back_no_other_commit() {
    let _alone = alone();
    let point = "rebase.rehearsed";
    let mut stage = Stage::new();
    let unique = "[sheets.people]\nformat = \"toml\"\nunique = [\"mail\"]\n";
    let commit = stage.upstream.commit("unique").delete(".gitsheets/people.toml");
    commit.put("headwater.toml", unique).push();
    let engine = Arc::new(open(&stage.mirror(), &stage.url(), false));
    reload(&engine, RequestKind::Reload).result.as_ref().unwrap();
    let put = |engine: &Engine, name: String, mail: String| {
        let action = Action::Put(Key::new(name), json!({ "mail": mail }));
        let mut batch = request();
        (batch.operations[0].action, batch.repeat) = (action, None);
        engine.commit(batch).unwrap();
    };
    (0..20).for_each(|n| put(&engine, format!("ours{n}"), format!("ours{n}")));
    // More than are looked for while others wait.
    let each = 120;
    let theirs = (0..3 * each).fold(stage.upstream.commit("theirs"), |commit, n| {
        commit.put(format!("people/z{n}.toml"), format!("mail = \"{n}\"\n"))
    });
    theirs.push();
    let passed = AtomicUsize::new(0);
    let writer = engine.clone();
    let write = move || {
        let first = passed.fetch_add(1, Ordering::SeqCst) * each;
        (first..first + each).for_each(|n| put(&writer, format!("c{n}"), n.to_string()));
    };
    fail::cfg_callback(point, write).unwrap();
    let report = reload(&engine, RequestKind::Reload);
    fail::remove(point);
    let replayed = report.result.as_ref().unwrap().replayed.clone().unwrap();
    assert_eq!(replayed.commits, 20);
    let lost = replayed.kept.unwrap().lost;
    assert_eq!(lost.len(), 3 * each);
    let state = engine.snapshot();
    assert!((0..20).all(|n| state.visible("people", &format!("ours{n}")).is_some()));
    stage.is_lawful(&engine, point);
}

#[test]
fn a_death_at_any_point_of_a_write_a_push_or_a_replay_loses_nothing() {
    let _alone = alone();
    for (point, scene) in points() {
        let mut stage = Stage::new();
        let engine = open(&stage.mirror(), &stage.url(), false);
        reload(&engine, RequestKind::Reload).result.as_ref().unwrap();
        set(&mut stage, scene, &engine);
        drop(engine);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "writing::the_child_that_writes_and_dies", "--ignored"]);
        let values = [point, stage.mirror().to_str().unwrap(), &stage.url()].map(str::to_owned);
        let output = child.envs(CHILD.iter().zip(&values)).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_none(), "{point} was not passed: {text}");
        converges(&stage, point);
    }
}

#[test]
#[ignore = "it kills its process; the test of deaths runs it in one of its own"]
fn the_child_that_writes_and_dies() {
    let [point, mirror, url] = CHILD.map(|name| std::env::var(name).unwrap());
    let scene = Scene::of(&point).unwrap();
    fail::cfg_callback(point.as_str(), || std::process::abort()).unwrap();
    let engine = open(mirror.as_ref(), &url, scene.pushes());
    run(scene, &engine);
    panic!("{point} was not passed");
}
