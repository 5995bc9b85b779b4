//! The reloads of this process: list, one, and letting a held one through.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use headwater_engine::engine::{Entry, ReloadError, RequestKind};
use headwater_engine::report::{ReloadId, Trigger};

use super::app::App;
use super::current::not_ready;
use super::error::{ApiError, Code};
use super::json::Json;
use super::view::{ReloadsView, StoredReload};
use super::webhook::answer;
use crate::pursuit::Verdict;

/// `GET /api/_internal/reloads`
pub(super) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Json<ReloadsView>, ApiError> {
    app.keys.authenticate(&headers)?;
    let recent = app.live.ledger().recent().into_iter();
    Ok(Json(ReloadsView { items: recent.map(|(id, entry)| stored(&app, id, entry)).collect() }))
}

/// `GET /api/_internal/reloads/<id>`
pub(super) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<StoredReload>, ApiError> {
    app.keys.authenticate(&headers)?;
    let (id, entry) = find(&app, &id)?;
    Ok(Json(stored(&app, id, entry)))
}

/// `POST /api/_internal/reloads/<id>/apply`: lets a held push through, if it is still the remote's
/// head.
pub(super) async fn apply(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    app.keys.authenticate_operator(&headers)?;
    let (id, entry) = find(&app, &id)?;
    let held_id = held_id(&entry).ok_or_else(|| not_held(id))?;
    let ticket = app.live.submit(RequestKind::Apply(held_id), Trigger::Operator);
    let (report, shared) = ticket.report.await.map_err(|_| not_ready())?;
    answer(&Verdict { report, shared, missing: None })
}

fn find(app: &App, id: &str) -> Result<(ReloadId, Entry), ApiError> {
    let id: ReloadId = id.parse().map_err(|_| ApiError::from(Code::NotFound))?;
    let entry = app.live.ledger().get(&id).ok_or_else(|| ApiError::from(Code::NotFound))?;
    Ok((id, entry))
}

/// Returns the id of the push that this reload held back, or met as held.
fn held_id(entry: &Entry) -> Option<ReloadId> {
    let Entry::Done(report) = entry else { return None };
    match &report.result {
        Err(ReloadError::Held { held, .. }) => Some(held.id),
        _ => None,
    }
}

fn not_held(id: ReloadId) -> ApiError {
    ApiError::explained(Code::NotHeld, format!("the reload {id} holds no push back"))
        .member("ok", false)
}

/// A call that waits for a commit has its verdict beside the ledger.
fn stored(app: &App, id: ReloadId, entry: Entry) -> StoredReload {
    match (app.pursuits.get(&id), entry) {
        (Some(pending), _) => match pending.get() {
            Some(verdict) => StoredReload::done(id, verdict),
            None => StoredReload::running(id),
        },
        (None, Entry::Running) => StoredReload::running(id),
        (None, Entry::Done(report)) => {
            StoredReload::done(id, &Verdict { report, shared: false, missing: None })
        }
    }
}
