//! Decides when to push: one pure state machine, so that it can be tested without a clock.
//!
//! Whatever waits is pushed at once, unless the last push failed and is to be tried later, or pushes are to be so far
//! apart. The last push of a server that ends waits for neither.

#[cfg(test)]
mod simulation;

use std::time::Duration;

use super::backoff::PushBackoff;
use crate::mirror::PushErrorKind;

/// When to push next. Times are relative to any fixed moment.
#[derive(Debug)]
pub(super) struct PushSchedule {
    /// The least time between two pushes.
    interval: Duration,
    /// When the last one ended, whatever came of it.
    pushed: Option<Duration>,
    backoff: PushBackoff,
    /// Whether there may be something to push.
    woken: bool,
    /// Whether a caller waits that has not been looked after: the remote may have its commit already.
    asked: bool,
    closed: bool,
}

/// What the thread that pushes does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Push now, and tell those who wait.
    Push,
    /// Push nothing yet, but tell those whose commit is there.
    Look,
    /// Wait until something happens, and until this time at most.
    Wait(Option<Duration>),
    /// Push for the last time.
    End,
}

impl PushSchedule {
    /// Returns the schedule of a server whose pushes are `interval` apart. `woken` is whether there may be something
    /// to push already; `seed` makes the waits of many servers differ.
    pub(super) fn new(interval: Duration, woken: bool, seed: u64) -> Self {
        let backoff = PushBackoff::new(seed);
        Self { interval, pushed: None, backoff, woken, asked: false, closed: false }
    }

    /// Decides what comes next at `now`. [`Next::Push`] is returned once for everything that waits, and
    /// [`Next::Look`] once for all callers.
    pub(super) fn next(&mut self, now: Duration) -> Next {
        let due = self.due();
        match () {
            () if self.closed => Next::End,
            () if self.is_wanted() && due <= now => {
                (self.woken, self.asked) = (false, false);
                Next::Push
            }
            () if std::mem::take(&mut self.asked) => Next::Look,
            () => Next::Wait(self.is_wanted().then_some(due)),
        }
    }

    /// Returns the time before which nothing is pushed.
    pub(super) fn due(&self) -> Duration {
        let rested = self.pushed.map(|pushed| pushed.saturating_add(self.interval));
        self.backoff.due().max(rested.unwrap_or_default())
    }

    /// Returns whether there is something to do once it is due.
    pub(super) fn is_wanted(&self) -> bool {
        self.woken || self.is_failing()
    }

    /// Returns whether the last push failed.
    pub(super) fn is_failing(&self) -> bool {
        self.backoff.failures() > 0
    }

    /// Records that there may be something to push.
    pub(super) fn wake(&mut self) {
        self.woken = true;
    }

    /// Records that a caller waits for a commit, which there may be to push.
    pub(super) fn ask(&mut self) {
        (self.woken, self.asked) = (true, true);
    }

    /// Records that the remote answered a fetch at `now`, and that there may be something to push.
    pub(super) fn remote_answers(&mut self, now: Duration) {
        self.backoff.remote_answers(now);
        self.woken = true;
    }

    /// Records that something was sent to the remote until `now`, whatever came of it.
    pub(super) fn sent(&mut self, now: Duration) {
        self.pushed = Some(now);
    }

    /// Records that a push succeeded, or that there is nothing to push.
    pub(super) fn succeeded(&mut self) {
        self.backoff.succeeded();
    }

    /// Records that a push failed at `now`; returns how many have failed in a row.
    pub(super) fn failed(&mut self, now: Duration, kind: PushErrorKind) -> u32 {
        self.backoff.failed(now, kind);
        self.backoff.failures()
    }

    /// Records that the server ends.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Returns whether the server ends.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }
}
