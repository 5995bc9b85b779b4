//! The outermost layer: loads the snapshot that a read is answered from, writes errors, adds what
//! every answer has, and counts.
//!
//! It is one service around the routes rather than a stack of layers inside of the router, which
//! clones and boxes each layer for each request.

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
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower::{BoxError, Service};

use super::app::App;
use super::coding::{self, Coding};
use super::current::{COMMIT, Current, commit_header};
use super::error::{self, ApiError, Code};
use super::moment::Moment;
use crate::metrics::RouteClass;

/// The routes, and around them what every answer has. Cheap to clone.
#[derive(Clone)]
pub struct Edge {
    app: App,
    routes: Router,
}

impl Edge {
    /// Returns the service around `routes`, which are all under the base path of `app`.
    pub(super) fn new(app: App, routes: Router) -> Self {
        Self { app, routes }
    }

    async fn answer(mut self, mut request: Request) -> Response {
        let begun = Instant::now();
        let app = &self.app;
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let path = uri.path().strip_prefix(app.base_path.as_str()).unwrap_or_default();
        // One state for each read: loaded once, answered from, and named in the answer.
        let moment = match is_read(path) {
            true => Moment::of(app, path, &mut request).await,
            false => Ok(None),
        };
        let (moment, response) = match moment {
            Ok(moment) => {
                if let Some(Moment { snapshot, .. }) = &moment {
                    request.extensions_mut().insert(Current(snapshot.clone()));
                }
                let response = match Coding::wanted(&method, path, request.headers()) {
                    // On the heap, so that the future of all other answers stays small.
                    Some(coding) => caught(Box::pin(coding.call(self.routes, request))).await,
                    None => caught(self.routes.call(request)).await,
                };
                (moment, response)
            }
            Err(error) => (None, error.into_response()),
        };
        let serving = || app.live.snapshot().filter(|_| is_read(path));
        let mut response = error::render(response, || format!("{method} {}", uri.path()));
        coding::vary(path, &mut response);
        let is_answered =
            response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
        let headers = response.headers_mut();
        // A write names the commit that it made.
        if let Some(Moment { snapshot, .. }) = &moment {
            let commit = || commit_header(snapshot.commit());
            headers.entry(COMMIT).or_insert_with(commit);
        } else if let Some(snapshot) = serving() {
            headers.insert(COMMIT, commit_header(snapshot.commit()));
        }
        if let Some(moment) = moment.filter(|_| is_answered) {
            moment.keep(headers);
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let status = response.status().as_u16();
        let duration = begun.elapsed();
        app.metrics.request(RouteClass::of(path), status, duration);
        // Without the query, which may hold anything.
        let duration_ms = duration.as_secs_f64() * 1e3;
        tracing::debug!(%method, path = uri.path(), status, duration_ms, "request answered");
        response
    }
}

impl<B> Service<Request<B>> for Edge
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

/// Says whether a path without base path is one of the reads, which are answered from a snapshot.
fn is_read(path: &str) -> bool {
    path == "/openapi.json"
        || path.strip_prefix("/api/").is_some_and(|rest| !rest.starts_with("_internal/"))
}

/// Waits for an answer; a panic on the way is one, too.
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
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let cause = std::io::Error::other(text.unwrap_or_else(|| "a panic without a text".to_owned()));
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
    fn reads_are_told_from_everything_else_by_their_paths() {
        for path in
            ["/api/people", "/api/people/ada", "/api/_search", "/api/_nothing", "/openapi.json"]
        {
            assert!(is_read(path), "{path}");
        }
        for path in ["/api/_internal/reloads", "/health/ready", "/metrics", "/api", ""] {
            assert!(!is_read(path), "{path}");
        }
    }
}
