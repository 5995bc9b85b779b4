//! `POST /api/_internal/reload-data` and `rebuild-data`: a push is told of.

use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use headwater_engine::engine::{RequestKind, Verdict};
use headwater_engine::id::CommitId;
use headwater_engine::report::{ReloadId, Trigger};
use headwater_engine::snapshot::Snapshot;

use super::app::App;
use super::current::{commit_header, not_ready};
use super::error;
use super::json::Json;
use super::names::COMMIT;
use super::patience::wait;
use super::source::Source;
use crate::hook::{self, BadHook, Delivery, Forge, Hint, Ignored, Relevance};
use crate::live::Ticket;
use crate::pending::Pending;
use crate::wire::{Accepted, ApiError, Code, ReloadView};

/// Goes to the remote's head.
pub(super) async fn reload(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    told(app, RequestKind::Reload, source, headers, body).await
}

/// Builds the state anew, from the remote's head or from what is here.
pub(super) async fn rebuild(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    told(app, RequestKind::Rebuild, source, headers, body).await
}

/// What a webhook was answered with, for the metrics.
#[derive(Clone, Copy)]
struct OutcomeLabel(&'static str);

/// Receives a webhook and counts it.
async fn told(
    app: App,
    kind: RequestKind,
    source: Source,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let sender = hook::sender(&headers).map_or("own", Forge::as_str);
    let answer = receive(app.clone(), kind, source, headers, body).await;
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
    source: Source,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let deadline = Instant::now() + Duration::from_secs(wait(&headers));
    let body = app.access.receive(source, &headers, body).await?;
    let delivery = Delivery::of(&headers, &body);
    if let Some(answer) = delivery.and_then(|delivery| redelivered(&app, &delivery)) {
        return Ok(answer);
    }
    let hint = hook::read(&headers, &body).map_err(|error| bad_hook(&headers, error))?;
    // A place for the next body is free as soon as this one is read.
    drop(body);
    match decide(&app, hint)? {
        Reaction::Ignore(reason) => Ok(ignored(&app, reason)),
        Reaction::Reload { commit, named } => match already(&app, kind, commit, named) {
            Some(answer) => {
                delivery.into_iter().for_each(|delivery| app.deliveries.remember(delivery));
                Ok(answer)
            }
            None => run(app, Call { kind, commit, named, delivery }, deadline).await,
        },
    }
}

/// By what name the sender knows the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SenderName {
    /// By that of the remote, or by none.
    AsRemote,
    /// By another one: the commit tells whether it is the same repository.
    Otherwise,
    /// It does not say: the remote is asked whatever the commit, which tells of no later push.
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

/// What a webhook leads to.
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

/// A workflow may pass the full name of its reference.
fn short(branch: &str) -> &str {
    branch.strip_prefix("refs/heads/").unwrap_or(branch)
}

/// Answers a call that names the published commit, or one that we pushed and after which nobody was
/// seen to push. Any other commit has to be asked for at the remote: even an ancestor of the
/// published one may mean that the branch was rewound.
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

/// Answers a delivery whose reload succeeded before, whichever route it came to.
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

/// Asks for the reload and waits for its verdict until the deadline; the rest goes on without the
/// caller.
async fn run(app: App, call: Call, deadline: Instant) -> Result<Response, ApiError> {
    let Call { kind, commit, named, delivery } = call;
    // Nobody waits for a first load: it may take longer than any caller's patience.
    let deadline = if app.live.engine().is_some() { deadline } else { Instant::now() };
    let Ticket { id, verdict } = app.live.submit_for(kind, Trigger::Webhook, commit);
    let (pending, keeper) = (Pending::default(), app.clone());
    let pursuit = tokio::spawn({
        let pending = pending.clone();
        async move {
            let verdict = verdict.await.ok()?;
            // Without a commit nobody can tell whether the remote showed what the delivery is about.
            if let Some(delivery) = delivery.filter(|_| commit.is_some() && verdict.is_served()) {
                keeper.deliveries.remember(delivery);
            }
            Some(pending.get_or_init(|| verdict).clone())
        }
    });
    match tokio::time::timeout_at(deadline.into(), pursuit).await {
        Ok(Ok(Some(verdict))) => match (named, verdict.missing) {
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
        Ok(Ok(None)) => Err(not_ready()),
        Ok(Err(panic)) => Err(ApiError::caused_by(Code::Internal, &panic)),
        // The reload alone does not tell whether a commit arrived.
        Err(_) if commit.is_some() => {
            Ok(accepted(&app, app.pending.name(app.live.ledger(), pending)))
        }
        Err(_) => Ok(accepted(&app, id)),
    }
}

/// Answers with the verdict; the commit that serves is named whatever it is.
pub(super) fn answer(verdict: &Verdict) -> Result<Response, ApiError> {
    let commit = commit_header(verdict.report.serving);
    match ReloadView::of_verdict(verdict) {
        Ok(view) => {
            let told = Extension(OutcomeLabel(view.outcome()));
            Ok((told, [(COMMIT, commit)], Json(view)).into_response())
        }
        Err(error) => Err(error.header(COMMIT, commit)),
    }
}

/// Answers that the reload goes on, and where its report will be.
pub(super) fn accepted(app: &App, id: ReloadId) -> Response {
    let location = format!("{}/api/_internal/reloads/{id}", app.base_path.as_str());
    let headers = [(header::LOCATION, location), (header::RETRY_AFTER, "1".to_owned())];
    let told = Extension(OutcomeLabel("accepted"));
    (StatusCode::ACCEPTED, told, headers, Json(Accepted::of(id))).into_response()
}

fn bad_hook(headers: &HeaderMap, error: BadHook) -> ApiError {
    let refused = match error {
        BadHook::ContentType => {
            // GitHub wraps its JSON in a form unless it is told otherwise.
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
