//! The state shared by the pushing thread and the callers that wait for it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Condvar;
use std::time::{Duration, Instant};

use super::backoff::PushBackoff;
use super::schedule::{Next, PushSchedule};
use super::waiters::{OnPushOutcome, PushOutcome, Waiter, Waiters, tell};
use crate::engine::locks::{Lock, LockGuard, Rank};
use crate::id::CommitId;
use crate::mirror::PushErrorKind;

/// What the thread has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Push what there is, and tell those who wait.
    Push,
    /// Tell those whose commit the remote has already.
    Look,
}

/// Callers that are not told as long as this is kept.
pub(in crate::engine) struct HeldWaiters<'a> {
    pushes: &'a PushQueue,
}

impl Drop for HeldWaiters<'_> {
    fn drop(&mut self) {
        let mut state = self.pushes.lock();
        let overruled = state.waiters.release();
        if !state.waiters.is_empty() {
            state.schedule.ask();
        }
        drop(state);
        self.pushes.changed.notify_all();
        overruled.into_iter().for_each(|done| tell(done, PushOutcome::Overruled));
    }
}

/// Wakes the thread, and holds the waiting callers.
pub(in crate::engine) struct PushQueue {
    active: bool,
    begun: Instant,
    state: Lock<PushQueueState>,
    changed: Condvar,
}

struct PushQueueState {
    busy: bool,
    schedule: PushSchedule,
    /// The backoff for conflict branches, which the remote may refuse forever.
    conflicts: PushBackoff,
    waiters: Waiters,
}

impl PushQueue {
    /// Returns a queue that pushes if it is `active`, and does nothing if not. There is at least `interval` between
    /// two pushes.
    pub(in crate::engine) fn new(active: bool, interval: Duration) -> Self {
        // Each `RandomState` has different keys.
        let seed = || RandomState::new().build_hasher().finish();
        let state = PushQueueState {
            busy: false,
            schedule: PushSchedule::new(interval, active, seed()),
            conflicts: PushBackoff::new(seed()),
            waiters: Waiters::default(),
        };
        let state = Lock::new(Rank::Pushes, state);
        Self { active, begun: Instant::now(), state, changed: Condvar::new() }
    }

    /// Returns whether anything can be pushed at all.
    pub(in crate::engine) fn is_active(&self) -> bool {
        self.active
    }

    /// Makes the thread check for work.
    pub(in crate::engine) fn wake(&self) {
        self.lock().schedule.wake();
        self.changed.notify_all();
    }

    /// Does the same, after the remote answered a fetch.
    pub(in crate::engine) fn remote_answers(&self) {
        self.lock().schedule.remote_answers(self.begun.elapsed());
        self.changed.notify_all();
    }

    /// Makes the thread end after one more attempt.
    pub(in crate::engine) fn close(&self) {
        self.lock().schedule.close();
        self.changed.notify_all();
    }

