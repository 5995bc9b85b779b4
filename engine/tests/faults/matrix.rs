//! Every fault point, failing in every way.

use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_engine::engine::{ReloadAnswer, ReloadCaller, ReloadRequest, RequestKind};
use headwater_engine::fault::POINTS;
use headwater_engine::id::CommitId;
use headwater_engine::report::Trigger;
use headwater_testkit::git;

use crate::stage::{Reader, Scene, Stage, open, reload};
use crate::writing::is_of_writing;

/// The points are global to the process, so one test at a time sets them.
static ALONE: Mutex<()> = Mutex::new(());

/// The parameters for the child that dies: the point, the mirror and the remote.
const CHILD: [&str; 3] = ["HEADWATER_FAULT_POINT", "HEADWATER_FAULT_MIRROR", "HEADWATER_FAULT_URL"];

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // Expected panics are not worth a page of output each.
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        if !text.contains("failpoint") && !text.starts_with("fault at") {
            told(panic);
        }
    }));
    guard
}

/// The points of reloads; those of writes have their own matrix.
fn points() -> impl Iterator<Item = &'static str> {
    POINTS.iter().copied().filter(|point| !is_of_writing(point))
}

/// Returns whether a point comes after the swap of the pointer: a failure there comes after the
/// push went live.
fn is_behind_the_swap(point: &str) -> bool {
    point == "swap.done" || point.starts_with("note.") || point.starts_with("tidy.")
}

/// Runs the scene of `point` while `action` is set there and a reader reads.
fn fails(point: &'static str, action: &str) {
    let mut stage = Stage::new();
    if Scene::of(point) == Scene::Open {
        fail::cfg(point, action).unwrap();
        let opened = std::panic::catch_unwind(|| stage.open());
        assert!(!matches!(opened, Ok(Ok(_))), "{point} was not passed");
        fail::remove(point);
        let engine = stage.open().unwrap();
        stage.converges(&engine, point);
        return;
    }
    let engine = Arc::new(stage.open().unwrap());
    let request = stage.set(Scene::of(point), &engine);
    let (before, head) = (engine.snapshot().commit(), stage.head());
    let reader = Reader::start(&engine);
    fail::cfg(point, action).unwrap();
    let report = reload(&engine, request);
    engine.settle();
    fail::remove(point);
    reader.goes_on();
    let held = matches!(Scene::of(point), Scene::Held);
    let served = engine.snapshot().commit();
    if is_behind_the_swap(point) {
        assert_eq!(served, head, "{point} {action}: {report:?}");
    } else {
        assert!(report.result.is_err(), "{point} {action} was not passed: {report:?}");
        assert_eq!(served, before, "{point} {action}");
    }
    assert_eq!(report.serving, if is_behind_the_swap(point) { head } else { before });
    // Repeated without the fault, the same request succeeds, or is held as it should be.
    let again = reload(&engine, request);
    assert!(again.result.is_ok() || held || served == head, "{point} {action}: {again:?}");
    stage.converges(&engine, point);
    let seen = reader.finish();
    assert!(seen.starts_with(&[before]), "{point} {action}");
}

#[test]
fn an_error_at_any_point_leaves_the_old_state_and_the_next_push_heals() {
    let _alone = alone();
    points().for_each(|point| fails(point, "return"));
}

#[test]
fn a_panic_at_any_point_is_a_failed_reload_and_the_next_push_heals() {
    let _alone = alone();
    points().for_each(|point| fails(point, "panic"));
}

