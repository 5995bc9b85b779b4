//! The status of the engine for the operator: how the served state relates to the remote.
//!
//! It is one value under one lock, since a publication changes most of it at once. Each change is a
//! named method; no other code writes a field.

use std::sync::Arc;
use std::time::SystemTime;

use super::branch_comparison::BranchComparison;
use super::consent::RemoteStanding;
use super::hold_reason::{HeldPush, HeldReason, Pinned};
use super::locks::{self, Lock, Rank};
use super::publication::Origin;
use super::push::report::{PushFailure, PushStatus};
use super::report::Report;
use super::role::Role;
use crate::causes::chain;
use crate::id::CommitId;
use crate::plan::{Movement, RebuildReason};

/// The status for the operator, in addition to the snapshot.
#[derive(Debug, Clone)]
pub struct EngineStatus {
    /// The role among the replicas.
    pub role: Role,
    /// The served branch.
    pub branch: String,
    /// The remote without credentials, or `None` if the local branch is followed.
    pub remote: Option<String>,
    /// The head of the branch on the remote, as last seen.
    pub remote_head: Option<CommitId>,
    /// When the remote last answered.
    pub fetched_at: Option<SystemTime>,
    /// Since when the remote has had a head that is not published.
    pub behind_since: Option<SystemTime>,
    /// How many commits the local branch is ahead of the remote.
    pub ahead: u64,
    /// The state of the pushes.
    pub push: PushStatus,
    /// The held push.
    pub held: Option<HeldPush>,
    /// The pinned commit, which is served whatever is pushed.
    pub pinned: Option<Pinned>,
    /// The number of superseded states that are kept for a quick return.
    pub retained: usize,
    /// The number of states in memory, including those that readers have not released.
    pub alive: usize,
    /// The last finished reload.
    pub last: Option<Arc<Report>>,
    /// Whether the published state has problems for which a push that introduced them would be
    /// refused: it was served at the first start, or let through. Depends on the state alone.
    pub degraded: bool,
    /// Why the first state was built the way it was: `first_load`, or `cache_invalid`.
    pub opened: RebuildReason,
    /// Whether the branch is missing on the remote.
    pub branch_missing: bool,
    /// Whether the remote has no branch at all.
    pub remote_empty: bool,
    /// The branch that `HEAD` names now, if `HEAD` chose the served branch and now names another
    /// one.
    pub head_elsewhere: Option<String>,
    /// When the current snapshot was published.
    pub published_at: SystemTime,
}

impl EngineStatus {
    /// Updates the status for a state that has just been published.
    pub(super) fn published(&mut self, origin: &Origin, refusable: bool, now: SystemTime) {
        // A compaction publishes an already published state.
        if *origin != Origin::Compaction {
            self.published_at = now;
        }
        self.degraded = refusable;
    }

    /// Updates the status of the branch, now that `serves` is published and `origin` was checked,
    /// whether or not that changed anything.
    pub(super) fn settle(&mut self, origin: &Origin, serves: CommitId, now: SystemTime) {
        match origin {
            Origin::Branch(followed) => {
                if followed.through {
                    self.pinned = None;
                }
                if let Some(ahead) = followed.level {
                    (self.behind_since, self.held, self.ahead) = (None, None, ahead);
                    if ahead == 0 {
                        self.push.unpushed_since = None;
                    }
                }
            }
            Origin::Write { commits } if self.remote.is_some() => {
                self.ahead += commits;
                self.push.unpushed_since.get_or_insert(now);
            }
            // Without a remote, the branch itself is followed, and it exists.
            Origin::Write { .. } => {
                (self.branch_missing, self.remote_head) = (false, Some(serves));
            }
            Origin::Pin { pinned, head } => {
                let elsewhere = self.remote_head.is_some_and(|remote| Some(remote) != *head);
                let is_behind =
                    *head != Some(serves) || self.held.is_some() || elsewhere && self.ahead == 0;
                let since = self.behind_since.unwrap_or(now);
                self.behind_since = is_behind.then_some(since);
                self.pinned = *pinned;
                // What is held only because of the pin is judged like any other push after it.
                self.held.take_if(|held| held.reason == HeldReason::Pinned);
            }
            Origin::Leader(led) => {
                // The leader tells what it holds, and how far behind the remote it is.
                (self.behind_since, self.held) = (None, None);
                (self.branch_missing, self.remote_empty) = (false, false);
                self.remote_head = led.synced.or(self.remote_head);
                (self.ahead, self.push.unpushed_since) = (led.unpushed, None);
                let before = self.pinned.filter(|before| Some(before.commit) == led.pinned);
                let anew = led.pinned.map(|commit| Pinned { commit, since: now });
                self.pinned = before.or(anew);
            }
            Origin::Audit | Origin::Compaction => {}
        }
    }

    /// Returns how the branch relates to the remote, which is known to have `synced`.
    pub(super) fn standing(&self, synced: Option<CommitId>) -> RemoteStanding {
        RemoteStanding {
            synced,
            unpushed: self.ahead,
            behind_since: self.behind_since,
            held: self.held.clone(),
        }
    }

