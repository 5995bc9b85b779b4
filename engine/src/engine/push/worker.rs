//! Pushing: what was written here is carried to the remote, on a thread of its own.
//!
//! One push at a time carries all that waits. Nothing is forced: where the remote has moved on a
//! reload is asked for, which decides by the policy what becomes of both sides. What was kept on a
//! branch of its own in a conflict is pushed as well.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::backoff::Patience;
use super::report::{PushFailure, PushReport};
use super::waiters::{Carried, Waiter, tell};
use crate::causes::chain;
use crate::engine::holds::HeldReason;
use crate::engine::refs::CONFLICTS;
use crate::engine::reload_queue::Request;
use crate::engine::schedule::RequestKind;
use crate::engine::{Engine, Shared};
use crate::fault;
use crate::id::CommitId;
use crate::mirror::{Expected, Objects, PushErrorKind};
use crate::report::Trigger;

/// Where it is noted that the remote has a branch of a conflict.
const PUSHED: &str = "refs/headwater/pushed/";

/// How long the last push may take when the engine ends.
const LAST: Duration = Duration::from_secs(5);

/// Wakes the thread, and holds those who wait for it.
pub(in crate::engine) struct Pushing {
    pub(in crate::engine) active: bool,
    begun: Instant,
    state: Mutex<State>,
    pub(in crate::engine) changed: Condvar,
}

/// What the thread and those who wait for it share.
pub(in crate::engine) struct State {
    pub(in crate::engine) woken: bool,
    busy: bool,
    pub(in crate::engine) closed: bool,
    patience: Patience,
    /// The patience with branches that conflicts left, which the remote may refuse for ever.
    conflicts: Patience,
    pub(in crate::engine) waiters: Vec<Waiter>,
    /// Commits that are others now, or on a branch of their own.
    pub(in crate::engine) moved: VecDeque<(CommitId, Option<CommitId>)>,
}

impl Pushing {
    /// Returns one that pushes if it is `active`, and does nothing otherwise.
    pub(in crate::engine) fn new(active: bool) -> Self {
        // The keys of every `RandomState` differ.
        let patience = || Patience::new(RandomState::new().build_hasher().finish());
        let state = Mutex::new(State {
            woken: active,
            busy: false,
            closed: false,
            patience: patience(),
            conflicts: patience(),
            waiters: Vec::new(),
            moved: VecDeque::new(),
        });
        Self { active, begun: Instant::now(), state, changed: Condvar::new() }
    }

    /// Lets the thread look what there is to push.
    pub(in crate::engine) fn wake(&self) {
        self.lock().woken = true;
        self.changed.notify_all();
    }

    /// The same, now that the remote answered a fetch.
    pub(in crate::engine) fn remote_answers(&self) {
        let mut state = self.lock();
        state.patience.remote_answers(self.begun.elapsed());
        state.woken = true;
        self.changed.notify_all();
    }

