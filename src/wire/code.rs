//! The codes of errors, for the API, alerts, metrics and traces.

use http::StatusCode;

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

            /// Returns the HTTP status of an answer with it.
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
    /// The reload secret on a route for the operator.
    OperatorOnly = FORBIDDEN "operator_only" "The operator secret is required";
    /// A further wrong credential from a source with too many.
    TooManyFailures = TOO_MANY_REQUESTS "too_many_failures" "Too many calls without a valid credential";
    /// More requests in a second than the caller may send.
    RateLimited = TOO_MANY_REQUESTS "rate_limited" "The caller sends more requests than it may";
    /// No such route, sheet, record or reload, or none that is public.
    NotFound = NOT_FOUND "not_found" "Not found";
    /// The commit is not in the history of the branch.
    UnknownCommit = NOT_FOUND "unknown_commit" "No such commit in the history of the branch";
    /// The repository lacks objects of an earlier commit.
    HistoryIncomplete = BAD_GATEWAY "history_incomplete" "The repository lacks a part of this history";
    /// The commit of a cursor cannot be read any more.
    CursorExpired = GONE "cursor_expired" "The cursor has expired; start again";
    /// The commit that the caller waits for has not arrived yet.
    NotYet = SERVICE_UNAVAILABLE "not_yet" "The served state does not contain the commit yet";
    /// The token does not allow this.
    TokenScope = FORBIDDEN "token_scope" "The token does not allow this";
    /// The record exists already, or another one is in the way.
    Conflict = CONFLICT "conflict" "Conflict with another record";
    /// The existing record does not meet the condition.
    PreconditionFailed = PRECONDITION_FAILED "precondition_failed" "The version is not the expected one";
    /// A change names no version, although it must.
    PreconditionRequired = PRECONDITION_REQUIRED "precondition_required" "The request must have an If-Match";
    /// The request does not name one server.
    InvalidHost = BAD_REQUEST "invalid_host" "The request must have exactly one Host";
    /// A header that this request may not have, or not twice.
    UnexpectedHeader = BAD_REQUEST "unexpected_header" "The request may not have this header, or not more than once";
    /// The caller accepts none of the available types.
    NotAcceptable = NOT_ACCEPTABLE "not_acceptable" "No acceptable type is available";
    /// A range of bytes that a file does not have.
    RangeNotSatisfiable = RANGE_NOT_SATISFIABLE "range_not_satisfiable" "The file does not have these bytes";
    /// A condition or another header cannot be parsed.
    InvalidHeader = UNPROCESSABLE_ENTITY "invalid_header" "A header is not valid";
    /// The record cannot be stored as it is.
    InvalidRecord = UNPROCESSABLE_ENTITY "invalid_record" "The record is not valid";
    /// The key of a request belongs to another one.
    KeyReused = UNPROCESSABLE_ENTITY "idempotency_key_reused" "The idempotency key was used for another request";
    /// A pin or a held push blocks writes.
    Held = LOCKED "held" "Writes are blocked: a push is held or a commit is pinned";
    /// The remote's head is held because it diverged.
    UpstreamHeld = SERVICE_UNAVAILABLE "upstream_held" "Writes are blocked: the remote branch is held as diverged";
    /// The change could not be stored.
    WriteFailed = INTERNAL_SERVER_ERROR "write_failed" "The change could not be stored; the old state is still served";
    /// The route does not support the method.
    MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed" "Method not allowed";
    /// The body did not arrive in time.
    RequestTimeout = REQUEST_TIMEOUT "request_timeout" "The request took too long to arrive";
    /// The body cannot be parsed.
    InvalidBody = UNPROCESSABLE_ENTITY "invalid_body" "The body cannot be read";
    /// The query cannot be answered.
    InvalidQuery = UNPROCESSABLE_ENTITY "invalid_query" "The query is not valid";
    /// The query would use more processor time than it may.
    TooCostly = UNPROCESSABLE_ENTITY "too_costly" "The query exceeds its budget";
    /// The body is too large.
    BodyTooLarge = PAYLOAD_TOO_LARGE "body_too_large" "The body is too large";
    /// The content type is not supported.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" "The content type is not supported";
    /// The caller means another branch.
    BranchMismatch = CONFLICT "branch_mismatch" "This server serves another branch";
    /// The branch is not on the remote.
    BranchMissing = CONFLICT "branch_missing" "The branch does not exist on the remote";
    /// The commit is not in the branch.
    CommitMismatch = CONFLICT "commit_mismatch" "The branch does not contain the commit";
    /// The branch was rewound or rewritten.
    Diverged = CONFLICT "diverged" "The remote branch was rewound or rewritten";
    /// The held push is no longer the head of the remote.
    HeldSuperseded = CONFLICT "held_superseded" "The held push is no longer the head of the remote";
    /// The reload holds no push to apply.
    NotHeld = CONFLICT "not_held" "This reload is not held";
    /// No new leader looks for this head.
    NotMissing = CONFLICT "not_missing" "No replica looks for this head";
    /// The commit was never served, so it cannot be pinned.
    NotPinnable = CONFLICT "not_pinnable" "The commit cannot be pinned";
    /// The content of the push is refused.
    PushRefused = INTERNAL_SERVER_ERROR "push_refused" "The push has problems and was not published";
    /// The remote cannot be reached.
    FetchFailed = BAD_GATEWAY "fetch_failed" "The remote is unreachable";
    /// The remote refused our credentials.
    RemoteAuth = BAD_GATEWAY "remote_auth" "The remote refused our credentials";
    /// The remote is not the known one, or is a folder of another user.
    RemoteUntrusted = BAD_GATEWAY "remote_untrusted" "The remote is not trusted";
    /// The content of the remote is damaged or hostile.
    RemoteContentRejected = BAD_GATEWAY "remote_content_rejected" "The content of the remote was rejected";
    /// The remote took too long.
    FetchTimeout = GATEWAY_TIMEOUT "fetch_timeout" "The remote took too long to answer";
    /// The engine failed.
    ReloadFailed = INTERNAL_SERVER_ERROR "reload_failed" "The reload failed; the old state is still served";
    /// The disk is full.
    DiskFull = INSUFFICIENT_STORAGE "disk_full" "The disk is full";
    /// There is not enough memory for a second state.
    MemoryShort = SERVICE_UNAVAILABLE "memory_short" "Too little memory for the new state; the old one is still served";
    /// Another process holds the repository.
    RepoLocked = SERVICE_UNAVAILABLE "repo_locked" "The repository is locked by another process";
    /// The other replicas did not consent: another one leads, or nobody knows who leads.
    LeaderChanged = SERVICE_UNAVAILABLE "leader_changed" "The leader changed meanwhile; nothing is published";
    /// The leader does this, and this replica does not lead.
    NoLeader = SERVICE_UNAVAILABLE "no_leader" "This replica does not lead";
    /// The leader's commit cannot be fetched.
    CannotFollow = BAD_GATEWAY "cannot_follow" "The leader's commit cannot be fetched";
    /// The state of the leader's commit is another one here.
    ReplicaDiverged = INTERNAL_SERVER_ERROR "replica_diverged" "The state differs from the leader's; the old state is still served";
    /// There is no snapshot yet.
    NotReady = SERVICE_UNAVAILABLE "not_ready" "The records are still being loaded";
    /// One replica took another for the leader.
    Misdirected = MISDIRECTED_REQUEST "misdirected" "Another replica leads";
    /// The leader does not answer, so nobody knows what it did.
    LeaderUnreachable = BAD_GATEWAY "leader_unreachable" "The leader of the cluster does not answer";
    /// The state is older than the caller accepts.
    Stale = SERVICE_UNAVAILABLE "stale" "The state lags behind the remote";
    /// No reload secret is set.
    ReloadNotConfigured = SERVICE_UNAVAILABLE "reload_not_configured" "No reload secret is set on this server";
    /// No operator secret is set.
    OperatorNotConfigured = SERVICE_UNAVAILABLE "operator_not_configured" "No operator secret is set on this server";
    /// Too many searches or webhooks at once.
    Busy = SERVICE_UNAVAILABLE "busy" "Too many requests of this kind at once";
    /// A bug of the server.
    Internal = INTERNAL_SERVER_ERROR "internal" "The server failed to answer";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart_by_their_names() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
