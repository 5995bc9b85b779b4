//! `GET /api/_changes`: what differs since a commit, as an answer, a long poll, or a stream of
//! Server-Sent Events.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use headwater_engine::delta::Delta;
use headwater_engine::id::CommitId;
use headwater_engine::query::ListQuery;
use headwater_engine::snapshot::Snapshot;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::app::App;
use super::current::{COMMIT, Current, commit_header, not_ready};
use super::error::{ApiError, Code};
use super::json;
use super::list::{public_sheet, refused as refused_query};
use super::moment::{at, refused};
use super::parameters::{pairs, wrong};
use super::pieces::Pieces;
use super::view::{ChangesView, Watched, changes as view};
use crate::feed::{Heard, Listener};

/// The most records that are told at once; who is further behind reads everything anew.
const MOST: usize = 10_000;

/// How long nothing is sent before a sign of life is.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How many events wait for a client that is slow.
const AHEAD: usize = 4;

/// The longest that a long poll waits, in seconds.
const LONGEST: u64 = 300;

/// What a caller wants to know.
struct Asked {
    since: Option<CommitId>,
    wait: u64,
    watched: Watched,
}

/// Answers with what differs, or goes on telling.
pub(super) async fn changes(
    State(app): State<App>,
    Current(snapshot): Current,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut asked = Asked::parse(query.as_deref(), &snapshot)?;
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let streams = accepted
        .flat_map(|list| list.split(','))
        .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "text/event-stream"));
    if !streams {
        return answer(&app, &asked).await;
    }
    if let Some(last) = headers.get("last-event-id") {
        let last = last.to_str().ok().filter(|last| !last.is_empty());
        // A browser sends what it was given; what cannot be read is no commit of ours.
        asked.since = last.map(|last| last.parse().unwrap_or(UNKNOWN)).or(asked.since);
    }
    let place = app.listeners.clone().try_acquire_owned();
    let place = place.map_err(|_| ApiError::from(Code::Busy).header(header::RETRY_AFTER, 10))?;
    let (sender, events) = mpsc::channel(AHEAD);
    let listener = app.feed.listen();
    tokio::spawn(async move {
        let _place = place;
        let at = asked.since.unwrap_or(listener.at);
        let mut stream = Stream { app, watched: asked.watched, at, sender };
        // The client is gone, or the server stops.
        let _ = stream.run(listener).await;
    });
    let mut response = Response::new(Body::new(Pieces(events)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather an answer before they pass it on are asked not to.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// A commit that nobody has.
const UNKNOWN: CommitId = CommitId::from_bytes([0xff; 20]);

impl Asked {
    fn parse(query: Option<&str>, snapshot: &Snapshot) -> Result<Self, ApiError> {
        let (mut since, mut wait, mut sheets, mut rest) = (None, 0, Vec::new(), Vec::new());
        for (name, value) in pairs(query)? {
            match &*name {
                "since" if since.is_some() => {
                    return Err(wrong("since", "is given more than once"));
                }
                "since" => {
                    let hash = || wrong("since", "must be the full hash of a commit");
                    since = Some(value.parse().map_err(|_| hash())?);
                }
                "wait" => {
                    let number = value.parse().ok().filter(|wait| *wait <= LONGEST);
                    let range = || wrong("wait", format!("must be seconds from 0 to {LONGEST}"));
                    wait = number.ok_or_else(range)?;
                }
                "sheet" => {
                    if public_sheet(snapshot, &value).is_err() {
                        return Err(wrong("sheet", format!("there is no sheet {value}")));
                    }
                    sheets.push(value);
                }
                _ => rest.push((name, value)),
            }
        }
        let filter = match (&rest[..], &sheets[..]) {
            ([], _) => None,
            (_, [sheet]) => {
                let known = rest.iter().find(|(name, _)| OF_LISTS.contains(&name.as_str()));
                if let Some((name, _)) = known {
                    return Err(wrong(name, "is not a parameter of changes"));
                }
                let sheet = public_sheet(snapshot, sheet)?;
                Some(ListQuery::parse(&rest, &sheet).map_err(refused_query)?)
            }
            ([(name, _), ..], _) => {
                return Err(wrong(name, "is not a parameter of changes, unless of one sheet"));
            }
        };
        Ok(Self { since, wait, watched: Watched { sheets, filter } })
    }
}

/// What lists have beside conditions.
const OF_LISTS: [&str; 8] = ["q", "sort", "facets", "fields", "page", "perPage", "cursor", "limit"];

/// Answers with what differs since a commit; waits for something, if the caller does.
async fn answer(app: &App, asked: &Asked) -> Result<Response, ApiError> {
    let until = Instant::now() + Duration::from_secs(asked.wait);
    let mut listener = app.feed.listen();
    let since = asked.since.unwrap_or(listener.at);
    loop {
        let told = caught_up(app, &asked.watched, since, listener.at).await?;
        let is_news = told.as_ref().is_none_or(|told| !told.is_empty());
        let waits = !is_news && Instant::now() < until;
        if waits {
            match listener.next_until(until).await {
                Heard::Published(_) => continue,
                Heard::Missed => {
                    listener = app.feed.listen();
                    continue;
                }
                Heard::Nothing | Heard::Closed => {}
            }
        }
        let (from, to) = (since.to_string(), listener.at.to_string());
        let text =
            told.as_ref().unwrap_or(&ChangesView::default()).text(&from, &to, told.is_none());
        let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let commit = (COMMIT, commit_header(listener.at));
        return Ok(([no_store, commit], json::text(text)).into_response());
    }
}

/// Returns what differs between two published commits; `None` where that cannot be told, or is too
/// much.
async fn caught_up(
    app: &App,
    watched: &Watched,
    from: CommitId,
    to: CommitId,
) -> Result<Option<ChangesView>, ApiError> {
    if from == to {
        return Ok(Some(ChangesView::default()));
    }
    match delta(app, from, to).await {
        Ok(delta) => Ok(view(&delta, watched, MOST)),
        Err(error) if error.code() == Code::UnknownCommit => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns what differs between two commits of the branch's history.
pub async fn delta(app: &App, from: CommitId, to: CommitId) -> Result<Arc<Delta>, ApiError> {
    let (live, later) = (app.live.clone(), at(app, to).await?);
    let compared = app.past.run(move || match live.engine() {
        Some(engine) => engine.delta(from, &later).map(Arc::new).map_err(refused),
        None => Err(not_ready()),
    });
    compared.await
}

/// Somebody who follows the changes, and what he knows.
struct Stream {
    app: App,
    watched: Watched,
    /// The commit up to which everything was told.
    at: CommitId,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

/// The client is gone.
struct Gone;

impl Stream {
    /// Tells everything from where the client is, until it goes or the server stops.
    async fn run(&mut self, mut listener: Listener) -> Result<(), Gone> {
        self.send("retry: 2000\n\n".to_owned()).await?;
        self.catch_up(listener.at).await?;
        loop {
            match listener.next(HEARTBEAT).await {
                Heard::Published(publication) => {
                    let delta = publication.delta.clone();
                    let app = self.app.clone();
                    // Asked once for all who listen, and known at once for the usual push.
                    let rewritten = tokio::task::spawn_blocking(move || {
                        publication.is_rewritten(|to, from| {
                            app.live.engine().is_some_and(|engine| engine.descends(to, from))
                        })
                    });
                    if delta.from != self.at || rewritten.await.unwrap_or(true) {
                        self.resync(delta.to).await?;
                    } else {
                        self.tell(&delta).await?;
                    }
                }
                Heard::Missed => {
                    listener = self.app.feed.listen();
                    self.catch_up(listener.at).await?;
                }
                Heard::Nothing => self.send(": still here\n\n".to_owned()).await?,
                Heard::Closed => return Ok(()),
            }
        }
    }

    /// Tells the net change from where the client is to `to`.
    async fn catch_up(&mut self, to: CommitId) -> Result<(), Gone> {
        if self.at == to {
            return Ok(());
        }
        match delta(&self.app, self.at, to).await {
            Ok(delta) => self.tell(&delta).await,
            Err(_) => self.resync(to).await,
        }
    }

    async fn tell(&mut self, delta: &Delta) -> Result<(), Gone> {
        let Some(told) = view(delta, &self.watched, MOST) else {
            return self.resync(delta.to).await;
        };
        self.at = delta.to;
        // Who follows everything learns of every commit.
        if told.is_empty() && !self.watched.is_all() {
            return Ok(());
        }
        let to = delta.to.to_string();
        let text = told.text(&delta.from.to_string(), &to, false);
        self.send(format!("id: {to}\nevent: changes\ndata: {text}\n\n")).await
    }

    async fn resync(&mut self, to: CommitId) -> Result<(), Gone> {
        self.at = to;
        self.send(format!("id: {to}\nevent: resync\ndata: {{\"commit\":\"{to}\"}}\n\n")).await
    }

    async fn send(&self, event: String) -> Result<(), Gone> {
        self.sender.send(Ok(event.into())).await.map_err(|_| Gone)
    }
}
