//! Pushes: how soon one is live on all, and what that costs the forge.

use headwater_testkit::GitHttp;

use super::Scale;
use crate::board::{Effort, absolute};
use crate::deployment::Deployment;
use crate::fleet::{Fleet, timed};
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::source::Source;

/// A push is told to a follower, and live on all; against a push to one server.
pub(super) fn pushes(source: &mut Source, effort: &Effort, scale: &Scale) -> Option<Vec<Row>> {
    let url = source.upstream.url();
    let mut fleet = Fleet::of(&url, scale.without_polls())?;
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
                fleet.rest();
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
pub(super) fn forge(source: &mut Source, effort: &Effort, scale: &Scale) -> Option<Vec<Row>> {
    let git = GitHttp::serve(source.upstream.parent());
    let mut one = None;
    let mut rows = Vec::new();
    for &count in scale.fleets {
        let mut fleet = Fleet::of(&git.url("upstream.git"), scale.without_polls())?;
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
