//! `POST /api/_internal/reload-data` and `rebuild-data`: notices of a push.

use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use headwater_engine::engine::{ReloadAnswer, RequestKind};
use headwater_engine::id::CommitId;
use headwater_engine::report::{ReloadId, Trigger};
use headwater_engine::snapshot::Snapshot;
use serde_json::json;

use super::app::App;
use super::client::Client;
use super::cluster_access::{Call as LeaderCall, ClusterAccess, Handled};
use super::connection::Connection;
use super::error;
use super::header_names::COMMIT;
use super::json::Json;
use super::request_snapshot::{commit_header, not_ready};
use super::route::Route;
use super::wait_time::wait;
use crate::config::Role;
use crate::hook::{self, BadHook, Delivery, Forge, Hint, Ignored, Relevance};
use crate::live::Ticket;
use crate::pending::Pending;
use crate::wire::{Accepted, ApiError, Code, ReloadView};

/// Moves to the head of the remote.
pub(super) async fn reload(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    told(app, RequestKind::Reload, client, headers, body).await
}

/// Rebuilds the state, from the head of the remote or from the local repository.
pub(super) async fn rebuild(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    told(app, RequestKind::Rebuild, client, headers, body).await
}

/// The outcome of a webhook, for the metrics.
#[derive(Clone, Copy)]
struct OutcomeLabel(&'static str);

/// Receives a webhook and counts it.
async fn told(
    app: App,
    kind: RequestKind,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let sender = hook::sender(&headers).map_or("own", Forge::as_str);
    let answer = receive(app.clone(), kind, client, headers, body).await;
    let result = match &answer {
        Ok(response) => response.extensions().get().map_or("", |OutcomeLabel(outcome)| outcome),
        Err(error) => error.code().as_str(),
    };
    app.metrics.delivery(sender, result);
    answer
}

async fn receive(
    app: App,
    kind: RequestKind,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let deadline = Instant::now() + Duration::from_secs(wait(&headers));
    let connection = client.connection.clone();
    let body = app.access.receive(client, &headers, body).await?;
    let delivery = Delivery::of(&headers, &body);
    if let Some(answer) = delivery.and_then(|delivery| redelivered(&app, &delivery)) {
        return Ok(answer);
    }
    let hint = hook::read(&headers, &body).map_err(|error| bad_hook(&headers, error))?;
    // The place gets free for the next body as soon as this one is parsed.
    drop(body);
    match decide(&app, hint)? {
        Reaction::Ignore(reason) => Ok(ignored(&app, reason)),
        Reaction::Reload { commit, named } => match already(&app, kind, commit, named) {
            Some(answer) => {
                delivery.into_iter().for_each(|delivery| app.deliveries.remember(delivery));
                Ok(answer)
            }
            None => {
                let call = Call { kind, commit, named, delivery };
                let handled = match &app.cluster {
                    Some(cluster) => pass_on(&app, cluster, &headers, &call, deadline).await?,
                    None => Handled::NotYet,
                };
                match handled {
                    Handled::NotYet => run(app, connection, call, deadline).await,
                    Handled::ByLeader(response) => Ok(passed_on(&app, call, response)),
                    Handled::ByNobody => Ok(waits_for_a_leader()),
                }
            }
        },
    }
}

/// Passes the call on to the leader, which alone asks the remote. The signature and the branch were
/// checked here.
async fn pass_on(
    app: &App,
    cluster: &ClusterAccess,
    headers: &HeaderMap,
    call: &Call,
    deadline: Instant,
) -> Result<Handled, ApiError> {
    let path = match call.kind {
        RequestKind::Rebuild => Route::Rebuild.path(),
        _ => Route::Reload.path(),
    };
    let body = match call.commit {
        Some(commit) => json!({ "commitHash": commit.to_string() }),
        None => json!({}),
    };
    let call = LeaderCall {
        method: Method::POST,
        path,
        key: app.access.own_key(Role::Reload).await,
        body: body.to_string().into(),
        patience: deadline.saturating_duration_since(Instant::now()),
    };
    cluster.pass_on(headers, &call, deadline).await
}

/// Passes the answer of the leader on.
fn passed_on(app: &App, call: Call, response: Response) -> Response {
    let Call { named, delivery, .. } = call;
    match response.status() {
        StatusCode::CONFLICT if named == SenderName::Otherwise => {
            return ignored(app, Ignored::OtherRepository);
        }
        StatusCode::OK => delivery.into_iter().for_each(|it| app.deliveries.remember(it)),
        _ => {}
    }
    (Extension(OutcomeLabel("passed_on")), response).into_response()
}

/// Answers that there is no leader: the next one reloads as soon as it leads. A replica that is on its
/// own does, too.
fn waits_for_a_leader() -> Response {
    let told = Extension(OutcomeLabel("accepted"));
    (StatusCode::ACCEPTED, told, Json(Accepted::by_the_next_leader())).into_response()
}

/// The name by which the sender knows the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SenderName {
    /// The name of the remote, or none.
    AsRemote,
    /// Another name: the commit shows whether it is the same repository.
    Otherwise,
    /// Not given: the remote is asked whatever the commit, which shows no later push.
    Unsaid,
}

