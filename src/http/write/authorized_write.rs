//! A write whose caller is authorized, and whose body has arrived.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use headwater_engine::engine::RequestKind;
use headwater_engine::report::Trigger;
use headwater_engine::write::{HEAVIEST, Operation, WriteError, WritesClosed, weight_of_text};

use super::answer;
use super::head::WriteHead;
use super::request::{Caller, message_of};
use crate::header_fields::essence;
use crate::http::app::App;
use crate::http::cluster_access::ClusterAccess;
use crate::http::error;
use crate::http::header_names::AT;
use crate::http::parameters;
use crate::http::request_snapshot::not_ready;
use crate::http::wait_time::wait;
use crate::wire::{ApiError, Code};

/// The media types of a JSON body.
const JSON: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// A write with a valid token.
pub(super) struct Admitted {
    pub(super) head: WriteHead,
    pub(super) body: Vec<u8>,
    caller: Caller,
}

impl Admitted {
    /// Reads a body of up to `max` bytes of a caller that may write.
    ///
    /// # Errors
    /// Fails if the token or the body is not accepted.
    pub(super) async fn take(
        head: WriteHead,
        max: usize,
        app: &App,
        body: Body,
    ) -> Result<Self, ApiError> {
        let arrived = app.access.receive_write(max, head.source, &head.headers, body).await;
        let (writer, arrived) = arrived?;
        let caller = Caller::new(writer, &head.headers)?;
        Ok(Self { body: arrived.into_bytes(), head, caller })
    }

    /// Returns the body as JSON text.
    ///
    /// # Errors
    /// Fails if the body declares another type, or would take too much memory as a value; it is
    /// refused before it becomes one.
    pub(super) fn json_text(&self) -> Result<&[u8], ApiError> {
        if weight_of_text(&self.body) > HEAVIEST {
            return Err(answer::refused(&self.head, &WriteError::TooHeavy));
        }
        let Some(kind) = self.head.headers.get(header::CONTENT_TYPE) else { return Ok(&self.body) };
        match JSON.contains(&essence(kind.to_str().unwrap_or_default()).as_str()) {
            true => Ok(&self.body),
            false => Err(error::unsupported(&JSON)),
        }
    }

    /// Writes `operations` as one commit, or none.
    ///
    /// # Errors
    /// Fails if they are not written.
    pub(super) async fn write(
        self,
        app: &App,
        operations: Vec<Operation>,
        summary: Option<String>,
    ) -> Result<Response, ApiError> {
        let Self { head, body, caller } = self;
        for operation in &operations {
            if !caller.writer.scope.opens(&operation.sheet) {
                return Err(ApiError::explained(
                    Code::TokenScope,
                    format!("the token does not cover the sheet {}", operation.sheet),
                ));
            }
        }
        let batch = message_of(&head, &caller, &body, operations, summary)?;
        // Only the batch waits.
        drop(body);
        let until = Instant::now() + Duration::from_secs(wait(&head.headers));
        let pushes_first = pushes_first(&head, app)?;
        let written = app.live.write(batch).await.ok_or_else(not_ready)?;
        match written {
            Ok(done) if pushes_first => {
                let carried = app.live.pushed(done.commit, until).await;
                answer::carried(app, &head, &done, &carried)
            }
            Ok(done) => Ok(answer::written(app, &head, &done)),
            Err(error) => {
                if matches!(error, WriteError::Closed(WritesClosed::OutOfStep)) {
                    // A reload checks where the branch has gone.
                    drop(app.live.submit(RequestKind::Reload, Trigger::Poll));
                }
                let refused = answer::refused(&head, &error);
                let leader = app.cluster.as_ref().and_then(ClusterAccess::leader_name);
                Err(match leader.filter(|_| refused.code() == Code::NoLeader) {
                    Some(leader) => refused.member("leader", leader),
                    None => refused,
                })
            }
        }
    }
}

/// Returns whether the answer waits for the push.
fn pushes_first(head: &WriteHead, app: &App) -> Result<bool, ApiError> {
    let pairs = parameters::pairs(head.query.as_deref())?;
    if head.headers.contains_key(AT) || pairs.iter().any(|(name, _)| name == "at") {
        let why = "is not a parameter of a write: history cannot be changed";
        return Err(parameters::wrong("at", why));
    }
    let mut first = app.push_first;
    if pairs.len() > 1 {
        return Err(parameters::wrong("push", "must be the only parameter of a write"));
    }
    for (name, value) in pairs {
        first = match (name.as_str(), value.as_str()) {
            ("push", "sync") => true,
            ("push", "background") => false,
            _ => {
                let why = format!(
                    "`{name}={value}`: the parameter of a write is `push=sync` or `push=background`"
                );
                return Err(ApiError::explained(Code::InvalidQuery, why));
            }
        };
    }
    Ok(first)
}
