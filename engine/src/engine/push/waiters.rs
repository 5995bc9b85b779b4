//! Callers that wait until the remote has a commit, whatever becomes of it on the way.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::moves::Moves;
use crate::id::CommitId;
use crate::mirror::PushErrorKind;

/// The number of callers that may wait for a push. An actor may have as many as it leaves for others.
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
    /// Not in time, or too many callers wait already, in all or of this actor.
    Late,
    /// Nothing is pushed here, or the engine ends.
    Never,
}

/// Whoever waits for a push, such as a function that is called with what became of the commit. This happens on the
/// engine's thread, so it should only pass it on.
pub trait AwaitsPush: Send {
    /// Takes note of what became of the commit.
    fn learns(self: Box<Self>, outcome: PushOutcome);

    /// Returns whether nobody waits any more, so that the place is free.
    fn has_gone(&self) -> bool {
        false
    }
}

impl<F: FnOnce(PushOutcome) + Send> AwaitsPush for F {
    fn learns(self: Box<Self>, outcome: PushOutcome) {
        self(outcome);
    }
}

/// Whoever waits for a push.
pub type OnPushOutcome = Box<dyn AwaitsPush>;

/// A caller that waits for a commit to be on the remote.
pub(super) struct Waiter {
    /// Whose request it is.
    pub(super) actor: String,
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
    /// The actors of the callers that the pushing thread looks at. They wait like the others.
    at_hand: Vec<String>,
    /// The callers whose commit was overruled by a state that is not published yet.
    overruled: Vec<OnPushOutcome>,
    /// Whether a state is being published: until it is, nobody is told, because whoever is told reads.
    held: bool,
    moves: Moves,
}

impl Waiters {
    /// Returns whether one more caller of `actor` may wait at `now`, after dropping those whose time is up or who have
    /// gone.
    pub(super) fn has_place(&mut self, actor: &str, now: Instant) -> bool {
        self.waiting.retain(|waiter| waiter.until > now && !waiter.done.has_gone());
        let waiting = self.waiting.iter().map(|waiter| &waiter.actor);
        let own = waiting.chain(&self.at_hand).filter(|other| *other == actor).count();
        may_wait(own, self.waiting.len() + self.at_hand.len())
    }

    /// Adds a caller that has a place; returns the callers whose commit was overruled.
    pub(super) fn join(&mut self, waiter: Waiter) -> Vec<OnPushOutcome> {
        self.waiting.push(waiter);
        self.follow()
    }

    /// Makes all callers wait until [`Self::release`].
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Ends [`Self::hold`]; returns the callers whose commit was overruled.
    pub(super) fn release(&mut self) -> Vec<OnPushOutcome> {
        self.held = false;
        self.follow()
    }

    /// Records replaced commits; returns the callers whose commit was overruled.
    pub(super) fn moved(&mut self, moves: &[(CommitId, Option<CommitId>)]) -> Vec<OnPushOutcome> {
        self.moves.note(moves);
        self.follow()
    }

    /// Returns what [`Moves::now`] does.
    pub(super) fn now(&self, commit: CommitId) -> Option<CommitId> {
        self.moves.now(commit)
    }

    /// Makes those wait again that are left of what [`Self::take`] returned; returns the callers whose commit
    /// was overruled.
    pub(super) fn put_back(&mut self, waiters: Vec<Waiter>) -> Vec<OnPushOutcome> {
        self.at_hand.clear();
        self.waiting.extend(waiters);
        self.follow()
    }

    /// Makes all callers wait for the commits that replaced theirs; returns those whose commit was overruled.
    fn follow(&mut self) -> Vec<OnPushOutcome> {
        for mut waiter in std::mem::take(&mut self.waiting) {
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

    /// Removes and returns all waiting callers that may be told now. They keep their places until
    /// [`Self::put_back`].
    pub(super) fn take(&mut self) -> Vec<Waiter> {
        let taken = if self.held { Vec::new() } else { self.take_last() };
        self.at_hand = taken.iter().map(|waiter| waiter.actor.clone()).collect();
        taken
    }
}

/// Returns whether an actor with `own` of `all` waiting callers may have one more. One that has none finds
/// a place as long as there is any.
fn may_wait(own: usize, all: usize) -> bool {
    all < WAITERS && (own == 0 || own < WAITERS.saturating_sub(all + 1))
}

/// Calls one of them; a panic there does not matter here.
pub(super) fn tell(done: OnPushOutcome, carried: PushOutcome) {
    if catch_unwind(AssertUnwindSafe(|| done.learns(carried))).is_err() {
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
        Waiter { actor: "a".into(), commit: commit(number), until, looked: None, done }
    }

    /// Lets as many callers of `actor` join as there are places for, `most` at most. Returns their number.
    fn joined(waiters: &mut Waiters, actor: &str, most: usize) -> usize {
        let (told, _) = channel();
        let joins = |_: &usize| {
            let has_place = waiters.has_place(actor, Instant::now());
            if has_place {
                let waiter = Waiter { actor: actor.to_owned(), ..waiter(1, &told) };
                assert!(waiters.join(waiter).is_empty());
            }
            has_place
        };
        (0..most).take_while(joins).count()
    }

    #[test]
    fn an_actor_may_have_as_many_callers_that_wait_as_it_leaves_for_others() {
        let mut waiters = Waiters::default();
        assert_eq!(joined(&mut waiters, "a", 2_000), 500);
        assert_eq!(joined(&mut waiters, "b", 2_000), 250);
        assert_eq!(joined(&mut waiters, "c", 1), 1);
        // The pushing thread looks at them, and they wait on.
        let taken = waiters.take();
        assert_eq!((taken.len(), joined(&mut waiters, "a", 1)), (751, 0));
        assert_eq!(joined(&mut waiters, "d", 1), 1);
        // Those who are told leave their places.
        assert!(waiters.put_back(taken.into_iter().take(400).collect()).is_empty());
        assert_eq!(joined(&mut waiters, "a", 2_000), 99);
        // Who has none has a place until there is none.
        let others = (0..2_000).map(|n| joined(&mut waiters, &n.to_string(), 1)).sum::<usize>();
        assert_eq!((others, waiters.waiting.len()), (500, WAITERS));
    }

    #[test]
    fn who_has_waited_long_enough_leaves_the_place() {
        let mut waiters = Waiters::default();
        assert_eq!(joined(&mut waiters, "a", 500), 500);
        assert!(!waiters.has_place("a", Instant::now()));
        assert!(waiters.has_place("a", Instant::now() + Duration::from_secs(61)));
    }

    #[test]
    fn who_has_gone_leaves_the_place() {
        struct Caller(std::sync::Weak<()>);
        impl AwaitsPush for Caller {
            fn learns(self: Box<Self>, _: PushOutcome) {}

            fn has_gone(&self) -> bool {
                self.0.strong_count() == 0
            }
        }
        let mut waiters = Waiters::default();
        let (told, _) = channel();
        let caller = std::sync::Arc::new(());
        for _ in 0..500 {
            assert!(waiters.has_place("a", Instant::now()));
            let done = Box::new(Caller(std::sync::Arc::downgrade(&caller)));
            assert!(waiters.join(Waiter { done, ..waiter(1, &told) }).is_empty());
        }
        assert!(!waiters.has_place("a", Instant::now()));
        drop(caller);
        assert!(waiters.has_place("a", Instant::now()));
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
