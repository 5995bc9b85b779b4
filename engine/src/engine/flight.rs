//! Single flight: one reload runs, one waits, and whoever asks for the same meanwhile shares the
//! one that waits. A burst of any number of requests costs at most two reloads.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::ledger::{Ledger, Report};
use crate::id::CommitId;
use crate::report::{ReloadId, Trigger};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// Go to the remote's head.
    Reload,
    /// Go to the remote's head, or stay, and build the state anew.
    Rebuild,
    /// Let the held push with this id through.
    Apply(ReloadId),
    /// Go back to this commit and stay there.
    Pin(CommitId),
    /// Go to the head of the branch again.
    Unpin,
}

/// Is called with the report of the reload, and whether it was shared with an earlier caller.
pub type Done = Box<dyn FnOnce(Arc<Report>, bool) + Send>;

/// A reload that waits or runs, with everybody who waits for it.
pub(super) struct Run {
    pub(super) id: ReloadId,
    pub(super) kind: RequestKind,
    pub(super) trigger: Trigger,
    callers: Vec<Done>,
}

impl Run {
    /// Tells everybody who waits.
    pub(super) fn finish(self, report: &Arc<Report>) {
        for (place, done) in self.callers.into_iter().enumerate() {
            let told = catch_unwind(AssertUnwindSafe(|| done(report.clone(), place > 0)));
            if told.is_err() {
                tracing::error!(reload = %report.id, "telling a caller panicked");
            }
        }
    }
}

/// The queue between those who ask and the one thread that reloads.
#[derive(Default)]
pub(super) struct Flight {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Run>,
    closed: bool,
}

impl Flight {
    /// Joins the reload that waits, or lets a new one wait, and returns its id. Never blocks.
    ///
    /// A running reload is never joined: it may have fetched before the caller's push arrived.
    pub(super) fn join(
        &self,
        ledger: &Ledger,
        kind: RequestKind,
        trigger: Trigger,
        reserved: Option<ReloadId>,
        done: Done,
    ) -> ReloadId {
        let mut state = self.lock();
        if state.closed {
            return reserved.unwrap_or_else(|| ledger.reserve());
        }
        // A reserved id was given out already, so it has to be the id of a reload of its own.
        // Only the like are shared: a rebuild succeeds without the remote, a reload must not.
        let share = state.waiting.iter_mut().find(|run| reserved.is_none() && run.kind == kind);
        let id = match share {
            Some(run) => {
                run.callers.push(done);
                run.id
            }
            None => {
                let id = reserved.unwrap_or_else(|| ledger.reserve());
                state.waiting.push_back(Run { id, kind, trigger, callers: vec![done] });
                id
            }
        };
        self.changed.notify_one();
        id
    }

    /// Waits for the next reload; `None` once the flight is closed.
    pub(super) fn next(&self) -> Option<Run> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(run) = state.waiting.pop_front() {
                return Some(run);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Lets the thread end after the reload it runs. What still waits is dropped unanswered.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The queue is whole after every statement, so a poisoned lock holds a usable one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(flight: &Flight, ledger: &Ledger, kind: RequestKind) -> ReloadId {
        flight.join(ledger, kind, Trigger::Webhook, None, Box::new(|_, _| {}))
    }

    #[test]
    fn requests_share_the_reload_that_waits_and_never_the_one_that_runs() {
        let (flight, ledger) = (Flight::default(), Ledger::new());
        let first = join(&flight, &ledger, RequestKind::Reload);
        let running = flight.next().unwrap();
        assert_eq!(running.id, first);
        let second = join(&flight, &ledger, RequestKind::Reload);
        assert_ne!(first, second);
        for _ in 0..48 {
            assert_eq!(join(&flight, &ledger, RequestKind::Reload), second);
        }
        assert_eq!(flight.next().unwrap().callers.len(), 49);
        assert!(flight.is_idle());
    }

    #[test]
    fn a_rebuild_and_a_reload_are_told_apart() {
        let (flight, ledger) = (Flight::default(), Ledger::new());
        let reload = join(&flight, &ledger, RequestKind::Reload);
        let rebuild = join(&flight, &ledger, RequestKind::Rebuild);
        assert_ne!(rebuild, reload);
        assert_eq!(join(&flight, &ledger, RequestKind::Rebuild), rebuild);
        assert_eq!(join(&flight, &ledger, RequestKind::Reload), reload);
    }

    #[test]
    fn a_closed_flight_lets_its_callers_go() {
        let (flight, ledger) = (Flight::default(), Ledger::new());
        flight.close();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let done: Done = Box::new(move |_, _| drop(sender));
        flight.join(&ledger, RequestKind::Reload, Trigger::Webhook, None, done);
        assert!(receiver.recv().is_err());
    }

    #[test]
    fn a_caller_that_panics_keeps_nobody_from_being_told() {
        let (flight, ledger) = (Flight::default(), Ledger::new());
        let id = ledger.reserve();
        let panics: Done = Box::new(|_, _| panic!("a test"));
        let (sender, receiver) = std::sync::mpsc::channel();
        let told: Done = Box::new(move |_, shared| sender.send(shared).unwrap());
        for done in [panics, told] {
            flight.join(&ledger, RequestKind::Reload, Trigger::Webhook, None, done);
        }
        let report = Report {
            id,
            trigger: Trigger::Webhook,
            started: std::time::SystemTime::now(),
            duration: std::time::Duration::ZERO,
            serving: crate::id::CommitId::ZERO,
            result: Err(crate::engine::ReloadError::NotHeld { id }),
        };
        flight.next().unwrap().finish(&Arc::new(report));
        assert_eq!(receiver.recv(), Ok(true));
    }

    #[test]
    fn letting_a_held_push_through_is_never_merged_with_a_reload() {
        let (flight, ledger) = (Flight::default(), Ledger::new());
        let held = ledger.reserve();
        let reload = join(&flight, &ledger, RequestKind::Reload);
        assert_ne!(join(&flight, &ledger, RequestKind::Apply(held)), reload);
    }

    #[test]
    fn a_closed_flight_ends_the_thread() {
        let (flight, ledger) = (Flight::default(), Ledger::new());
        join(&flight, &ledger, RequestKind::Reload);
        flight.close();
        assert!(flight.next().is_none());
    }
}
