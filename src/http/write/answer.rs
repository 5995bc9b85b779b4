//! The answers to a write.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use headwater_engine::encode::EncodeError;
use headwater_engine::engine::{PushOutcome, Withheld};
use headwater_engine::id::CommitId;
use headwater_engine::write::{Broken, Committed, DryRun, WriteError, WritesClosed, Written};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::head::WriteHead;
use super::safety::Safety;
use super::told_commits::MadeBy;
use crate::hook;
use crate::http::app::App;
use crate::http::etag;
use crate::http::header_names::COMMIT;
use crate::http::json::Json;
use crate::http::request_snapshot::commit_header;
use crate::wire::{ApiError, Code, FieldError};

/// Whether the remote has the commit, for answers without a body too.
const PUSHED: HeaderName = HeaderName::from_static("x-headwater-pushed");
/// Whether the commit is in two places, likewise.
const SAFE: HeaderName = HeaderName::from_static("x-headwater-safe");
/// How many seconds a caller waits before it tries again.
const RETRY_AFTER: u16 = 1;

/// The characters that a path leaves unencoded.
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Where a written batch is, as far as that is told.
#[derive(Debug, Clone, Copy)]
struct Places {
    /// The commit that has it now: another one than it was written as if it was replayed on the commits of
    /// the remote.
    commit: CommitId,
    /// Whether the remote has it.
    pushed: Option<bool>,
    /// Whether it is on two disks, or on the remote.
    safe: Option<bool>,
}

/// Answers to a batch that is written, without waiting for its push.
pub(super) fn written(app: &App, head: &WriteHead, done: &Committed) -> Response {
    told_of(app, head, done, Places { commit: done.commit, pushed: pushed_by_now(app), safe: None })
}

/// Returns whether the remote has everything; `None` without a remote, where there is nothing to
/// wait for.
fn pushed_by_now(app: &App) -> Option<bool> {
    let status = app.live.engine().map(|engine| engine.status());
    status.and_then(|status| status.remote.is_some().then_some(status.ahead == 0))
}

/// Answers to a batch that is written and had to be in two places first.
pub(super) fn secured(
    app: &App,
    head: &WriteHead,
    done: &Committed,
    safety: Safety,
) -> Result<Response, ApiError> {
    let pushed = pushed_by_now(app);
    match safety {
        Safety::Safe(commit) => {
            Ok(told_of(app, head, done, Places { commit, pushed, safe: Some(true) }))
        }
        Safety::Overruled => Err(overruled(head, done)),
        Safety::Abandoned => {
            let why = "the machine that wrote it is gone, and nobody else had it";
            let refused = ApiError::explained(Code::LeaderChanged, why).member("outcome", "none");
            Err(refused.header(header::RETRY_AFTER, RETRY_AFTER))
        }
        Safety::Late => {
            let places = Places { commit: done.commit, pushed, safe: Some(false) };
            let mut response = told_of(app, head, done, places);
            // The batch is written and published here, and nowhere else yet.
            *response.status_mut() = StatusCode::ACCEPTED;
            Ok(response)
        }
    }
}

fn overruled(head: &WriteHead, done: &Committed) -> ApiError {
    let why = "the remote changed the same fields; your change is kept on a separate branch";
    let refused = ApiError::explained(Code::Conflict, why);
    match head.told.tell(done.commit, MadeBy::of(done.changed)) {
        Some(commit) => refused.header(COMMIT, commit_header(commit)),
        None => refused,
    }
}

/// Answers to a batch that is written and had to be pushed first.
pub(super) fn carried(
    app: &App,
    head: &WriteHead,
    done: &Committed,
    carried: &PushOutcome,
) -> Result<Response, ApiError> {
    match carried {
        PushOutcome::Pushed(commit) => {
            let places = Places { commit: *commit, pushed: Some(true), safe: None };
            Ok(told_of(app, head, done, places))
        }
        // If nothing is pushed, there is nothing to wait for.
        PushOutcome::Never => Ok(written(app, head, done)),
        PushOutcome::Overruled => Err(overruled(head, done)),
        PushOutcome::Stuck(_) | PushOutcome::Late => {
            let places = Places { commit: done.commit, pushed: Some(false), safe: None };
            let mut response = told_of(app, head, done, places);
            // The batch is written and published, and its push is still pending.
            *response.status_mut() = StatusCode::ACCEPTED;
            Ok(response)
        }
    }
}

