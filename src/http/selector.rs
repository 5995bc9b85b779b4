//! Selects the state that a read is answered from: the published one, that of a commit the caller
//! names, or one that contains a commit.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use headwater_engine::cursor::Cursor;
use headwater_engine::id::CommitId;
use headwater_engine::snapshot::Snapshot;
use headwater_engine::view::View;
use percent_encoding::percent_decode_str;
use tokio::time::Instant;

use super::access::dismissal;
use super::app::App;
use super::arrival::arrival;
use super::connection::Connection;
use super::header_names::{AT, MIN_COMMIT};
use super::named_commits::named_commits;
use super::parameters::{self, wrong};
use super::request_snapshot::not_ready;
use super::route::{Route, Snapshots};
use super::source::Source;
use super::wait_time::wait;
use crate::feed::Heard;
use crate::wire::{ApiError, Code};

/// How many seconds a reader waits before it asks again for a commit that is not there.
const RETRY_AFTER: u16 = 1;

/// The state that a read is answered from.
pub(super) struct Selected {
    pub(super) snapshot: Arc<Snapshot>,
    /// Whether the same request always gets the same answer.
    pub(super) is_fixed: bool,
}

/// The commit that the query of a request named, for the links of its answer.
#[derive(Debug, Clone)]
pub(super) struct At(pub(super) String);

/// The state that a request asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct SnapshotSelector {
    /// The commit, by any name.
    at: Option<String>,
    /// The commit of the list that the cursor walks.
    walked: Option<CommitId>,
    /// The commit that the state must contain.
    least: Option<CommitId>,
}

impl Selected {
    /// Returns what `view` sees of the state for `request` from `source` to `route`, and removes the name of the
    /// commit from its query. Returns `None` before the first load. Waits for commits that the request names and that
    /// may be here soon.
    ///
    /// # Errors
    ///
    /// 404 for a commit that is not in the history of the branch, 410 for the list of one, 503 for
    /// one that does not arrive in time; as [`dismissal`] if the caller lost its grants meanwhile.
    pub(super) async fn of(
        app: &App,
        source: Source,
        route: Option<Route>,
        view: &View,
        request: &mut Request,
    ) -> Result<Option<Self>, ApiError> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let named = match reads {
            true => named_commits(route, request.uri(), request.headers()),
            false => Vec::new(),
        };
        let headers = request.headers();
        let plain = request.uri().query().is_none_or(|query| !names_commit(query));
        let is_of_now =
            !reads || plain && !headers.contains_key(AT) && !headers.contains_key(MIN_COMMIT);
        if is_of_now && named.is_empty() {
            // Nearly every request is about the present.
            return Self::published(app, source, view).await;
        }
        let admission = app.access.admission(headers, view);
        let selected = async {
            if !named.is_empty() {
                // If it has to give way, it is answered from what is served.
                let _ = connection_of(request).gives_way(arrival(app, source, &named)).await;
            }
            match is_of_now {
                true => Self::published(app, source, view).await,
                false => Self::named(app, source, route, view, request).await,
            }
        };
        // On the heap, so that the future of all other answers stays small.
        let selected = Box::pin(selected).await;
        // It may have waited for minutes, and its caller may not read any more what came meanwhile.
        if let Some(mut admission) = admission {
            admission.check().map_err(|ended| dismissal(&ended))?;
        }
        selected
    }

    /// Returns what `view` sees of the published state, if there is one.
    async fn published(app: &App, source: Source, view: &View) -> Result<Option<Self>, ApiError> {
        let Some(snapshot) = app.live.snapshot() else { return Ok(None) };
        let snapshot = seen_by(app, source, snapshot, view).await?;
        Ok(Some(Self { snapshot, is_fixed: false }))
    }

    /// Returns what `view` sees of the state that a request names.
    async fn named(
        app: &App,
        source: Source,
        route: Option<Route>,
        view: &View,
        request: &mut Request,
    ) -> Result<Option<Self>, ApiError> {
        let Some(published) = Self::published(app, source, view).await? else { return Ok(None) };
        let selector = SnapshotSelector::of(route, request)?;
        // A caller that names no wait is answered at once.
        let headers = request.headers();
        let patience = if headers.contains_key("prefer") { wait(headers) } else { 0 };
        let until = Instant::now() + Duration::from_secs(patience);
        let published = match selector.least {
            Some(least) => {
                let contained = containing(app, source, least, until);
                let contained = connection_of(request).gives_way(contained).await;
                let snapshot = contained.ok_or_else(not_now)??;
                Self { snapshot: seen_by(app, source, snapshot, view).await?, ..published }
            }
            None => published,
        };
        let found = match (&selector.at, selector.walked) {
            (None, None) => return Ok(Some(published)),
            (None, Some(walked)) => app.past.at(source, view, walked).await,
            (Some(name), walked) => {
                let branch = name.strip_prefix(BRANCHES);
                let found = match branch.filter(|branch| !engine_serves(app, branch)) {
                    Some(branch) => app.past.preview(source, view, branch).await,
                    None => match app.past.called(source, name).await {
                        Ok(commit) => app.past.at(source, view, commit).await,
                        Err(error) => Err(error),
                    },
                };
                let is_other = |found: &Arc<Snapshot>| walked.is_some_and(|w| w != found.commit());
                if found.as_ref().is_ok_and(is_other) {
                    return Err(wrong("cursor", "belongs to another commit than `at`"));
                }
                found
            }
        };
        let is_hash = |name: String| name.parse::<CommitId>().is_ok();
        // The API document depends on the settings of the server, too.
        let is_fixed = route != Some(Route::Document) && selector.at.is_some_and(is_hash);
        let snapshot = found.map_err(|error| match selector.walked {
            Some(_) if error.code() == Code::UnknownCommit => Code::CursorExpired.into(),
            _ => error,
        })?;
        Ok(Some(Self { snapshot, is_fixed }))
    }
}

