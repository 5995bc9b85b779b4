//! Pushes and polls over a real network: a remote over http, at several distances.

use std::time::Duration;

use headwater_testkit::{DistantServer, GitHttp};

use super::Effort;
use crate::clone::Clone;
use crate::deployment::Deployment;
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::source::Source;

/// The round trips, in milliseconds.
const DISTANCES: [u64; 3] = [0, 50, 150];
/// People in the repository.
const PEOPLE: usize = 2_000;

/// Returns the rows of a push whose webhook names its commit, and of a poll of an unchanged branch,
/// against `git fetch` at the same distance.
pub(super) fn rows(effort: &Effort) -> Vec<Row> {
    let mut source = Source::flat(PEOPLE);
    let git = GitHttp::serve(source.upstream.parent());
    let mut rows = Vec::new();
    for distance in DISTANCES {
        let distant = DistantServer::at(git.address(), Duration::from_millis(distance));
        let url = format!("http://{}/upstream.git", distant.address());
        let deployment = Deployment::with_remote(&url);
        let clone = Clone::from_url(&url, source.upstream.branch());
        // From here on the greeting is known and both connections are open.
        for _ in 0..2 {
            deployment.server.reload_to(source.push(1));
        }
        clone.fetch();
        let (mut push, mut fetch, mut poll) =
            (Samples::default(), Samples::default(), Samples::default());
        let (mut requests, mut bytes) = (0, 0);
        for turn in 0..effort.pushes {
            let commit = source.push(1);
            for place in 0..2 {
                if (turn + place) % 2 == 0 {
                    let before = (git.requests(), distant.passed());
                    push.push(deployment.server.reload_to(commit).whole);
                    requests += git.requests() - before.0;
                    bytes += distant.passed() - before.1;
                    deployment.server.rest();
                } else {
                    fetch.time(|| clone.fetch());
                }
            }
            poll.push(deployment.server.reload().whole);
        }
        let each = |count: u64| count / effort.pushes as u64;
        let (requests, bytes) = (each(requests as u64), each(bytes));
        let what = format!(
            "round trip of {distance} ms: reload of 1 record, webhook to 200 ({requests} requests, {bytes} bytes)"
        );
        let most = Goal::Most(1.3 * distance as f64 + 30.0);
        let row = |id: &str, what, samples| {
            Row::new(format!("wan-{id}-{distance}"), what, Unit::Milliseconds, samples)
        };
        rows.push(row("push", what, push).against("`git fetch`", fetch).goal(most));
        let what = format!("round trip of {distance} ms: webhook of a branch that did not move");
        rows.push(row("poll", what, poll).goal(Goal::Most(1.1 * distance as f64 + 15.0)));
    }
    rows
}
