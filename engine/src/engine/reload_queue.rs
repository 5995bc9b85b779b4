//! The schedule, shared by callers on any thread and the one thread that reloads.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar};
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use super::locks::{Lock, LockGuard, Rank};
use super::outlook::Outlook;
use super::report::Report;
use super::role::Role;
use super::schedule::{Action, Call, Ended, Event, Intervals, RequestKind, Schedule};
use crate::id::CommitId;
use crate::report::{OutcomeKind, ReloadId, ReloadOutcome, Trigger};

/// A request for a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadRequest {
    /// The kind of the request.
    pub kind: RequestKind,
    /// Its origin.
    pub trigger: Trigger,
    /// An id that was reserved in the ledger, for callers that already have it.
    pub reserved: Option<ReloadId>,
}

/// The result of a call.
#[derive(Debug, Clone)]
pub struct ReloadAnswer {
    /// The report of the last reload.
    pub report: Arc<Report>,
    /// Whether an earlier caller shared that reload.
    pub shared: bool,
    /// The named commit, if it is not in the branch.
    pub missing: Option<CommitId>,
}

impl ReloadAnswer {
    /// Returns whether the remote was asked and whatever the call was about is served.
    pub fn is_served(&self) -> bool {
        let served = |outcome: &ReloadOutcome| outcome.fetched && outcome.kind != OutcomeKind::Held;
        self.missing.is_none() && self.report.result.as_ref().is_ok_and(served)
    }
}

/// A function that is called with the verdict on the engine's thread, so it should only pass it on.
pub type OnReload = Box<dyn FnOnce(ReloadAnswer) + Send>;

/// A caller: the commit to wait for, if one is named, and the function to call.
pub struct ReloadCaller {
    /// The commit that must be in the remote's head.
    pub commit: Option<CommitId>,
    /// Called with the verdict.
    pub done: OnReload,
}

/// A reload to run.
pub(super) struct Run {
    pub(super) id: ReloadId,
    pub(super) kind: RequestKind,
    pub(super) trigger: Trigger,
}

/// The schedule and its clock.
pub(super) struct ReloadQueue {
    ledger: Arc<Ledger>,
    begun: Instant,
    schedule: Lock<Schedule<OnReload>>,
    changed: Condvar,
}

impl ReloadQueue {
    /// Returns a queue that polls and audits at `intervals`.
    pub(super) fn new(ledger: Arc<Ledger>, intervals: Intervals) -> Self {
        // Each `RandomState` has different keys.
        let seed = RandomState::new().build_hasher().finish();
        let schedule = Schedule::new(Duration::ZERO, intervals, seed);
        let schedule = Lock::new(Rank::Reloads, schedule);
        Self { ledger, begun: Instant::now(), schedule, changed: Condvar::new() }
    }

    /// Joins the waiting reload or queues a new one, and returns its id. Never blocks.
    pub(super) fn join(&self, request: ReloadRequest, askers: Vec<ReloadCaller>) -> ReloadId {
        let ReloadRequest { kind, trigger, reserved } = request;
        let id = reserved.unwrap_or_else(|| self.ledger.fresh());
        let call = |ReloadCaller { commit, done }| Call { caller: done, commit };
        let calls = askers.into_iter().map(call).collect();
        let event = Event::Asked { id, given: reserved.is_some(), kind, trigger, calls };
        let actions = self.lock().step(self.begun.elapsed(), event);
        let enlisted = actions.into_iter().find_map(|action| match action {
            Action::Enlisted(id) => Some(id),
            _ => None,
        });
        let enlisted = enlisted.unwrap_or(id);
        self.ledger.note(enlisted);
        self.changed.notify_one();
        enlisted
    }

