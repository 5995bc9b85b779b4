//! The locks of the engine, and the order in which they nest.
//!
//! A thread that holds a lock takes only such as stand below it in [`Rank`], so no two threads can
//! wait for each other. A debug build asserts it at every lock.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a lock guards. Whoever holds one takes only locks that come later here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The question to the remote where the branches are that may be previewed.
    Preview,
    /// The git lane: talk with the remote, and repacks. Held during network waits.
    Lane,
    /// The turn to publish. No network wait happens under it.
    Writer,
    /// The turn to build an earlier state for a reader.
    Building,
    /// The keys of requests that are known again.
    Repeats,
    /// The files that were stored and are not synced yet.
    Unsynced,
    /// The states beside the published one.
    Earlier,
    /// What the operator sees.
    Status,
    /// The batches that wait to be written.
    Writes,
    /// What there is to push, and who waits for it.
    Pushes,
    /// The requests for reloads.
    Reloads,
    /// The reports of past reloads.
    Ledger,
    /// Whether there is something to tidy.
    Maintenance,
    /// When the commits of the branch were made.
    Timeline,
    /// What the remote said of its branches.
    Heads,
}

/// A mutex with its place in the order.
///
/// What it guards is whole after every statement, so a lock that a panic poisoned holds a usable
/// value and is taken all the same.
#[derive(Debug)]
pub(super) struct Lock<T> {
    rank: Rank,
    mutex: Mutex<T>,
}

/// A lock that is held.
pub(super) struct Held<'a, T> {
    guard: MutexGuard<'a, T>,
    order: Order,
}

impl<T> Lock<T> {
    pub(super) fn new(rank: Rank, value: T) -> Self {
        Self { rank, mutex: Mutex::new(value) }
    }

    /// Waits for the lock.
    pub(super) fn lock(&self) -> Held<'_, T> {
        let order = Order::enter(self.rank);
        Held { guard: self.mutex.lock().unwrap_or_else(PoisonError::into_inner), order }
    }
}

impl<T> Held<'_, T> {
    /// Lets the lock go until `changed` is told of.
    pub(super) fn wait(self, changed: &Condvar) -> Self {
        let Self { guard, order } = self;
        Self { guard: changed.wait(guard).unwrap_or_else(PoisonError::into_inner), order }
    }

    /// The same, but no longer than for `time`.
    pub(super) fn wait_for(self, changed: &Condvar, time: Duration) -> Self {
        let Self { guard, order } = self;
        let waited = changed.wait_timeout(guard, time);
        Self { guard: waited.unwrap_or_else(PoisonError::into_inner).0, order }
    }

    /// The same, until `is_over` says so.
    pub(super) fn wait_until(mut self, changed: &Condvar, is_over: impl Fn(&T) -> bool) -> Self {
        while !is_over(&self) {
            self = self.wait(changed);
        }
        self
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Held<'_, T> {
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
        // A guard that is let go out of order leaves the others.
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
