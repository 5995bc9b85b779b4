//! Those who wait until the remote has a commit, whatever becomes of it on the way there.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::id::CommitId;
use crate::mirror::PushErrorKind;

/// How many callers may wait for a push.
const WAITERS: usize = 1_000;

/// How many replaced commits are remembered, for callers who ask a moment too late.
const MOVED: usize = 4_096;

/// What became of a commit that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// The remote has it: as this commit, which is another one where it was replayed.
    Pushed(CommitId),
    /// It does not have it, and that will not change soon: why.
    Stuck(PushErrorKind),
    /// It was overruled by what the remote had; a branch of its own holds it.
    Overruled,
    /// Not in time, or too many wait already.
    Late,
    /// Nothing is pushed here, or the engine ends.
    Never,
}

/// Is called with what became of a commit, on the engine's thread, so it should only pass it on.
pub type CarriedDone = Box<dyn FnOnce(Carried) + Send>;

/// Somebody who waits for a commit to be on the remote.
pub(super) struct Waiter {
    pub(super) commit: CommitId,
    /// Until when.
    pub(super) until: Instant,
    /// What was in step when it was looked whether that has the commit.
    pub(super) looked: Option<CommitId>,
    pub(super) done: CarriedDone,
}

/// All who wait, and what has become of commits.
#[derive(Default)]
pub(super) struct Waiters {
    waiting: Vec<Waiter>,
    /// Commits that are others now, or on a branch of their own.
    moved: VecDeque<(CommitId, Option<CommitId>)>,
}

impl Waiters {
    /// Says whether no more may wait at `now`; those who have waited for long enough are let go.
    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        self.waiting.retain(|waiter| waiter.until > now);
        self.waiting.len() >= WAITERS
    }

    /// Notes commits that are on top of other ones now; returns those who waited for one that is
    /// overruled.
    pub(super) fn moved(&mut self, moves: &[(CommitId, Option<CommitId>)]) -> Vec<CarriedDone> {
        self.moved.extend(moves);
        let old = self.moved.len().saturating_sub(MOVED);
        self.moved.drain(..old);
        self.put_back(Vec::new())
    }

    /// Lets these wait again, with the commits that theirs are now; returns those that are overruled.
    pub(super) fn put_back(&mut self, waiters: Vec<Waiter>) -> Vec<CarriedDone> {
        let mut overruled = Vec::new();
        let all = std::mem::take(&mut self.waiting).into_iter().chain(waiters);
        for mut waiter in all {
            let mut now = Some(waiter.commit);
            for (old, new) in &self.moved {
                now = if now == Some(*old) { *new } else { now };
            }
            match now {
                Some(commit) => {
                    // Another commit is looked for anew.
                    waiter.looked = waiter.looked.filter(|_| commit == waiter.commit);
                    waiter.commit = commit;
                    self.waiting.push(waiter);
                }
                None => overruled.push(waiter.done),
            }
        }
        overruled
    }

    /// Takes out all who wait.
    pub(super) fn take(&mut self) -> Vec<Waiter> {
        std::mem::take(&mut self.waiting)
    }
}

/// Tells one of them; what he makes of it is his affair.
pub(super) fn tell(done: CarriedDone, carried: Carried) {
    if catch_unwind(AssertUnwindSafe(|| done(carried))).is_err() {
        tracing::error!("a caller who waited for a push panicked");
    }
}
