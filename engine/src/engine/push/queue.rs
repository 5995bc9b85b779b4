//! The state shared by the pushing thread and the callers that wait for it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Condvar;
use std::time::{Duration, Instant};

use super::backoff::PushBackoff;
use super::waiters::{OnPushOutcome, PushOutcome, Waiter, Waiters, tell};
use crate::engine::locks::{Lock, LockGuard, Rank};
use crate::id::CommitId;
use crate::mirror::PushErrorKind;

/// Wakes the thread, and holds the waiting callers.
pub(in crate::engine) struct PushQueue {
    active: bool,
    begun: Instant,
    state: Lock<PushQueueState>,
    changed: Condvar,
}

struct PushQueueState {
    woken: bool,
    busy: bool,
    closed: bool,
    backoff: PushBackoff,
    /// The backoff for conflict branches, which the remote may refuse forever.
    conflicts: PushBackoff,
    waiters: Waiters,
}

impl PushQueue {
    /// Returns a queue that pushes if it is `active`, and does nothing if not.
    pub(in crate::engine) fn new(active: bool) -> Self {
        // Each `RandomState` has different keys.
        let backoff = || PushBackoff::new(RandomState::new().build_hasher().finish());
        let state = PushQueueState {
            woken: active,
            busy: false,
            closed: false,
            backoff: backoff(),
            conflicts: backoff(),
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
        self.lock().woken = true;
        self.changed.notify_all();
    }

    /// Does the same, after the remote answered a fetch.
    pub(in crate::engine) fn remote_answers(&self) {
        let mut state = self.lock();
        state.backoff.remote_answers(self.begun.elapsed());
        state.woken = true;
        self.changed.notify_all();
    }

    /// Makes the thread end after one more attempt.
    pub(in crate::engine) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits until there may be something to push; returns false once closed.
    pub(super) fn next(&self) -> bool {
        let mut state = self.lock();
        state.busy = false;
        self.changed.notify_all();
        loop {
            let (now, due) = (self.begun.elapsed(), state.backoff.due());
            if state.closed {
                return false;
            }
            if due > now {
                state = state.wait_for(&self.changed, due - now);
            } else if state.woken || state.backoff.failures() > 0 {
                (state.woken, state.busy) = (false, true);
                return true;
            } else {
                state = state.wait(&self.changed);
            }
        }
    }

    /// Waits until everything that can be pushed now is pushed.
    pub(in crate::engine) fn settle(&self) {
        let is_settled = |state: &PushQueueState| {
            let due = state.backoff.due() <= self.begun.elapsed();
            let busy = state.busy || due && (state.woken || state.backoff.failures() > 0);
            !busy || state.closed
        };
        if self.active {
            drop(self.lock().wait_until(&self.changed, is_settled));
        }
    }

    /// Calls `done` once the remote has `commit`, or once it is known that it will not have it
    /// soon. After `until`, the wait ends.
    pub(in crate::engine) fn wait_for(
        &self,
        commit: CommitId,
        until: Instant,
        done: OnPushOutcome,
    ) {
        let mut state = self.lock();
        let is_full = state.waiters.is_full(Instant::now());
        let refused = match () {
            () if !self.active || state.closed => Some(PushOutcome::Never),
            () if is_full => Some(PushOutcome::Late),
            () => None,
        };
        if let Some(refused) = refused {
            drop(state);
            return tell(done, refused);
        }
        let overruled = state.waiters.put_back(vec![Waiter { commit, until, looked: None, done }]);
        state.woken = true;
        drop(state);
        self.changed.notify_all();
        overruled.into_iter().for_each(|done| tell(done, PushOutcome::Overruled));
    }

    /// Updates the callers that wait for commits that were replaced.
    pub(in crate::engine) fn rebased(&self, moves: &[(CommitId, Option<CommitId>)]) {
        let overruled = self.lock().waiters.moved(moves);
        overruled.into_iter().for_each(|done| tell(done, PushOutcome::Overruled));
    }

    /// Removes and returns all waiting callers.
    pub(super) fn take_waiters(&self) -> Vec<Waiter> {
        self.lock().waiters.take()
    }

    /// Makes these callers wait again.
    pub(super) fn put_back(&self, waiters: Vec<Waiter>) {
        let overruled = self.lock().waiters.put_back(waiters);
        overruled.into_iter().for_each(|done| tell(done, PushOutcome::Overruled));
    }

    /// Returns whether the last push failed.
    pub(super) fn is_failing(&self) -> bool {
        self.lock().backoff.failures() > 0
    }

    /// Records that a push succeeded, or that there is nothing to push.
    pub(super) fn succeeded(&self) {
        self.lock().backoff.succeeded();
    }

    /// Records that a push failed; returns how many have failed in a row, and how long to wait.
    pub(super) fn failed(&self, kind: PushErrorKind) -> (u32, Duration) {
        let mut state = self.lock();
        let wait = state.backoff.failed(self.begun.elapsed(), kind);
        (state.backoff.failures(), wait)
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
