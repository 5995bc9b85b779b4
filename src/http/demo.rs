//! `POST /api/_demo/push`: pushes a change to the sample remote of the demonstration. The change
//! goes live as any push does. No other server has this route.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use headwater_engine::engine::RequestKind;
use headwater_engine::report::Trigger;
use serde::Serialize;

use super::app::App;
use super::header_names::COMMIT;
use super::json::Json;
use super::request_snapshot::{commit_header, not_ready};
use super::source::Source;
use crate::wire::{ApiError, Code, PublicReload};

/// A page of another origin cannot send this header: its browser asks first, and is refused.
const ASKED: HeaderName = HeaderName::from_static("x-headwater-demo");

#[derive(Serialize)]
struct Pushed {
    message: String,
    reload: PublicReload,
}

/// Pushes the next change, notifies the engine as a webhook would, and answers when it is live.
pub(super) async fn push(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !headers.contains_key(ASKED) {
        let told = format!("the header {ASKED} is missing; only this server's page sends it");
        return Err(ApiError::explained(Code::InvalidHeader, told));
    }
    let shared = app.clone();
    let pushed = app.blocking.run(source, move || {
        let demo = shared.demo.as_ref().ok_or(Code::NotFound)?;
        demo.push().map_err(|failure| ApiError::caused_by(Code::Internal, &failure))
    });
    let message = pushed.await?;
    let ticket = app.live.submit(RequestKind::Reload, Trigger::Webhook);
    let report = ticket.verdict.await.map_err(|_| not_ready())?.report;
    let snapshot = app.live.snapshot().ok_or_else(not_ready)?;
    let commit = commit_header(report.serving);
    let pushed = Pushed { message, reload: PublicReload::of(&report, &snapshot) };
    Ok(([(COMMIT, commit)], Json(pushed)).into_response())
}
