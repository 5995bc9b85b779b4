//! JSON answers.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::caching::ASK_AGAIN;
use super::etag;
use crate::wire::{ApiError, Code};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer with `view` as its body.
pub(super) struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, JSON)], body).into_response(),
            Err(error) => ApiError::caused_by(Code::Internal, &error).into_response(),
        }
    }
}

/// Answers with text that is JSON already.
pub(super) fn text(json: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, JSON)], json.into()).into_response()
}

/// Answers with JSON whose tag is known beforehand.
pub(super) fn told(tag: HeaderValue, json: impl Into<Body>) -> Response {
    let mut response = Response::new(json.into());
    let headers = response.headers_mut();
    headers.reserve(8);
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::ETAG, tag);
    headers.insert(header::CACHE_CONTROL, ASK_AGAIN);
    response
}

/// Answers with `view` and the tag of its bytes, or with 304 if the caller has them.
pub(super) fn tagged_view(
    request: &HeaderMap,
    view: &impl Serialize,
) -> Result<Response, ApiError> {
    let json = serde_json::to_vec(view);
    Ok(tagged(request, json.map_err(|error| ApiError::caused_by(Code::Internal, &error))?))
}

/// Answers a caller that has the answer with this tag.
pub(super) fn unchanged(tag: HeaderValue) -> Response {
    unchanged_as(JSON, tag)
}

/// The same, where the answer has the type `kind`. It is not sent, but a caller that does not accept it is refused.
pub(super) fn unchanged_as(kind: HeaderValue, tag: HeaderValue) -> Response {
    let kind = (header::CONTENT_TYPE, kind);
    let headers = [kind, (header::ETAG, tag), (header::CACHE_CONTROL, ASK_AGAIN)];
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

/// Answers with `bytes` and their tag, or with 304 if the caller has them.
pub(super) fn tagged(request: &HeaderMap, bytes: impl AsRef<[u8]> + Send + 'static) -> Response {
    let tag = etag::of(bytes.as_ref());
    let known = etag::is_known(request, &tag);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(axum::body::Bytes::from_owner(bytes)))
    };
    let headers = response.headers_mut();
    // This includes the headers that the outer layers add, so that the map never grows.
    headers.reserve(8);
    headers.insert(header::ETAG, tag);
    headers.insert(header::CACHE_CONTROL, ASK_AGAIN);
    headers.insert(header::CONTENT_TYPE, JSON);
    response
}
