//! The scoreboard: every figure that Headwater claims, next to its comparison, in one run.

mod cluster;
mod memory;
mod million;
mod reads;
mod reloads;
mod starts;
mod storm;
mod wan;

use std::time::Duration;

use crate::progress::tell;
use crate::row::{Goal, Row};
use crate::source::Source;

/// The groups of rows, in the order of their measurement.
pub const GROUPS: [&str; 9] =
    ["reload", "wan", "pipeline", "reads", "storm", "start", "memory", "cluster", "million"];

/// The number and the duration of the measurements.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Pushes of each size, each to every peer.
    pub pushes: usize,
    /// Pushes for the percentiles of the stages.
    pub stages: usize,
    /// Reloads of today's pipeline, which take seconds.
    pub pipeline: usize,
    /// Turns of the readers.
    pub turns: usize,
    /// The duration of a turn of reads.
    pub turn: Duration,
    /// The duration of each half of the open loop.
    pub storm: Duration,
    /// Starts of the server.
    pub starts: usize,
}

impl Effort {
    /// The effort behind the published figures.
    pub const FULL: Self = Self {
        pushes: 30,
        stages: 200,
        pipeline: 5,
        turns: 10,
        turn: Duration::from_millis(500),
        storm: Duration::from_secs(10),
        starts: 10,
    };
    /// Enough to see whether everything runs.
    pub const QUICK: Self = Self {
        pushes: 3,
        stages: 10,
        pipeline: 1,
        turns: 2,
        turn: Duration::from_millis(50),
        storm: Duration::from_millis(500),
        starts: 2,
    };
}

/// Measures the `groups` on `source` and returns their rows.
///
/// # Panics
/// Panics if something that is measured fails, as everything here does.
pub fn run(source: &mut Source, groups: &[&str], effort: &Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for group in GROUPS.iter().filter(|group| groups.contains(group)) {
        tell(&format!("measuring {group} on {}", source.name()));
        rows.extend(match *group {
            "reload" => reloads::rows(source, effort),
            "wan" => wan::rows(effort),
            "pipeline" => reloads::against_pipeline(source, effort),
            "reads" => reads::rows(source, effort),
            "storm" => storm::rows(source, effort),
            "start" => starts::rows(source, effort),
            "memory" => memory::rows(source, effort),
            "cluster" => cluster::rows(source, effort),
            _ => million::rows(effort),
        });
    }
    rows
}

/// Returns an absolute goal, if the corpus is the one that has goals.
fn absolute(source: &Source, goal: Goal) -> Option<Goal> {
    source.has_goals().then_some(goal)
}

/// Describes the size of a push.
fn records(count: usize) -> String {
    match count {
        1 => "1 record".to_owned(),
        1_000 => "1,000 records".to_owned(),
        count => format!("{count} records"),
    }
}