fn told_of(app: &App, head: &WriteHead, done: &Committed, places: Places) -> Response {
    let Places { commit, pushed, safe } = places;
    let one = only(head, &done.written);
    // The commits of the remote may have changed more of the records, or have the very same change.
    let is_replayed = commit != done.commit;
    let made_by = if is_replayed { MadeBy::Anybody } else { MadeBy::of(done.changed) };
    let commit = head.told.tell(commit, made_by);
    let told = |one| told(one).filter(move |(name, _)| !is_replayed || name != "value");
    let mut body = Map::new();
    body.insert("commit".into(), commit.map(|commit| commit.to_string()).into());
    body.insert("changed".into(), done.changed.into());
    body.insert("pushed".into(), pushed.into());
    if let Some(safe) = safe {
        body.insert("safe".into(), safe.into());
    }
    match one {
        Some(one) => body.extend(told(one)),
        None if done.repeated => drop(body.insert("repeated".into(), true.into())),
        None => {
            let all = done.written.iter().map(|one| Value::Object(told(one).collect()));
            body.insert("results".into(), all.collect());
        }
    }
    let is_there = |one: &Written| one.value.is_some() || one.attachment.is_some();
    let is_new = one.is_some_and(|one| !one.existed() && is_there(one));
    let is_gone = one.is_some_and(|one| !is_there(one));
    let is_minimal = prefers_minimal(head) || is_gone;
    let mut response = match (is_new, is_minimal) {
        (true, false) => (StatusCode::CREATED, Json(body)).into_response(),
        (true, true) => StatusCode::CREATED.into_response(),
        (false, true) => StatusCode::NO_CONTENT.into_response(),
        (false, false) => Json(body).into_response(),
    };
    let headers = response.headers_mut();
    if let Some(commit) = commit {
        headers.insert(COMMIT, commit_header(commit));
    }
    for (name, is) in [(PUSHED, pushed), (SAFE, safe)] {
        if let Some(is) = is {
            headers.insert(name, HeaderValue::from_static(if is { "true" } else { "false" }));
        }
    }
    if let Some(Written { attachment: Some(version), .. }) = one {
        headers.insert(header::ETAG, etag::of_version(version));
        let place = format!("{}{}", app.base_path.as_str(), head.path);
        if is_new && let Ok(place) = HeaderValue::try_from(place) {
            headers.insert(header::LOCATION, place);
        }
    }
    if let Some(Written { sheet, key, moved_from, value: Some(value), .. }) = one {
        if !is_replayed {
            headers.insert(header::ETAG, etag::of(value.as_str().as_bytes()));
        }
        let [sheet, key] = [sheet.as_str(), key.as_str()].map(|t| utf8_percent_encode(t, SEGMENT));
        let place = format!("{}/api/{sheet}/{key}", app.base_path.as_str());
        if (is_new || moved_from.is_some())
            && let Ok(place) = HeaderValue::try_from(place)
        {
            headers.insert(header::LOCATION, place);
        }
    }
    if response.status() == StatusCode::NO_CONTENT {
        *response.body_mut() = Body::empty();
    }
    response
}

/// Answers to a dry run: with what the write would be answered, and that nothing was written.
pub(super) fn tried(head: &WriteHead, done: &DryRun) -> Response {
    let commit = head.told.tell(done.commit, MadeBy::Anybody);
    let mut body = Map::new();
    body.insert("commit".into(), commit.map(|commit| commit.to_string()).into());
    body.insert("changed".into(), done.changes.into());
    body.insert("pushed".into(), Value::Null);
    body.insert("dryRun".into(), true.into());
    match only(head, &done.written) {
        Some(one) => body.extend(would(one)),
        None => {
            let all = done.written.iter().map(|one| Value::Object(would(one).collect()));
            body.insert("results".into(), all.collect());
        }
    }
    let mut response = match prefers_minimal(head) {
        true => StatusCode::NO_CONTENT.into_response(),
        false => Json(body).into_response(),
    };
    if let Some(commit) = commit {
        response.headers_mut().insert(COMMIT, commit_header(commit));
    }
    response
}

/// Returns the outcome that the answer tells by itself, and not in a list.
fn only<'a>(head: &WriteHead, written: &'a [Written]) -> Option<&'a Written> {
    match written {
        [one] if !is_transaction(head) => Some(one),
        _ => None,
    }
}

fn is_transaction(head: &WriteHead) -> bool {
    head.method == Method::POST && head.path == "/api/_transact"
}

/// Lists what happened to one record.
fn told(one: &Written) -> impl Iterator<Item = (String, Value)> {
    let value = one.value.as_ref().map(|value| {
        // The text of a value is JSON.
        serde_json::from_str(value.as_str()).unwrap_or(Value::Null)
    });
    let moved = one.moved_from.as_ref().map(|key| ("movedFrom", json!(key.as_str())));
    [("sheet", json!(one.sheet.as_str())), ("key", json!(one.key.as_str()))]
        .into_iter()
        .chain(moved)
        .chain(value.map(|value| ("value", value)))
        .map(|(name, value)| (name.to_owned(), value))
}

/// Lists what would happen to one record, and the condition under which exactly that happens later.
fn would(one: &Written) -> impl Iterator<Item = (String, Value)> {
    let tag = one.before.as_ref().map(etag::of_version);
    let tag = tag.and_then(|tag| tag.to_str().map(|tag| json!(tag)).ok());
    told(one).chain(tag.map(|tag| ("ifMatch".to_owned(), tag)))
}

fn prefers_minimal(head: &WriteHead) -> bool {
    let preferences = head.headers.get_all("prefer").iter();
    preferences.filter_map(|value| value.to_str().ok()).any(hook::wants_minimal)
}

