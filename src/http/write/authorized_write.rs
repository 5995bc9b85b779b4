//! A write whose caller is authorized, and whose body has arrived.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use headwater_engine::engine::RequestKind;
use headwater_engine::report::Trigger;
use headwater_engine::write::{
    Batch, Committed, HEAVIEST, Operation, WriteError, WritesClosed, weight_of_text,
};

use super::answer;
use super::effect::{BySettings, Effect};
use super::head::WriteHead;
use super::request::{Caller, message_of};
use super::safety::secured;
use super::told_commits::ToldCommits;
use crate::header_fields::essence;
use crate::http::app::App;
use crate::http::cluster_access::ClusterAccess;
use crate::http::connection_activity::MayWrite;
use crate::http::error;
use crate::http::forward::{Outgoing, forward};
use crate::http::request_snapshot::not_ready;
use crate::http::wait_time::wait;
use crate::http::waiting_writes::KeptBody;
use crate::wire::{ApiError, Code};

/// The media types of a JSON body.
const JSON: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// A write with a valid token.
pub(super) struct Admitted {
    pub(super) head: WriteHead,
    pub(super) body: KeptBody,
    caller: Caller,
}

/// What becomes of a write whose body has arrived.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(super) enum Receipt {
    /// This server makes it.
    Ours(Admitted),
    /// The leader of the cluster has answered it.
    Answered(Response),
}

impl Admitted {
    /// Reads a body of up to `max` bytes of a caller that may write, and has the leader answer it if
    /// this server is a follower.
    ///
    /// # Errors
    /// Fails if the token or the body is not accepted, if too many bodies wait, or if there is no leader.
    pub(super) async fn take(
        mut head: WriteHead,
        may_write: MayWrite,
        max: usize,
        app: &App,
        body: Body,
    ) -> Result<Receipt, ApiError> {
        let arrived = app.access.receive_write(max, head.source, &head.headers, body).await;
        let (writer, arrived) = arrived?;
        may_write.writes();
        head.told = ToldCommits::to(&writer.view);
        let body = app.waiting_writes.body(&writer.name, arrived.into_bytes())?;
        if let Some(answer) = by_leader(app, &head, &body).await? {
            return Ok(Receipt::Answered(answer));
        }
        let caller = Caller::new(writer, &head.headers)?;
        Ok(Receipt::Ours(Self { body, head, caller }))
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

    /// Writes `operations` as one commit, or none; or tells what that would do.
    ///
    /// # Errors
    /// Fails if they are not written, or would not be.
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
        let actor = &caller.writer.name;
        let (push_first, replicate_first) = (app.push_first, app.replicate_first);
        let effect = Effect::of(&head, BySettings { push_first, replicate_first })?;
        // Only the batch waits, except where the leader may change meanwhile.
        let body = (app.cluster.is_some() && effect != Effect::None).then_some(body);
        if effect == Effect::None {
            return dry_run(app, &head, actor, batch).await;
        }
        let until = Instant::now() + Duration::from_secs(wait(&head.headers));
        let written = app.live.write(batch).await.ok_or_else(not_ready)?;
        match written {
            Ok(done) => {
                drop(body);
                once_brought_about(effect, app, &head, actor, &done, until).await
            }
            Err(error) => {
                if matches!(error, WriteError::Closed(WritesClosed::OutOfStep)) {
                    // A reload checks where the branch has gone.
                    drop(app.live.submit(RequestKind::Reload, Trigger::Poll));
                }
                // Another replica leads by now, and nothing is written.
                if let Some(body) = body.filter(|_| answer::is_not_taken(&error))
                    && let Some(answer) = by_leader(app, &head, &body).await?
                {
                    return Ok(answer);
                }
                Err(refused(app, &head, &error))
            }
        }
    }
}

/// Answers to a batch that is written, once `effect` is brought about, and at `until` in any case.
async fn once_brought_about(
    effect: Effect,
    app: &App,
    head: &WriteHead,
    actor: &str,
    done: &Committed,
    until: Instant,
) -> Result<Response, ApiError> {
    // An answer that finds no room is given with what has come about by now.
    let room = app.waiting_writes.answer(actor, &done.written);
    let until = if room.is_some() { until } else { Instant::now() };
    match (effect, &app.cluster) {
        (Effect::Pushed, _) => {
            let carried = app.live.pushed(actor, done.commit, until).await;
            answer::carried(app, head, done, &carried)
        }
        (Effect::Replicated, Some(cluster)) => {
            let safety = secured(app, cluster, done.commit, until).await;
            answer::secured(app, head, done, safety)
        }
        _ => Ok(answer::written(app, head, done)),
    }
}

/// Has the leader answer a write, if this server is a follower.
async fn by_leader(
    app: &App,
    head: &WriteHead,
    body: &KeptBody,
) -> Result<Option<Response>, ApiError> {
    let Some(cluster) = &app.cluster else { return Ok(None) };
    let WriteHead { method, path, query, headers, source, told: _ } = head;
    let (query, source) = (query.as_deref(), *source);
    forward(app, cluster, &Outgoing { method, path, query, headers, source, body }).await
}

/// Tells what `batch` would do. Dry runs have places of their own, so that they keep neither reads
/// nor writes from theirs.
async fn dry_run(
    app: &App,
    head: &WriteHead,
    actor: &str,
    batch: Batch,
) -> Result<Response, ApiError> {
    let live = app.live.clone();
    let run = move || Ok(live.engine().ok_or_else(not_ready)?.dry_run(&batch));
    match app.dry_runs.run(actor, run).await? {
        Ok(done) => Ok(answer::tried(head, &done)),
        Err(error) => Err(refused(app, head, &error)),
    }
}

/// Returns the answer to a batch that is not written, or would not be. It names the leader, if only
/// that one writes.
fn refused(app: &App, head: &WriteHead, error: &WriteError) -> ApiError {
    let refused = answer::refused(head, error);
    let leader = app.cluster.as_ref().and_then(ClusterAccess::leader_name);
    match leader.filter(|_| refused.code() == Code::NoLeader) {
        Some(leader) => refused.member("leader", leader),
        None => refused,
    }
}
