//! What the remote has, and where that lets the branch go.

use std::sync::PoisonError;
use std::time::SystemTime;

use super::error::ReloadError;
use super::schedule::RequestKind;
use super::{Rewrites, Shared};
use crate::causes::chain;
use crate::fault;
use crate::id::CommitId;
use crate::mirror::{Objects, RemoteHead};
use crate::plan::{BranchFacts, Movement, movement};

/// What a fetch found, and where that lets the branch go.
pub(super) struct Seen {
    /// The remote's head; `None` where it has none, or was not reached and a rebuild goes on.
    pub(super) remote: Option<CommitId>,
    /// Our own head of the branch.
    pub(super) local: Option<CommitId>,
    /// The last commit that was known to be both ours and the remote's.
    pub(super) synced: Option<CommitId>,
    /// Whether the remote's head has ours, so that the branch goes forward.
    pub(super) forward: bool,
    /// Where the branch may go.
    pub(super) movement: Movement,
    /// How many commits are ours alone.
    pub(super) ahead: u64,
    /// Whether the remote answered.
    pub(super) reached: bool,
}

impl Seen {
    /// Nothing of the remote, so that what is here stays.
    fn nothing(local: Option<CommitId>) -> Self {
        let (remote, synced, movement) = (None, None, Movement::Stay);
        Self { remote, local, synced, forward: true, movement, ahead: 0, reached: false }
    }
}

impl Shared {
    /// Asks the remote and judges the move; `None` where there is no remote to ask.
    pub(super) fn look(&self, kind: RequestKind) -> Result<Option<Seen>, ReloadError> {
        let Some(remote) = &self.remote else { return Ok(None) };
        let _lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        // The fetch moves what the note is taken from.
        self.note_synced();
        let fetched = match self.mirror.fetch(remote, &self.branch, &self.fetch) {
            Ok(fetched) => fetched,
            Err(error) if kind == RequestKind::Rebuild => {
                // The operator's way back: what is here can be built anew without the remote.
                tracing::warn!(
                    error = chain(&error),
                    "cannot fetch the remote; rebuilding from the local commits"
                );
                let objects = self.mirror.objects().map_err(ReloadError::Open)?;
                let local =
                    objects.reference(&self.branch_ref()).map_err(ReloadError::Reference)?;
                return Ok(Some(Seen::nothing(local)));
            }
            Err(error) => return Err(ReloadError::Fetch(error)),
        };
        let objects = self.mirror.objects().map_err(ReloadError::Open)?;
        let read = |name: &str| objects.reference(name).map_err(ReloadError::Reference);
        let (local, synced) = (read(&self.branch_ref())?, read(&self.synced_ref())?);
        let head = match fetched.head {
            RemoteHead::At(head) => head,
            // Nothing was ever in step with it: what is here is all ours.
            RemoteHead::Empty if synced.is_none() => {
                let history = |local| objects.history(local, usize::MAX);
                let ours = local.map(history).transpose().map_err(ReloadError::Repository)?;
                let ahead = ours.map_or(0, |ours| ours.len() as u64);
                let mut status = self.status();
                (status.remote_empty, status.branch_missing) = (true, false);
                (status.ahead, status.fetched_at) = (ahead, Some(SystemTime::now()));
                return Ok(Some(Seen { ahead, reached: true, ..Seen::nothing(local) }));
            }
            RemoteHead::Empty | RemoteHead::BranchMissing => {
                self.status().branch_missing = true;
                return Err(ReloadError::BranchMissing { branch: self.branch.clone() });
            }
        };
        fault::step("reload.judge");
        let seen = judge(&objects, head, local, synced)?;
        self.note_seen(head, &seen);
        Ok(Some(self.by_policy(seen)))
    }

    /// Lets the branch go along with one that was rewritten, where the policy says so.
    fn by_policy(&self, seen: Seen) -> Seen {
        let follows = match self.rewrites {
            Rewrites::Hold => false,
            Rewrites::Replay => seen.ahead == 0,
            Rewrites::Follow => true,
        };
        match (seen.movement, seen.remote) {
            (Movement::Diverged, Some(head)) if follows => {
                tracing::warn!(commit = %head, "the branch was rewritten; following it");
                Seen { movement: Movement::To(head), ..seen }
            }
            _ => seen,
        }
    }

