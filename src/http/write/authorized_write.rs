//! A write whose caller is authorized, and whose body has arrived.

use std::future::pending;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use headwater_engine::engine::{PushOutcome, RequestKind};
use headwater_engine::report::Trigger;
use headwater_engine::write::{
    Batch, Committed, HEAVIEST, Operation, WriteError, WritesClosed, weight_of_text,
};

use super::answer;
use super::effect::{BySettings, Effect};
use super::head::WriteHead;
use super::request::{Caller, message_of};
use super::safety::{Safety, secured};
use super::told_commits::ToldCommits;
use crate::header_fields::essence;
use crate::http::app::App;
use crate::http::client::Client;
use crate::http::cluster_access::ClusterAccess;
use crate::http::connection_activity::{MayWrite, WaitingWrite};
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
    may_write: MayWrite,
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
        let client = Client { source: head.source, connection: may_write.connection() };
        let (writer, arrived) = app.access.receive_write(max, client, &head.headers, body).await?;
        may_write.writes()?;
        head.told = ToldCommits::to(&writer.view);
        let body = app.waiting_writes.body(&writer.name, arrived.into_bytes())?;
        if let Some(answer) = by_leader(app, &head, &body).await? {
            return Ok(Receipt::Answered(answer));
        }
        let caller = Caller::new(writer, &head.headers)?;
        Ok(Receipt::Ours(Self { body, head, may_write, caller }))
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
        let Self { head, body, may_write, caller } = self;
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
                let waiting = WaitingAnswer { may_write: &may_write, actor, until };
                once_brought_about(effect, app, &head, &done, waiting).await
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

/// What the answer to a write waits for.
struct WaitingAnswer<'a> {
    may_write: &'a MayWrite,
    actor: &'a str,
    until: Instant,
}

/// Answers to a batch that is written, once `effect` is brought about, and in any case when its time is over or its
/// connection is asked to leave.
async fn once_brought_about(
    effect: Effect,
    app: &App,
    head: &WriteHead,
    done: &Committed,
    waiting: WaitingAnswer<'_>,
) -> Result<Response, ApiError> {
    let WaitingAnswer { may_write, actor, until } = waiting;
    // An answer that finds no room is given with what has come about by now.
    let room = app.waiting_writes.answer(actor, &done.written);
    let until = if room.is_some() { until } else { Instant::now() };
    match (effect, &app.cluster) {
        (Effect::Pushed, _) => {
            let made = may_write.is_made();
            let carried = tokio::select! {
                carried = app.live.pushed(actor, done.commit, until) => carried,
                () = was_asked_to_leave(made.as_ref()) => PushOutcome::Late,
            };
            answer::carried(app, head, done, &carried)
        }
        (Effect::Replicated, Some(cluster)) => {
            let made = may_write.is_made();
            let safety = tokio::select! {
                safety = secured(app, cluster, done.commit, until) => safety,
                () = was_asked_to_leave(made.as_ref()) => Safety::Late,
            };
            answer::secured(app, head, done, safety)
        }
        _ => Ok(answer::written(app, head, done)),
    }
}

/// Waits until a write that is made is to be answered for the sake of another connection.
async fn was_asked_to_leave(made: Option<&WaitingWrite<'_>>) {
    match made {
        Some(made) => made.was_asked_to_leave().await,
        None => pending().await,
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
