//! Reloads: the answer to a call that waited, and the entries of the list of reloads.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater_engine::admit::Excess;
use headwater_engine::engine::{
    FailureKind, HeldPush, HeldReason, ReloadAnswer, ReloadError, Report,
};
use headwater_engine::id::CommitId;
use headwater_engine::plan::RebuildReason;
use headwater_engine::report::{Counts, OutcomeKind, ReloadId, ReloadOutcome, Timings};
use headwater_engine::snapshot::Snapshot;
use serde::Serialize;
use serde_json::{Value, json};

use super::code::Code;
use super::problem::ProblemView;
use super::timestamp::time;
use crate::hook::Ignored;
use crate::wire::ApiError;

/// The most problems that a refusal lists.
const LISTED: usize = 100;

/// The answer to a reload that did not fail.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReloadView {
    ok: bool,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_commit: Option<String>,
    duration_ms: f64,
    timings: TimingsView,
    changed: BTreeMap<String, CountsView>,
    /// The sheets that were rebuilt because their definitions changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    redefined: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<u64>,
    /// The number of our commits that are now on top of those of the remote.
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<u64>,
    /// The branch that keeps our commits as they were, if some were overruled.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_id: Option<String>,
    #[serde(skip_serializing_if = "is_true")]
    fetched: bool,
    #[serde(skip_serializing_if = "is_false")]
    shared: bool,
    #[serde(skip_serializing_if = "is_false")]
    repeated: bool,
}

/// Milliseconds of each stage.
#[derive(Debug, Default, Serialize)]
pub(super) struct TimingsView {
    fetch: f64,
    diff: f64,
    decode: f64,
    apply: f64,
    text: f64,
    swap: f64,
}

impl TimingsView {
    pub(super) fn of(timings: &Timings) -> Self {
        let Timings { fetch, diff, decode, apply, text, swap } = *timings;
        let stages = [fetch, diff, decode, apply, text, swap];
        let [fetch, diff, decode, apply, text, swap] = stages.map(ms);
        Self { fetch, diff, decode, apply, text, swap }
    }
}

/// The numbers of records of a sheet that differ.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct CountsView {
    added: u64,
    modified: u64,
    removed: u64,
}

impl CountsView {
    pub(super) fn of(counts: &Counts) -> Self {
        let Counts { added, modified, removed } = *counts;
        Self { added, modified, removed }
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_true(flag: &bool) -> bool {
    *flag
}

/// Returns milliseconds with three decimals.
pub(super) fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Returns why a reload rebuilt the state, or why it published nothing.
pub(super) fn reason(outcome: &ReloadOutcome) -> Option<&'static str> {
    match outcome.held {
        Some(_) => Some(HeldReason::Pinned.as_str()),
        None => outcome.reason.map(RebuildReason::as_str),
    }
}

impl ReloadView {
    fn of(outcome: &ReloadOutcome, duration: Duration, shared: bool) -> Self {
        let changed = outcome.changed.iter();
        let changed = changed.map(|(sheet, counts)| (sheet.to_string(), CountsView::of(counts)));
        Self {
            ok: true,
            outcome: outcome.kind.as_str(),
            reason: reason(outcome),
            old_commit: Some(outcome.old.to_string()),
            new_commit: Some(outcome.new.to_string()),
            duration_ms: ms(duration),
            timings: TimingsView::of(&outcome.timings),
            changed: changed.collect(),
            redefined: outcome.redefined.iter().map(ToString::to_string).collect(),
            digest: Some(outcome.digest.to_string()),
            ahead: (outcome.ahead > 0).then_some(outcome.ahead),
            replayed: outcome.replayed.as_ref().map(|replayed| replayed.commits),
            kept_branch: outcome.replayed.as_ref().and_then(|replayed| {
                let kept = replayed.kept.as_ref()?;
                Some(kept.reference.trim_start_matches("refs/heads/").to_owned())
            }),
            held_id: outcome.held.map(|id| id.to_string()),
            fetched: outcome.fetched,
            shared,
            repeated: outcome.repeated,
        }
    }

    /// Returns the answer to a call that names the published commit; nothing is fetched.
    pub fn already(snapshot: &Snapshot) -> Self {
        let outcome = OutcomeKind::Unchanged.as_str();
        Self { fetched: false, ..Self::still(outcome, None, Some(snapshot)) }
    }

