//! The thread that reloads: takes requests in turn, and reports the result of each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::field::Empty;

use super::config::Observer;
use super::error::ReloadError;
use super::ledger::Ledger;
use super::maintenance::Maintenance;
use super::push::queue::PushQueue;
use super::reload_queue::ReloadQueue;
use super::reloader::Reloader;
use super::report::Report;
use super::repository::Repository;
use super::role::CurrentRole;
use super::role_gate;
use super::schedule::{Ended, RequestKind};
use super::states::States;
use super::status::StatusBoard;
use crate::causes::{self, chain};
use crate::id::CommitId;
use crate::plan::RebuildReason;
use crate::problem::Problem;
use crate::report::{ReloadId, Trigger};

/// Serves the reload requests.
pub(super) struct ReloadWorker {
    pub(super) reloader: Reloader,
    pub(super) repository: Arc<Repository>,
    pub(super) states: Arc<States>,
    pub(super) status: Arc<StatusBoard>,
    pub(super) reloads: Arc<ReloadQueue>,
    pub(super) pushes: Arc<PushQueue>,
    pub(super) maintenance: Arc<Maintenance>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) role: Arc<CurrentRole>,
    pub(super) observer: Observer<Report>,
    pub(super) told_observer: Observer<Report>,
}

impl ReloadWorker {
    /// Serves requests until the queue is closed.
    pub(super) fn serve(&self) {
        while let Some(run) = self.reloads.next() {
            let report = Arc::new(self.run(run.id, run.kind, run.trigger));
            self.ledger.record(&report);
            self.status.reported(&report);
            self.observer.see(&report);
            // Before the callers are told, so that they can wait for the maintenance that follows.
            self.maintenance.wake();
            if report.result.as_ref().is_ok_and(|outcome| outcome.fetched) {
                self.pushes.remote_answers();
            }
            let ended = catch_unwind(AssertUnwindSafe(|| self.ended(&report)));
            let failed = Ended::Failed { remote: false, rest: Duration::ZERO };
            self.reloads.finish(&report, ended.unwrap_or(failed));
            self.told_observer.see(&report);
        }
    }

    /// Returns what the waiting callers need to know: which of their commits are present.
    fn ended(&self, report: &Report) -> Ended {
        let head = match &report.result {
            Ok(outcome) => outcome.remote_head.unwrap_or(outcome.new),
            // The held commit may be an older head, from before the push that a call is about.
            Err(ReloadError::Held { held, .. }) => held.commit,
            Err(error) => {
                let rest = error.retry_after().unwrap_or_default();
                return Ended::Failed { remote: error.kind().is_of_remote(), rest };
            }
        };
        let is_there = |commit: &CommitId| self.repository.contains(head, *commit);
        Ended::Saw(self.reloads.wanted().into_iter().filter(is_there).collect())
    }

    /// Returns the commit that the remote is reported to be at, if exactly one is awaited.
    fn expected(&self) -> Option<CommitId> {
        let mut wanted = self.reloads.wanted().into_iter();
        wanted.next().filter(|_| wanted.next().is_none())
    }

    /// Runs one reload. Whatever happens, even a panic, is in the report.
    fn run(&self, id: ReloadId, kind: RequestKind, trigger: Trigger) -> Report {
        let span = tracing::info_span!(
            "reload", reload = %id, trigger = trigger.as_str(), outcome = Empty, commit = Empty,
            fetch_ms = Empty, diff_ms = Empty, decode_ms = Empty, apply_ms = Empty,
            text_ms = Empty, swap_ms = Empty
        );
        let _entered = span.enter();
        let (started, begun) = (SystemTime::now(), Instant::now());
        let allowed = role_gate::check(self.role.get(), kind);
        let serve = || match kind {
            RequestKind::Pin(commit) => self.reloader.turn(Some(commit)),
            RequestKind::Unpin => self.reloader.turn(None),
            RequestKind::Audit => self.reloader.audit(),
            RequestKind::Follow => self.reloader.follow(),
            RequestKind::Reload | RequestKind::Rebuild | RequestKind::Apply(_) => {
                self.reloader.reload(id, kind, self.expected())
            }
        };
        let result = catch_unwind(AssertUnwindSafe(|| allowed.and_then(|()| serve())))
            .unwrap_or_else(|panic| Err(ReloadError::Panic { message: causes::of_panic(&*panic) }));
        let serving = self.states.commit();
        let duration = begun.elapsed();
        span.record("commit", tracing::field::display(serving));
        match &result {
            Ok(outcome) => {
                span.record("outcome", outcome.kind.as_str());
                for (stage, time) in outcome.timings.stages() {
                    span.record(format!("{stage}_ms").as_str(), ms(time));
                }
                tracing::info!(
                    reason = outcome.reason.map(RebuildReason::as_str),
                    changed = outcome.changed.values().map(|counts| counts.total()).sum::<u64>(),
                    duration_ms = ms(duration),
                    "reload done"
                );
            }
            Err(error) => {
                span.record("outcome", "failed");
                // Where nobody waits for an answer, as in a work tree, only the log names the file.
                let problem = first_problem(error);
                tracing::warn!(
                    error = chain(error),
                    path = problem.map(|problem| &*problem.path),
                    line = problem.and_then(|problem| problem.line),
                    rule = problem.map(|problem| problem.rule.as_str()),
                    problem = problem.map(|problem| &*problem.message),
                    duration_ms = ms(duration),
                    "reload failed; the old state is still served"
                );
            }
        }
        Report { id, trigger, started, duration, serving, result }
    }
}

/// Returns the first problem of a push that is held.
fn first_problem(error: &ReloadError) -> Option<&Problem> {
    match error {
        ReloadError::Held { held, .. } => held.problems.first(),
        _ => None,
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
