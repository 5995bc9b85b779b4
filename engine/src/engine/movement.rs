//! What a look at the branch found, and where that lets it go.

use super::config::Rewrites;
use super::error::ReloadError;
use crate::id::CommitId;
use crate::mirror::Objects;
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
    pub(super) fn nothing(local: Option<CommitId>) -> Self {
        let (remote, synced, movement) = (None, None, Movement::Stay);
        Self { remote, local, synced, forward: true, movement, ahead: 0, reached: false }
    }

    /// Lets the branch go along with one that was rewritten, where the policy says so.
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

/// Judges whether the branch may go from `local` to the remote's `head`.
pub(super) fn judge(
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
