//! The only layer that writes errors and logs them.
//!
//! A handler returns an [`ApiError`]; [`render`] turns it into `application/problem+json`
//! (RFC 9457) with the trace id of the request, and logs its cause once.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::wire::{ApiError, Code};

/// Returns the refusal of a body that has none of `types`, and lists them (RFC 9110, 15.5.16).
pub(super) fn unsupported(types: &[&str]) -> ApiError {
    let told = format!("the body must be {}", types.join(" or "));
    let refused = ApiError::explained(Code::UnsupportedMediaType, told);
    match HeaderValue::try_from(types.join(", ")) {
        Ok(accepted) => refused.header(header::ACCEPT, accepted),
        Err(_) => refused,
    }
}

impl IntoResponse for ApiError {
    /// Returns an empty response that carries the error to `render`.
    fn into_response(self) -> Response {
        let mut response = self.code().status().into_response();
        response.headers_mut().extend(self.headers().iter().cloned());
        if self.code() == Code::Unauthorized {
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of an error and logs its cause; leaves every other response alone. `request`
/// describes the request in the log.
pub(super) fn render(response: Response, request: impl FnOnce() -> String) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(error) = parts.extensions.remove::<ApiError>() else {
        return Response::from_parts(parts, body);
    };
    let trace_id = crate::random::id();
    let (code, request) = (error.code().as_str(), request());
    match error.cause() {
        Some(cause) => tracing::error!(code, trace_id, request, cause, "request failed"),
        None => tracing::debug!(code, trace_id, request, "request refused"),
    }
    let json = error.answered(&trace_id);
    drop_body_headers(&mut parts.headers);
    let problem = HeaderValue::from_static("application/problem+json");
    parts.headers.insert(header::CONTENT_TYPE, problem);
    Response::from_parts(parts, Body::from(json))
}

/// Removes the headers that describe the empty body of the carrier response.
fn drop_body_headers(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    async fn body(error: ApiError) -> Value {
        let response = render(error.into_response(), || "GET /".to_owned());
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn a_client_error_is_explained() {
        let error = ApiError::explained(Code::InvalidBody, "no JSON").member("ok", false);
        let body = body(error).await;
        assert_eq!(body["code"], "invalid_body");
        assert_eq!(body["status"], 422);
        assert_eq!(body["detail"], "no JSON");
        assert_eq!(body["type"], "urn:headwater:problem:invalid_body");
        assert_eq!(body["ok"], false);
        assert_eq!(body["traceId"].as_str().map(str::len), Some(32));
    }

    #[tokio::test]
    async fn a_server_error_keeps_its_cause_to_the_log() {
        let cause = std::io::Error::other("the password is hunter2");
        let body = body(ApiError::caused_by(Code::Internal, &cause)).await.to_string();
        assert!(!body.contains("hunter2"), "{body}");
    }
}
