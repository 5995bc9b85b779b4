//! The head of a request that writes.

use axum::http::{HeaderMap, Method, Uri};

use crate::http::source::Source;

/// What is asked for, as far as the route tells.
pub(super) struct WriteHead {
    pub(super) method: Method,
    /// As it came, percent-encoded and below the base path: what stands in the message.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) source: Source,
}

impl WriteHead {
    /// Returns the head of a request.
    pub(super) fn new(method: Method, uri: &Uri, headers: HeaderMap, source: Source) -> Self {
        let query = uri.query().map(str::to_owned);
        Self { method, path: uri.path().to_owned(), query, headers, source }
    }
}
