//! Promotion: an operator has a new leader go on without a head that nobody has any more.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::app::App;
use super::cluster_access::no_leader;
use super::commit_body::named_commit;
use super::json::Json;
use super::route::Route;
use super::source::Source;
use super::wait_time::wait;
use crate::wire::{ApiError, Code};

/// The body of a promotion.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promotion {
    /// The head that is given up.
    abandon: String,
}

/// `POST /api/_internal/promote`: gives up a head that nobody has. The replica that looks for it goes on
/// from the newest state that one of them has, and leads.
///
/// # Errors
/// 409 if nobody looks for this head; 503 if no replica leads in time.
pub(super) async fn promote(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    app.access.pass_operator(source, &headers).await?;
    let cluster = app.cluster.as_ref().ok_or(Code::NotFound)?;
    let head = named_commit(body, "abandon", |Promotion { abandon }| abandon).await?;
    if cluster.view().missing != Some(head) {
        let path = Route::Promote.path();
        let body = json!({ "abandon": head.to_string() }).to_string().into_bytes();
        let told = cluster.pass_on_to_operator(&headers, &app.access, path, body).await?;
        let not_missing = || ApiError::from(Code::NotMissing).member("ok", false);
        return told.ok_or_else(not_missing);
    }
    let until = Instant::now() + Duration::from_secs(wait(&headers));
    let mut view = cluster.member.watch();
    let goes_on = async {
        let mut is_looked_for = false;
        loop {
            let (value, missing) = {
                let view = view.borrow_and_update();
                (view.value.clone(), view.missing)
            };
            if let Some(value) = value.filter(|value| value.abandoned.contains(&head)) {
                return Some(value.facts.head);
            }
            // A replica that lost the lead and won it again does not know what it was told.
            let was_looked_for = std::mem::replace(&mut is_looked_for, missing == Some(head));
            if is_looked_for && !was_looked_for {
                cluster.member.abandon(head);
            }
            view.changed().await.ok()?;
        }
    };
    let went_on = tokio::time::timeout_at(until.into(), goes_on).await.ok().flatten();
    let went_on = went_on.ok_or_else(no_leader)?;
    Ok(Json(json!({ "ok": true, "abandoned": head.to_string(), "head": went_on.to_string() }))
        .into_response())
}
