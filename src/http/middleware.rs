//! The outermost layer: strips the base path, loads the snapshot that a read is answered from,
//! writes errors, adds the headers of every answer, and counts.
//!
//! It is one service around the routes rather than a stack of layers inside the router, which
//! clones and boxes each layer for each request. Its headers are on every answer, including errors
//! and the answers to panics and of the router.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use headwater_engine::causes;
use headwater_engine::view::View;
use tower::{BoxError, Service, ServiceExt};

use super::app::App;
use super::caching::{Lasting, Readers};
use super::coding::Coding;
use super::connection::Connection;
use super::error;
use super::header_names::COMMIT;
use super::request_snapshot::{Current, commit_header};
use super::route::{Route, is_internal, is_read};
use super::selector::Selected;
use super::source::Source;
use super::{Side, cors, etag, explorer, headers, host};
use crate::access::{Caller, CallerId};
use crate::header_fields::Preferences;
use crate::metrics::RouteClass;
use crate::wire::{ApiError, Code};

/// The routes, and the layer around them. Cheap to clone.
#[derive(Clone)]
pub struct Middleware {
    app: App,
    side: Side,
    routes: Router,
}

/// What the layer needs to know of a request when its answer is there.
struct RequestFacts {
    /// The headers that the answer depends on.
    origin: Option<HeaderValue>,
    route: Option<Route>,
    source: Source,
    connection: Connection,
    lasting: Lasting,
    is_read: bool,
    /// Whether the caller may know which commit is served.
    is_admitted: bool,
    is_internal: bool,
    /// Whether pages of other origins may read the answer.
    is_shared: bool,
}

impl Middleware {
    /// Returns the service around `routes`, which do not know the base path of `app`.
    pub(super) fn new(app: App, side: Side, routes: Router) -> Self {
        Self { app, side, routes }
    }

    async fn answer(self, mut request: Request) -> Response {
        let begun = Instant::now();
        let app = self.app.clone();
        let (method, address) = (request.method().clone(), request.uri().clone());
        let path = app.base_path.below(address.path());
        let route = path.and_then(Route::of);
        let is_internal = path.is_some_and(is_internal);
        let mut asked = RequestFacts {
            origin: request.headers().get(header::ORIGIN).cloned(),
            route,
            source: Source::of_request(request.extensions(), request.headers(), &app.proxies),
            // Only a test has no connection.
            connection: request.extensions().get().cloned().unwrap_or_default(),
            lasting: Lasting::of(request.headers()),
            is_read: path.is_some_and(is_read),
            is_admitted: !app.access.tells_readers_apart(),
            is_internal,
            is_shared: self.side != Side::Internal && !is_internal,
        };
        let named = host::check(request.version(), &address, request.headers());
        let named = named.and_then(|()| headers::check(&method, request.headers()));
        let response = match (named, path) {
            (Err(error), _) => error.into_response(),
            (Ok(()), None) => ApiError::from(Code::NotFound).into_response(),
            (Ok(()), Some("")) => explorer::slash(&app.base_path),
            (Ok(()), Some(below)) => {
                if below.len() != address.path().len() {
                    move_to(request.uri_mut(), below);
                }
                caught(self.respond(request, &mut asked)).await
            }
        };
        let described = || format!("{method} {}", address.path());
        // An error has a body too, which counts.
        let response = error::render(response, described);
        let response = match reads(&method) {
            true => app.unsent.offered(asked.source, &asked.connection, response),
            false => app.unsent.told(asked.source, &asked.connection, response),
        };
        let mut response = error::render(response, described);
        asked.finish(&app, &mut response);
        let status = response.status().as_u16();
        let duration = begun.elapsed();
        let class = route.map_or(RouteClass::Other, Route::class);
        app.metrics.request(class, status, duration);
        // The query is left out, because it may hold anything.
        let duration_ms = duration.as_secs_f64() * 1e3;
        tracing::debug!(%method, path = address.path(), status, duration_ms, "request answered");
        response
    }

