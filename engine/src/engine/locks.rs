//! The locks of the engine, and the order in which they nest.
//!
//! A thread that holds a lock takes only locks that come later in [`Rank`], so no two threads can
//! wait for each other. A debug build asserts this at every lock.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a lock guards. A thread that holds one takes only locks that come later here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The request to the remote for the branches that may be previewed.
    Preview,
    /// The git lane: conversations with the remote, and repacks. Held during network waits.
    Lane,
    /// The place of the thread that gets the turn to publish next.
    Next,
    /// The turn to publish. Nothing waits for the network while holding it.
    Writer,
    /// The turn to build an earlier state for a reader.
    Building,
    /// The keys of requests that are recognized when repeated.
    Repeats,
    /// The stored files that are not synced yet.
    Unsynced,
    /// The states kept in addition to the published one.
    Earlier,
    /// The status for the operator.
    Status,
    /// The batches waiting to be written.
    Writes,
    /// The commits to be pushed, and the callers that wait for it.
    Pushes,
    /// The requests for reloads.
    Reloads,
    /// The reports of past reloads.
    Ledger,
    /// The commits in the history of the published one.
    Ancestry,
    /// Whether maintenance is due.
    Maintenance,
    /// When the commits of the branch were made.
    Timeline,
    /// What the remote reported about its branches.
    Heads,
    /// The heads that cannot be loaded or previewed.
    Refused,
    /// Where to go as a follower.
    Following,
    /// How far a replay is.
    Pace,
}

/// A mutex with its place in the order.
///
/// The guarded value is consistent after every statement, so a lock that a panic poisoned holds a
/// usable value and can still be taken.
#[derive(Debug)]
pub(super) struct Lock<T> {
    rank: Rank,
    mutex: Mutex<T>,
}

/// A lock that is held.
pub(super) struct LockGuard<'a, T> {
    guard: MutexGuard<'a, T>,
    order: Order,
}

impl<T> Lock<T> {
    pub(super) fn new(rank: Rank, value: T) -> Self {
        Self { rank, mutex: Mutex::new(value) }
    }

    /// Waits for the lock.
    pub(super) fn lock(&self) -> LockGuard<'_, T> {
        let order = Order::enter(self.rank);
        LockGuard { guard: self.mutex.lock().unwrap_or_else(PoisonError::into_inner), order }
    }

    /// Returns whether somebody holds the lock.
    #[cfg(test)]
    pub(super) fn is_held(&self) -> bool {
        self.mutex.try_lock().is_err()
    }
}

impl<T> LockGuard<'_, T> {
    /// Releases the lock until `changed` is notified.
    pub(super) fn wait(self, changed: &Condvar) -> Self {
        let Self { guard, order } = self;
        Self { guard: changed.wait(guard).unwrap_or_else(PoisonError::into_inner), order }
    }

    /// Does the same, for at most `time`.
    pub(super) fn wait_for(self, changed: &Condvar, time: Duration) -> Self {
        let Self { guard, order } = self;
        let waited = changed.wait_timeout(guard, time);
        Self { guard: waited.unwrap_or_else(PoisonError::into_inner).0, order }
    }

    /// Does the same, until `is_over` returns true.
    pub(super) fn wait_until(mut self, changed: &Condvar, is_over: impl Fn(&T) -> bool) -> Self {
        while !is_over(&self) {
            self = self.wait(changed);
        }
        self
    }
}

impl<T> Deref for LockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for LockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

#[cfg(debug_assertions)]
thread_local! {
    /// The locks that this thread holds, in the order in which it took them.
    static HELD: std::cell::RefCell<Vec<Rank>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// The place of a lock among those that its thread holds. Costs nothing in a release build.
struct Order {
    #[cfg(debug_assertions)]
    rank: Rank,
}

#[cfg(debug_assertions)]
impl Order {
    fn enter(rank: Rank) -> Self {
        HELD.with_borrow_mut(|held| {
            let last = held.iter().max().copied();
            assert!(last.is_none_or(|last| last < rank), "{rank:?} is locked under {last:?}");
            held.push(rank);
        });
        Self { rank }
    }
}

#[cfg(debug_assertions)]
impl Drop for Order {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|held| {
            if let Some(at) = held.iter().rposition(|rank| *rank == self.rank) {
                held.remove(at);
            }
        });
    }
}

#[cfg(not(debug_assertions))]
impl Order {
    const fn enter(_: Rank) -> Self {
        Self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_nest_in_their_order() {
        let (writer, status) = (Lock::new(Rank::Writer, 1), Lock::new(Rank::Status, 2));
        let held = writer.lock();
        assert_eq!(*held + *status.lock(), 3);
        // Dropping a guard out of order leaves the others.
        let inner = status.lock();
        drop(held);
        drop(inner);
        assert_eq!(*writer.lock() + *status.lock(), 3);
    }

    #[test]
    #[should_panic(expected = "Writer is locked under Some(Status)")]
    fn a_lock_that_is_taken_against_the_order_is_a_mistake() {
        let (writer, status) = (Lock::new(Rank::Writer, ()), Lock::new(Rank::Status, ()));
        let _status = status.lock();
        let _writer = writer.lock();
    }
}
