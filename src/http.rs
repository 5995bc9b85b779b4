//! The HTTP interface. The router below is the list of the API.

pub mod accept;
mod app;
mod auth;
mod blocking;
mod body;
mod current;
pub mod error;
mod etag;
mod gate;
mod json;
mod list;
mod pins;
mod record;
mod reloads;
mod search;
mod source;
mod stall;
mod state;
mod throttle;
pub mod view;
mod webhook;

use std::any::Any;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::Cors;
use crate::metrics::RouteClass;

pub use app::{App, Configured, Shared};
pub use auth::{Match, Role};
pub use blocking::Blocking;
use error::{ApiError, Code};
pub use gate::Gate;

/// Which routes a listener has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// All of them.
    Whole,
    /// What the public reads, and health.
    Public,
    /// Reloads, pins and metrics, and health.
    Internal,
}

/// Returns the interface, or one side of it, under the base path of `app`.
pub fn router(app: App, cors: &Cors, side: Side) -> Router {
    let reads = Router::new()
        .route("/api/_sheets", get(state::sheets))
        .route("/api/_status", get(state::status))
        .route("/api/_problems", get(state::problems))
        .route("/api/_search", get(search::search))
        .route("/api/{sheet}", get(list::list))
        .route("/api/{sheet}/{*key}", get(record::show))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(app.clone(), current::pin));
    let reads = match cors_layer(cors) {
        Some(layer) => reads.layer(layer),
        None => reads,
    };
    let internal = Router::new()
        .route("/api/_internal/reload-data", post(webhook::reload))
        .route("/api/_internal/rebuild-data", post(webhook::rebuild))
        .route("/api/_internal/reloads", get(reloads::list))
        .route("/api/_internal/reloads/{id}", get(reloads::show))
        .route("/api/_internal/reloads/{id}/apply", post(reloads::apply))
        .route("/api/_internal/pin", post(pins::pin))
        .route("/api/_internal/unpin", post(pins::unpin))
        .route("/api/_internal/audit", post(pins::audit))
        .route("/api/_internal/{*rest}", axum::routing::any(not_found))
        .method_not_allowed_fallback(method_not_allowed);
    let metrics = Router::new()
        .route("/metrics", get(state::metrics))
        .method_not_allowed_fallback(method_not_allowed);
    let health = Router::new()
        .route("/health/live", get(state::live))
        .route("/health/ready", get(state::ready))
        .method_not_allowed_fallback(method_not_allowed);
    let routes = match side {
        Side::Whole => reads.merge(internal).merge(metrics),
        Side::Public => reads,
        Side::Internal => internal.merge(metrics),
    };
    let routes = routes.merge(health).fallback(not_found);
    let routes = match app.base_path.as_str() {
        "" => routes,
        base => Router::new().nest(base, routes).fallback(not_found),
    };
    routes
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), edge))
        .with_state(app)
}

async fn not_found() -> ApiError {
    Code::NotFound.into()
}

async fn method_not_allowed() -> ApiError {
    Code::MethodNotAllowed.into()
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let cause = std::io::Error::other(text.unwrap_or_else(|| "a panic without a text".to_owned()));
    ApiError::caused_by(Code::Internal, &cause).into_response()
}

/// The outermost layer: writes errors, adds what every answer has, and counts.
async fn edge(State(app): State<App>, request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let begun = std::time::Instant::now();
    let response = next.run(request).await;
    let mut response = error::render(response, || format!("{method} {}", uri.path()));
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    let path = uri.path().strip_prefix(app.base_path.as_str()).unwrap_or_default();
    let status = response.status().as_u16();
    let duration = begun.elapsed();
    app.metrics.request(RouteClass::of(path), status, duration);
    // Without the query, which may hold anything.
    let duration_ms = duration.as_secs_f64() * 1e3;
    tracing::debug!(%method, path = uri.path(), status, duration_ms, "request answered");
    response
}

/// Lets pages of other origins read, and nothing else: no credentials, no other method.
fn cors_layer(cors: &Cors) -> Option<CorsLayer> {
    let origins = match cors {
        Cors::Off => return None,
        Cors::Any => AllowOrigin::any(),
        Cors::Origins(origins) => AllowOrigin::list(origins.clone()),
    };
    let layer = CorsLayer::new().allow_origin(origins);
    let layer = layer.allow_methods([Method::GET, Method::HEAD]);
    Some(layer.expose_headers([current::COMMIT, header::ETAG]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_internal_error_that_keeps_its_text_to_the_log() {
        let response = panicked(Box::new("the secret is hunter2"));
        assert_eq!(response.status(), 500);
        assert!(response.extensions().get::<ApiError>().is_some());
    }
}
