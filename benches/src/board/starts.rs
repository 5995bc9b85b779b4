//! The time from the start of the process until it is ready with search, compared with git reading
//! the same blobs.

use super::{Effort, absolute};
use crate::clone::Clone;
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::server::Server;
use crate::source::Source;

pub(super) fn rows(source: &mut Source, effort: &Effort) -> Vec<Row> {
    let (mut cold, mut git, mut warm) =
        (Samples::default(), Samples::default(), Samples::default());
    let url = source.upstream.url();
    for turn in 0..effort.starts {
        // A mirror that no server has used: it has only what git stores.
        let clone = Clone::of(&source.upstream);
        let mut started = None;
        for place in 0..2 {
            if (turn + place) % 2 == 0 {
                let (server, time) = Server::start_ready(clone.path(), &url);
                cold.push_time(time);
                started = Some(server);
            } else {
                git.time(|| clone.read_all());
            }
            if let Some(server) = started.take() {
                // The cache for the next start is written after this one.
                server.rest();
                server.stop();
            }
        }
        let (server, time) = Server::start_ready(clone.path(), &url);
        warm.push_time(time);
        server.stop();
    }
    let against = "`git ls-tree -r`, `cat-file --batch`";
    let row = |id: &str, what: &str, samples| Row::new(id, what, Unit::Milliseconds, samples);
    let goal = |most| absolute(source, Goal::Most(most));
    vec![
        row("start-cold", "cold start to ready with search", cold)
            .against(against, git.clone())
            .goal(goal(1_200.0)),
        row("start-warm", "warm start, the second on the same mirror, to ready with search", warm)
            .against(against, git)
            .goal(goal(400.0)),
    ]
}
