//! Replicas: what a new one costs, and those that have nothing to do.

use std::time::Duration;

use headwater_testkit::GitHttp;

use super::Scale;
use crate::board::Effort;
use crate::deployment::Deployment;
use crate::fleet::Fleet;
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::server::Server;
use crate::source::Source;

/// A replica with an empty disk gets everything from the leader; against a server that clones from the
/// forge.
pub(super) fn new_replica(source: &mut Source, effort: &Effort, scale: &Scale) -> Option<Vec<Row>> {
    source.repack();
    let git = GitHttp::serve(source.upstream.parent());
    let url = git.url("upstream.git");
    let mut fleet = Fleet::of(&url, scale.without_polls())?;
    fleet.grow(1);
    let [mut new, mut alone, mut asked] = std::array::from_fn(|_| Samples::default());
    for turn in 0..effort.starts {
        alone.push_time(Deployment::with_remote(&url).first_start);
        let before = git.requests();
        fleet.grow(turn + 2);
        new.push_time(fleet.replicas().last()?.start);
        asked.push((git.requests() - before) as f64);
        fleet.rest();
    }
    let what = "a new replica with an empty disk, start to ready";
    Some(vec![
        Row::new("cluster-new", what, Unit::Milliseconds, new)
            .against("one server that clones from the forge", alone)
            .goal(Goal::RatioMost(2.0)),
        Row::new("cluster-new-asks", "requests to the forge meanwhile", Unit::Count, asked)
            .at(1.0)
            .goal(Goal::Most(0.0)),
    ])
}

/// What replicas cost that have nothing to do; against one server.
pub(super) fn at_rest(source: &mut Source, _: &Effort, scale: &Scale) -> Option<Vec<Row>> {
    let mut fleet = Fleet::of(&source.upstream.url(), scale.without_polls())?;
    fleet.grow(3);
    let alone = Deployment::of(source);
    let servers = || fleet.replicas().iter().map(|replica| &replica.server);
    let resident = |server: &Server| server.memory_at_rest().resident;
    let before: Vec<_> = servers().chain([&alone.server]).map(|server| server.cpu_time()).collect();
    std::thread::sleep(scale.rest);
    let used = |(server, before): (&Server, &Duration)| {
        let used = server.cpu_time().saturating_sub(*before);
        100.0 * used.as_secs_f64() / scale.rest.as_secs_f64()
    };
    let all = servers().chain([&alone.server]).zip(&before).map(used);
    let mut shares: Vec<f64> = all.collect();
    let own = shares.pop()?;
    let (mut share, mut share_alone) = (Samples::default(), Samples::default());
    for more in shares {
        share.push(more);
        share_alone.push(own);
    }
    let mut memory = Samples::default();
    let of_one = resident(&alone.server);
    servers().for_each(|server| memory.push(resident(server) - of_one));
    Some(vec![
        Row::new("cluster-rest", "a replica of 3 at rest, of one core", Unit::Percent, share)
            .beside("one server", share_alone)
            .goal(Goal::Most(0.5)),
        Row::new("cluster-memory", "memory of a replica above one server", Unit::Megabytes, memory)
            .goal(Goal::Most(5.0)),
    ])
}
