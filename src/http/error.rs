//! The one error of the HTTP interface, and the one layer that writes and logs it.
//!
//! A handler returns an [`ApiError`]; [`render`] turns it into `application/problem+json`
//! (RFC 9457) with the trace id of the request. What the client did is explained; what went wrong
//! here is told by a fixed text, and its cause is logged once.

use std::error::Error;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::exit::chain;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $status:ident $name:literal $title:literal;)*) => {
        /// The closed list of error codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the status it is answered with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// Returns the fixed text.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// No credential, or a wrong one of any kind.
    Unauthorized = UNAUTHORIZED "unauthorized" "A valid credential is required";
    /// The reload secret where the operator's is needed.
    OperatorOnly = FORBIDDEN "operator_only" "The operator secret is required";
    /// Another wrong credential from a source of too many.
    TooManyFailures = TOO_MANY_REQUESTS "too_many_failures" "Too many calls without a valid credential";
    /// No such route, sheet, record or reload, or none that is public.
    NotFound = NOT_FOUND "not_found" "Not found";
    /// The commit is not in the history of the branch.
    UnknownCommit = NOT_FOUND "unknown_commit" "No such commit in the history of the branch";
    /// The commit of a cursor can't be read any more.
    CursorExpired = GONE "cursor_expired" "The cursor has expired; start again";
    /// The commit that the caller waits for is not there yet.
    NotYet = SERVICE_UNAVAILABLE "not_yet" "The served state does not contain the commit yet";
    /// The token is not for this.
    TokenScope = FORBIDDEN "token_scope" "The token does not allow this";
    /// The record is there already, or another one stands in the way.
    Conflict = CONFLICT "conflict" "Conflict with another record";
    /// What is there is not as the condition says.
    PreconditionFailed = PRECONDITION_FAILED "precondition_failed" "The version is not the expected one";
    /// A change names no version, and must.
    PreconditionRequired = PRECONDITION_REQUIRED "precondition_required" "The request must have an If-Match";
    /// The request does not name one server.
    InvalidHost = BAD_REQUEST "invalid_host" "The request must have exactly one Host";
    /// A header that this request may not have, or not twice.
    UnexpectedHeader = BAD_REQUEST "unexpected_header" "The request may not have this header, or not more than once";
    /// The caller takes nothing of what there is.
    NotAcceptable = NOT_ACCEPTABLE "not_acceptable" "No acceptable type is available";
    /// A range of bytes that a file does not have.
    RangeNotSatisfiable = RANGE_NOT_SATISFIABLE "range_not_satisfiable" "The file does not have these bytes";
    /// A condition or another header can't be read.
    InvalidHeader = UNPROCESSABLE_ENTITY "invalid_header" "A header is not valid";
    /// The record can't be stored as it is.
    InvalidRecord = UNPROCESSABLE_ENTITY "invalid_record" "The record is not valid";
    /// The key of a request belongs to another one.
    KeyReused = UNPROCESSABLE_ENTITY "idempotency_key_reused" "The idempotency key was used for another request";
    /// A pin or a push that is held keeps what is served.
    Held = LOCKED "held" "Writes are blocked: a push is held or a commit is pinned";
    /// The remote's head is held because it diverged.
    UpstreamHeld = SERVICE_UNAVAILABLE "upstream_held" "Writes are blocked: the remote branch is held as diverged";
    /// The change could not be stored.
    WriteFailed = INTERNAL_SERVER_ERROR "write_failed" "The change could not be stored; the old state keeps serving";
    /// The route does not know the method.
    MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed" "Method not allowed";
    /// The body did not arrive in time.
    RequestTimeout = REQUEST_TIMEOUT "request_timeout" "The request took too long to arrive";
    /// The body can't be read.
    InvalidBody = UNPROCESSABLE_ENTITY "invalid_body" "The body cannot be read";
    /// The query can't be answered.
    InvalidQuery = UNPROCESSABLE_ENTITY "invalid_query" "The query is not valid";
    /// The query would cost more time of a processor than one may.
    TooCostly = UNPROCESSABLE_ENTITY "too_costly" "The query exceeds its budget";
    /// The body is too big.
    BodyTooLarge = PAYLOAD_TOO_LARGE "body_too_large" "The body is too large";
    /// The content type is not one that is read.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" "The content type is not supported";
    /// The caller means another branch.
    BranchMismatch = CONFLICT "branch_mismatch" "This server serves another branch";
    /// The branch is not on the remote.
    BranchMissing = CONFLICT "branch_missing" "The branch does not exist on the remote";
    /// The commit is not in the branch.
    CommitMismatch = CONFLICT "commit_mismatch" "The branch does not contain the commit";
    /// The branch moved in another way than forward.
    Diverged = CONFLICT "diverged" "The remote branch was rewound or rewritten";
    /// The held push is not the remote's head any more.
    HeldSuperseded = CONFLICT "held_superseded" "The held push is no longer the head of the remote";
    /// The reload has nothing to let through.
    NotHeld = CONFLICT "not_held" "This reload is not held";
    /// The commit was never served, so there is no going back to it.
    NotPinnable = CONFLICT "not_pinnable" "The commit cannot be pinned";
    /// The content of the push is refused.
    PushRefused = INTERNAL_SERVER_ERROR "push_refused" "The push has problems and was not published";
    /// The remote can't be reached.
    FetchFailed = BAD_GATEWAY "fetch_failed" "The remote is unreachable";
    /// The remote wants other credentials.
    RemoteAuth = BAD_GATEWAY "remote_auth" "The remote refused our credentials";
    /// The remote is not the one that is known, or a folder of another user.
    RemoteUntrusted = BAD_GATEWAY "remote_untrusted" "The remote is not trusted";
    /// What the remote sent is damaged or hostile.
    RemoteContentRejected = BAD_GATEWAY "remote_content_rejected" "The content of the remote was rejected";
    /// The remote took too long.
    FetchTimeout = GATEWAY_TIMEOUT "fetch_timeout" "The remote took too long to answer";
    /// The engine failed.
    ReloadFailed = INTERNAL_SERVER_ERROR "reload_failed" "The reload failed; the old state keeps serving";
    /// There is no space on the disk.
    DiskFull = INSUFFICIENT_STORAGE "disk_full" "The disk is full";
    /// A second state has no room in memory.
    MemoryShort = SERVICE_UNAVAILABLE "memory_short" "Too little memory for a rebuild; the old state keeps serving";
    /// Another process has the repository.
    RepoLocked = SERVICE_UNAVAILABLE "repo_locked" "The repository is locked by another process";
    /// There is no snapshot yet.
    NotReady = SERVICE_UNAVAILABLE "not_ready" "The records are still being loaded";
    /// The state is older than the caller accepts.
    Stale = SERVICE_UNAVAILABLE "stale" "The state lags behind the remote";
    /// No reload secret is set.
    ReloadNotConfigured = SERVICE_UNAVAILABLE "reload_not_configured" "No reload secret is set on this server";
    /// No operator secret is set.
    OperatorNotConfigured = SERVICE_UNAVAILABLE "operator_not_configured" "No operator secret is set on this server";
    /// Too many searches or webhooks at once.
    Busy = SERVICE_UNAVAILABLE "busy" "Too many requests of this kind at once";
    /// A mistake of ours.
    Internal = INTERNAL_SERVER_ERROR "internal" "The server failed to answer";
}

