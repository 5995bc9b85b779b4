//! Resident memory of the process, at rest and at its peak during reloads.

use super::{Effort, absolute};
use crate::deployment::Deployment;
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::source::Source;

/// Reloads during which the peak is measured.
const RELOADS: usize = 20;

pub(super) fn rows(source: &mut Source, effort: &Effort) -> Vec<Row> {
    let (mut rest, mut start) = (Samples::default(), Samples::default());
    let (mut peak, mut rebuild) = (Samples::default(), Samples::default());
    for _ in 0..effort.starts.div_ceil(3) {
        let deployment = Deployment::of(source);
        let server = &deployment.server;
        let memory = server.memory();
        rest.push(memory.resident);
        start.push(memory.peak);
        server.forget_peak();
        deployment.reload_series(source, RELOADS.min(effort.stages));
        peak.push(server.memory().peak);
        server.forget_peak();
        server.rebuild();
        rebuild.push(server.memory().peak);
    }
    let row = |id: &str, what: &str, samples| Row::new(id, what, Unit::Megabytes, samples);
    let against = |row: Row| row.against("resident after the start", rest.clone());
    let goal = absolute(source, Goal::Most(120.0));
    vec![
        row("memory", "resident memory after the start", rest.clone()).goal(goal),
        against(row("memory-start", "peak during the start", start)),
        against(row("memory-peak", "peak during reloads of 1 record", peak))
            .goal(Goal::RatioMost(1.1)),
        against(row("memory-rebuild", "peak during a rebuild", rebuild)),
    ]
}
