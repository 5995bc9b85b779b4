//! One snapshot per request: loaded once, answered from, and named in the answer.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use headwater_engine::id::CommitId;
use headwater_engine::snapshot::Snapshot;

use super::app::App;
use super::error::{ApiError, Code};

/// The header that names the commit an answer was built from.
pub(super) const COMMIT: HeaderName = HeaderName::from_static("x-headwater-commit");

/// How many seconds a reader waits before asking again while the records are loaded.
const RETRY_AFTER: u16 = 1;

/// The snapshot of this request. A handler that takes it answers from it alone.
#[derive(Clone)]
pub(super) struct Current(pub Arc<Snapshot>);

impl<S: Sync> FromRequestParts<S> for Current {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(not_ready)
    }
}

/// Loads the snapshot, and names its commit in whatever the routes behind answer, errors included.
pub(super) async fn pin(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let Some(snapshot) = app.live.snapshot() else { return not_ready().into_response() };
    let commit = commit_header(snapshot.commit());
    request.extensions_mut().insert(Current(snapshot));
    let mut response = next.run(request).await;
    response.headers_mut().insert(COMMIT, commit);
    response
}

/// Returns the value of the header for `commit`.
pub(super) fn commit_header(commit: CommitId) -> HeaderValue {
    HeaderValue::from_str(&commit.to_string()).expect("hexadecimal digits are visible ASCII")
}

/// Returns the answer to a read before the first load is done.
pub(super) fn not_ready() -> ApiError {
    ApiError::from(Code::NotReady).header(header::RETRY_AFTER, RETRY_AFTER)
}
