//! Reads of one replica among others that have nothing to do, compared with those of one server.

use super::Scale;
use crate::board::Effort;
use crate::deployment::Deployment;
use crate::fleet::Fleet;
use crate::load::closed_loop;
use crate::routes::Routes;
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::server::Server;
use crate::source::Source;

/// Nothing on the way of a read is shared, so a replica answers as many as a server alone.
pub(super) fn among_others(
    source: &mut Source,
    effort: &Effort,
    scale: &Scale,
) -> Option<Vec<Row>> {
    let mut fleet = Fleet::of(&source.upstream.url(), scale.without_polls())?;
    fleet.grow(3);
    let alone = Deployment::of(source);
    let routes = Routes::of(&source.snapshot());
    let read = |server: &Server| closed_loop(server.address(), routes.record(), effort.turn);
    let replica = &fleet.follower().server;
    fleet.rest();
    alone.server.rest();
    let (mut among, mut own) = (Samples::default(), Samples::default());
    for turn in 0..scale.turns {
        for place in 0..2 {
            if (turn + place) % 2 == 0 {
                among.push(read(replica));
            } else {
                own.push(read(&alone.server));
            }
        }
    }
    let what = "reads of a record from one replica of 3, the others idle";
    let row = Row::new("cluster-read", what, Unit::PerSecond, among);
    Some(vec![row.against("one server", own).goal(Goal::RatioLeast(0.97))])
}
