//! Reads at a fixed rate of 500 a second, while ten pushes a second arrive, compared with the same
//! reads alone.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Effort, absolute};
use crate::deployment::Deployment;
use crate::load::{Reads, open_loop};
use crate::routes::Routes;
use crate::row::{Goal, Row, Unit};
use crate::source::Source;

const READS: usize = 500;
const PUSHES: usize = 10;
/// Idle and busy turns, each as long as the effort specifies.
const TURNS: usize = 2;

pub(super) fn rows(source: &mut Source, effort: &Effort) -> Vec<Row> {
    let routes = Routes::of(&source.snapshot());
    let deployment = Deployment::of(source);
    let paths: Vec<&str> = routes.iter().map(|(_, _, path)| path).collect();
    let address = deployment.server.address();
    let read = || open_loop(address, &paths, READS, effort.storm);
    let (mut idle, mut storm) = (Reads::default(), Reads::default());
    let mut live = 0;
    for _ in 0..TURNS {
        idle.extend(&read());
        let pushes = source.series((effort.storm.as_secs_f64() * PUSHES as f64) as usize);
        std::thread::scope(|scope| {
            let pushing = scope.spawn(|| push_by_the_clock(source, &deployment, &pushes));
            storm.extend(&read());
            live += pushing.join().expect("pushing does not panic");
        });
    }
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
    vec![
        row("storm-p50", 0.5, "p50"),
        row("storm-p99", 0.99, "p99").goal(Goal::RatioMost(2.0)),
        row("storm-p999", 0.999, "p99.9").goal(absolute(source, Goal::Most(10.0))),
    ]
}

/// Pushes each commit when it is due and notifies the server, whether it has answered the last call
/// or not. Returns how many reloads went live: calls that arrive during a reload share the next.
fn push_by_the_clock(source: &mut Source, deployment: &Deployment, pushes: &[String]) -> usize {
    let live = Mutex::new(BTreeSet::new());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for (n, commit) in pushes.iter().enumerate() {
            let due = begun + Duration::from_secs_f64(n as f64 / PUSHES as f64);
            // The clock determines the pushes here.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            source.upstream.reset_to(commit);
            scope.spawn(|| {
                let commit = deployment.server.reload().commit().to_owned();
                live.lock().expect("nobody panics with the lock").insert(commit);
            });
        }
    });
    live.into_inner().expect("nobody panics with the lock").len()
}