    /// Updates the status for a new role. Who decides nothing holds nothing and pushes nothing.
    fn take_role(&mut self, role: Role, can_push: bool) {
        self.role = role;
        self.push.active = can_push && role.decides();
        if !role.decides() {
            self.held = None;
            (self.push.failure, self.push.failures, self.push.next) = (None, 0, None);
        }
        if !role.asks_the_remote() {
            self.behind_since = None;
        }
    }
}

/// The status, with its lock.
pub(super) struct StatusBoard(Lock<EngineStatus>);

impl StatusBoard {
    pub(super) fn new(status: EngineStatus) -> Self {
        Self(Lock::new(Rank::Status, status))
    }

    /// Reads the status under a short lock.
    pub(super) fn read<R>(&self, read: impl FnOnce(&EngineStatus) -> R) -> R {
        read(&self.lock())
    }

    /// Returns a copy.
    pub(super) fn get(&self) -> EngineStatus {
        self.lock().clone()
    }

    /// Returns the status as it will be once `serves` is published from `origin`.
    pub(super) fn foreseen(&self, origin: &Origin, serves: CommitId) -> EngineStatus {
        let mut status = self.get();
        status.settle(origin, serves, SystemTime::now());
        status
    }

    /// Records the role, and whether commits can be pushed in a role that pushes.
    pub(super) fn take_role(&self, role: Role, can_push: bool) {
        self.lock().take_role(role, can_push);
    }

    /// Returns the pinned commit.
    pub(super) fn pinned(&self) -> Option<CommitId> {
        self.lock().pinned.map(|pinned| pinned.commit)
    }

    /// Records the branch that `HEAD` names, if it is not the served one. Returns whether that is
    /// new.
    pub(super) fn head_is_elsewhere(&self, branch: Option<String>) -> bool {
        let mut status = self.lock();
        let is_new = status.head_elsewhere != branch;
        status.head_elsewhere = branch;
        is_new
    }

    /// Records the report of a finished reload.
    pub(super) fn reported(&self, report: &Arc<Report>) {
        self.lock().last = Some(report.clone());
    }

    /// Updates the status for `origin`, now that `serves` is published. For a new state,
    /// `refusable` is whether it has problems that would refuse a push. Returns the number of
    /// commits that the remote does not have.
    pub(super) fn settle(&self, origin: &Origin, serves: CommitId, refusable: Option<bool>) -> u64 {
        let now = SystemTime::now();
        let mut status = self.lock();
        status.settle(origin, serves, now);
        if let Some(refusable) = refusable {
            status.published(origin, refusable, now);
        }
        status.ahead
    }

    /// Records the remote's head, and that the published state is behind it until it is published.
    pub(super) fn seen(&self, head: CommitId, seen: &BranchComparison) {
        let mut status = self.lock();
        (status.branch_missing, status.remote_empty) = (false, false);
        status.ahead = seen.ahead;
        if status.push.tip.is_some_and(|tip| tip != head) {
            status.push.tip = None;
        }
        (status.remote_head, status.fetched_at) = (Some(head), Some(SystemTime::now()));
        if seen.movement != Movement::Stay {
            status.behind_since.get_or_insert_with(SystemTime::now);
        }
    }

    /// Records that the remote has no branch, and the number of local commits.
    pub(super) fn remote_is_empty(&self, ahead: u64) {
        let mut status = self.lock();
        (status.remote_empty, status.branch_missing) = (true, false);
        (status.ahead, status.fetched_at) = (ahead, Some(SystemTime::now()));
    }

    /// Records whether the branch is missing at its source.
    pub(super) fn branch_is_missing(&self, missing: bool) {
        self.lock().branch_missing = missing;
    }

    /// Holds a push, replacing any held one. Returns it, and whether it was already held.
    pub(super) fn hold(&self, held: HeldPush) -> (HeldPush, bool) {
        let mut status = self.lock();
        let known = status.held.as_ref().filter(|known| {
            (known.commit, known.published, known.reason)
                == (held.commit, held.published, held.reason)
        });
        if let Some(known) = known {
            return (known.clone(), true);
        }
        status.held = Some(held.clone());
        (held, false)
    }

    /// Records since when the oldest unpushed commit has been missing on the remote.
    pub(super) fn unpushed_since(&self, since: Option<SystemTime>) {
        self.lock().push.unpushed_since = since;
    }

    /// Records that the remote has the branch at `head`, and what it does not have yet.
    pub(super) fn pushed(&self, head: CommitId, ahead: u64, since: Option<SystemTime>) {
        let mut status = self.lock();
        (status.ahead, status.push.unpushed_since) = (ahead, since);
        status.remote_head = Some(head);
        (status.push.tip, status.push.pushed_at) = (Some(head), Some(SystemTime::now()));
    }

    /// Records the result of a push, how many have failed in a row and when the next one is tried.
    /// Returns the number of unpushed commits, and since when.
    pub(super) fn push_tried(
        &self,
        failure: Option<&PushFailure>,
        failures: u32,
        next: Option<SystemTime>,
    ) -> (u64, Option<SystemTime>) {
        let mut status = self.lock();
        status.push.failure = failure.map(|failure| (failure.kind(), chain(failure)));
        (status.push.failures, status.push.next) = (failures, next);
        (status.ahead, status.push.unpushed_since)
    }

    fn lock(&self) -> locks::LockGuard<'_, EngineStatus> {
        self.0.lock()
    }
}
