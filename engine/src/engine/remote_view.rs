//! The view of the remote: what a reload finds there, and where it allows the branch to go.

use std::sync::Arc;

use super::branch_comparison::{BranchComparison, judge};
use super::config::Rewrites;
use super::error::ReloadError;
use super::following::Following;
use super::repository::Repository;
use super::role::CurrentRole;
use super::schedule::RequestKind;
use super::states::States;
use super::status::StatusBoard;
use crate::causes::chain;
use crate::fault;
use crate::id::CommitId;
use crate::mirror::{Objects, RemoteHead};
use crate::plan::Movement;

/// Checks the remote, or the local branch if there is none.
pub(super) struct RemoteView {
    pub(super) repository: Arc<Repository>,
    pub(super) states: Arc<States>,
    pub(super) status: Arc<StatusBoard>,
    /// What to do when the branch was rewritten, in a role that decides.
    pub(super) rewrites: Rewrites,
    pub(super) role: Arc<CurrentRole>,
    /// Knows which heads the replicas gave up.
    pub(super) following: Arc<Following>,
}

impl RemoteView {
    /// Returns what to do about a branch that is as `seen`. Who does not decide holds one that was
    /// rewritten.
    ///
    /// If the remote has a head that the replicas gave up, an earlier leader pushed it after all: its
    /// commits are no foreign ones, and both sides are kept whatever the settings say.
    pub(super) fn policy(&self, seen: &BranchComparison) -> Rewrites {
        match self.role.get().decides() {
            false => Rewrites::Hold,
            true if self.is_our_other_side(seen) => Rewrites::Replay,
            true => self.rewrites,
        }
    }

    /// Returns whether the remote has a head that the replicas gave up, and the branch does not.
    fn is_our_other_side(&self, seen: &BranchComparison) -> bool {
        let (Some(remote), Some(local)) = (seen.remote, seen.local) else { return false };
        let contains = |head, commit| self.repository.contains(head, commit);
        seen.movement == Movement::Diverged
            && self
                .following
                .abandoned()
                .into_iter()
                .any(|head| contains(remote, head) && !contains(local, head))
    }

    /// Asks the remote and judges the move; `None` if there is no remote to ask.
    ///
    /// `expected` is the reported head of the branch, which saves a round trip if it is right.
    pub(super) fn look(
        &self,
        kind: RequestKind,
        expected: Option<CommitId>,
    ) -> Result<Option<BranchComparison>, ReloadError> {
        let Some(remote) = &self.repository.remote else { return Ok(None) };
        let _lane = self.repository.lane();
        // The fetch moves the reference from which the note is made.
        self.repository.note_synced();
        let fetched = match self.repository.fetch_branch(remote, expected) {
            Ok(fetched) => fetched,
            Err(error) if kind == RequestKind::Rebuild => {
                // The operator's way out: the local state can be rebuilt without the remote.
                tracing::warn!(
                    error = chain(&error),
                    "cannot fetch the remote; rebuilding from the local commits"
                );
                let objects = self.repository.objects().map_err(ReloadError::Open)?;
                let local = objects
                    .reference(&self.repository.refs.head)
                    .map_err(ReloadError::Reference)?;
                return Ok(Some(BranchComparison::nothing(local)));
            }
            Err(error) => return Err(ReloadError::Fetch(error)),
        };
        let objects = self.repository.objects().map_err(ReloadError::Open)?;
        let read = |name: &str| objects.reference(name).map_err(ReloadError::Reference);
        let (local, synced) =
            (read(&self.repository.refs.head)?, read(&self.repository.refs.synced)?);
        let head = match fetched.head {
            RemoteHead::At(head) => head,
            // Nothing was ever synced with it: all commits are only local.
            RemoteHead::Empty if synced.is_none() => {
                let history = |local| objects.history(local, usize::MAX);
                let ours = local.map(history).transpose().map_err(ReloadError::Repository)?;
                let ahead = ours.map_or(0, |ours| ours.len() as u64);
                self.status.remote_is_empty(ahead);
                return Ok(Some(BranchComparison {
                    ahead,
                    reached: true,
                    ..BranchComparison::nothing(local)
                }));
            }
            RemoteHead::Empty | RemoteHead::BranchMissing => {
                self.status.branch_is_missing(true);
                return Err(self.is_missing());
            }
        };
        fault::step("reload.judge");
        let seen = judge(&objects, head, local, synced)?;
        self.status.seen(head, &seen);
        let policy = self.policy(&seen);
        Ok(Some(seen.by_policy(policy)))
    }

