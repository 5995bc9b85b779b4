//! The state as a whole: `_status`, `_sheets`, health and metrics.

use axum::extract::{Query, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use headwater_engine::budget::Budget;
use serde::Deserialize;

use super::app::App;
use super::auth;
use super::cluster_access::ClusterAccess;
use super::json::{self, Json};
use super::parameters::KnownParameters;
use super::request_snapshot::{Current, not_ready};
use super::source::Source;
use crate::cluster::lead::Standing;
use crate::cluster::member::RegisterState;
use crate::metrics::Audience;
use crate::wire::{ApiError, ClusterStatus, Code, Setup, SheetsView, StatusView, lag_seconds};

/// Routes with a single answer have no parameters.
const ALONE: KnownParameters = KnownParameters { of: "this route", once: &[], often: &[] };

/// `GET /api/_status`
pub(super) async fn status(
    State(app): State<App>,
    Current(snapshot): Current,
    RawQuery(query): RawQuery,
    source: Source,
    headers: HeaderMap,
) -> Result<Json<StatusView>, ApiError> {
    ALONE.read(query.as_deref())?;
    let writable = app.access.writable(&headers).await;
    let status = app.live.engine().ok_or_else(not_ready)?.status();
    let setup = Setup { source_url: app.source_url.clone(), demo: app.demo.is_some() };
    let cluster = app.cluster.as_ref().map(|cluster| ClusterStatus::of(&cluster.view()));
    let view =
        move |_: &Budget| Ok(Json(StatusView::of(&snapshot, &status, writable, cluster, setup)));
    app.answers.make(source, view).await
}

/// `GET /api/_sheets`
pub(super) async fn sheets(
    State(app): State<App>,
    Current(snapshot): Current,
    RawQuery(query): RawQuery,
    source: Source,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    ALONE.read(query.as_deref())?;
    let view = move |_: &Budget| json::tagged_view(&headers, &SheetsView::of(&snapshot));
    app.answers.make(source, view).await
}

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// The query of `/health/ready`.
#[derive(Deserialize)]
pub(super) struct Ready {
    /// How many seconds the state may lag behind the remote.
    max_lag: Option<u64>,
}

/// `GET /health/ready`: a snapshot is published, and not older than the caller accepts. A pinned
/// state is old on purpose, so it is reported and does not fail.
pub(super) async fn ready(
    State(app): State<App>,
    query: Result<Query<Ready>, axum::extract::rejection::QueryRejection>,
) -> Result<String, ApiError> {
    let query = query.map_err(|error| {
        ApiError::explained(Code::InvalidQuery, format!("max_lag: {}", error.body_text()))
    })?;
    if app.ending.is_cancelled() {
        return Err(ApiError::explained(Code::NotReady, "this server ends"));
    }
    let status = app.live.engine().ok_or_else(not_ready)?.status();
    let role = match &app.cluster {
        Some(cluster) => format!(", {}", replica_readiness(cluster, query.max_lag)?.as_str()),
        None => String::new(),
    };
    if let Some(pinned) = status.pinned {
        // Everybody may ask this, also of a server that shows nothing without a credential.
        return Ok(match app.access.tells_readers_apart() {
            true => format!("ready{role}, and pinned\n"),
            false => format!("ready{role}, and pinned to {}\n", pinned.commit),
        });
    }
    let lag = lag_seconds(&status);
    if query.max_lag.is_some_and(|max| lag > max) {
        let detail = format!("the remote has been ahead for {lag} seconds");
        return Err(ApiError::explained(Code::Stale, detail));
    }
    Ok(format!("ready{role}\n"))
}

/// Returns what a replica is, if it may serve: it has been where the register was, or the bus is away
/// and it serves what it has.
fn replica_readiness(cluster: &ClusterAccess, max_lag: Option<u64>) -> Result<Standing, ApiError> {
    let view = cluster.view();
    let behind = view.behind_since.map_or(0, |since| since.elapsed().as_secs());
    let is_waiting = view.standing == Standing::Following
        && view.serving_seq == 0
        && view.register != RegisterState::Away;
    if is_waiting {
        return Err(not_ready());
    }
    if cluster.is_diverged() {
        let detail = "this replica makes another state of the commit than its leader";
        return Err(ApiError::explained(Code::Stale, detail));
    }
    let unheard = cluster.unheard().as_secs();
    if max_lag.is_some_and(|max| unheard > max) {
        let detail = format!("this replica has not heard of its cluster for {unheard} seconds");
        return Err(ApiError::explained(Code::Stale, detail));
    }
    if max_lag.is_some_and(|max| behind > max) {
        let detail = format!("this replica has been behind its cluster for {behind} seconds");
        return Err(ApiError::explained(Code::Stale, detail));
    }
    Ok(view.standing)
}

/// `GET /metrics`, for callers that show a secret.
pub(super) async fn metrics(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    app.access.pass_metrics(source, &headers).await?;
    Ok(counted(&app, Audience::Operator))
}

/// `GET /metrics` if the internal routes have an address of their own. A caller without a secret
/// gets the metrics that the public may see.
pub(super) async fn internal_metrics(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !auth::shows_credential(&headers) {
        return Ok(counted(&app, Audience::Public));
    }
    app.access.pass_metrics(source, &headers).await?;
    Ok(counted(&app, Audience::Operator))
}

fn counted(app: &App, audience: Audience) -> Response {
    let state = app.live.engine().map(|engine| (engine.snapshot(), engine.status()));
    // What everybody may read is less than what definitions make public, if an access file says so.
    let state = state.map(|(snapshot, status)| match audience {
        Audience::Public => (snapshot.seen_by(&app.access.view_of_everybody()), status),
        Audience::Operator => (snapshot, status),
    });
    let state = state.as_ref().map(|(snapshot, status)| (&**snapshot, status));
    let cluster = app.cluster.as_ref().map(ClusterAccess::view);
    let text = app.metrics.render(state, cluster.as_deref(), audience);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