/// A call that is not answered at once.
struct Call {
    kind: RequestKind,
    /// The commit to wait for.
    commit: Option<CommitId>,
    named: SenderName,
    delivery: Option<Delivery>,
}

/// The reaction to a webhook.
enum Reaction {
    Ignore(Ignored),
    /// Ask the remote, and wait for this commit if one is named.
    Reload {
        commit: Option<CommitId>,
        named: SenderName,
    },
}

fn decide(app: &App, hint: Hint) -> Result<Reaction, ApiError> {
    let status = app.live.engine().map(|engine| engine.status());
    let branch = status.as_ref().map(|status| status.branch.as_str());
    let branch = branch.or(app.configured.branch.as_deref());
    let remote = status.as_ref().and_then(|status| status.remote.as_deref());
    let remote = remote.or(app.configured.remote.as_deref());
    match hint {
        Hint::Ping => Ok(Reaction::Ignore(Ignored::Ping)),
        Hint::Unknown => Ok(Reaction::Ignore(Ignored::UnknownEvent)),
        Hint::Pushes(pushes) => Ok(match hook::relevance(&pushes, branch, remote) {
            Relevance::Ignore(reason) => Reaction::Ignore(reason),
            Relevance::Reload(commit) => {
                let is_said = pushes.iter().any(|push| push.repository.is_some());
                let named = if is_said { SenderName::AsRemote } else { SenderName::Unsaid };
                Reaction::Reload { commit, named }
            }
            Relevance::Renamed(commit) => {
                Reaction::Reload { commit: Some(commit), named: SenderName::Otherwise }
            }
        }),
        Hint::Ours { branch: named, commit } => match (named, branch) {
            (Some(named), Some(branch)) if short(&named) != branch => {
                let detail = format!("this server serves the branch {branch}");
                Err(ApiError::explained(Code::BranchMismatch, detail).member("ok", false))
            }
            _ => Ok(Reaction::Reload { commit, named: SenderName::AsRemote }),
        },
    }
}

/// Shortens a branch, because a workflow may pass the full name of its reference.
fn short(branch: &str) -> &str {
    branch.strip_prefix("refs/heads/").unwrap_or(branch)
}

/// Answers a call that names the published commit, or one that we pushed and nobody was seen to
/// push after. For any other commit the remote has to be asked: even an ancestor of the published
/// one may mean that the branch was rewound.
fn already(
    app: &App,
    kind: RequestKind,
    commit: Option<CommitId>,
    named: SenderName,
) -> Option<Response> {
    let snapshot = app.live.snapshot()?;
    let commit = commit.filter(|_| kind == RequestKind::Reload && named != SenderName::Unsaid)?;
    let tip = || app.live.engine().and_then(|engine| engine.status().push.tip);
    if commit != snapshot.commit() && Some(commit) != tip() {
        return None;
    }
    Some(still(&snapshot, ReloadView::already(&snapshot)))
}

/// Answers a delivery whose reload succeeded before, on whichever route it came.
fn redelivered(app: &App, delivery: &Delivery) -> Option<Response> {
    let snapshot = app.live.snapshot().filter(|_| app.deliveries.knows(delivery))?;
    Some(still(&snapshot, ReloadView::redelivered(&snapshot)))
}

fn still(snapshot: &Snapshot, view: ReloadView) -> Response {
    let told = Extension(OutcomeLabel(view.outcome()));
    (told, [(COMMIT, commit_header(snapshot.commit()))], Json(view)).into_response()
}

