//! The names of our headers that more than one file uses.

use axum::http::HeaderName;

/// The header that names the commit an answer was built from.
pub(super) const COMMIT: HeaderName = HeaderName::from_static("x-headwater-commit");

/// The header with the number of records for which `filter` had no value, if the body cannot have
/// it.
pub(super) const SKIPPED: HeaderName = HeaderName::from_static("x-headwater-skipped");

/// The header that names a commit, as the parameter `at` does.
pub(super) const AT: HeaderName = HeaderName::from_static("x-headwater-at");

/// The header in which a client that was cut off names the last event that it got.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The header that names a commit that the state must contain.
pub(super) const MIN_COMMIT: HeaderName = HeaderName::from_static("x-headwater-min-commit");

/// The header that names the replica that passes a call on. A call that has it is not passed on again.
pub(super) const HOP: HeaderName = HeaderName::from_static("x-headwater-hop");

/// The header in which a replica that passes a write on shows that it is one. `Authorization` has the
/// credential of the caller.
pub(super) const PEER_KEY: HeaderName = HeaderName::from_static("x-headwater-peer-key");

/// The header with the key that identifies a repeated write.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header that names the author of a write, from a front end that may name one.
pub(super) const AUTHOR: HeaderName = HeaderName::from_static("x-headwater-author");

/// The header with a sentence for the message of a write.
pub(super) const SUMMARY: HeaderName = HeaderName::from_static("x-headwater-summary");
