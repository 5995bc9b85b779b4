//! The git lane: one conversation with the remote, or one repack, at a time.

use std::sync::Condvar;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::locks::{Lock, LockGuard, Rank};

/// The lane, and how many wait for it.
pub(super) struct Lane {
    lock: Lock<()>,
    waiting: AtomicUsize,
    /// Somebody who waited has the lane.
    taken: Condvar,
}

impl Lane {
    pub(super) fn new() -> Self {
        let lock = Lock::new(Rank::Lane, ());
        Self { lock, waiting: AtomicUsize::new(0), taken: Condvar::new() }
    }

    /// Waits for the lane.
    pub(super) fn enter(&self) -> LockGuard<'_, ()> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let lane = self.lock.lock();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        self.taken.notify_all();
        lane
    }

    /// Waits for the lane until nobody waits for it in [`enter`](Self::enter): a reader gives way to
    /// all others.
    pub(super) fn enter_last(&self) -> LockGuard<'_, ()> {
        // Whoever takes the lane says so while holding it, so that is not missed.
        self.lock.lock().wait_until(&self.taken, |()| self.waiting.load(Ordering::SeqCst) == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_reader_gives_way_to_whoever_waits_and_then_has_its_turn() {
        let lane = Lane::new();
        drop(lane.enter_last());
        let (sender, entered) = mpsc::channel();
        std::thread::scope(|scope| {
            // As somebody does who is about to wait.
            lane.waiting.fetch_add(1, Ordering::SeqCst);
            scope.spawn(|| {
                let _lane = lane.enter_last();
                sender.send(()).unwrap();
            });
            // Nothing signals that a thread waits for a lock.
            let early = entered.recv_timeout(Duration::from_millis(500));
            let held = lane.enter();
            lane.waiting.fetch_sub(1, Ordering::SeqCst);
            drop(held);
            assert!(early.is_err(), "it did not give way");
            entered.recv().unwrap();
        });
    }
}
