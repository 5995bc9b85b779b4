//! The headers of ours that more than one file speaks of.

use axum::http::HeaderName;

/// The header that names the commit an answer was built from.
pub(super) const COMMIT: HeaderName = HeaderName::from_static("x-headwater-commit");

/// The header that says for how many records `filter` had no value, where the body cannot.
pub(super) const SKIPPED: HeaderName = HeaderName::from_static("x-headwater-skipped");

/// The header that names a commit, as the parameter `at` does.
pub(super) const AT: HeaderName = HeaderName::from_static("x-headwater-at");

/// The header that names a commit which the state must contain.
pub(super) const MIN_COMMIT: HeaderName = HeaderName::from_static("x-headwater-min-commit");
