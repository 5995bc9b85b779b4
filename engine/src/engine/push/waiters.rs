//! Callers that wait until the remote has a commit, whatever becomes of it on the way.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::moves::Moves;
use crate::id::CommitId;
use crate::mirror::PushErrorKind;

/// The number of callers that may wait for a push.
const WAITERS: usize = 1_000;

/// What became of an awaited commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The remote has it, as this commit, which differs if it was replayed.
    Pushed(CommitId),
    /// The remote does not have it, and that will not change soon, for this reason.
    Stuck(PushErrorKind),
    /// It was overruled by the remote's commits and is kept on a separate branch.
    Overruled,
    /// Not in time, or too many callers wait already.
    Late,
    /// Nothing is pushed here, or the engine ends.
    Never,
}

/// A function that is called with what became of a commit on the engine's thread, so it should only
/// pass it on.
pub type OnPushOutcome = Box<dyn FnOnce(PushOutcome) + Send>;

/// A caller that waits for a commit to be on the remote.
pub(super) struct Waiter {
    pub(super) commit: CommitId,
    /// Until when.
    pub(super) until: Instant,
    /// The synced commit for which it was last checked.
    pub(super) looked: Option<CommitId>,
    pub(super) done: OnPushOutcome,
}

/// All waiting callers, and what has become of commits.
#[derive(Default)]
pub(super) struct Waiters {
    waiting: Vec<Waiter>,
    moves: Moves,
}

impl Waiters {
    /// Returns whether no more may wait at `now`, after dropping those whose time is up.
    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        self.waiting.retain(|waiter| waiter.until > now);
        self.waiting.len() >= WAITERS
    }

    /// Records replaced commits; returns the callers whose commit was overruled.
    pub(super) fn moved(&mut self, moves: &[(CommitId, Option<CommitId>)]) -> Vec<OnPushOutcome> {
        self.moves.note(moves);
        self.put_back(Vec::new())
    }

    /// Returns what [`Moves::now`] does.
    pub(super) fn now(&self, commit: CommitId) -> Option<CommitId> {
        self.moves.now(commit)
    }

    /// Makes these callers wait again, for the commits that replaced theirs; returns those whose
    /// commit was overruled.
    pub(super) fn put_back(&mut self, waiters: Vec<Waiter>) -> Vec<OnPushOutcome> {
        let mut overruled = Vec::new();
        let all = std::mem::take(&mut self.waiting).into_iter().chain(waiters);
        for mut waiter in all {
            match self.moves.now(waiter.commit) {
                Some(commit) => {
                    // A different commit is checked again.
                    waiter.looked = waiter.looked.filter(|_| commit == waiter.commit);
                    waiter.commit = commit;
                    self.waiting.push(waiter);
                }
                None => overruled.push(waiter.done),
            }
        }
        overruled
    }

    /// Removes and returns all waiting callers.
    pub(super) fn take(&mut self) -> Vec<Waiter> {
        std::mem::take(&mut self.waiting)
    }
}

/// Calls one of them; a panic there does not matter here.
pub(super) fn tell(done: OnPushOutcome, carried: PushOutcome) {
    if catch_unwind(AssertUnwindSafe(|| done(carried))).is_err() {
        tracing::error!("a caller who waited for a push panicked");
    }
}