    /// Judges where the branch may go as of now, including writes and pushes made since the fetch.
    /// The caller holds the writer, so that no local write moves the branch afterwards.
    pub(super) fn judged(
        &self,
        objects: &Objects,
        fetched: Option<BranchComparison>,
    ) -> Result<BranchComparison, ReloadError> {
        // A head read before taking the writer may be older than what a write has published since.
        let Some(seen) = fetched else { return self.look_locally(objects) };
        let now = self.compared_again(objects, &seen)?;
        if (now.local, now.synced) == (seen.local, seen.synced) {
            return Ok(now);
        }
        if let Some(head) = now.remote {
            self.status.seen(head, &now);
        }
        let policy = self.policy(&now);
        Ok(now.by_policy(policy))
    }

    /// Compares the branch again, if it was `seen` some time ago and has moved since. Notes nothing.
    fn compared_again(
        &self,
        objects: &Objects,
        seen: &BranchComparison,
    ) -> Result<BranchComparison, ReloadError> {
        let read = |name: &str| objects.reference(name).map_err(ReloadError::Reference);
        let Some(head) = seen.remote else {
            return Ok(BranchComparison { local: read(&self.repository.refs.head)?, ..*seen });
        };
        let (local, synced) =
            (read(&self.repository.refs.head)?, read(&self.repository.refs.synced)?);
        if (local, synced) == (seen.local, seen.synced) {
            return Ok(*seen);
        }
        // A local push since then is newer information about the remote than the fetch, also where somebody
        // took back in between what was fetched.
        let head = match synced {
            Some(pushed) if Some(pushed) != seen.synced => {
                let is_within = objects.descends_from(head, pushed);
                if is_within.map_err(ReloadError::Repository)? { head } else { pushed }
            }
            _ => head,
        };
        judge(objects, head, local, synced)
    }

    /// Judges where the branch may go as of now; `None` if there is no branch. It notes nothing: a write
    /// may move the branch at any time.
    pub(super) fn glimpsed(
        &self,
        objects: &Objects,
        fetched: Option<&BranchComparison>,
    ) -> Result<Option<BranchComparison>, ReloadError> {
        let seen = match fetched {
            // Whoever moves the branch here publishes it.
            Some(seen) if seen.local == Some(self.states.commit()) => return Ok(Some(*seen)),
            Some(seen) => Some(self.compared_again(objects, seen)?),
            None => self.compared_locally(objects)?,
        };
        Ok(seen.map(|seen| {
            let policy = self.policy(&seen);
            seen.by_policy(policy)
        }))
    }

    /// Reads the local branch, if there is no remote, and judges the move.
    fn look_locally(&self, objects: &Objects) -> Result<BranchComparison, ReloadError> {
        let Some(seen) = self.compared_locally(objects)? else {
            let is_served = !self.states.commit().is_zero();
            self.status.branch_is_missing(is_served);
            return match is_served {
                true => Err(self.is_missing()),
                false => Ok(BranchComparison::nothing(None)),
            };
        };
        if let Some(head) = seen.remote {
            self.status.seen(head, &seen);
        }
        let policy = self.policy(&seen);
        Ok(seen.by_policy(policy))
    }

    /// Compares the local branch with what is published; `None` if there is no branch. Notes nothing.
    fn compared_locally(&self, objects: &Objects) -> Result<Option<BranchComparison>, ReloadError> {
        let head = objects.reference(&self.repository.refs.head).map_err(ReloadError::Reference)?;
        let Some(head) = head else { return Ok(None) };
        let published = self.states.commit();
        let base = (!published.is_zero()).then_some(published);
        // If there is nothing to push to, no commit is ahead of anything.
        let seen = judge(objects, head, base, base)?;
        Ok(Some(BranchComparison { ahead: 0, reached: false, ..seen }))
    }

    fn is_missing(&self) -> ReloadError {
        ReloadError::BranchMissing { branch: self.repository.branch.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::World;
    use crate::mirror::Expected;

    #[test]
    fn a_push_of_ours_is_newer_than_what_was_fetched_before() {
        let mut world = World::new();
        let before = world.engine.snapshot().commit();
        let theirs = world.push(5, 3);
        let fetched = world.reloader.remote_view.look(RequestKind::Reload, None).unwrap();
        let ours = world.write(1, 2);
        let repository = &world.engine.repository;
        let objects = repository.objects().unwrap();
        let seen_after = |pushed| {
            objects.set_reference(&repository.refs.synced, Expected::Any, pushed).unwrap();
            let seen = world.reloader.remote_view.judged(&objects, fetched).unwrap();
            (seen.remote, seen.movement)
        };
        assert_eq!(seen_after(before), (Some(theirs), Movement::Diverged));
        // Somebody took theirs back before ours was pushed.
        assert_eq!(seen_after(ours), (Some(ours), Movement::Stay));
    }
}
