//! Reads on one persistent connection, compared with a handler that returns a constant of the same
//! size.

use super::{Effort, absolute};
use crate::bare::Bare;
use crate::deployment::Deployment;
use crate::load::closed_loop;
use crate::routes::Routes;
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::source::Source;

pub(super) fn rows(source: &mut Source, effort: &Effort) -> Vec<Row> {
    let routes = Routes::of(&source.snapshot());
    let deployment = Deployment::of(source);
    let server = &deployment.server;
    let read = |(name, what, path): (&str, &str, &str)| {
        let body = server.read(path);
        let against = format!("bare handler, {} bytes", body.len());
        let bare = Bare::start(body);
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        for turn in 0..effort.turns {
            for place in 0..2 {
                if (turn + place) % 2 == 0 {
                    ours.push(closed_loop(server.address(), path, effort.turn));
                } else {
                    theirs.push(closed_loop(bare.address(), path, effort.turn));
                }
            }
        }
        let goal = match name {
            "record" => Some(Goal::RatioLeast(0.85)),
            "search-most" => absolute(source, Goal::Least(4_000.0)),
            "search-two" | "search-prefix" => absolute(source, Goal::Least(3_000.0)),
            "search-typo" => absolute(source, Goal::Least(2_000.0)),
            _ => absolute(source, Goal::Least(5_000.0)),
        };
        let row = Row::new(format!("read-{name}"), what, Unit::PerSecond, ours);
        row.against(against, theirs).goal(goal)
    };
    routes.iter().map(read).collect()
}
