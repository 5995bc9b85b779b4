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
    /// The callers whose commit was overruled by a state that is not published yet.
    overruled: Vec<OnPushOutcome>,
    /// Whether a state is being published: until it is, nobody is told, because whoever is told reads.
    held: bool,
    moves: Moves,
}

impl Waiters {
    /// Returns whether no more may wait at `now`, after dropping those whose time is up.
    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        self.waiting.retain(|waiter| waiter.until > now);
        self.waiting.len() >= WAITERS
    }

    /// Makes all callers wait until [`Self::release`].
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Ends [`Self::hold`]; returns the callers whose commit was overruled.
    pub(super) fn release(&mut self) -> Vec<OnPushOutcome> {
        self.held = false;
        self.put_back(Vec::new())
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
        let all = std::mem::take(&mut self.waiting).into_iter().chain(waiters);
        for mut waiter in all {
            match self.moves.now(waiter.commit) {
                Some(commit) => {
                    // A different commit is checked again.
                    waiter.looked = waiter.looked.filter(|_| commit == waiter.commit);
                    waiter.commit = commit;
                    self.waiting.push(waiter);
                }
                None => self.overruled.push(waiter.done),
            }
        }
        if self.held { Vec::new() } else { std::mem::take(&mut self.overruled) }
    }

    /// Returns whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Removes and returns all waiting callers, whether or not they may be told now.
    pub(super) fn take_last(&mut self) -> Vec<Waiter> {
        std::mem::take(&mut self.waiting)
    }

    /// Removes and returns all waiting callers that may be told now.
    pub(super) fn take(&mut self) -> Vec<Waiter> {
        if self.held { Vec::new() } else { self.take_last() }
    }
}

/// Calls one of them; a panic there does not matter here.
pub(super) fn tell(done: OnPushOutcome, carried: PushOutcome) {
    if catch_unwind(AssertUnwindSafe(|| done(carried))).is_err() {
        tracing::error!("a caller who waited for a push panicked");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use super::*;

    fn commit(number: u8) -> CommitId {
        CommitId::from_bytes([number; 20])
    }

    fn waiter(number: u8, told: &Sender<PushOutcome>) -> Waiter {
        let told = told.clone();
        let done = Box::new(move |outcome| told.send(outcome).unwrap());
        let until = Instant::now() + Duration::from_secs(60);
        Waiter { commit: commit(number), until, looked: None, done }
    }

    #[test]
    fn nobody_is_told_of_a_state_before_it_is_published() {
        let (told, _) = channel();
        let mut waiters = Waiters::default();
        assert!(waiters.put_back(vec![waiter(1, &told), waiter(2, &told)]).is_empty());
        waiters.hold();
        assert!(waiters.moved(&[(commit(1), None)]).is_empty());
        // Neither those who come now, nor those whom the pushing thread has at hand.
        assert!(waiters.put_back(vec![waiter(1, &told)]).is_empty());
        assert!(waiters.take().is_empty());
        assert_eq!(waiters.release().len(), 2);
        let left: Vec<CommitId> = waiters.take().iter().map(|waiter| waiter.commit).collect();
        assert_eq!(left, [commit(2)]);
        assert_eq!(waiters.put_back(vec![waiter(1, &told)]).len(), 1);
    }
}