/// Returns the connection of a request; only a test has none.
fn connection_of(request: &Request) -> Connection {
    request.extensions().get().cloned().unwrap_or_default()
}

/// Returns what `view` sees of a state. The first of its readers after a publication has it made,
/// off the threads that answer.
async fn seen_by(
    app: &App,
    source: Source,
    snapshot: Arc<Snapshot>,
    view: &View,
) -> Result<Arc<Snapshot>, ApiError> {
    match snapshot.known_to(view) {
        Some(known) => Ok(known),
        None => {
            let view = view.clone();
            app.blocking.run(source, move || Ok(snapshot.seen_by(&view))).await
        }
    }
}

impl SnapshotSelector {
    fn of(route: Option<Route>, request: &mut Request) -> Result<Self, ApiError> {
        let mut selector = Self::default();
        let name = header(request.headers(), &AT)?.map(str::to_owned);
        if let Some(least) = header(request.headers(), &MIN_COMMIT)? {
            selector.least = Some(least.parse().map_err(|_| not_a_hash())?);
        }
        let asked = take_at(request.uri_mut())?;
        if let Some(at) = &asked {
            request.extensions_mut().insert(At(at.clone()));
        }
        selector.at = match (asked, name) {
            (Some(at), Some(name)) if at != name => {
                return Err(wrong("at", "names another commit than X-Headwater-At"));
            }
            (at, name) => at.or(name),
        };
        if selector.at.is_some() && route == Some(Route::Diff) {
            return Err(wrong("at", "is not a parameter here: `from` and `to` name the commits"));
        }
        if selector.at.is_some() && route == Some(Route::Commits) {
            return Err(wrong("at", "is not a parameter here: `until` names the newest commit"));
        }
        let is_published = route.is_some_and(|route| route.snapshots() == Snapshots::Published);
        if selector.at.is_some() && is_published {
            return Err(wrong(
                "at",
                "is not a parameter here: this route only answers for the present",
            ));
        }
        // Only these have cursors that name the commit of their list.
        if matches!(route, Some(Route::List | Route::Problems)) {
            let cursor = parameters(request.uri()).find(|pair| is_called(pair, "cursor"));
            let cursor = cursor.and_then(|pair| parameters::decode(pair.split_once('=')?.1));
            selector.walked = cursor.and_then(|cursor| Cursor::commit_of(&cursor));
        }
        Ok(selector)
    }
}

fn not_a_hash() -> ApiError {
    ApiError::explained(Code::InvalidHeader, "X-Headwater-Min-Commit must be a full commit hash")
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let value = headers.get(name).map(|value| value.to_str());
    let text = || ApiError::explained(Code::InvalidHeader, format!("{name} must be text"));
    value.transpose().map_err(|_| text())
}

/// Returns whether a query has one of the parameters that this module reads.
fn names_commit(query: &str) -> bool {
    query.split('&').any(|pair| is_called(pair, "at") || is_called(pair, "cursor"))
}

/// Returns whether a parameter has this name, in whatever encoding.
fn is_called(pair: &str, name: &str) -> bool {
    let written = pair.split_once('=').map_or(pair, |(written, _)| written);
    // Nearly every name is unencoded.
    written == name || written.contains('%') && parameters::name(pair).is_some_and(|it| it == name)
}

fn parameters(uri: &Uri) -> impl Iterator<Item = &str> {
    uri.query().unwrap_or_default().split('&')
}