    /// Waits until there is something to do; returns `None` once closed.
    pub(super) fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        state.busy = false;
        self.changed.notify_all();
        loop {
            let now = self.begun.elapsed();
            let next = state.schedule.next(now);
            state.busy = matches!(next, Next::Push | Next::Look);
            state = match next {
                Next::End => return None,
                Next::Push => return Some(Task::Push),
                Next::Look => return Some(Task::Look),
                Next::Wait(Some(due)) => state.wait_for(&self.changed, due.saturating_sub(now)),
                Next::Wait(None) => state.wait(&self.changed),
            };
        }
    }

    /// Waits until everything that can be pushed now is pushed.
    pub(in crate::engine) fn settle(&self) {
        let is_settled = |state: &PushQueueState| {
            let due = state.schedule.due() <= self.begun.elapsed();
            let busy = state.busy || due && state.schedule.is_wanted();
            !busy || state.schedule.is_closed()
        };
        if self.active {
            drop(self.lock().wait_until(&self.changed, is_settled));
        }
    }

    /// Calls `done` once the remote has `commit`, or once it is known that it will not have it
    /// soon. After `until`, the wait ends. Actors share the places of those who wait.
    pub(in crate::engine) fn wait_for(
        &self,
        actor: &str,
        commit: CommitId,
        until: Instant,
        done: OnPushOutcome,
    ) {
        let mut state = self.lock();
        let has_place = state.waiters.has_place(actor, Instant::now());
        let refused = match () {
            () if !self.active || state.schedule.is_closed() => Some(PushOutcome::Never),
            () if !has_place => Some(PushOutcome::Late),
            () => None,
        };
        if let Some(refused) = refused {
            drop(state);
            return tell(done, refused);
        }
        let waiter = Waiter { actor: actor.to_owned(), commit, until, looked: None, done };
        let overruled = state.waiters.join(waiter);
        state.schedule.ask();
        drop(state);
        self.changed.notify_all();
        overruled.into_iter().for_each(|done| tell(done, PushOutcome::Overruled));
    }

    /// Makes all callers wait while a state is being published, and tells them afterwards, whatever came of it: whoever
    /// is told reads next.
    pub(in crate::engine) fn until_published(&self) -> HeldWaiters<'_> {
        self.lock().waiters.hold();
        HeldWaiters { pushes: self }
    }

    /// Updates the callers that wait for commits that were replaced.
    pub(in crate::engine) fn rebased(&self, moves: &[(CommitId, Option<CommitId>)]) {
        let overruled = self.lock().waiters.moved(moves);
        overruled.into_iter().for_each(|done| tell(done, PushOutcome::Overruled));
    }

    /// Returns the commit that has the change of `commit` now: itself, unless it was replaced. Returns `None` if it is
    /// kept on a separate branch.
    pub(in crate::engine) fn now(&self, commit: CommitId) -> Option<CommitId> {
        self.lock().waiters.now(commit)
    }

    /// Removes and returns all waiting callers.
    pub(super) fn take_waiters(&self) -> Vec<Waiter> {
        self.lock().waiters.take()
    }

    /// Removes and returns all waiting callers, because the thread ends.
    pub(super) fn take_last(&self) -> Vec<Waiter> {
        self.lock().waiters.take_last()
    }

    /// Makes these callers wait again.
    pub(super) fn put_back(&self, waiters: Vec<Waiter>) {
        let overruled = self.lock().waiters.put_back(waiters);
        overruled.into_iter().for_each(|done| tell(done, PushOutcome::Overruled));
    }

    /// Returns whether the last push failed.
    pub(super) fn is_failing(&self) -> bool {
        self.lock().schedule.is_failing()
    }

    /// Records that a push succeeded, or that there is nothing to push.
    pub(super) fn succeeded(&self) {
        self.lock().schedule.succeeded();
    }

    /// Records that something was sent to the remote until now, whatever came of it.
    pub(super) fn sent(&self) {
        self.lock().schedule.sent(self.begun.elapsed());
    }

    /// Records that a push failed; returns how many have failed in a row.
    pub(super) fn failed(&self, kind: PushErrorKind) -> u32 {
        self.lock().schedule.failed(self.begun.elapsed(), kind)
    }

    /// Returns how long the next push has to wait, if it does.
    pub(super) fn rest(&self) -> Option<Duration> {
        let rest = self.lock().schedule.due().saturating_sub(self.begun.elapsed());
        (!rest.is_zero()).then_some(rest)
    }

    /// Returns whether conflict branches may be pushed.
    pub(super) fn may_push_conflicts(&self) -> bool {
        self.lock().conflicts.due() <= self.begun.elapsed()
    }

    /// Records that a conflict branch was not accepted.
    pub(super) fn conflict_failed(&self) {
        self.lock().conflicts.failed(self.begun.elapsed(), PushErrorKind::Refused);
    }

    fn lock(&self) -> LockGuard<'_, PushQueueState> {
        self.state.lock()
    }
}