/// Makes every thread that passes `point` wait. Returns the signal of its arrival and the means to
/// let it go on.
pub(crate) fn stall(point: &str) -> (Receiver<()>, Sender<()>) {
    let (passed, arrivals) = channel();
    let (go_on, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    fail::cfg_callback(point, move || {
        let _ = passed.send(());
        // The sender is dropped when the stall is over.
        let _ = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
    })
    .unwrap();
    (arrivals, go_on)
}

#[test]
fn a_stall_at_any_point_stalls_no_reader_and_ends_as_if_it_had_not_been() {
    let _alone = alone();
    for point in points().filter(|point| Scene::of(point) != Scene::Open) {
        let mut stage = Stage::new();
        let engine = Arc::new(stage.open().unwrap());
        let request = stage.set(Scene::of(point), &engine);
        let before = engine.snapshot().commit();
        let reader = Reader::start(&engine);
        let (arrivals, go_on) = stall(point);
        let (sender, reports) = channel();
        let done = Box::new(move |verdict: ReloadAnswer| sender.send(verdict.report).unwrap());
        let request = ReloadRequest { kind: request, trigger: Trigger::Webhook, reserved: None };
        engine.submit(request, vec![ReloadCaller { commit: None, done }]);
        arrivals.recv().unwrap();
        reader.goes_on();
        if !is_behind_the_swap(point) {
            assert_eq!(engine.snapshot().commit(), before, "{point}");
        }
        drop(go_on);
        let report = reports.recv().unwrap();
        engine.settle();
        fail::remove(point);
        let expected = Scene::of(point) != Scene::Held;
        assert_eq!(report.result.is_ok(), expected, "{point}: {report:?}");
        stage.converges(&engine, point);
        reader.finish();
    }
}

#[test]
fn a_death_at_any_point_leaves_a_mirror_that_opens_and_heals() {
    let _alone = alone();
    // The text index is in memory: dying while it is merged is like dying at any other time.
    for point in points().filter(|point| Scene::of(point) != Scene::Compact) {
        let mut stage = Stage::new();
        let scene = Scene::of(point);
        let (mut before, mut request) = (None::<CommitId>, RequestKind::Reload);
        if scene != Scene::Open {
            let engine = stage.open().unwrap();
            request = stage.set(scene, &engine);
        }
        let mirror = stage.mirror();
        if scene != Scene::Open {
            before = Some(git(&mirror, ["rev-parse", "published"]).trim().parse().unwrap());
        }
        // A hold is in memory only: the child must encounter the held push first.
        let values = [point, mirror.to_str().unwrap(), &stage.url()].map(str::to_owned);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "matrix::the_child_that_dies", "--ignored", "--nocapture"]);
        child.envs(CHILD.iter().zip(&values));
        let request = match request {
            RequestKind::Pin(commit) => format!("pin {commit}"),
            RequestKind::Apply(_) => "apply".to_owned(),
            RequestKind::Audit => "audit".to_owned(),
            _ => "reload".to_owned(),
        };
        child.env("HEADWATER_FAULT_REQUEST", &request);
        let output = child.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{point} was not passed: {text}");
        assert!(output.status.code().is_none(), "{point}: it did not die by a signal: {text}");
        let engine = stage.open().unwrap();
        let served = engine.snapshot().commit();
        let known = [before, Some(stage.head())].contains(&Some(served));
        assert!(known || before.is_none() || request.ends_with(&served.to_string()), "{point}");
        let leftovers = std::fs::read_dir(mirror.join("headwater")).into_iter().flatten();
        let leftovers = leftovers.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("quarantine-")
        });
        assert_eq!(leftovers.count(), 0, "{point}");
        stage.converges(&engine, point);
    }
}

#[test]
#[ignore = "it kills its process; the test of deaths runs it in one of its own"]
fn the_child_that_dies() {
    let [point, mirror, url] = CHILD.map(|name| std::env::var(name).unwrap());
    let wanted = std::env::var("HEADWATER_FAULT_REQUEST").unwrap();
    let die = || fail::cfg_callback(point.as_str(), || std::process::abort()).unwrap();
    let point = point.as_str();
    if Scene::of(point) == Scene::Open {
        die();
    }
    let engine = open(mirror.as_ref(), &url).unwrap();
    let request = match wanted.split_once(' ') {
        Some((_, commit)) => RequestKind::Pin(commit.parse().unwrap()),
        None if wanted == "apply" => {
            reload(&engine, RequestKind::Reload).result.as_ref().unwrap_err();
            RequestKind::Apply(engine.status().held.unwrap().id)
        }
        None if wanted == "audit" => RequestKind::Audit,
        None => RequestKind::Reload,
    };
    die();
    let report = reload(&engine, request);
    engine.settle();
    panic!("{point} was not passed: {report:?}");
}
