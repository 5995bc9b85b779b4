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
const READ_ALL: &str = "`git ls-tree -r`, `cat-file --batch`";

pub(super) fn rows(effort: &Effort) -> Vec<Row> {
    tell("writing one million records");
    let (mut large, mut small) =
        (Source::civic(Civic::sharded(RECORDS, FOLDERS)), Source::flat(32_000));
    let routes = Routes::of(&large.snapshot());
    let clone = Clone::of(&large.upstream);
    let [mut cold, mut warm, mut git, mut start, mut rest, mut peak] =
        std::array::from_fn(|_| Samples::default());
    git.time(|| clone.read_all());
    let url = large.upstream.url();
    let (server, time) = Server::start_ready(clone.path(), &url);
    cold.push_time(time);
    // The cache for the next start is written after this one.
    server.rest();
    server.stop();
    let (server, time) = Server::start_ready(clone.path(), &url);
    warm.push_time(time);
    server.stop();
    let (ours, other) = (Deployment::of(&large), Deployment::of(&small));
    start.push(ours.server.memory().peak);
    rest.push(ours.server.memory_at_rest().resident);
    ours.server.forget_peak();
    let (mut stages, mut peer) = (Samples::default(), Samples::default());
    for _ in 0..effort.turns {
        let pushes = effort.stages.div_ceil(effort.turns);
        stages.extend(&ours.reload_series(&mut large, pushes));
        peer.extend(&other.reload_series(&mut small, pushes));
    }
    peak.push(ours.server.memory().peak);
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
        .goal(Goal::RatioMost(1.2)),
        Row::new(
            "million-start",
            "1,000,000 records: cold start to ready with search",
            Unit::Milliseconds,
            cold,
        )
        .against(READ_ALL, git.clone())
        .goal(Goal::Most(25_000.0)),
        Row::new(
            "million-warm",
            "1,000,000 records: warm start, the second on the same mirror, to ready with search",
            Unit::Milliseconds,
            warm,
        )
        .against(READ_ALL, git)
        .goal(Goal::Most(6_000.0)),
        memory("million-memory", "resident memory at rest", rest.clone()).goal(Goal::Most(1_300.0)),
        memory("million-memory-start", "peak during the start", start)
            .against("at rest", rest.clone())
            .goal(Goal::RatioMost(1.2)),
        memory("million-memory-peak", "peak during reloads of 1 record", peak)
            .against("at rest", rest)
            .goal(Goal::RatioMost(1.1)),
    ];
    rows.extend(searches);
    rows
}

fn memory(id: &str, what: &str, samples: Samples) -> Row {
    Row::new(id, format!("1,000,000 records: {what}"), Unit::Megabytes, samples)
}
