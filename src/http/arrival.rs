//! Waiting for commits that a request names and that may be here soon.
//!
//! A client that reads from several servers, one after the other, comes with a commit that this one does not have yet.
//! Without the wait it would be told to read everything again, and from an older state.

use std::time::Duration;

use headwater_engine::id::CommitId;
use tokio::time::Instant;

use super::app::App;
use super::source::Source;
use super::waiter_limit::Waiter;
use crate::coming::may_come;
use crate::feed::Heard;

/// How long a request waits for the commits that it names.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until each of these commits is served, or nothing is on its way that may bring it; ten seconds at most. Then
/// the request is answered as ever, from what is served by then.
///
/// A bounded number wait, and of these a part from one source; more are answered without a wait. The place gets free
/// when the caller hangs up. If nothing is on its way, this costs a short lock for each commit.
pub(super) async fn arrival(app: &App, source: Source, named: &[CommitId]) {
    let until = Instant::now() + PATIENCE;
    for commit in named {
        arrival_of(app, source, *commit, until).await;
    }
}

async fn arrival_of(app: &App, source: Source, commit: CommitId, until: Instant) {
    let Some(engine) = app.live.engine() else { return };
    let mut others = app.coming.listen();
    let asked = engine.outlook(commit).requested;
    let mut place: Option<Waiter<'_, Source>> = None;
    loop {
        // What is on its way is looked at first: what has just ended has published what it brought.
        let may_come = may_come(engine.outlook(commit), asked, *others.borrow_and_update());
        let mut expected = app.feed.expect();
        if place.is_none() {
            // Nearly every request is about what is here, or comes while nothing is on its way.
            if !may_come || expected.listener.at == commit {
                return;
            }
            place = app.past.awaits(source);
            if place.is_none() {
                return;
            }
        }
        // Followers are told of publications, so that is what counts.
        let is_here = app.past.contains(source, expected.listener.at, commit, until).await;
        if !may_come || is_here.unwrap_or(true) {
            return;
        }
        tokio::select! {
            heard = expected.listener.next_until(until) => {
                if matches!(heard, Heard::Nothing | Heard::Closed) {
                    return;
                }
            }
            changed = others.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = sent_away(place.as_ref()) => return,
        }
    }
}

/// Waits until the place goes to another source.
async fn sent_away(place: Option<&Waiter<'_, Source>>) {
    match place {
        Some(place) => place.was_sent_away().await,
        None => std::future::pending().await,
    }
}
