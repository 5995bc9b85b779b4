//! Several servers as one: how soon a push is live on all and a write is safe, what that costs, and what
//! happens when a part is away.

mod bus;
mod leaders;
mod pushes;
mod reads;
mod replicas;
mod writes;

use std::time::Duration;

use super::Effort;
use crate::fleet::Times;
use crate::row::Row;
use crate::source::Source;

/// How much of a cluster is measured.
struct Scale {
    times: Times,
    /// Replicas that a push goes to.
    many: usize,
    /// The fleets whose pushes are counted at the forge.
    fleets: &'static [usize],
    /// Leaders that end in each way.
    leaders: usize,
    /// Turns of the readers and writers.
    turns: usize,
    /// How long the bus is away.
    away: Duration,
    /// How long idle replicas are watched.
    rest: Duration,
}

impl Scale {
    const FULL: Self = Self {
        times: Times { lease: 15, poll: 10 },
        many: 5,
        fleets: &[1, 3, 8],
        leaders: 20,
        turns: 40,
        away: Duration::from_secs(60),
        rest: Duration::from_secs(60),
    };
    const QUICK: Self = Self {
        times: Times { lease: 3, poll: 1 },
        many: 3,
        fleets: &[1, 3],
        leaders: 1,
        turns: 2,
        away: Duration::from_secs(10),
        rest: Duration::from_secs(2),
    };

    /// Returns the times of a cluster that learns of pushes by webhooks alone.
    fn without_polls(&self) -> Times {
        Times { poll: 0, ..self.times }
    }
}

/// Returns the rows of clusters; none, with a message, if there is no NATS server.
pub(super) fn rows(source: &mut Source, effort: &Effort) -> Vec<Row> {
    let scale = if effort.pushes > Effort::QUICK.pushes { Scale::FULL } else { Scale::QUICK };
    let measured = [
        pushes::pushes,
        pushes::forge,
        writes::in_two_places,
        leaders::pushes,
        leaders::writes,
        bus::bus_away,
        replicas::new_replica,
        replicas::at_rest,
        reads::among_others,
    ];
    let rows = measured.into_iter().map_while(|measure| measure(source, effort, &scale));
    rows.flatten().collect()
}
