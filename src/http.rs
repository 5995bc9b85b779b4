//! The HTTP interface. [`Route`] is the list of the API.

pub mod accept_loop;
mod access;
mod addressee;
mod answer_scheduler;
mod app;
mod arrival;
mod auth;
mod attachment;
mod attachment_list;
mod body;
mod body_parts;
mod body_stream;
mod caching;
mod changes;
mod cluster_access;
mod client;
mod coding;
mod commit_body;
mod commits;
mod connection_activity;
mod cors;
mod eviction;
mod open_connections;
mod waiter_limit;
mod request_snapshot;
mod demo;
mod diff;
mod dry_runs;
mod middleware;
mod error;
mod etag;
mod explorer;
mod forward;
mod list_format;
mod headers;
mod history;
mod host;
mod service;
mod json;
mod concurrency_limit;
mod connection;
mod ndjson;
mod link;
mod list;
mod lookup;
mod named_commits;
mod header_names;
mod openapi;
mod parameters;
mod parsing;
mod peer_access;
mod peers;
mod historical_states;
mod wait_time;
mod permits;
mod pins;
mod preface;
mod problems;
mod promotion;
mod http2_write_timeout;
mod range;
mod record;
mod reloads;
mod byte_quota;
mod room_maker;
mod route;
mod search;
mod selector;
mod verified_senders;
mod single_flight;
mod source;
mod staleness;
mod status;
mod csv;
mod precomputed_etag;
mod throttle;
mod query_refusals;
mod unsent_bytes;
mod waiting_writes;
mod webhook;
mod write;
mod write_timeout;

use axum::Router;
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, get, post, put};
use headwater_engine::suggestion::{did_you_mean, nearest};

pub use access::{Access, AccessKeys};
pub use answer_scheduler::Answers;
pub use app::{App, AppState, Configured, Demo};
pub use body_stream::BodyStreams;
pub use changes::followers::Audience;
pub use changes::pass_on;
pub use cluster_access::ClusterAccess;
pub use concurrency_limit::ConcurrencyLimit;
pub use dry_runs::DryRuns;
pub use historical_states::{Asker, HistoricalStates};
pub use middleware::Middleware;
pub use peer_access::PeerAccess;
pub use peers::peer_address;
pub use route::{Group, Route, Snapshots};
pub use unsent_bytes::UnsentBytes;
pub use waiter_limit::WaiterLimit;
pub use waiting_writes::WaitingWrites;

use crate::wire::{ApiError, Code};
use attachment::AttachmentPath;

/// The set of routes that a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// All routes.
    Whole,
    /// The public reads, and health.
    Public,
    /// Reloads, pins, metrics and health.
    Internal,
}

/// Returns the interface, or one side of it, under the base path of `app`. The routes do not know
/// the base path; the layer around them strips it.
pub fn router(app: App, side: Side) -> Middleware {
    let group = |group: Group| {
        let routes = Route::ALL.iter().filter(|route| route.group() == group);
        routes.fold(Router::new(), |router, route| match methods(*route, side, &app) {
            Some(methods) => router.route(route.path(), methods),
            None => router,
        })
    };
    let records = group(Group::Read).merge(group(Group::Write));
    if side == Side::Internal {
        let internal = [Group::Internal, Group::Metrics, Group::Health];
        let internal = internal.iter().fold(Router::new(), |router, it| router.merge(group(*it)));
        // Only what a replica passes on has a record here.
        let routes = internal.method_not_allowed_fallback(method_not_allowed).merge(records);
        return Middleware::new(app.clone(), side, routes.fallback(not_found).with_state(app));
    }
    let records = match app.access.lets_write() {
        true => records.method_not_allowed_fallback(method_not_allowed),
        false => records.method_not_allowed_fallback(not_written),
    };
    let others = [Group::Page, Group::Demo, Group::Internal, Group::Metrics, Group::Health];
    let others = others.iter().fold(Router::new(), |router, other| router.merge(group(*other)));
    let others = others.method_not_allowed_fallback(method_not_allowed);
    let routes = records.merge(others);
    Middleware::new(app.clone(), side, routes.fallback(not_found).with_state(app))
}

