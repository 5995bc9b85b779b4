//! One million records in 256 folders, compared with civic-32k in the same run.

use headwater_testkit::corpus::Civic;

use super::Effort;
use crate::clone::Clone;
use crate::deployment::Deployment;
use crate::load::closed_loop;
use crate::progress::tell;
use crate::routes::Routes;
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::server::Server;
use crate::source::Source;

const RECORDS: usize = 1_000_000;
const FOLDERS: usize = 256;

pub(super) fn rows(effort: &Effort) -> Vec<Row> {
    tell("writing one million records");
    let (mut large, mut small) =
        (Source::civic(Civic::sharded(RECORDS, FOLDERS)), Source::flat(32_000));
    let routes = Routes::of(&large.snapshot());
    let clone = Clone::of(&large.upstream);
    let (mut cold, mut git) = (Samples::default(), Samples::default());
    git.time(|| clone.read_all());
    let (server, time) = Server::start_ready(clone.path(), &large.upstream.url());
    cold.push_time(time);
    server.stop();
    let (ours, other) = (Deployment::of(&large), Deployment::of(&small));
    let memory = ours.server.memory();
    let (mut stages, mut peer) = (Samples::default(), Samples::default());
    for _ in 0..effort.turns {
        let pushes = effort.stages.div_ceil(effort.turns);
        stages.extend(&ours.reload_series(&mut large, pushes));
        peer.extend(&other.reload_series(&mut small, pushes));
    }
    let mut rest = Samples::default();
    rest.push(memory.resident);
    let searches = routes.iter().find(|(name, ..)| *name == "search").map(|(_, _, path)| {
        let mut searches = Samples::default();
        for _ in 0..effort.turns {
            searches.push(1e3 / closed_loop(ours.server.address(), path, effort.turn));
        }
        Row::new("million-search", "1,000,000 records: a search", Unit::Milliseconds, searches)
            .goal(Goal::Most(5.0))
    });
    let mut rows = vec![
        Row::new(
            "million-stages",
            "1,000,000 records: reload of 1 record without the fetch",
            Unit::Milliseconds,
            stages,
        )
        .beside("civic-32k", peer)
        .goal(Goal::RatioMost(1.5)),
        Row::new(
            "million-start",
            "1,000,000 records: cold start to ready with search",
            Unit::Milliseconds,
            cold,
        )
        .against("`git ls-tree -r`, `cat-file --batch`", git)
        .goal(Goal::Most(60_000.0)),
        Row::new(
            "million-memory",
            "1,000,000 records: resident memory after the start",
            Unit::Megabytes,
            rest,
        )
        .goal(Goal::Most(1_500.0)),
    ];
    rows.extend(searches);
    rows
}
