//! Leaders end: how long the next push and the next write take, and which reads fail on the others.

use headwater_engine::id::CommitId;

use super::Scale;
use crate::board::Effort;
use crate::clone::Clone;
use crate::fleet::{Fleet, Replica, timed};
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::source::Source;
use crate::writers::Writers;

/// What was measured while leaders ended.
#[derive(Default)]
struct Ends {
    /// From the kill until the others go on.
    killed: Samples,
    /// From SIGTERM until the others go on without the leader.
    stopped: Samples,
    /// The reads of the others that failed meanwhile.
    failed: Samples,
}

/// Ends as many leaders of 3 replicas in each way, in turns. `prepare` returns what a survivor is
/// asked for then, and its commit shows that the others go on.
fn end<Ask>(fleet: &mut Fleet, scale: &Scale, mut prepare: impl FnMut(&Fleet) -> Ask) -> Ends
where
    Ask: FnOnce(&Replica) -> CommitId,
{
    let mut ends = Ends::default();
    for turn in 0..2 * scale.leaders {
        fleet.grow(3);
        let ask = prepare(fleet);
        let leader = fleet.without_leader();
        let survivor = &fleet.replicas()[turn / 2 % 2];
        let is_killed = turn % 2 == 0;
        let mut commit = None;
        let (time, failures) = fleet.while_reading(|| {
            timed(|| {
                match is_killed {
                    true => drop(leader),
                    false => leader.server.stop(),
                }
                commit = Some(ask(survivor));
            })
        });
        (if is_killed { &mut ends.killed } else { &mut ends.stopped }).push_time(time);
        ends.failed.push(failures as f64);
        fleet.serve(commit.expect("a survivor was asked"));
    }
    ends
}

/// The next push is live.
pub(super) fn pushes(source: &mut Source, _: &Effort, scale: &Scale) -> Option<Vec<Row>> {
    let mut fleet = Fleet::of(&source.upstream.url(), scale.without_polls())?;
    let ends = end(&mut fleet, scale, |_| {
        let commit = source.push(1);
        move |survivor: &Replica| {
            survivor.told(commit);
            commit
        }
    });
    let mut rows = rows(&ends, scale, "cluster", "the next push is live");
    rows.push(reads("cluster-reads", "failed reads of the others meanwhile", ends.failed));
    Some(rows)
}

/// The next write is acknowledged: a client sends it to a survivor until it is.
pub(super) fn writes(source: &mut Source, _: &Effort, scale: &Scale) -> Option<Vec<Row>> {
    let remote = Clone::of(&source.upstream);
    let mut fleet = Fleet::of(&remote.address(), scale.without_polls())?;
    fleet.grow(3);
    let writers = Writers::of(&fleet.leading().server);
    let ends = end(&mut fleet, scale, |fleet| {
        writers.write_until_acknowledged(fleet.leading().server.address());
        |survivor: &Replica| writers.write_until_acknowledged(survivor.server.address())
    });
    let mut rows = rows(&ends, scale, "cluster-write", "the next write is acknowledged");
    let what = "failed reads of the others until the next write is acknowledged";
    rows.push(reads("cluster-write-reads", what, ends.failed));
    Some(rows)
}

/// Returns the rows of the times until `then`.
fn rows(ends: &Ends, scale: &Scale, id: &str, then: &str) -> Vec<Row> {
    let lease = scale.times.lease;
    let in_full = |most| (lease == 15).then_some(Goal::Most(most));
    let row = |end: &str, what: String, samples: &Samples| {
        Row::new(format!("{id}-{end}"), what, Unit::Milliseconds, samples.clone())
    };
    let killed = format!("leader killed, until {then}, lease of {lease} s");
    vec![
        row("killed", killed.clone(), &ends.killed).goal(in_full(16_000.0)),
        row("killed-p99", format!("{killed}, 99th percentile"), &ends.killed)
            .at(0.99)
            .goal(in_full(20_000.0)),
        row("stopped", format!("leader stopped, until {then}"), &ends.stopped)
            .at(0.99)
            .goal(in_full(1_500.0)),
    ]
}

fn reads(id: &str, what: &str, failed: Samples) -> Row {
    Row::new(id, what, Unit::Count, failed).at(1.0).goal(Goal::Most(0.0))
}
