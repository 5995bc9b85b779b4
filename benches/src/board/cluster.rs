//! Several servers as one: how soon a push is live on all, what that costs the forge, and what happens
//! when a part is away.

use std::time::Duration;

use headwater_testkit::GitHttp;

use super::{Effort, absolute};
use crate::deployment::Deployment;
use crate::fleet::{Fleet, Times, timed};
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
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
        away: Duration::from_secs(60),
        rest: Duration::from_secs(60),
    };
    const QUICK: Self = Self {
        times: Times { lease: 3, poll: 1 },
        many: 3,
        fleets: &[1, 3],
        leaders: 1,
        away: Duration::from_secs(10),
        rest: Duration::from_secs(2),
    };
}

/// Returns the rows of clusters; none, with a message, if there is no NATS server.
pub(super) fn rows(source: &mut Source, effort: &Effort) -> Vec<Row> {
    let scale = if effort.pushes > Effort::QUICK.pushes { Scale::FULL } else { Scale::QUICK };
    let measured = [pushes, forge, failover, bus_away, new_replica, at_rest];
    let rows = measured.into_iter().map_while(|measure| measure(source, effort, &scale));
    rows.flatten().collect()
}

/// A push is told to a follower, and live on all; against a push to one server.
fn pushes(source: &mut Source, effort: &Effort, scale: &Scale) -> Option<Vec<Row>> {
    let url = source.upstream.url();
    let mut fleet = Fleet::of(&url, Times { poll: 0, ..scale.times })?;
    fleet.grow(scale.many);
    let alone = Deployment::of(source);
    let (mut all, mut one) = (Samples::default(), Samples::default());
    for turn in 0..effort.pushes {
        let commit = source.push(1);
        for place in 0..2 {
            if (turn + place) % 2 == 0 {
                all.push_time(timed(|| {
                    fleet.follower().told(commit);
                    fleet.serve(commit);
                }));
                fleet.replicas().iter().for_each(|replica| replica.server.rest());
            } else {
                one.push(alone.server.reload_to(commit).whole);
                alone.server.rest();
            }
        }
    }
    let what = format!("push of 1 record, webhook to live on all of {} replicas", scale.many);
    let row = |id: &str, what: String| {
        Row::new(id, what, Unit::Milliseconds, all.clone()).against("one server", one.clone())
    };
    let few = (!source.has_goals()).then_some(Goal::RatioMost(4.0));
    let few_at_most = (!source.has_goals()).then_some(Goal::Most(600.0));
    Some(vec![
        row("cluster-push", what.clone()).goal(absolute(source, Goal::Most(1_000.0)).or(few)),
        row("cluster-push-p99", format!("{what}, 99th percentile")).at(0.99).goal(few_at_most),
    ])
}

/// The requests that a push costs the forge, by the number of replicas.
fn forge(source: &mut Source, effort: &Effort, scale: &Scale) -> Option<Vec<Row>> {
    let git = GitHttp::serve(source.upstream.parent());
    let mut one = None;
    let mut rows = Vec::new();
    for &count in scale.fleets {
        let mut fleet = Fleet::of(&git.url("upstream.git"), Times { poll: 0, ..scale.times })?;
        fleet.grow(count);
        let mut requests = Samples::default();
        for turn in 0..=effort.pushes {
            let before = git.requests();
            let commit = source.push(1);
            fleet.replicas().last()?.told(commit);
            fleet.serve(commit);
            // The first one may meet what the leader asks when it begins to lead.
            if turn > 0 {
                requests.push((git.requests() - before) as f64);
            }
        }
        let what = format!("requests to the forge for a push, {count} replicas");
        let row = Row::new(format!("cluster-forge-{count}"), what, Unit::Count, requests.clone());
        let one = one.get_or_insert(requests);
        rows.push(row.beside("one replica", one.clone()).goal(Goal::RatioMost(1.0)));
    }
    Some(rows)
}

/// The leader ends: how long the next push takes, and which reads fail on the others.
fn failover(source: &mut Source, _: &Effort, scale: &Scale) -> Option<Vec<Row>> {
    let mut fleet = Fleet::of(&source.upstream.url(), Times { poll: 0, ..scale.times })?;
    let [mut killed, mut stopped, mut failed] = std::array::from_fn(|_| Samples::default());
    for turn in 0..2 * scale.leaders {
        fleet.grow(3);
        let leader = fleet.without_leader();
        let commit = source.push(1);
        let (time, failures) = fleet.while_reading(|| {
            timed(|| {
                if turn % 2 == 0 {
                    drop(leader)
                } else {
                    leader.server.stop()
                }
                fleet.replicas()[turn / 2 % 2].told(commit);
            })
        });
        (if turn % 2 == 0 { &mut killed } else { &mut stopped }).push_time(time);
        failed.push(failures as f64);
        fleet.serve(commit);
    }
    let lease = scale.times.lease;
    let what = format!("leader killed, until the next push is live, lease of {lease} s");
    let row = |id: &str, what: String, samples: &Samples| {
        Row::new(id, what, Unit::Milliseconds, samples.clone())
    };
    let in_full = |most| (lease == 15).then_some(Goal::Most(most));
    Some(vec![
        row("cluster-killed", what.clone(), &killed).goal(in_full(16_000.0)),
        row("cluster-killed-p99", format!("{what}, 99th percentile"), &killed)
            .at(0.99)
            .goal(in_full(20_000.0)),
        row("cluster-stopped", "leader stopped, until the next push is live".into(), &stopped)
            .at(0.99)
            .goal(in_full(1_500.0)),
        Row::new("cluster-reads", "failed reads of the others meanwhile", Unit::Count, failed)
            .at(1.0)
            .goal(Goal::Most(0.0)),
    ])
}

/// The bus is away: pushes are live by polling, reads go on, and all agree when it is back.
fn bus_away(source: &mut Source, _: &Effort, scale: &Scale) -> Option<Vec<Row>> {
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

/// A replica with an empty disk gets everything from the leader; against a server that clones from the
/// forge.
fn new_replica(source: &mut Source, effort: &Effort, scale: &Scale) -> Option<Vec<Row>> {
    source.repack();
    let git = GitHttp::serve(source.upstream.parent());
    let url = git.url("upstream.git");
    let mut fleet = Fleet::of(&url, Times { poll: 0, ..scale.times })?;
    fleet.grow(1);
    let [mut new, mut alone, mut asked] = std::array::from_fn(|_| Samples::default());
    for turn in 0..effort.starts {
        alone.push_time(Deployment::with_remote(&url).first_start);
        let before = git.requests();
        fleet.grow(turn + 2);
        new.push_time(fleet.replicas().last()?.start);
        asked.push((git.requests() - before) as f64);
        fleet.replicas().iter().for_each(|replica| replica.server.rest());
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
fn at_rest(source: &mut Source, _: &Effort, scale: &Scale) -> Option<Vec<Row>> {
    let mut fleet = Fleet::of(&source.upstream.url(), Times { poll: 0, ..scale.times })?;
    fleet.grow(3);
    let alone = Deployment::of(source);
    let servers = || fleet.replicas().iter().map(|replica| &replica.server);
    let resident = |server: &crate::server::Server| server.memory_at_rest().resident;
    let before: Vec<_> = servers().chain([&alone.server]).map(|server| server.cpu_time()).collect();
    std::thread::sleep(scale.rest);
    let used = |(server, before): (&crate::server::Server, &Duration)| {
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