    /// Lets the thread end after one more try.
    pub(in crate::engine) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits until there may be something to push; false once closed.
    fn next(&self) -> bool {
        let mut state = self.lock();
        state.busy = false;
        self.changed.notify_all();
        loop {
            let (now, due) = (self.begun.elapsed(), state.patience.due());
            if state.closed {
                return false;
            }
            if due > now {
                let waited = self.changed.wait_timeout(state, due - now);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            } else if state.woken || state.patience.failures() > 0 {
                (state.woken, state.busy) = (false, true);
                return true;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Waits until all that can be pushed now is pushed.
    fn settle(&self) {
        let busy = |state: &mut State| {
            let due = state.patience.due() <= self.begun.elapsed();
            (state.busy || due && (state.woken || state.patience.failures() > 0)) && !state.closed
        };
        let waited = self.changed.wait_while(self.lock(), busy);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    pub(in crate::engine) fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every statement, so a poisoned lock holds a usable one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Waits until the pushes that can be made now are made.
    pub fn settle_pushes(&self) {
        if self.shared.pushing.active {
            self.shared.pushing.settle();
        }
    }
}

/// What is still to be pushed.
struct Backlog {
    /// What the remote is known to have, and the head of the branch, if that may be pushed.
    head: Option<(Option<CommitId>, CommitId)>,
    /// Whether something is to be pushed that may not be.
    stopped: bool,
    /// What conflicts left: full names and commits.
    conflicts: Vec<(String, CommitId)>,
}

/// What a look at the backlog came to.
enum Tried {
    Pushed,
    /// There was nothing to do.
    Nothing,
    /// There was, and it may not be pushed now, which is told elsewhere.
    Stopped,
    /// The branch is pushed; what a conflict left is not.
    ConflictLeft(PushFailure),
}

impl Shared {
    /// Pushes whenever it is woken and the remote can bear it, until it is closed; then once more.
    pub(in crate::engine) fn push(&self) {
        if !self.pushing.active {
            return;
        }
        while self.pushing.next() {
            self.push_and_tell(self.fetch.timeout);
        }
        // A remote that did not answer a moment ago will not in the last seconds.
        if self.pushing.lock().patience.failures() == 0 {
            self.push_and_tell(LAST.min(self.fetch.timeout));
        }
        let waiters = std::mem::take(&mut self.pushing.lock().waiters);
        waiters.into_iter().for_each(|waiter| tell(waiter.done, Carried::Never));
    }

    fn push_and_tell(&self, time: Duration) {
        let (begun, mut commit) = (Instant::now(), self.published.load().commit());
        let pushed = catch_unwind(AssertUnwindSafe(|| self.push_backlog(time, &mut commit)));
        let pushed = pushed.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let message = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(PushFailure::Panic { message: message.unwrap_or_default() })
        });
        let now = SystemTime::now();
        let (result, kind) = match pushed {
            Ok(Tried::Pushed) => (Ok(()), None),
            Ok(Tried::ConflictLeft(failure)) => (Err(failure), None),
            // What was to be pushed is there, however it came there.
            Ok(Tried::Nothing) if self.pushing.lock().patience.failures() > 0 => (Ok(()), None),
            Ok(Tried::Nothing) => return self.tell_waiters(None),
            Ok(Tried::Stopped) => {
                self.pushing.lock().patience.succeeded();
                return self.tell_waiters(None);
            }
            Err(failure) => {
                let kind = failure.kind();
                (Err(failure), Some(kind))
            }
        };
        let (failures, wait) = {
            let mut state = self.pushing.lock();
            let wait = match kind {
                None => {
                    state.patience.succeeded();
                    None
                }
                Some(kind) => Some(state.patience.failed(self.pushing.begun.elapsed(), kind)),
            };
            (state.patience.failures(), wait)
        };
        if let Err(failure) = &result {
            tracing::warn!(
                %commit, error = chain(failure),
                again_s = wait.map(|wait| wait.as_secs_f64()),
                "cannot push; cannot push; the commits are kept here and pushed later"
            );
        }
        let report = {
            let mut status = self.status();
            let failure = result.as_ref().err();
            status.push.failure = failure.map(|failure| (failure.kind(), chain(failure)));
            status.push.failures = failures;
            status.push.next = wait.map(|wait| now + wait);
            let (unpushed, since) = (status.ahead, status.push.unpushed_since);
            PushReport { commit, duration: begun.elapsed(), unpushed, since, result }
        };
        if catch_unwind(AssertUnwindSafe(|| self.push_observer.see(&Arc::new(report)))).is_err() {
            tracing::error!("observing a push panicked");
        }
        self.tell_waiters(kind);
        if kind == Some(PushErrorKind::Behind) {
            let request =
                Request { kind: RequestKind::Reload, trigger: Trigger::Push, reserved: None };
            self.flight.join(&self.ledger, request, vec![]);
        }
    }

    /// Pushes what there is; says in `commit` what.
    fn push_backlog(&self, time: Duration, commit: &mut CommitId) -> Result<Tried, PushFailure> {
        let Some(remote) = &self.remote else { return Ok(Tried::Nothing) };
        let _lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        // What the last fetch saw may not be noted yet.
        self.note_synced();
        let objects = self.mirror.objects().map_err(PushFailure::Open)?;
        let backlog = self.backlog(&objects)?;
        let push = |commits, name: &str| {
            self.mirror.push(remote, commits, name, time).map_err(PushFailure::Remote)
        };
        let note = |name: &str, commit| {
            let noted = objects.set_reference(name, Expected::Any, commit);
            noted.map_err(PushFailure::Reference)
        };
        let mut tried = if backlog.stopped { Tried::Stopped } else { Tried::Nothing };
        let mut left = None;
        let is_due = {
            let state = self.pushing.lock();
            state.conflicts.due() <= self.pushing.begun.elapsed()
        };
        // First what only we have: the branch may be refused, and these are nowhere else. A remote
        // that takes no such branch does not keep the others back.
        for (name, conflict) in backlog.conflicts.into_iter().filter(|_| is_due) {
            *commit = conflict;
            match push((None, conflict), &name) {
                Ok(()) => {
                    fault::step("push.conflict");
                    let short = name.strip_prefix(CONFLICTS).unwrap_or(&name);
                    note(&format!("{PUSHED}{short}"), conflict)?;
                    tried = Tried::Pushed;
                }
                Err(failure) => {
                    let now = self.pushing.begun.elapsed();
                    self.pushing.lock().conflicts.failed(now, PushErrorKind::Refused);
                    left = Some(failure);
                }
            }
        }
        if let Some((known, head)) = backlog.head {
            *commit = head;
            push((known, head), &self.branch_ref())?;
            tried = Tried::Pushed;
            fault::step("push.note");
            note(&self.synced_ref(), head)?;
            fault::step("push.noted");
            tracing::info!(commit = %head, "pushed");
            let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let objects = self.mirror.objects().map_err(PushFailure::Open)?;
            let (ahead, since) = self.ahead_of(&objects, head)?;
            let mut status = self.status();
            (status.ahead, status.push.unpushed_since) = (ahead, since);
            status.remote_head = Some(head);
            (status.push.tip, status.push.pushed_at) = (Some(head), Some(SystemTime::now()));
        }
        Ok(left.map_or(tried, Tried::ConflictLeft))
    }

    /// Reads what is still to be pushed.
    fn backlog(&self, objects: &Objects) -> Result<Backlog, PushFailure> {
        let read = |name: &str| objects.reference(name).map_err(PushFailure::Reference);
        let listed =
            |prefix: &str| objects.references_under(prefix).map_err(PushFailure::Reference);
        let done = listed(PUSHED)?;
        let is_done = |(name, commit): &(String, CommitId)| {
            let short = name.strip_prefix(CONFLICTS).unwrap_or(name);
            done.iter().any(|(noted, at)| noted.strip_prefix(PUSHED) == Some(short) && at == commit)
        };
        let mut conflicts = listed(CONFLICTS)?;
        conflicts.retain(|conflict| !is_done(conflict));
        let stopped = {
            let status = self.status();
            let diverged = |held: &crate::engine::Held| held.reason == HeldReason::Diverged;
            // A branch that somebody deleted is not to come back by itself.
            status.branch_missing || status.held.as_ref().is_some_and(diverged)
        };
        let is_empty = self.status().remote_empty;
        let (local, synced) = (read(&self.branch_ref())?, read(&self.synced_ref())?);
        let head = match (local, synced) {
            (Some(local), Some(synced)) if local != synced => {
                let ours = objects.descends_from(local, synced).map_err(PushFailure::Repository)?;
                ours.then_some((Some(synced), local))
            }
            // The first commit of a remote that has none.
            (Some(local), None) if is_empty => Some((None, local)),
            _ => None,
        };
        let (head, stopped) = (head.filter(|_| !stopped), stopped && head.is_some());
        if let (Some(_), Some(synced)) = (head, synced) {
            let (_, since) = self.ahead_of(objects, synced)?;
            self.status().push.unpushed_since = since;
        }
        Ok(Backlog { head, stopped, conflicts })
    }

    /// Counts the commits of the branch that are not in `remote`, and tells when the oldest of them
    /// was made.
    fn ahead_of(
        &self,
        objects: &Objects,
        remote: CommitId,
    ) -> Result<(u64, Option<SystemTime>), PushFailure> {
        let local = objects.reference(&self.branch_ref()).map_err(PushFailure::Reference)?;
        let Some(local) = local.filter(|local| *local != remote) else { return Ok((0, None)) };
        let of = |error| PushFailure::Repository(error);
        let ahead = objects.count_between(remote, local).map_err(of)?;
        let ours = objects.first_parents(local, ahead).map_err(of)?;
        let oldest = ours.last().map(|commit| objects.commit(*commit)).transpose().map_err(of)?;
        let since = oldest.map(|oldest| oldest.committed_at().min(SystemTime::now()));
        Ok((ahead as u64, since))
    }
}
