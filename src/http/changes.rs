//! `GET /api/_changes`: the differences since a commit, as an answer, a long poll, or a stream of
//! Server-Sent Events.

mod expression_quota;
mod fair_order;
pub(in crate::http) mod followers;
mod delta_text;
mod background_task;
mod followed_parts;
mod query;
mod queue;
mod follower_limit;
mod stream;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use headwater_engine::delta::Delta;
use headwater_engine::id::CommitId;
use headwater_engine::view::View;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::access::dismissal;
use super::app::App;
use super::connection::{Connection, WaitingRequest};
use super::header_names::COMMIT;
use super::historical_states::Asker;
use super::json;
use super::parameters::pairs;
use super::parsing::{Pairs, parsed};
use super::request_snapshot::{Current, commit_header};
use super::source::Source;
use crate::access::{Admission, Ended};
use crate::feed::Heard;
use crate::header_fields::Preferences;
use crate::wire::{ApiError, Code, EventId, Watched, resync};
use background_task::Driven;
use delta_text::{DeltaText, Returning, WORTH};
use followed_parts::Part;
use query::{ChangesQuery, Last};
use stream::Events;

/// The media type of a stream in `Accept` and `Content-Type`.
const EVENTS: &str = "text/event-stream";

/// How long a client waits before it reopens a broken stream, in milliseconds.
const RETRY: u32 = 2_000;

/// How long a stream lasts at most if its client's credential decides what it shows. The client then
/// shows it again.
const LIFETIME: Duration = Duration::from_secs(300);

/// How long a stream waits until the other followers have heard of the commit that its client has.
const ABREAST: Duration = Duration::from_secs(10);

/// Answers with the differences, or keeps streaming them.
pub(super) async fn changes(
    State(app): State<App>,
    Current(snapshot): Current,
    source: Source,
    connection: Connection,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let is_stream = streams(&headers);
    let last = Last::of(&headers, snapshot.layout().view()).filter(|_| is_stream);
    let (pairs, state) = (pairs(query.as_deref())?, snapshot.clone());
    let parse = move |pairs: &Pairs| ChangesQuery::parse(pairs, last, &state);
    let asked = parsed(&app.answers, source, &pairs, parse).await?;
    let ChangesQuery { since, wait, watched } = asked;
    let to = snapshot.commit();
    let admission = app.access.admission(&headers, snapshot.layout().view());
    let own = admission.as_ref().map_or(0, Admission::bytes);
    let id = EventId::of(to, snapshot.layout().view());
    drop(snapshot);
    match (watched, is_stream) {
        (Some(watched), true) => {
            let part = app.audience.parts.keep(watched, source, own).ok_or_else(busy)?;
            let waiting = connection.follows();
            stream(app, part, since, last, source, admission, waiting).await
        }
        (Some(watched), false) => {
            // The waiting request keeps its own query text.
            let own = own + query.map_or(0, |query| query.len());
            let part = app.audience.parts.keep(watched, source, own).ok_or_else(busy)?;
            let poll = Poll { since, wait, source, connection };
            answer(&app, part, poll, admission).await
        }
        // The stream ends there: a client that reopens it unchanged learns that there is no such
        // sheet.
        (None, true) => Ok(events(Body::from(queue::resync(id)))),
        (None, false) => Ok(answered(resync(since.unwrap_or(to), to).into(), to)),
    }
}

/// Returns whether the caller prefers a stream to a single answer.
fn streams(headers: &HeaderMap) -> bool {
    Preferences::of(headers.get_all(header::ACCEPT)).prefers(EVENTS, "application/json")
}

/// Answers with a stream of events, which waits on its connection until it ends.
async fn stream(
    app: App,
    watched: Part,
    since: Option<CommitId>,
    last: Option<Last>,
    source: Source,
    admission: Option<Admission>,
    waiting: WaitingRequest,
) -> Result<Response, ApiError> {
    let named = match last {
        Some(Last::Commit(last)) => Some(last),
        Some(Last::Unknown) => None,
        None => since,
    };
    if let Some(named) = named {
        // Otherwise it would be taken back to where the others are, and then forward again.
        let heard = app.audience.hears_of(&app.feed, &watched, named);
        let _late = tokio::time::timeout(ABREAST, heard).await;
    }
    let follower = app.audience.join(&app.feed, watched, source).ok_or_else(busy)?;
    let is_new = last.is_none() && since.is_none();
    let had = if is_new { Some(follower.at) } else { named };
    // A client that is cut off before the first event comes back with this.
    let id = had.map(|had| format!("id: {}\n", follower.watched.id_at(had))).unwrap_or_default();
    let hello = format!("retry: {RETRY}\n{id}\n");
    let missed = missed(app, Asker::Stream(source), had, follower.at, follower.watched.clone());
    // A client that reads nothing would keep its turn.
    let missed = Driven::begin(missed);
    let events_of_all = Events::new(follower, hello, missed).noted_as(waiting);
    Ok(events(Body::new(match admission {
        Some(admission) => events_of_all.while_admitted(admission, LIFETIME),
        None => events_of_all,
    })))
}