    /// Judges where the branch may go, as of now: what was written or pushed since the fetch
    /// counts. Whoever calls it holds the writer, so that no write of ours moves the branch after.
    pub(super) fn judged(
        &self,
        objects: &Objects,
        fetched: Option<Seen>,
    ) -> Result<Seen, ReloadError> {
        // A head that was read before the writer was taken may be older than what a write published.
        let Some(seen) = fetched else { return self.look_locally(objects) };
        let read = |name: &str| objects.reference(name).map_err(ReloadError::Reference);
        let Some(head) = seen.remote else {
            return Ok(Seen { local: read(&self.branch_ref())?, ..seen });
        };
        let (local, synced) = (read(&self.branch_ref())?, read(&self.synced_ref())?);
        if (local, synced) == (seen.local, seen.synced) {
            return Ok(seen);
        }
        // A push of ours since then says more of the remote than the fetch does.
        let head = match synced {
            Some(pushed) if Some(pushed) != seen.synced => {
                let is_later = objects.descends_from(pushed, head);
                if is_later.map_err(ReloadError::Repository)? { pushed } else { head }
            }
            _ => head,
        };
        let seen = judge(objects, head, local, synced)?;
        self.note_seen(head, &seen);
        Ok(self.by_policy(seen))
    }

    /// Asks the local branch, where there is no remote, and judges the move.
    fn look_locally(&self, objects: &Objects) -> Result<Seen, ReloadError> {
        let head = objects.reference(&self.branch_ref()).map_err(ReloadError::Reference)?;
        let published = self.published.load().commit();
        let Some(head) = head else {
            self.status().branch_missing = !published.is_zero();
            if published.is_zero() {
                return Ok(Seen::nothing(None));
            }
            return Err(ReloadError::BranchMissing { branch: self.branch.clone() });
        };
        let base = (!published.is_zero()).then_some(published);
        // Where there is nothing to push to, no commit is ahead of anything.
        let seen = Seen { ahead: 0, ..judge(objects, head, base, base)? };
        self.note_seen(head, &seen);
        Ok(self.by_policy(seen))
    }

    /// Notes what the remote has, and that we are behind it until its head is published.
    fn note_seen(&self, head: CommitId, seen: &Seen) {
        let mut status = self.status();
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
}

/// Judges whether the branch may go from `local` to the remote's `head`.
fn judge(
    objects: &Objects,
    head: CommitId,
    local: Option<CommitId>,
    synced: Option<CommitId>,
) -> Result<Seen, ReloadError> {
    let descends = |descendant, ancestor: CommitId| {
        // A commit that is gone from a damaged or pruned repository is an ancestor of nothing: the
        // push is held, and the operator can let it through.
        let known = objects.contains(ancestor.as_bytes());
        let found = || objects.descends_from(descendant, ancestor);
        if known { found().map_err(ReloadError::Repository) } else { Ok(false) }
    };
    let is_here = |commit: &CommitId| objects.contains(commit.as_bytes());
    let noted = synced;
    // A clone that was made by hand has no note of what was in step, but its history tells.
    let synced = match (synced, local.filter(is_here)) {
        (None, Some(local)) if descends(local, head)? => Some(head),
        (synced, _) => synced,
    };
    let remote_has_local = match local {
        Some(local) => local == head || descends(head, local)?,
        None => false,
    };
    let local_has_remote = match local.filter(is_here) {
        Some(local) if !remote_has_local => descends(local, head)?,
        _ => remote_has_local,
    };
    let remote_has_synced = match synced {
        Some(synced) if !remote_has_local => synced == head || descends(head, synced)?,
        _ => remote_has_local,
    };
    let movement = movement(&BranchFacts {
        remote: head,
        local,
        synced,
        remote_has_local,
        local_has_remote,
        remote_has_synced,
    });
    let ahead = match local.filter(is_here) {
        Some(local) if !remote_has_local => {
            let between = |from| objects.count_between(from, local);
            let missing = between(head).map_err(ReloadError::Repository)?;
            // What was in step once and is gone from the remote was removed there, and is not ours.
            let since = synced.filter(is_here).map(between).transpose();
            missing.min(since.map_err(ReloadError::Repository)?.unwrap_or(missing)) as u64
        }
        _ => 0,
    };
    let (remote, synced, forward) = (Some(head), noted, remote_has_local || local.is_none());
    Ok(Seen { remote, local, synced, forward, movement, ahead, reached: true })
}
