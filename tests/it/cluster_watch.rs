//! What holds of a cluster whatever happens to it, looked at all the time.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::cluster::{Done, Replica};
use crate::kills::send;

/// The wait between two looks. Nobody tells a test from outside what changes in a process.
const LOOK: Duration = Duration::from_millis(20);

/// The longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `is` holds.
#[track_caller]
pub(crate) fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < end, "not {what} within {PATIENCE:?}");
        std::thread::sleep(LOOK);
    }
}

/// Looks again and again for some time.
pub(crate) fn throughout(time: Duration, look: impl Fn()) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        look();
        std::thread::sleep(LOOK);
    }
}

/// Says that a test is not run, where it is seen: the harness shows what a test that passes prints to
/// nobody.
pub(crate) fn not_run(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = std::io::stderr().write_all(format!("NOT RUN: {test}: {reason}\n").as_bytes());
}

/// Returns the part that a replica has in its cluster.
pub(crate) fn role(replica: &Replica) -> String {
    let status = replica.status();
    status["cluster"]["role"].as_str().unwrap_or_else(|| panic!("{status}")).to_owned()
}

/// Waits until one of `replicas` leads, and returns it.
pub(crate) fn leader<'r>(replicas: &[&'r Replica]) -> &'r Replica {
    let mut leader = None;
    until("led", || {
        leader = replicas.iter().copied().find(|replica| role(replica) == "leading");
        leader.is_some()
    });
    leader.unwrap()
}

/// Where a replica may go from what it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// To newer states only.
    Forward,
    /// Also back to the register, after it was on its own and went further than that.
    BackFromAlone,
}

/// Does `work` while readers read from all replicas. No read fails, no replica ever serves less than it
/// has served, and no two lead at once.
pub(crate) fn while_watched(replicas: &[&Replica], work: impl FnOnce()) {
    while_watched_on(Course::Forward, replicas, work);
}

/// The same with replicas that may go elsewhere.
pub(crate) fn while_watched_on(course: Course, replicas: &[&Replica], work: impl FnOnce()) {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for replica in replicas {
            scope.spawn(|| read(replica, course, &is_done));
        }
        scope.spawn(|| look_for_two_leaders(replicas, &is_done));
        let _done = Done(&is_done);
        work();
    });
}

/// Reads a record whose age only rises.
fn read(replica: &Replica, course: Course, is_done: &AtomicBool) {
    let mut oldest = 0;
    while !is_done.load(Ordering::Relaxed) {
        let (status, ada) = send(&replica.address, "GET", "/api/people/ada", "", "").unwrap();
        assert_eq!(status, 200, "{ada}");
        let age = ada["age"].as_u64().unwrap();
        let is_forward = age >= oldest || course == Course::BackFromAlone;
        assert!(is_forward, "{} goes from {oldest} back to {age}", replica.address);
        oldest = age;
        std::thread::sleep(LOOK);
    }
    assert!(oldest > 0, "nothing was read");
}

fn look_for_two_leaders(replicas: &[&Replica], is_done: &AtomicBool) {
    let is_leading = |replica: &&&Replica| role(replica) == "leading";
    while !is_done.load(Ordering::Relaxed) {
        for one in replicas.iter().filter(is_leading) {
            let mut others = replicas.iter().filter(|other| other.address != one.address);
            if let Some(other) = others.find(is_leading) {
                // Who leads before and after the other was asked led then, too.
                assert!(!is_leading(&one), "{} and {} lead", one.address, other.address);
            }
        }
        std::thread::sleep(LOOK);
    }
}
