//! Those who wait until the remote has a commit, whatever becomes of it on the way there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::worker::{Pushing, State};
use crate::engine::{Engine, Shared};
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
pub(in crate::engine) struct Waiter {
    commit: CommitId,
    /// Until when.
    until: Instant,
    /// What was in step when it was looked whether that has the commit.
    looked: Option<CommitId>,
    pub(in crate::engine) done: CarriedDone,
}

impl Pushing {
    /// Tells those who wait for commits that are on top of other ones now.
    pub(in crate::engine) fn rebased(&self, moves: &[(CommitId, Option<CommitId>)]) {
        let mut state = self.lock();
        state.moved.extend(moves);
        let old = state.moved.len().saturating_sub(MOVED);
        state.moved.drain(..old);
        let overruled = state.put_back(Vec::new());
        drop(state);
        overruled.into_iter().for_each(|done| tell(done, Carried::Overruled));
    }
}

impl State {
    /// Lets these wait again, with the commits that theirs are now; returns those that are overruled.
    fn put_back(&mut self, waiters: Vec<Waiter>) -> Vec<CarriedDone> {
        let mut overruled = Vec::new();
        let all = std::mem::take(&mut self.waiters).into_iter().chain(waiters);
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
                    self.waiters.push(waiter);
                }
                None => overruled.push(waiter.done),
            }
        }
        overruled
    }
}

impl Engine {
    /// Calls `done` once the remote has `commit`, or it is known that it will not have it soon; after
    /// `until` nobody waits for that any more.
    pub fn when_pushed(&self, commit: CommitId, until: Instant, done: CarriedDone) {
        let pushing = &self.shared.pushing;
        let mut state = pushing.lock();
        let now = Instant::now();
        state.waiters.retain(|waiter| waiter.until > now);
        let refused = match () {
            () if !pushing.active || state.closed => Some(Carried::Never),
            () if state.waiters.len() >= WAITERS => Some(Carried::Late),
            () => None,
        };
        if let Some(refused) = refused {
            drop(state);
            return tell(done, refused);
        }
        let overruled = state.put_back(vec![Waiter { commit, until, looked: None, done }]);
        state.woken = true;
        drop(state);
        pushing.changed.notify_all();
        overruled.into_iter().for_each(|done| tell(done, Carried::Overruled));
    }
}

impl Shared {
    /// Tells those whose commit the remote has now, and all where it will take none soon.
    pub(in crate::engine) fn tell_waiters(&self, failed: Option<PushErrorKind>) {
        let stuck = failed.filter(|kind| !kind.is_passing());
        let synced = self.mirror.objects().ok().and_then(|objects| {
            let synced = objects.reference(&self.synced_ref()).ok()??;
            Some((objects, synced))
        });
        let now = synced.as_ref().map(|(_, synced)| *synced);
        let has = |commit: CommitId| {
            synced.as_ref().is_some_and(|(objects, synced)| {
                objects.descends_from(*synced, commit).unwrap_or(false)
            })
        };
        let waiters = std::mem::take(&mut self.pushing.lock().waiters);
        let mut waiting = Vec::new();
        for waiter in waiters {
            // One answer lasts as long as what is in step does.
            let is_there = waiter.looked != now && has(waiter.commit);
            match stuck {
                _ if is_there => tell(waiter.done, Carried::Pushed(waiter.commit)),
                Some(kind) => tell(waiter.done, Carried::Stuck(kind)),
                None if waiter.until <= Instant::now() => tell(waiter.done, Carried::Late),
                None => waiting.push(Waiter { looked: now, ..waiter }),
            }
        }
        let overruled = self.pushing.lock().put_back(waiting);
        overruled.into_iter().for_each(|done| tell(done, Carried::Overruled));
    }
}

/// Tells one of them; what he makes of it is his affair.
pub(in crate::engine) fn tell(done: CarriedDone, carried: Carried) {
    if catch_unwind(AssertUnwindSafe(|| done(carried))).is_err() {
        tracing::error!("a caller who waited for a push panicked");
    }
}
