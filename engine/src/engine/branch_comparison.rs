//! The result of checking the branch, and where it allows the branch to go.

use super::config::Rewrites;
use super::error::ReloadError;
use crate::id::CommitId;
use crate::mirror::Objects;
use crate::plan::{BranchFacts, Movement, movement};

/// The result of a fetch, and where it allows the branch to go.
#[derive(Debug, Clone, Copy)]
pub(super) struct BranchComparison {
    /// The remote's head; `None` if it has none, or if it was not reached and a rebuild goes on.
    pub(super) remote: Option<CommitId>,
    /// The local head of the branch.
    pub(super) local: Option<CommitId>,
    /// The last commit known to be both local and on the remote.
    pub(super) synced: Option<CommitId>,
    /// Whether the remote's head contains the local one, so that the branch moves forward.
    pub(super) forward: bool,
    /// Where the branch may go.
    pub(super) movement: Movement,
    /// The number of commits that are only local.
    pub(super) ahead: u64,
    /// Whether the remote answered.
    pub(super) reached: bool,
}

impl BranchComparison {
    /// Returns a result without a remote, so that the local state stays.
    pub(super) fn nothing(local: Option<CommitId>) -> Self {
        let (remote, synced, movement) = (None, None, Movement::Stay);
        Self { remote, local, synced, forward: true, movement, ahead: 0, reached: false }
    }

    /// Follows a rewritten branch if the policy says so.
    pub(super) fn by_policy(self, rewrites: Rewrites) -> Self {
        let follows = match rewrites {
            Rewrites::Hold => false,
            Rewrites::Replay => self.ahead == 0,
            Rewrites::Follow => true,
        };
        match (self.movement, self.remote) {
            (Movement::Diverged, Some(head)) if follows => {
                tracing::warn!(commit = %head, "the branch was rewritten; following it");
                Self { movement: Movement::To(head), ..self }
            }
            _ => self,
        }
    }
}

/// Decides whether the branch may go from `local` to the remote's `head`.
pub(super) fn judge(
    objects: &Objects,
    head: CommitId,
    local: Option<CommitId>,
    synced: Option<CommitId>,
) -> Result<BranchComparison, ReloadError> {
    let descends = |descendant, ancestor: CommitId| {
        // A commit that is missing from a damaged or pruned repository is not an ancestor of
        // anything: the push is held, and the operator can let it through.
        let known = objects.contains(ancestor.as_bytes());
        let found = || objects.descends_from(descendant, ancestor);
        if known { found().map_err(ReloadError::Repository) } else { Ok(false) }
    };
    let is_here = |commit: &CommitId| objects.contains(commit.as_bytes());
    let noted = synced;
    // A clone that was made by hand has no note of the last synced commit, but its history shows
    // it.
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
            // Commits that were once synced and are gone from the remote were removed there, and do
            // not count as local.
            let since = synced.filter(is_here).map(between).transpose();
            missing.min(since.map_err(ReloadError::Repository)?.unwrap_or(missing)) as u64
        }
        _ => 0,
    };
    let (remote, synced, forward) = (Some(head), noted, remote_has_local || local.is_none());
    Ok(BranchComparison { remote, local, synced, forward, movement, ahead, reached: true })
}
