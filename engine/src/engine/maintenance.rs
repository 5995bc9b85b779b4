//! Maintenance: work done after reloads and writes, so that none of them waits for it.

pub(super) mod worker;

use std::sync::Condvar;
use std::time::{Duration, Instant};

use super::locks::{Lock, Rank};

/// Wakes the thread after each reload.
pub(super) struct Maintenance {
    state: Lock<MaintenanceState>,
    changed: Condvar,
}

#[derive(Default)]
struct MaintenanceState {
    due: bool,
    busy: bool,
    closed: bool,
}

impl Maintenance {
    pub(super) fn new() -> Self {
        let state = Lock::new(Rank::Maintenance, MaintenanceState::default());
        Self { state, changed: Condvar::new() }
    }

    /// Makes the thread check for work.
    pub(super) fn wake(&self) {
        self.state.lock().due = true;
        self.changed.notify_all();
    }

    /// Makes the thread end after its current work.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// Returns whether the thread is to end.
    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Waits until all current work is done.
    pub(super) fn settle(&self) {
        let is_settled = |state: &MaintenanceState| !(state.due || state.busy) || state.closed;
        drop(self.state.lock().wait_until(&self.changed, is_settled));
    }

    /// Waits until there may be work, for at most `round`; returns false once closed.
    pub(super) fn next(&self, round: Duration) -> bool {
        let until = Instant::now() + round;
        let mut state = self.state.lock();
        state.busy = false;
        self.changed.notify_all();
        while !state.due && !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = state.wait_for(&self.changed, left);
        }
        (state.due, state.busy) = (false, true);
        !state.closed
    }
}
