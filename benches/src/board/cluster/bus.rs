//! The bus is away, and comes back.

use super::Scale;
use crate::board::Effort;
use crate::fleet::{Fleet, Times, timed};
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::source::Source;

/// The bus is away: pushes are live by polling, reads go on, and all agree when it is back.
pub(super) fn bus_away(source: &mut Source, _: &Effort, scale: &Scale) -> Option<Vec<Row>> {
    let mut fleet = Fleet::of(&source.upstream.url(), scale.times)?;
    fleet.grow(3);
    let [mut live, mut back, mut failed] = std::array::from_fn(|_| Samples::default());
    fleet.nats.kill();
    let commit = source.push(1);
    let (time, failures) = fleet.while_reading(|| {
        let time = timed(|| fleet.serve(commit));
        std::thread::sleep(scale.away.saturating_sub(time));
        time
    });
    live.push_time(time);
    failed.push(failures as f64);
    fleet.nats.start_again();
    back.push_time(timed(|| fleet.agree()));
    let Times { lease, poll } = scale.times;
    let milliseconds = |id, what: String, samples| Row::new(id, what, Unit::Milliseconds, samples);
    let most = Goal::Most((2 * lease + 2 * poll) as f64 * 1e3);
    let what =
        format!("push while the bus is away, until it is live on 3 replicas, poll of {poll} s");
    Some(vec![
        milliseconds("cluster-away", what, live).goal(most),
        milliseconds("cluster-back", "bus back, until all agree".into(), back)
            .goal((lease == 15).then_some(Goal::Most(5_000.0))),
        Row::new("cluster-away-reads", "failed reads while the bus is away", Unit::Count, failed)
            .at(1.0)
            .goal(Goal::Most(0.0)),
    ])
}