    /// Answers a request whose path is below the base path.
    async fn respond(
        mut self,
        mut request: Request,
        asked: &mut RequestFacts,
    ) -> Result<Response, Infallible> {
        let app = &self.app;
        let (method, headers) = (request.method(), request.headers());
        if asked.is_shared
            && let Some(answer) = cors::preflight(&app.cors, method, headers)
        {
            return Ok(answer);
        }
        let reads = reads(method);
        // A write is answered as JSON. The caller must accept that before anything is written.
        if !reads && asked.is_read && !Preferences::of(headers.get_all(header::ACCEPT)).takes(JSON)
        {
            return Ok(not_acceptable(None, JSON).into_response());
        }
        let conditions = Conditions::of(reads && asked.is_shared, headers);
        // One state for each read: loaded once, answered from, and named in the answer.
        let selected = match asked.is_read {
            true => match app.access.reader(asked.source, method, request.headers()).await {
                Ok(reader) => {
                    // Whoever may write and read nothing is told of no commit but its own.
                    asked.is_admitted = reader.as_deref().is_none_or(Caller::reads);
                    let view = asked.read_by(reader.as_deref());
                    Selected::of(app, asked.source, asked.route, &view, &mut request).await
                }
                Err(error) => Err(error),
            },
            false => Ok(None),
        };
        let selected = match selected {
            Ok(selected) => selected,
            Err(error) => {
                // Whoever has been dismissed while it waited may know no more than a stranger.
                asked.is_admitted &= error.code() != Code::TokenScope;
                return Ok(error.into_response());
            }
        };
        let mut commit = None;
        if let Some(Selected { snapshot, is_fixed }) = selected {
            commit = asked.is_admitted.then(|| snapshot.commit());
            asked.lasting.is_fixed = is_fixed;
            request.extensions_mut().insert(Current(snapshot));
        }
        let is_coded = reads && !asked.is_internal;
        let coding = is_coded.then(|| Coding::wanted(request.headers())).flatten();
        let response = match coding {
            // This is on the heap, so that the future of all other answers stays small.
            Some(coding) => {
                let (unsent, source) = (app.unsent.clone(), asked.source);
                let connection = asked.connection.clone();
                // A body that is compressed while it is read must wait before that.
                let routes = ServiceExt::<Request>::map_response(self.routes, move |answer| {
                    unsent.offered(source, &connection, answer)
                });
                Box::pin(coding.call((&app.answers, source), routes, request)).await?
            }
            None => self.routes.call(request).await?,
        };
        let mut response = match reads.then(|| conditions.refusal(asked.route, &response)).flatten()
        {
            Some(error) => error.into_response(),
            None => response,
        };
        // A write names the commit that it made.
        if let Some(commit) = commit {
            response.headers_mut().entry(COMMIT).or_insert_with(|| commit_header(commit));
        }
        Ok(response)
    }
}

/// The type of nearly every answer.
const JSON: &str = "application/json";

/// The conditions that an answer must meet, besides those that its handler checks.
struct Conditions {
    accepted: Option<Preferences>,
    if_match: Vec<HeaderValue>,
}

impl Conditions {
    /// Reads the conditions from the headers. Only public answers come in more than one type.
    fn of(is_public: bool, headers: &HeaderMap) -> Self {
        // Nearly all callers accept everything.
        let is_choosy = headers.get(header::ACCEPT).is_some_and(|accept| accept != "*/*");
        Self {
            accepted: (is_public && is_choosy)
                .then(|| Preferences::of(headers.get_all(header::ACCEPT))),
            if_match: headers.get_all(header::IF_MATCH).iter().cloned().collect(),
        }
    }

    /// Returns why an answer to a read is not sent, if so. An error takes precedence.
    fn refusal(&self, route: Option<Route>, response: &Response) -> Option<ApiError> {
        let status = response.status();
        if !status.is_success() && status != StatusCode::NOT_MODIFIED {
            return None;
        }
        let headers = response.headers();
        let tag = headers.get(header::ETAG);
        if !self.if_match.is_empty() && !etag::matches(&self.if_match, tag) {
            let refused = ApiError::from(Code::PreconditionFailed);
            return Some(
                tag.into_iter()
                    .fold(refused, |refused, tag| refused.header(header::ETAG, tag.clone())),
            );
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok())?;
        let is_wanted = self.accepted.as_ref().is_none_or(|accepted| accepted.takes(kind));
        (!is_wanted).then(|| not_acceptable(route, kind))
    }
}

