//! Reads at a fixed rate of 500 a second, while ten pushes a second arrive, compared with the same
//! reads alone, and with a handler that returns a constant while `git fetch` takes the pushes.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Effort, absolute};
use crate::bare::Bare;
use crate::clone::Clone;
use crate::deployment::Deployment;
use crate::load::{Reads, open_loop};
use crate::routes::Routes;
use crate::row::{Goal, Row, Unit};
use crate::source::Source;

const READS: usize = 500;
const PUSHES: usize = 10;
/// Turns alone, with pushes, and of git; each as long as the effort specifies.
const TURNS: usize = 2;

pub(super) fn rows(source: &mut Source, effort: &Effort) -> Vec<Row> {
    let routes = Routes::of(&source.snapshot());
    let deployment = Deployment::of(source);
    let paths: Vec<&str> = routes.iter().map(|(_, _, path)| path).collect();
    let address = deployment.server.address();
    let read = || open_loop(address, &paths, READS, effort.storm);
    let bare = Bare::start(deployment.server.read(paths[0]));
    let (mut idle, mut storm, mut git) = (Reads::default(), Reads::default(), Reads::default());
    let live = Mutex::new(BTreeSet::new());
    let count = (effort.storm.as_secs_f64() * PUSHES as f64) as usize;
    for _ in 0..TURNS {
        idle.extend(&read());
        let pushes = source.series(count);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                push_by_the_clock(source, &pushes, || {
                    let commit = deployment.server.reload().commit().to_owned();
                    live.lock().expect("nobody panics with the lock").insert(commit);
                });
            });
            storm.extend(&read());
        });
        let clone = Fetched::of(source);
        let pushes = source.series(count);
        std::thread::scope(|scope| {
            scope.spawn(|| push_by_the_clock(source, &pushes, || clone.fetch()));
            git.extend(&open_loop(bare.address(), &paths, READS, effort.storm));
        });
    }
    let live = live.into_inner().expect("nobody panics with the lock").len();
    let seconds = effort.storm.as_secs_f64() * TURNS as f64;
    let what = format!(
        "reads at {READS}/s during {PUSHES} pushes a second ({:.1} reloads a second went live; \
         {} of {} reads failed)",
        live as f64 / seconds,
        storm.failed,
        storm.times.len()
    );
    let row = |id: &str, share: f64, name: &str| {
        Row::new(id, format!("{what}, {name}"), Unit::Milliseconds, storm.times.clone())
            .at(share)
            .beside("the same reads alone", idle.times.clone())
    };
    let bound = Row::new(
        "storm-git-p99",
        format!("a constant at {READS}/s while `git fetch` takes {PUSHES} pushes a second, p99"),
        Unit::Milliseconds,
        git.times.clone(),
    );
    vec![
        row("storm-p50", 0.5, "p50"),
        row("storm-p99", 0.99, "p99").goal(Goal::RatioMost(2.0)),
        row("storm-p999", 0.999, "p99.9").goal(absolute(source, Goal::Most(10.0))),
        bound.at(0.99).beside("the same reads alone", idle.times.clone()),
    ]
}

/// Pushes each commit when it is due, and calls `told` for it in a thread of its own, whether the
/// last call has returned or not.
fn push_by_the_clock(source: &mut Source, pushes: &[String], told: impl Fn() + Sync) {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for (n, commit) in pushes.iter().enumerate() {
            let due = begun + Duration::from_secs_f64(n as f64 / PUSHES as f64);
            // The clock determines the pushes here.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            source.upstream.reset_to(commit);
            scope.spawn(&told);
        }
    });
}

/// A clone that git keeps up to date. Calls that come during a fetch share the next one, as those
/// of a server do.
struct Fetched {
    clone: Clone,
    next: Mutex<()>,
    running: Mutex<()>,
}

impl Fetched {
    fn of(source: &Source) -> Self {
        Self { clone: Clone::of(&source.upstream), next: Mutex::new(()), running: Mutex::new(()) }
    }

    fn fetch(&self) {
        let Ok(next) = self.next.try_lock() else { return };
        let _running = self.running.lock().expect("nobody panics with the lock");
        drop(next);
        self.clone.fetch();
    }
}
