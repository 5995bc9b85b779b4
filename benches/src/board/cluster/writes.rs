//! Writes: what it costs that each is in two places, and that it goes through a follower.

use std::time::Duration;

use super::Scale;
use crate::board::Effort;
use crate::clone::Clone;
use crate::deployment::Deployment;
use crate::fleet::Fleet;
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::server::Server;
use crate::source::Source;
use crate::writers::{Writers, Written};

/// Clients that write at once.
const CLIENTS: usize = 64;

/// How many times longer their turns are than those of one client, and how many times fewer.
const LONGER: usize = 4;

/// What was written to one server, turn by turn.
#[derive(Default)]
struct Turns {
    /// How long each write took.
    times: Samples,
    /// The median of each turn.
    medians: Samples,
    /// The acknowledged writes a second of each turn.
    rates: Samples,
}

impl Turns {
    fn push(&mut self, written: &Written) {
        self.times.extend(&written.times);
        self.medians.push(written.times.median());
        self.rates.push(written.rate());
    }
}

/// Writes to the leader and through a follower are in two places when they are acknowledged; those to
/// one server are on its disk. One client writes, and many at once.
pub(super) fn in_two_places(
    source: &mut Source,
    effort: &Effort,
    scale: &Scale,
) -> Option<Vec<Row>> {
    // The cluster and the one server push to remotes of their own.
    let remotes = [(); 2].map(|()| Clone::of(&source.upstream));
    let mut fleet = Fleet::of(&remotes[0].address(), scale.without_polls())?;
    fleet.grow(3);
    let alone = Deployment::with_writers(&remotes[1].address());
    let writers = Writers::of(&alone.server);
    let (leader, follower) = (&fleet.leading().server, &fleet.follower().server);
    let settle = || {
        [leader, &alone.server].into_iter().for_each(Server::wait_pushed);
        fleet.rest();
        alone.server.rest();
    };
    let in_turns = |servers: &[&Server], clients: usize, turns: usize, time: Duration| {
        let mut written: Vec<_> = servers.iter().map(|_| Turns::default()).collect();
        for turn in 0..turns {
            for place in 0..servers.len() {
                let at = (turn + place) % servers.len();
                settle();
                written[at].push(&writers.write(servers[at].address(), clients, time));
            }
        }
        written
    };

    let one = in_turns(&[leader, follower, &alone.server], 1, scale.turns, effort.turn);
    let [at_leader, through_follower, at_one] = &one[..] else { return None };
    let clients = CLIENTS.min(writers.paths().len());
    let (turns, time) = ((scale.turns / LONGER).max(1), effort.turn * LONGER as u32);
    let many = in_turns(&[leader, &alone.server], clients, turns, time);
    let [many_at_leader, many_at_one] = &many[..] else { return None };

    let in_small = |goal| (!source.has_goals()).then_some(goal);
    let milliseconds = |id: &str, what: &str, samples: &Samples| {
        Row::new(id, what, Unit::Milliseconds, samples.clone())
    };
    let (to_leader, one_server) =
        ("write to the leader of 3, `replicated`", "one server, `synced`");
    Some(vec![
        milliseconds("cluster-write", to_leader, &at_leader.times).goal(in_small(Goal::Most(60.0))),
        milliseconds(
            "cluster-write-ratio",
            &format!("{to_leader}, medians of turns"),
            &at_leader.medians,
        )
        .against(one_server, at_one.medians.clone())
        .goal(in_small(Goal::RatioMost(4.0))),
        milliseconds(
            "cluster-write-follower",
            "write through a follower, medians of turns",
            &through_follower.medians,
        )
        .against("to the leader", at_leader.medians.clone()),
        Row::new(
            "cluster-writes",
            format!("writes to the leader of 3, `replicated`, {clients} clients at once"),
            Unit::PerSecond,
            many_at_leader.rates.clone(),
        )
        .against(one_server, many_at_one.rates.clone())
        .goal(in_small(Goal::Least(300.0))),
    ])
}
