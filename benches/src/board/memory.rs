//! Resident memory of the process, at rest and at its peak during reloads.

use super::{Effort, absolute};
use crate::deployment::Deployment;
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::source::Source;

/// Reloads during which the peak is measured.
const RELOADS: usize = 20;

pub(super) fn rows(source: &mut Source, effort: &Effort) -> Vec<Row> {
    let [mut started, mut start, mut rest, mut peak, mut rebuild] =
        std::array::from_fn(|_| Samples::default());
    for _ in 0..effort.starts.div_ceil(3) {
        let deployment = Deployment::of(source);
        let server = &deployment.server;
        let memory = server.memory();
        started.push(memory.resident);
        start.push(memory.peak);
        rest.push(server.memory_at_rest().resident);
        server.forget_peak();
        deployment.reload_series(source, RELOADS.min(effort.stages));
        peak.push(server.memory().peak);
        server.forget_peak();
        server.rebuild();
        rebuild.push(server.memory().peak);
    }
    let row = |id: &str, what: &str, samples| Row::new(id, what, Unit::Megabytes, samples);
    let against = |row: Row| row.against("at rest", rest.clone());
    let goal = absolute(source, Goal::Most(90.0));
    vec![
        row("memory", "resident memory at rest", rest.clone()).goal(goal),
        row("memory-started", "resident memory directly after the start", started),
        against(row("memory-start", "peak during the start", start)).goal(Goal::RatioMost(1.2)),
        against(row("memory-peak", "peak during reloads of 1 record", peak))
            .goal(Goal::RatioMost(1.1)),
        against(row("memory-rebuild", "peak during a rebuild", rebuild)),
    ]
}