    /// Returns the answer to a delivery whose reload succeeded before.
    pub fn redelivered(snapshot: &Snapshot) -> Self {
        Self { repeated: true, ..Self::already(snapshot) }
    }

    /// Returns the answer to a call that concerns something else.
    pub fn ignored(reason: Ignored, snapshot: Option<&Snapshot>) -> Self {
        Self::still("ignored", Some(reason.as_str()), snapshot)
    }

    /// Returns its outcome.
    pub fn outcome(&self) -> &'static str {
        self.outcome
    }

    fn still(
        outcome: &'static str,
        reason: Option<&'static str>,
        snapshot: Option<&Snapshot>,
    ) -> Self {
        let commit = snapshot.map(|snapshot| snapshot.commit().to_string());
        Self {
            ok: true,
            outcome,
            reason,
            old_commit: commit.clone(),
            new_commit: commit,
            duration_ms: 0.0,
            timings: TimingsView::default(),
            changed: BTreeMap::new(),
            redefined: Vec::new(),
            digest: snapshot.map(|snapshot| snapshot.digest().to_string()),
            ahead: None,
            replayed: None,
            kept_branch: None,
            held_id: None,
            fetched: true,
            shared: false,
            repeated: false,
        }
    }

    /// Returns the answer to a call that waited for its verdict.
    ///
    /// # Errors
    /// Fails if the reload failed, or if the named commit is not in the branch.
    pub fn of_verdict(verdict: &ReloadAnswer) -> Result<Self, ApiError> {
        let outcome =
            verdict.report.result.as_ref().map_err(|error| failure(error, &verdict.report))?;
        if let Some(missing) = verdict.missing {
            return Err(commit_mismatch(missing, outcome));
        }
        Ok(Self::of(outcome, verdict.report.duration, verdict.shared))
    }
}

fn commit_mismatch(missing: CommitId, outcome: &ReloadOutcome) -> ApiError {
    let head = outcome.remote_head.unwrap_or(outcome.new);
    let detail = format!("{missing} is not in the branch, whose head on the remote is {head}");
    ApiError::explained(Code::CommitMismatch, detail)
        .member("ok", false)
        .member("commitHash", missing.to_string())
        .member("newCommit", outcome.new.to_string())
}

/// Returns the code of a kind of failure.
pub fn failure_code(kind: FailureKind) -> Code {
    match kind {
        FailureKind::BranchMissing => Code::BranchMissing,
        FailureKind::Diverged => Code::Diverged,
        FailureKind::Refused => Code::PushRefused,
        FailureKind::NotHeld => Code::HeldSuperseded,
        FailureKind::NotPinnable => Code::NotPinnable,
        FailureKind::Unreachable => Code::FetchFailed,
        FailureKind::RemoteAuth => Code::RemoteAuth,
        FailureKind::RemoteUntrusted => Code::RemoteUntrusted,
        FailureKind::ContentRejected => Code::RemoteContentRejected,
        FailureKind::TimedOut => Code::FetchTimeout,
        FailureKind::DiskFull => Code::DiskFull,
        FailureKind::RepoLocked => Code::RepoLocked,
        FailureKind::MemoryShort => Code::MemoryShort,
        FailureKind::LeaderChanged => Code::LeaderChanged,
        FailureKind::WrongRole => Code::NoLeader,
        FailureKind::CannotFollow => Code::CannotFollow,
        FailureKind::ReplicaDiverged => Code::ReplicaDiverged,
        FailureKind::Internal => Code::ReloadFailed,
    }
}

/// Returns the answer to a failed reload. The engine has logged the cause already.
fn failure(error: &ReloadError, report: &Report) -> ApiError {
    let code = failure_code(error.kind());
    match error {
        ReloadError::Held { held, repeated } => held_back(code, held, *repeated),
        ReloadError::BranchMissing { .. }
        | ReloadError::NotHeld { .. }
        | ReloadError::NeverServed { .. }
        | ReloadError::Withheld(_)
        | ReloadError::NotLeading { .. }
        | ReloadError::NotFollowing { .. }
        | ReloadError::ReplicaDiverged { .. }
        | ReloadError::PinWithoutRemote => ApiError::explained(code, error.to_string()),
        _ => ApiError::from(code),
    }
    .member("ok", false)
    .member("oldCommit", report.serving.to_string())
}

