//! The reloads of this process: the public view, the list, a single one, and the release of a held
//! one.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use headwater_engine::engine::{LedgerEntry, ReloadAnswer, ReloadError, RequestKind};
use headwater_engine::report::{ReloadId, Trigger};

use super::app::App;
use super::cluster_access::{Call, Handled};
use super::json::{self, Json};
use super::parameters::{KnownParameters, number};
use super::request_snapshot::{Current, not_ready};
use super::source::Source;
use super::webhook::answer;
use crate::config::Role;
use crate::wire::{ApiError, Code, PublicReloads, ReloadsView, StoredReload};

/// The default and largest number of reloads: as many as are kept.
const PUBLIC: [usize; 2] = [100, 256];

const KNOWN: KnownParameters = KnownParameters { of: "the reloads", once: &["limit"], often: &[] };

/// `GET /api/_reloads`: the public view of the last reloads.
pub(super) async fn public(
    State(app): State<App>,
    Current(snapshot): Current,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let limit = public_limit(query.as_deref())?;
    let view = PublicReloads::of(app.live.ledger().recent(), limit, &snapshot);
    json::tagged_view(&headers, &view)
}

fn public_limit(query: Option<&str>) -> Result<usize, ApiError> {
    let [mut limit, most] = PUBLIC;
    for (name, value) in KNOWN.read(query)? {
        limit = number(&name, &value, most)?;
    }
    Ok(limit)
}

/// `GET /api/_internal/reloads`
pub(super) async fn list(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
) -> Result<Json<ReloadsView>, ApiError> {
    app.access.pass(source, &headers).await?;
    let recent = app.live.ledger().recent().into_iter();
    Ok(Json(ReloadsView { items: recent.map(|(id, entry)| stored(&app, id, entry)).collect() }))
}

/// `GET /api/_internal/reloads/<id>`
pub(super) async fn show(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    app.access.pass(source, &headers).await?;
    let found = find(&app, &id);
    if let (Err(_), Some(cluster)) = (&found, &app.cluster) {
        // A call that was passed on has its report there.
        let id: ReloadId = id.parse().map_err(|_| ApiError::from(Code::NotFound))?;
        let path = format!("/api/_internal/reloads/{id}");
        let key = app.access.own_key(Role::Reload).await;
        let (method, body, patience) = (Method::GET, Bytes::new(), Duration::ZERO);
        let call = Call { method, path: &path, key, body, patience };
        let handled = cluster.pass_on(&headers, &call, Instant::now()).await?;
        if let Handled::ByLeader(answer) = handled {
            return Ok(answer);
        }
    }
    let (id, entry) = found?;
    Ok(Json(stored(&app, id, entry)).into_response())
}

/// `POST /api/_internal/reloads/<id>/apply`: applies a held push, if it is still the head of the
/// remote.
pub(super) async fn apply(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    app.access.pass_operator(source, &headers).await?;
    if let Some(cluster) = &app.cluster {
        let id: ReloadId = id.parse().map_err(|_| ApiError::from(Code::NotFound))?;
        let path = format!("/api/_internal/reloads/{id}/apply");
        let handled = cluster.pass_on_to_operator(&headers, &app.access, &path, Vec::new()).await?;
        if let Some(answer) = handled {
            return Ok(answer);
        }
    }
    let held = held_id(&app, &id)?;
    let ticket = app.live.submit(RequestKind::Apply(held), Trigger::Operator);
    answer(&ticket.verdict.await.map_err(|_| not_ready())?)
}

fn find(app: &App, id: &str) -> Result<(ReloadId, LedgerEntry), ApiError> {
    let id: ReloadId = id.parse().map_err(|_| ApiError::from(Code::NotFound))?;
    let entry = app.live.ledger().get(&id).ok_or_else(|| ApiError::from(Code::NotFound))?;
    Ok((id, entry))
}

/// Returns the id of the push that the reload `id` held back, or found held. A push may be held for
/// longer than the ledger remembers its reload.
fn held_id(app: &App, id: &str) -> Result<ReloadId, ApiError> {
    let held = app.live.engine().and_then(|engine| engine.status().held);
    if let Some(held) = held.filter(|held| held.id.to_string() == id) {
        return Ok(held.id);
    }
    let (id, entry) = find(app, id)?;
    let LedgerEntry::Done(report) = entry else { return Err(not_held(id)) };
    match &report.result {
        Err(ReloadError::Held { held, .. }) => Ok(held.id),
        _ => Err(not_held(id)),
    }
}

fn not_held(id: ReloadId) -> ApiError {
    ApiError::explained(Code::NotHeld, format!("the reload {id} did not hold a push"))
        .member("ok", false)
}

/// A call that waits for a commit has its verdict outside the ledger.
fn stored(app: &App, id: ReloadId, entry: LedgerEntry) -> StoredReload {
    match (app.pending.get(&id), entry) {
        (Some(pending), _) => match pending.get() {
            Some(verdict) => StoredReload::done(id, verdict),
            None => StoredReload::running(id),
        },
        (None, LedgerEntry::Running) => StoredReload::running(id),
        (None, LedgerEntry::Done(report)) => {
            StoredReload::done(id, &ReloadAnswer { report, shared: false, missing: None })
        }
    }
}
