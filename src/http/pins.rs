//! Pins and audits: the operator serves an earlier commit and stays there, or has the state
//! checked.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use headwater_engine::engine::RequestKind;
use headwater_engine::report::Trigger;
use serde::Deserialize;

use super::app::App;
use super::commit_body::named_commit;
use super::request_snapshot::not_ready;
use super::route::Route;
use super::source::Source;
use super::webhook::answer;
use crate::wire::ApiError;

/// The body of a pin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    commit: String,
}

/// `POST /api/_internal/pin`: serves a commit that was served before, and stays there.
pub(super) async fn pin(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    app.access.pass_operator(source, &headers).await?;
    let commit = named_commit(body, "commit", |Pin { commit }| commit).await?;
    if let Some(cluster) = &app.cluster {
        let body = serde_json::json!({ "commit": commit.to_string() }).to_string().into_bytes();
        let path = Route::Pin.path();
        let handled = cluster.pass_on_to_operator(&headers, &app.access, path, body).await?;
        if let Some(answer) = handled {
            return Ok(answer);
        }
    }
    turn(&app, RequestKind::Pin(commit)).await
}

/// `POST /api/_internal/unpin`: returns to the head of the branch, and then to that of the remote,
/// which the answer does not wait for.
pub(super) async fn unpin(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    app.access.pass_operator(source, &headers).await?;
    if let Some(cluster) = &app.cluster {
        let (path, body) = (Route::Unpin.path(), Vec::new());
        let handled = cluster.pass_on_to_operator(&headers, &app.access, path, body).await?;
        if let Some(answer) = handled {
            return Ok(answer);
        }
    }
    let answer = turn(&app, RequestKind::Unpin).await?;
    drop(app.live.submit(RequestKind::Reload, Trigger::Operator));
    Ok(answer)
}

/// `POST /api/_internal/audit`: compares the published state with a newly built one, which replaces
/// it if it differs.
pub(super) async fn audit(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    app.access.pass_operator(source, &headers).await?;
    turn(&app, RequestKind::Audit).await
}

async fn turn(app: &App, kind: RequestKind) -> Result<Response, ApiError> {
    let ticket = app.live.submit(kind, Trigger::Operator);
    answer(&ticket.verdict.await.map_err(|_| not_ready())?)
}