/// How a credential is shown on every route that wants one.
const BEARER: &str = "a secret is shown as `Authorization: Bearer <secret>`";

/// Why a request is not answered with what it asks for.
#[derive(Debug, Clone)]
pub struct ApiError(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: Code,
    detail: Option<String>,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

/// One of several things that are wrong with a request.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct FieldError {
    /// The parameter of the query, if that is where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// A JSON Pointer into the record, if that is where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What is wrong with it.
    pub detail: String,
}

impl FieldError {
    /// Returns what is wrong with a parameter.
    pub fn of_parameter(parameter: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { parameter: Some(parameter.into()), pointer: None, detail: detail.into() }
    }

    /// Returns what is wrong with a place in a record.
    pub fn at_pointer(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { parameter: None, pointer: Some(pointer.into()), detail: detail.into() }
    }

    fn told(&self) -> String {
        let place = self.parameter.as_deref().or(self.pointer.as_deref());
        match place.filter(|place| !place.is_empty()) {
            Some(place) => format!("{place}: {}", self.detail),
            None => self.detail.clone(),
        }
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        // One text for every cause: it must not tell which credential was near.
        let detail = (code == Code::Unauthorized).then(|| BEARER.to_owned());
        Self(Arc::new(Inner {
            code,
            detail,
            errors: Vec::new(),
            members: Map::new(),
            headers: Vec::new(),
            cause: None,
        }))
    }
}