/// Returns the handlers of a route by method, or `None` if this side of this server does not have
/// the route.
fn methods(route: Route, side: Side, app: &App) -> Option<MethodRouter<App>> {
    let writes = app.access.lets_write();
    let is_public = side == Side::Public;
    let is_record = matches!(route.group(), Group::Read | Group::Write);
    if side == Side::Internal && is_record {
        return passed_on(route, app);
    }
    let methods = match route {
        Route::Sheets => get(status::sheets),
        Route::Status => get(status::status),
        Route::Problems => get(problems::problems),
        Route::Reloads => get(reloads::public),
        Route::Search => get(search::search),
        Route::Changes => get(changes::changes),
        Route::Diff => get(diff::diff),
        Route::History => get(history::history),
        Route::Commits => get(commits::commits),
        Route::Attachment if writes => {
            get(attachment::show).put(write::attach).delete(write::attach)
        }
        Route::Attachment => get(attachment::show),
        Route::List if writes => get(list::list).post(write::create),
        Route::List => get(list::list),
        Route::Record if writes => {
            get(record::show).put(write::change).patch(write::change).delete(write::change)
        }
        Route::Record => get(record::show),
        Route::Transact if writes => post(write::transact),
        Route::Transact => return None,
        Route::Document => get(openapi::document),
        Route::Docs => get(explorer::page),
        Route::Explorer => get(explorer::page),
        Route::ExplorerFile => get(explorer::file),
        Route::DemoPush if app.demo.is_some() => post(demo::push),
        Route::DemoPush => return None,
        // This keeps the name from being read as a sheet; no sheet can have it.
        Route::NoInternal if is_public => get(not_found),
        Route::NoInternal => any(not_found),
        _ if is_public && route.group() == Group::Internal => return None,
        Route::PeerGreeting | Route::PeerCommand
            if side != Side::Internal || app.peers.is_none() =>
        {
            return None;
        }
        Route::PeerGreeting => get(peers::greeting),
        Route::PeerCommand => post(peers::command),
        Route::Reload => post(webhook::reload),
        Route::Rebuild => post(webhook::rebuild),
        Route::ReloadReports => get(reloads::list),
        Route::ReloadReport => get(reloads::show),
        Route::Apply => post(reloads::apply),
        Route::Pin => post(pins::pin),
        Route::Unpin => post(pins::unpin),
        Route::Promote => post(promotion::promote),
        Route::Audit => post(pins::audit),
        Route::Metrics => match side {
            Side::Whole => get(status::metrics),
            Side::Public => return None,
            Side::Internal => get(status::internal_metrics),
        },
        Route::Live => get(status::live),
        Route::Ready => get(status::ready),
    };
    Some(methods)
}

/// Returns the handlers of the writes that other replicas pass on; `None` if there are none on this
/// route.
fn passed_on(route: Route, app: &App) -> Option<MethodRouter<App>> {
    let methods = match route {
        _ if app.peers.is_none() || !app.access.lets_write() => return None,
        Route::Attachment => put(write::attach).delete(write::attach),
        Route::List => post(write::create),
        Route::Record => put(write::change).patch(write::change).delete(write::change),
        Route::Transact => post(write::transact),
        _ => return None,
    };
    let from_replica = from_fn_with_state(app.clone(), peers::passes_on);
    Some(methods.fallback(not_found).layer(from_replica))
}

/// The path that receives webhooks.
pub const RELOAD_ROUTE: &str = "/api/_internal/reload-data";

async fn not_found(uri: Uri) -> ApiError {
    ApiError::explained(Code::NotFound, no_route(uri.path()))
}

/// How many characters of a path that leads nowhere its refusal shows.
const SHOWN_PATH: usize = 200;

/// Explains that there is no such route, and suggests the one that may be meant.
fn no_route(path: &str) -> String {
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
        path => did_you_mean(nearest(path, Route::fixed())),
    };
    let shown: String = path.chars().take(SHOWN_PATH).collect();
    let more = if shown.len() < path.len() { "…" } else { "" };
    format!("{shown}{more} is not a route{meant}")
}

async fn method_not_allowed(uri: Uri) -> ApiError {
    let refused = ApiError::from(Code::MethodNotAllowed);
    // The route of files also lists them, and a list is only read.
    let is_list = AttachmentPath::parse(uri.path()).is_some_and(|path| path.name.is_empty());
    if is_list {
        refused.header(header::ALLOW, HeaderValue::from_static("GET,HEAD"))
    } else {
        refused
    }
}

async fn not_written(uri: Uri) -> ApiError {
    // The caller wants the webhook, not a sheet.
    if uri.path().starts_with("/api/_") && uri.path().contains("hook") {
        return ApiError::explained(Code::MethodNotAllowed, no_route(uri.path()));
    }
    ApiError::explained(
        Code::MethodNotAllowed,
        "writes are off: there are no write tokens; set `--write-tokens-file`",
    )
}