/// Returns whether a batch is not written because this replica does not lead, so that another one may
/// write it.
pub(super) fn is_not_taken(error: &WriteError) -> bool {
    match error {
        WriteError::Closed(WritesClosed::Following) => true,
        WriteError::Store(store) => match store.withheld() {
            Some(Withheld::LeaderChanged | Withheld::RoleChanged) => true,
            // The others may have consented.
            Some(Withheld::Unknown) | None => false,
        },
        _ => false,
    }
}

/// Answers to a batch that is not written.
pub(super) fn refused(head: &WriteHead, error: &WriteError) -> ApiError {
    let explained = |code| ApiError::explained(code, error.to_string());
    let listing = |code: Code, errors: Vec<FieldError>| match errors.is_empty() {
        true => explained(code),
        false => ApiError::listing(code, errors),
    };
    match error {
        WriteError::NoSheet { .. }
        | WriteError::NotFound { .. }
        | WriteError::NoAttachment { .. } => explained(Code::NotFound),
        WriteError::Exists { .. }
        | WriteError::HoldsOthers { .. }
        | WriteError::Unsettled { .. }
        | WriteError::Occupied { .. }
        | WriteError::Referenced { .. }
        | WriteError::BreaksOthers
        | WriteError::Tree(_) => explained(Code::Conflict),
        WriteError::Reserved { .. }
        | WriteError::OutOfScope { .. }
        | WriteError::ChangesDefinitions => explained(Code::TokenScope),
        WriteError::Stale { version, .. } => {
            let stale = explained(Code::PreconditionFailed);
            match version {
                Some(version) => stale.header(header::ETAG, etag::of_version(version)),
                None => stale,
            }
        }
        WriteError::Path { source, .. } => {
            let why = format!("{error}: {source}");
            listing(Code::InvalidRecord, vec![FieldError::at_pointer("", why)])
        }
        WriteError::OtherKey { .. }
        | WriteError::TooHeavy
        | WriteError::BatchTooLarge
        | WriteError::BranchFull(_)
        | WriteError::ListTooLarge
        | WriteError::NotOfSheet { .. }
        | WriteError::InList { .. }
        | WriteError::NoList { .. }
        | WriteError::WhichList { .. }
        | WriteError::SharedFile { .. }
        | WriteError::NotAttachable { .. } => explained(Code::InvalidRecord),
        WriteError::Encode { source, .. } => {
            let errors = match source {
                EncodeError::Invalid { issues } => issues
                    .iter()
                    .map(|issue| FieldError::at_pointer(&*issue.pointer, &*issue.message))
                    .collect(),
                other => vec![FieldError::at_pointer(other.pointer(), other.to_string())],
            };
            listing(Code::InvalidRecord, errors)
        }
        WriteError::Operation { index, source } => refused(head, source).of_operation(*index),
        WriteError::Invalid { broken } => {
            let code = if error.is_conflict() { Code::Conflict } else { Code::InvalidRecord };
            let told = broken.iter().map(|Broken { problem, operation }| {
                let pointer = problem.pointer.clone().unwrap_or_default();
                let pointer = match operation.filter(|_| is_transaction(head)) {
                    Some(index) => format!("/operations/{index}/value{pointer}"),
                    None => pointer.into(),
                };
                // The path may be that of another record, which this one would block.
                FieldError::at_pointer(pointer, format!("{}: {}", problem.path, problem.message))
            });
            listing(code, told.collect())
        }
        WriteError::KeyReused { .. } => explained(Code::KeyReused),
        WriteError::Trailer(_) => explained(Code::InvalidHeader),
        WriteError::Closed(gate) => match gate {
            WritesClosed::ReadOnly => explained(Code::MethodNotAllowed),
            WritesClosed::Held { id, diverged: true } => {
                explained(Code::UpstreamHeld).member("heldId", id.to_string())
            }
            WritesClosed::Held { id, diverged: false } => {
                explained(Code::Held).member("heldId", id.to_string())
            }
            WritesClosed::Pinned { .. } => explained(Code::Held),
            WritesClosed::Following | WritesClosed::Orphaned => {
                explained(Code::NoLeader).header(header::RETRY_AFTER, RETRY_AFTER)
            }
            WritesClosed::Full
            | WritesClosed::ShutDown
            | WritesClosed::OutOfStep
            | WritesClosed::Unpushed { .. } => {
                explained(Code::Busy).header(header::RETRY_AFTER, RETRY_AFTER)
            }
        },
        WriteError::Store(store) if store.is_disk_full() => {
            ApiError::caused_by(Code::DiskFull, error)
        }
        WriteError::Store(store) if store.is_contention() => {
            ApiError::caused_by(Code::RepoLocked, error).header(header::RETRY_AFTER, RETRY_AFTER)
        }
        WriteError::Store(store) if store.withheld().is_some() => {
            let outcome = if is_not_taken(error) { "none" } else { "unknown" };
            let refused = ApiError::caused_by(Code::LeaderChanged, error);
            refused.header(header::RETRY_AFTER, RETRY_AFTER).member("outcome", outcome)
        }
        WriteError::Store(_)
        | WriteError::Repository(_)
        | WriteError::Definitions(_)
        | WriteError::Read(_) => ApiError::caused_by(Code::WriteFailed, error),
    }
}
