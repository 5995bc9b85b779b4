//! The head of a write request.

use axum::http::{HeaderMap, Method, Uri};

use crate::http::source::Source;

/// The request, as far as the route is concerned.
pub(super) struct WriteHead {
    pub(super) method: Method,
    /// The path as received, percent-encoded and without the base path; the message quotes it.
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