impl ApiError {
    /// Returns the error `code` with an explanation for the client.
    pub fn explained(code: Code, detail: impl Into<String>) -> Self {
        Self::from(code).with(|inner| inner.detail = Some(detail.into()))
    }

    /// Returns the error `code` with a cause that is logged and not shown.
    pub fn caused_by(code: Code, error: &dyn Error) -> Self {
        Self::from(code).with(|inner| inner.cause = Some(chain(error)))
    }

    /// Returns an error that lists what is wrong with each parameter.
    pub fn listing(code: Code, errors: Vec<FieldError>) -> Self {
        let detail = errors.first().map(FieldError::told);
        Self::from(code).with(|inner| (inner.detail, inner.errors) = (detail, errors))
    }

    /// Says which of several operations is wrong; `index` is its place in the request, from 0.
    #[must_use]
    pub fn of_operation(self, index: usize) -> Self {
        let place = |error: &mut FieldError| {
            let pointer = error.pointer.take().unwrap_or_default();
            error.pointer = Some(format!("/operations/{index}/value{pointer}"));
        };
        self.member("operation", index).with(|inner| {
            inner.errors.iter_mut().for_each(place);
            let told = inner.errors.first().map(FieldError::told);
            let told =
                told.or(inner.detail.take().map(|told| format!("operation {index}: {told}")));
            inner.detail = told;
        })
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn member(self, name: &str, value: impl Into<Value>) -> Self {
        self.with(|inner| drop(inner.members.insert(name.to_owned(), value.into())))
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.with(|inner| inner.headers.push((name, value.into())))
    }

    /// Returns the code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Returns the explanation for the client.
    #[cfg(test)]
    pub(super) fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    fn body<'a>(&'a self, trace_id: Option<&'a str>) -> Problem<'a> {
        let Inner { code, detail, errors, members, .. } = &*self.0;
        Problem {
            kind: format!("urn:headwater:problem:{}", code.as_str()),
            title: code.title(),
            status: code.status().as_u16(),
            detail: detail.as_deref(),
            code: code.as_str(),
            trace_id,
            errors,
            members,
        }
    }

    /// Returns the body as it would be answered, without a trace id, for the list of reloads.
    pub fn stored(&self) -> Value {
        serde_json::to_value(self.body(None)).unwrap_or_default()
    }
}

/// Returns the refusal of a body that is of none of `types`, which are told (RFC 9110, 15.5.16).
pub(super) fn unsupported(types: &[&str]) -> ApiError {
    let told = format!("the body must be {}", types.join(" or "));
    let refused = ApiError::explained(Code::UnsupportedMediaType, told);
    match HeaderValue::try_from(types.join(", ")) {
        Ok(accepted) => refused.header(header::ACCEPT, accepted),
        Err(_) => refused,
    }
}

impl IntoResponse for ApiError {
    /// Returns an empty response that carries the error to [`render`].
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        response.headers_mut().extend(self.0.headers.iter().cloned());
        if self.0.code == Code::Unauthorized {
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

/// Writes the body of an error and logs its cause; leaves every other response alone. `request`
/// says in the log what was asked for.
pub fn render(response: Response, request: impl FnOnce() -> String) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(error) = parts.extensions.remove::<ApiError>() else {
        return Response::from_parts(parts, body);
    };
    let trace_id = crate::random::id();
    let (code, request) = (error.0.code.as_str(), request());
    match &error.0.cause {
        Some(cause) => tracing::error!(code, trace_id, request, cause, "request failed"),
        None => tracing::debug!(code, trace_id, request, "request refused"),
    }
    let json = serde_json::to_vec(&error.body(Some(&trace_id))).unwrap_or_default();
    drop_body_headers(&mut parts.headers);
    let problem = HeaderValue::from_static("application/problem+json");
    parts.headers.insert(header::CONTENT_TYPE, problem);
    Response::from_parts(parts, Body::from(json))
}

/// Drops what describes the empty body that the error travelled with.
fn drop_body_headers(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(error: ApiError) -> Value {
        let response = render(error.into_response(), || "GET /".to_owned());
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn codes_are_told_apart_by_their_names() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
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