/// Returns the refusal of a request whose answer would have the type `kind`.
fn not_acceptable(route: Option<Route>, kind: &str) -> ApiError {
    let other = match route {
        Some(Route::List) => ", application/x-ndjson or text/csv",
        Some(Route::Changes) => " or text/event-stream",
        _ => "",
    };
    ApiError::explained(Code::NotAcceptable, format!("the answer would be {kind}{other}"))
}

impl RequestFacts {
    /// Takes note of who reads, and returns what that caller sees. `None` is everybody.
    fn read_by(&mut self, reader: Option<&Caller>) -> View {
        let Some(Caller { id, grants, .. }) = reader else { return View::PUBLIC };
        self.lasting.readers = match id {
            CallerId::Anonymous => Readers::Anonymous,
            CallerId::Token(_) | CallerId::Person { .. } => Readers::Credentialed,
        };
        grants.view.clone()
    }

    /// Adds the headers of every answer.
    fn finish(&self, app: &App, response: &mut Response) {
        let status = response.status();
        let headers = response.headers_mut();
        if self.is_read
            && self.is_admitted
            && status != StatusCode::UNAUTHORIZED
            && !headers.contains_key(COMMIT)
            && let Some(snapshot) = app.live.snapshot()
        {
            headers.insert(COMMIT, commit_header(snapshot.commit()));
        }
        if status == StatusCode::NOT_MODIFIED {
            // The router gives an answer to HEAD the length of its empty body, not that of the whole answer.
            headers.remove(header::CONTENT_LENGTH);
            // The caller has it. It was only looked at to see whether the caller accepts it.
            headers.remove(header::CONTENT_TYPE);
        }
        self.lasting.mark(status, headers);
        if self.is_shared {
            cors::allow(&app.cors, self.origin.as_ref(), headers);
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
}

/// Replaces the path of `uri` with `path`.
fn move_to(uri: &mut Uri, path: &str) {
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    // A part of a path that begins with a slash is as valid as the whole.
    parts.path_and_query = PathAndQuery::try_from(text).ok();
    if let Ok(shorter) = Uri::from_parts(parts) {
        *uri = shorter;
    }
}

impl<B> Service<Request<B>> for Middleware
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.clone().answer(request.map(Body::new));
        Box::pin(async { Ok(answer.await) })
    }
}

/// Returns whether a method changes nothing.
fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Waits for an answer, and turns a panic into one.
async fn caught(answer: impl Future<Output = Result<Response, Infallible>>) -> Response {
    let mut answer = pin!(answer);
    let polled = poll_fn(|context| {
        let poll = AssertUnwindSafe(|| answer.as_mut().poll(context));
        catch_unwind(poll).unwrap_or_else(|panic| Poll::Ready(Ok(panicked(panic))))
    });
    let Ok(response) = polled.await;
    response
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = match causes::of_panic(&*panic) {
        text if text.is_empty() => "a panic without a message".to_owned(),
        text => text,
    };
    let cause = std::io::Error::other(text);
    ApiError::caused_by(Code::Internal, &cause).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error_that_keeps_its_text_to_the_log() {
        let response = caught(async { panic!("the secret is hunter2") }).await;
        assert_eq!(response.status(), 500);
        assert!(response.extensions().get::<ApiError>().is_some());
    }

    #[test]
    fn a_path_is_taken_away_and_the_query_stays() {
        for (address, path, expected) in [
            ("/data/api/people?a=%20b", "/api/people", "/api/people?a=%20b"),
            ("/data/", "/", "/"),
            ("http://host/data/api", "/api", "http://host/api"),
        ] {
            let mut uri: Uri = address.parse().unwrap();
            move_to(&mut uri, path);
            assert_eq!(uri, *expected, "{address}");
        }
    }
}