fn held_back(code: Code, held: &HeldPush, repeated: bool) -> ApiError {
    let HeldPush { id, commit, published, problems, excesses, reason, .. } = held;
    let way = format!("`headwater apply {id}` publishes it");
    let error = if code == Code::Diverged {
        let what = format!("the remote's head {commit} does not continue {published}");
        ApiError::explained(code, format!("{what}; nothing changed; {way}"))
            .member("remoteCommit", commit.to_string())
    } else {
        let listed: Vec<_> = problems.iter().take(LISTED).map(ProblemView::of).collect();
        let count = problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        let what = match excesses.first() {
            Some(excess) => format!("{commit} exceeds the limits of a push: {}", told(excess)),
            None => format!("{commit} has {count} {noun} that {published} does not have"),
        };
        let error = ApiError::explained(code, format!("{what}; nothing changed; {way}"))
            .member("refusedCommit", commit.to_string())
            .member("problems", serde_json::to_value(listed).unwrap_or_default())
            .member("problemsTotal", problems.len());
        match excesses.is_empty() {
            true => error,
            false => error.member("limits", excesses.iter().map(excess_view).collect::<Vec<_>>()),
        }
    };
    let error = error.member("heldId", id.to_string()).member("reason", reason.as_str());
    if repeated { error.member("repeated", true) } else { error }
}

/// Describes which limit is exceeded.
fn told(excess: &Excess) -> String {
    let Excess { sheet, what, found, allowed } = excess;
    let (what, place) = (what.as_str(), sheet.as_ref().map(|sheet| format!(" in {sheet}")));
    format!("{found} {what}{} where {allowed} are allowed", place.unwrap_or_default())
}

/// Returns an exceeded limit for the API and the alerts.
pub fn excess_view(excess: &Excess) -> Value {
    let Excess { sheet, what, found, allowed } = excess;
    let sheet = sheet.as_ref().map(ToString::to_string);
    json!({ "sheet": sheet, "counted": what.as_str(), "found": found, "allowed": allowed })
}

/// One reload in the list, or on its own.
#[derive(Debug, Serialize)]
pub struct StoredReload {
    id: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    /// The status of the answer to a caller that waited. The body of an error has the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(flatten)]
    body: BTreeMap<String, Value>,
}

impl StoredReload {
    /// Returns the view of an unfinished reload.
    pub fn running(id: ReloadId) -> Self {
        Self {
            id: id.to_string(),
            state: "running",
            trigger: None,
            started: None,
            status: None,
            body: BTreeMap::new(),
        }
    }

    /// Returns the view of a call with its verdict.
    pub fn done(id: ReloadId, verdict: &ReloadAnswer) -> Self {
        let (status, body) = match ReloadView::of_verdict(verdict) {
            Ok(view) => (200, serde_json::to_value(view).unwrap_or_default()),
            Err(error) => (error.code().status().as_u16(), error.stored()),
        };
        let mut body: BTreeMap<String, Value> = match body {
            Value::Object(body) => body.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        body.remove("status");
        Self {
            id: id.to_string(),
            state: "done",
            trigger: Some(verdict.report.trigger.as_str()),
            started: Some(time(verdict.report.started)),
            status: Some(status),
            body,
        }
    }
}

/// The list of reloads, newest first.
#[derive(Debug, Serialize)]
pub struct ReloadsView {
    /// The reloads.
    pub items: Vec<StoredReload>,
}

/// The answer to a caller that does not wait any longer.
#[derive(Debug, Serialize)]
pub struct Accepted {
    ok: bool,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl Accepted {
    /// Returns the answer that names the reload `id`.
    pub fn of(id: ReloadId) -> Self {
        Self { ok: true, state: "running", id: Some(id.to_string()) }
    }

    /// Returns the answer of a replica that knows no leader: nothing runs yet, and the next leader
    /// reloads.
    pub fn by_the_next_leader() -> Self {
        Self { ok: true, state: "waiting", id: None }
    }
}