fn ignored(app: &App, reason: Ignored) -> Response {
    app.metrics.ignored(reason);
    let snapshot = app.live.snapshot();
    let view = ReloadView::ignored(reason, snapshot.as_deref());
    let mut response = (Extension(OutcomeLabel(view.outcome())), Json(view)).into_response();
    if let Some(snapshot) = snapshot {
        response.headers_mut().insert(COMMIT, commit_header(snapshot.commit()));
    }
    response
}

/// Submits the reload and waits for its verdict, until the deadline or until the connection is wanted for another. The
/// reload continues without the caller.
async fn run(
    app: App,
    connection: Connection,
    call: Call,
    deadline: Instant,
) -> Result<Response, ApiError> {
    let Call { kind, commit, named, delivery } = call;
    // Nobody waits for a first load: it may take longer than the patience of any caller.
    let deadline = if app.live.engine().is_some() { deadline } else { Instant::now() };
    let Ticket { id, verdict } = app.live.submit_for(kind, Trigger::Webhook, commit);
    let (pending, keeper) = (Pending::default(), app.clone());
    let pursuit = tokio::spawn({
        let pending = pending.clone();
        async move {
            let verdict = verdict.await.ok()?;
            // Without a commit, nobody can know whether the remote showed the commit of the
            // delivery.
            if let Some(delivery) = delivery.filter(|_| commit.is_some() && verdict.is_served()) {
                keeper.deliveries.remember(delivery);
            }
            Some(pending.get_or_init(|| verdict).clone())
        }
    });
    let pursuit = tokio::time::timeout_at(deadline.into(), pursuit);
    match connection.gives_way(pursuit).await.transpose() {
        Ok(Some(Ok(Some(verdict)))) => match (named, verdict.missing) {
            (SenderName::AsRemote | SenderName::Unsaid, _) => answer(&verdict),
            (SenderName::Otherwise, Some(_)) => Ok(ignored(&app, Ignored::OtherRepository)),
            (SenderName::Otherwise, None) => {
                tracing::warn!(
                    "a webhook names another repository than the remote, which has its commit: \
                     if it was renamed, set --remote to the new address"
                );
                answer(&verdict)
            }
        },
        Ok(Some(Ok(None))) => Err(not_ready()),
        Ok(Some(Err(panic))) => Err(ApiError::caused_by(Code::Internal, &panic)),
        // The reload alone does not show whether a commit arrived.
        Ok(None) | Err(_) if commit.is_some() => {
            Ok(accepted(&app, app.pending.name(app.live.ledger(), pending)))
        }
        Ok(None) | Err(_) => Ok(accepted(&app, id)),
    }
}

/// Answers with the verdict. The answer always names the served commit.
pub(super) fn answer(verdict: &ReloadAnswer) -> Result<Response, ApiError> {
    let commit = commit_header(verdict.report.serving);
    match ReloadView::of_verdict(verdict) {
        Ok(view) => {
            let told = Extension(OutcomeLabel(view.outcome()));
            Ok((told, [(COMMIT, commit)], Json(view)).into_response())
        }
        Err(error) => Err(error.header(COMMIT, commit)),
    }
}

/// Answers that the reload is running, and where its report will be.
pub(super) fn accepted(app: &App, id: ReloadId) -> Response {
    let location = format!("{}/api/_internal/reloads/{id}", app.base_path.as_str());
    let headers = [(header::LOCATION, location), (header::RETRY_AFTER, "1".to_owned())];
    let told = Extension(OutcomeLabel("accepted"));
    (StatusCode::ACCEPTED, told, headers, Json(Accepted::of(id))).into_response()
}

fn bad_hook(headers: &HeaderMap, error: BadHook) -> ApiError {
    let refused = match error {
        BadHook::ContentType => {
            // GitHub wraps its JSON in a form unless it is configured not to.
            let types = ["application/json", "application/x-www-form-urlencoded"];
            let known = if hook::sender(headers).is_some() { &types[..] } else { &types[..1] };
            error::unsupported(known)
        }
        BadHook::Body(_) | BadHook::Hash => {
            ApiError::explained(Code::InvalidBody, error.to_string())
        }
    };
    refused.member("ok", false)
}