    /// Waits for the next reload; `None` once the queue is closed.
    pub(super) fn next(&self) -> Option<Run> {
        let mut schedule = self.lock();
        loop {
            if schedule.is_closed() {
                return None;
            }
            let now = self.begun.elapsed();
            if let Some(Action::Begin { id, kind, trigger }) = schedule.step(now, Event::Idle).pop()
            {
                return Some(Run {
                    id: id.unwrap_or_else(|| self.ledger.reserve()),
                    kind,
                    trigger,
                });
            }
            schedule = match schedule.due() {
                Some(due) => {
                    let wait = due.saturating_sub(now);
                    schedule.wait_for(&self.changed, wait)
                }
                None => schedule.wait(&self.changed),
            };
        }
    }

    /// Returns the commits awaited by the callers of the running reload.
    pub(super) fn wanted(&self) -> BTreeSet<CommitId> {
        self.lock().wanted()
    }

    /// Returns what reloads may still bring of `commit`.
    pub(super) fn outlook(&self, commit: CommitId) -> Outlook {
        self.lock().outlook(commit)
    }

    /// Tells the callers of the finished reload how it ended.
    pub(super) fn finish(&self, report: &Arc<Report>, ended: Ended) {
        let actions = self.lock().step(self.begun.elapsed(), Event::Ended(ended));
        for action in actions {
            let Action::Tell { caller, shared, missing } = action else { continue };
            let verdict = ReloadAnswer { report: report.clone(), shared, missing };
            if catch_unwind(AssertUnwindSafe(|| caller(verdict))).is_err() {
                tracing::error!(reload = %report.id, "notifying a caller panicked");
            }
        }
    }

    /// Polls from now on as `role` does.
    pub(super) fn take_role(&self, role: Role) {
        self.lock().step(self.begun.elapsed(), Event::Role(role));
        self.changed.notify_all();
    }

    /// Returns whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }

    /// Makes the thread end after the running reload. Waiting requests are dropped unanswered.
    pub(super) fn close(&self) {
        self.lock().step(self.begun.elapsed(), Event::Closed);
        self.changed.notify_all();
    }

    fn lock(&self) -> LockGuard<'_, Schedule<OnReload>> {
        self.schedule.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELOAD: ReloadRequest =
        ReloadRequest { kind: RequestKind::Reload, trigger: Trigger::Webhook, reserved: None };

    fn queue(intervals: Intervals) -> ReloadQueue {
        ReloadQueue::new(Arc::new(Ledger::new()), intervals)
    }

    fn asker(done: impl FnOnce(ReloadAnswer) + Send + 'static) -> Vec<ReloadCaller> {
        vec![ReloadCaller { commit: None, done: Box::new(done) }]
    }

    #[test]
    fn a_closed_queue_lets_its_callers_go_and_ends_the_thread() {
        let queue = queue(Intervals::default());
        queue.join(RELOAD, asker(|_| {}));
        queue.close();
        assert!(queue.next().is_none());
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        queue.join(RELOAD, asker(move |_| drop(sender)));
        assert!(receiver.recv().is_err());
    }

    #[test]
    fn a_caller_that_panics_keeps_nobody_from_being_told() {
        let queue = queue(Intervals::default());
        let (sender, receiver) = std::sync::mpsc::channel();
        queue.join(RELOAD, asker(|_| panic!("a test")));
        queue.join(RELOAD, asker(move |verdict| sender.send(verdict.shared).unwrap()));
        let Run { id, trigger, .. } = queue.next().unwrap();
        let report = Report {
            id,
            trigger,
            started: std::time::SystemTime::now(),
            duration: Duration::ZERO,
            serving: CommitId::ZERO,
            result: Err(crate::engine::error::ReloadError::NotHeld { id }),
        };
        queue.finish(&Arc::new(report), Ended::Failed { remote: false, rest: Duration::ZERO });
        assert_eq!(receiver.recv(), Ok(true));
    }

    #[test]
    fn a_poll_begins_by_the_time_alone() {
        let queue = queue(Intervals { poll: Some(Duration::from_millis(5)), audit: None });
        let run = queue.next().unwrap();
        assert_eq!((run.kind, run.trigger), (RequestKind::Reload, Trigger::Poll));
        assert!(matches!(
            queue.ledger.get(&run.id),
            Some(crate::engine::ledger::LedgerEntry::Running)
        ));
    }
}
