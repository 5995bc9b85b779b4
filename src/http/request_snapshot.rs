//! One snapshot per request: loaded once, answered from, and named in the answer.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderValue, header};
use data_encoding::HEXLOWER;
use headwater_engine::id::CommitId;
use headwater_engine::snapshot::Snapshot;

use crate::wire::{ApiError, Code};

/// How many seconds a reader waits before it retries while the records are loading.
const RETRY_AFTER: u16 = 1;

/// The snapshot of this request. A handler that takes it answers from it alone. The outermost layer
/// loads it, and names its commit in the answer, errors included.
#[derive(Clone)]
pub(super) struct Current(pub Arc<Snapshot>);

impl Current {
    /// Returns the snapshot of the request with these extensions.
    ///
    /// # Errors
    /// 503 before the first load is done.
    pub(super) fn of(extensions: &Extensions) -> Result<&Self, ApiError> {
        extensions.get().ok_or_else(not_ready)
    }
}

impl<S: Sync> FromRequestParts<S> for Current {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(&parts.extensions).cloned()
    }
}

/// Returns the value of the header for `commit`.
pub(super) fn commit_header(commit: CommitId) -> HeaderValue {
    let mut digits = [0; 40];
    HEXLOWER.encode_mut(commit.as_bytes(), &mut digits);
    HeaderValue::from_bytes(&digits).expect("hexadecimal digits are visible ASCII")
}

/// Returns the answer to a read before the first load is done.
pub(super) fn not_ready() -> ApiError {
    ApiError::from(Code::NotReady).header(header::RETRY_AFTER, RETRY_AFTER)
}