/// Returns the answer if too many follow or wait, or if what they follow takes too much.
fn busy() -> ApiError {
    ApiError::from(Code::Busy).header(header::RETRY_AFTER, 10)
}

fn events(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENTS));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // This asks proxies not to buffer the answer.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Returns the text that takes a client from the commit that it `had` to `to`, if it needs one.
///
/// # Errors
/// Fails if the difference cannot be computed now; the client comes back with the commit that it
/// had.
async fn missed(
    app: App,
    asker: Asker,
    had: Option<CommitId>,
    to: CommitId,
    watched: Arc<Watched>,
) -> Result<Option<Bytes>, ApiError> {
    let told = match had {
        Some(had) if had == to => return Ok(None),
        Some(had) => caught_up(&app, asker, &watched, had, to).await?,
        None => None,
    };
    Ok(match told {
        Some(told) if told.is_empty() && !watched.is_all() => {
            Some(queue::position(watched.id_at(to)))
        }
        told => Some(told.map_or_else(|| queue::resync(watched.id_at(to)), |told| told.event())),
    })
}

/// A request for what differs since a commit.
struct Poll {
    /// The commit; `None` for the published one.
    since: Option<CommitId>,
    /// For how many seconds to wait for a difference.
    wait: u64,
    source: Source,
    connection: Connection,
}

/// Answers a poll.
async fn answer(
    app: &App,
    watched: Part,
    poll: Poll,
    mut admission: Option<Admission>,
) -> Result<Response, ApiError> {
    let Poll { since, wait, source, connection } = poll;
    let place = app.audience.polls.join(source).ok_or_else(busy)?;
    let until = Instant::now() + Duration::from_secs(wait);
    let mut listener = app.feed.listen();
    let since = since.unwrap_or(listener.at);
    loop {
        // It may have to wait for its turn.
        let told = caught_up(app, Asker::Poll(source), &watched, since, listener.at);
        let told = connection.gives_way(told).await.ok_or_else(busy)??;
        // Checked after the difference is there: what was published later than the grants were taken
        // away is told to nobody.
        if let Some(Err(ended)) = admission.as_mut().map(Admission::check) {
            return match ended {
                Ended::OtherView(view) if !view.is_empty() => {
                    Ok(answered(resync(since, listener.at).into(), listener.at))
                }
                ended => Err(dismissal(&ended)),
            };
        }
        let is_news = told.as_ref().is_none_or(|told| !told.is_empty());
        let waits = !is_news && Instant::now() < until;
        if waits {
            let dismissed = async {
                match &mut admission {
                    Some(admission) => admission.ended().await,
                    None => pending().await,
                }
            };
            let _waiting = connection.polls();
            let heard = tokio::select! {
                heard = listener.next_until(until) => heard,
                () = connection.was_asked_to_leave() => Heard::Nothing,
                () = place.was_sent_away() => Heard::Nothing,
                _ = dismissed => continue,
            };
            match heard {
                Heard::Published(_) => continue,
                Heard::Missed => {
                    listener = app.feed.listen();
                    continue;
                }
                Heard::Nothing | Heard::Closed => {}
            }
        }
        let data = told.map_or_else(|| resync(since, listener.at).into(), |told| told.data());
        return Ok(answered(data, listener.at));
    }
}

fn answered(data: Bytes, at: CommitId) -> Response {
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let commit = (COMMIT, commit_header(at));
    ([no_store, commit], json::text(data)).into_response()
}

/// Returns the difference between two published commits; `None` if it cannot be computed or is too
/// large.
async fn caught_up(
    app: &App,
    asker: Asker,
    watched: &Arc<Watched>,
    from: CommitId,
    to: CommitId,
) -> Result<Option<DeltaText>, ApiError> {
    let delta = match from == to {
        true => Ok(Arc::new(Delta { from, to, changes: Vec::new(), withheld: Vec::new() })),
        false => app.past.difference(asker, watched.view(), from, to).await,
    };
    let returning = Returning { asker, limit: app.answers.limit() };
    match delta {
        Ok(delta) => app.audience.writer.tell_missed(&delta, watched, returning).await,
        Err(error) if error.code() == Code::UnknownCommit => Ok(None),
        Err(error) => Err(error),
    }
}

/// Starts a task that reports every publication to the audience. The task ends with the feed.
pub fn pass_on(app: &App) -> JoinHandle<()> {
    // It listens from the beginning: before the first state is published.
    let (app, listener) = (app.clone(), app.feed.listen());
    tokio::spawn(async move {
        let compare = |view: View, from, to| {
            let app = app.clone();
            async move { app.past.difference(Asker::Server, &view, from, to).await.ok() }
        };
        let each = app.answers.limit().map(|limit| limit * WORTH);
        app.audience.follow(&app.feed, listener, compare, each).await;
    })
}