/// Removes the parameter `at` from the query and returns its value.
fn take_at(uri: &mut Uri) -> Result<Option<String>, ApiError> {
    let (found, rest): (Vec<&str>, Vec<&str>) =
        parameters(uri).partition(|pair| is_called(pair, "at"));
    let [value] = found[..] else {
        let twice = || wrong("at", "is given more than once");
        return if found.is_empty() { Ok(None) } else { Err(twice()) };
    };
    let value = value.split_once('=').map_or("", |(_, value)| value);
    // The name of a commit never has a space, but may have a plus.
    let name = percent_decode_str(value).decode_utf8();
    let name = name.map_err(|_| wrong("at", "is not valid UTF-8 after decoding"))?.into_owned();
    let mark = if rest.is_empty() { "" } else { "?" };
    let text = format!("{}{mark}{}", uri.path(), rest.join("&"));
    let mut parts = uri.clone().into_parts();
    // The rest of a query is as valid as the whole.
    parts.path_and_query = PathAndQuery::try_from(text).ok();
    if let Ok(shorter) = Uri::from_parts(parts) {
        *uri = shorter;
    }
    Ok(Some(name))
}

/// The prefix of the full name of a branch.
const BRANCHES: &str = "refs/heads/";

fn engine_serves(app: &App, branch: &str) -> bool {
    app.live.engine().is_some_and(|engine| engine.serves(branch))
}

/// Returns the answer to a request that waits for a commit, when its connection is needed for another.
fn not_now() -> ApiError {
    ApiError::from(Code::Busy).header(header::RETRY_AFTER, RETRY_AFTER)
}

/// Waits until the published state contains `least`, or what a replay made of it. A bounded number
/// wait; more are refused at once.
pub(super) async fn containing(
    app: &App,
    source: Source,
    least: CommitId,
    until: Instant,
) -> Result<Arc<Snapshot>, ApiError> {
    let place = app.past.expects(source)?;
    let mut expected = app.feed.expect();
    loop {
        let snapshot = app.live.snapshot().ok_or_else(not_ready)?;
        let commit = snapshot.commit();
        // A replay may have put another commit in its place, or the remote may have it all the same.
        let replaced = app.live.engine().and_then(|engine| engine.successor_of(least));
        for least in [Some(least), replaced.filter(|now| *now != least)].into_iter().flatten() {
            if app.past.contains(source, commit, least, until).await? {
                return Ok(snapshot);
            }
        }
        let heard = tokio::select! {
            heard = expected.listener.next_until(until) => heard,
            () = place.was_sent_away() => return Err(not_now()),
        };
        match heard {
            Heard::Published(_) => {}
            Heard::Missed => expected = app.feed.expect(),
            Heard::Nothing | Heard::Closed => {
                let error = ApiError::explained(
                    Code::NotYet,
                    format!("the served commit {commit} does not contain {least}"),
                );
                return Err(error.header(header::RETRY_AFTER, RETRY_AFTER));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(
        path: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Result<(SnapshotSelector, String), Code> {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        let plain = request.uri().path().to_owned();
        let selector =
            SnapshotSelector::of(Route::of(&plain), &mut request).map_err(|error| error.code())?;
        Ok((selector, request.uri().to_string()))
    }

    #[test]
    fn the_name_of_a_commit_is_taken_out_of_the_query() {
        let name = |name: &str| SnapshotSelector {
            at: Some(name.to_owned()),
            ..SnapshotSelector::default()
        };
        let cases = [
            ("/api/people?at=v1", name("v1"), "/api/people"),
            (
                "/api/people?a=%20b&at=refs%2Ftags%2Fv1&c",
                name("refs/tags/v1"),
                "/api/people?a=%20b&c",
            ),
            ("/api/people?x=1&%61t=v1%2B2&y", name("v1+2"), "/api/people?x=1&y"),
            ("/api/people?a%74=v1+2", name("v1+2"), "/api/people"),
            (
                "/api/people?at%5Beq%5D=v1&format=x",
                SnapshotSelector::default(),
                "/api/people?at%5Beq%5D=v1&format=x",
            ),
        ];
        for (path, expected, left) in cases {
            assert_eq!(selector(path, &[]), Ok((expected, left.to_owned())), "{path}");
        }
    }

    #[test]
    fn one_commit_is_named_and_only_where_it_means_something() {
        let header = [("x-headwater-at", "v1")];
        assert!(selector("/api/people?at=v1", &header).is_ok());
        for (path, headers, code) in [
            ("/api/people?at=v2", &header[..], Code::InvalidQuery),
            ("/api/people?at=v1&at=v1", &[], Code::InvalidQuery),
            ("/api/people?at=v1&%61%74=v1", &[], Code::InvalidQuery),
            ("/api/people?at=%FF", &[], Code::InvalidQuery),
            ("/api/_status?at=v1", &[], Code::InvalidQuery),
            ("/api/_diff?from=main&to=v2&at=v1", &[], Code::InvalidQuery),
            ("/api/_diff?from=main", &header, Code::InvalidQuery),
            ("/api/people", &[("x-headwater-min-commit", "v1")], Code::InvalidHeader),
        ] {
            assert_eq!(selector(path, headers), Err(code), "{path}");
        }
    }
}
