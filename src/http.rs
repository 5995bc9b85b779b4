//! The HTTP interface. The router below is the list of the API.

pub mod accept;
mod accepted;
mod answers;
mod app;
mod auth;
mod attachment;
mod blocking;
mod body;
mod caching;
mod changes;
mod coding;
mod cors;
mod crowd;
mod current;
mod demo;
mod diff;
mod edge;
pub mod error;
mod etag;
mod explorer;
mod gate;
mod headers;
mod history;
mod host;
mod json;
mod lane;
mod lines;
mod link;
mod list;
mod moment;
mod openapi;
mod parameters;
mod past;
mod pieces;
mod pins;
mod places;
mod preface;
mod pulse;
mod range;
mod record;
mod reloads;
mod room;
mod search;
mod senders;
mod shared;
mod source;
mod stall;
mod state;
mod tag;
mod throttle;
mod unsent;
pub mod view;
mod webhook;
mod write;

use axum::Router;
use axum::http::Uri;
use axum::routing::{get, post, put};
use headwater_engine::nearest::{did_you_mean, nearest};

pub use answers::Answers;
pub use app::{App, Configured, Shared};
pub use auth::{Match, Role};
pub use blocking::Blocking;
pub use changes::{Audience, pass_on};
pub use demo::Demo;
pub use edge::Edge;
use error::{ApiError, Code};
pub use gate::{Doors, Gate};
pub use past::{Asker, Past};
pub use pieces::Streams;
pub use unsent::Unsent;

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

/// Returns the interface, or one side of it, under the base path of `app`. The routes know nothing of
/// that: the layer around them takes it away.
pub fn router(app: App, side: Side) -> Edge {
    let reads = Router::new()
        .route("/api/_sheets", get(state::sheets))
        .route("/api/_status", get(state::status))
        .route("/api/_problems", get(state::problems))
        .route("/api/_reloads", get(reloads::public))
        .route("/api/_search", get(search::search))
        .route("/api/_changes", get(changes::changes))
        .route("/api/_diff", get(diff::diff))
        .route("/api/_history/{sheet}/{*key}", get(history::history))
        .route("/api/_attachments/{sheet}/{*rest}", get(attachment::show))
        .route("/api/{sheet}", get(list::list))
        .route("/api/{sheet}/{*key}", get(record::show));
    let reads = if app.gate.lets_write() {
        let change = put(write::change).patch(write::change).delete(write::change);
        reads
            .route("/api/_attachments/{sheet}/{*rest}", put(write::attach).delete(write::attach))
            .route("/api/_transact", post(write::transact))
            .route("/api/{sheet}", post(write::create))
            .route("/api/{sheet}/{*key}", change)
            .method_not_allowed_fallback(method_not_allowed)
    } else {
        reads.method_not_allowed_fallback(not_written)
    };
    let described = Router::new()
        .route("/openapi.json", get(openapi::document))
        .route("/docs", get(openapi::page))
        .route("/docs/page.css", get(openapi::style))
        .route("/docs/page.js", get(openapi::script))
        .method_not_allowed_fallback(method_not_allowed);
    let reads = reads.merge(described);
    let page = explorer::routes();
    let page = match app.demo {
        Some(_) => page.route("/api/_demo/push", post(demo::push)),
        None => page,
    };
    let public = reads.merge(page.method_not_allowed_fallback(method_not_allowed));
    let internal = Router::new()
        .route(RELOAD_ROUTE, post(webhook::reload))
        .route("/api/_internal/rebuild-data", post(webhook::rebuild))
        .route("/api/_internal/reloads", get(reloads::list))
        .route("/api/_internal/reloads/{id}", get(reloads::show))
        .route("/api/_internal/reloads/{id}/apply", post(reloads::apply))
        .route("/api/_internal/pin", post(pins::pin))
        .route("/api/_internal/unpin", post(pins::unpin))
        .route("/api/_internal/audit", post(pins::audit))
        .route("/api/_internal/{*rest}", axum::routing::any(not_found))
        .method_not_allowed_fallback(method_not_allowed);
    let metrics = match side {
        Side::Internal => get(state::internal_metrics),
        Side::Whole | Side::Public => get(state::metrics),
    };
    let metrics =
        Router::new().route("/metrics", metrics).method_not_allowed_fallback(method_not_allowed);
    let health = Router::new()
        .route("/health/live", get(state::live))
        .route("/health/ready", get(state::ready))
        .method_not_allowed_fallback(method_not_allowed);
    let routes = match side {
        Side::Whole => public.merge(internal).merge(metrics),
        // Not a record of a sheet of that name, which there cannot be.
        Side::Public => public.merge(
            Router::new()
                .route("/api/_internal/{*rest}", get(not_found))
                .method_not_allowed_fallback(method_not_allowed),
        ),
        Side::Internal => internal.merge(metrics),
    };
    let routes = routes.merge(health).fallback(not_found);
    Edge::new(app.clone(), side, routes.with_state(app))
}

/// Where webhooks go.
pub const RELOAD_ROUTE: &str = "/api/_internal/reload-data";

async fn not_found(uri: Uri) -> ApiError {
    ApiError::explained(Code::NotFound, no_route(uri.path()))
}

/// Says that there is no such route, and which may be meant.
fn no_route(path: &str) -> String {
    let known = ["/api/_sheets", "/api/_status", "/api/_search", "/api/_changes", "/api/_problems"];
    let meant = match path.trim_end_matches('/') {
        "/api" => ": /api/_sheets lists the sheets, and /docs describes the API".to_owned(),
        trimmed if trimmed.starts_with("/health") || matches!(trimmed, "/live" | "/ready") => {
            ": there are /health/live and /health/ready".to_owned()
        }
        trimmed if trimmed.starts_with("/api/_internal") || trimmed.contains("hook") => {
            format!(": webhooks go to POST {RELOAD_ROUTE}")
        }
        trimmed if !trimmed.starts_with("/api/") => {
            ": records are at /api/<sheet>/<key>, and /docs describes the API".to_owned()
        }
        trimmed if trimmed != path => format!(": it ends in a slash, and {trimmed} does not"),
        path => did_you_mean(nearest(path, known)),
    };
    format!("{path} is not a route{meant}")
}

async fn method_not_allowed() -> ApiError {
    Code::MethodNotAllowed.into()
}

async fn not_written(uri: Uri) -> ApiError {
    // Somebody looks for the webhook, and not for a sheet.
    if uri.path().starts_with("/api/_") && uri.path().contains("hook") {
        return ApiError::explained(Code::MethodNotAllowed, no_route(uri.path()));
    }
    ApiError::explained(
        Code::MethodNotAllowed,
        "writes are off: there are no write tokens, which `--write-tokens-file` names",
    )
}
