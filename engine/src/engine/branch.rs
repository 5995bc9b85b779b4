//! The references of the branch: its head, how much of it the remote has, and the commits it could
//! not keep.

use super::branch_comparison::BranchComparison;
use super::error::ReloadError;
use super::refs;
use super::reloader::Reloader;
use crate::fault;
use crate::id::CommitId;
use crate::mirror::{Expected, Objects};
use crate::plan::Movement;
use crate::report::KeptCommits;

impl Reloader {
    /// Moves the branch to `target`, and returns the kept local commits that would have been lost.
    pub(super) fn move_branch(
        &self,
        objects: &Objects,
        seen: &BranchComparison,
        target: CommitId,
    ) -> Result<Option<KeptCommits>, ReloadError> {
        if self.repository.remote.is_none() {
            return Ok(None);
        }
        let mut kept = None;
        if let Some(local) = seen.local
            && local != target
        {
            if seen.ahead > 0 && seen.movement != Movement::Stay {
                let reference = self.keep(objects, local)?;
                kept = Some(KeptCommits { reference, commit: local, lost: vec![] });
            }
            if !seen.forward && seen.remote == Some(target) {
                // The old note is in neither history any more; the next write goes on top of this
                // commit and must be pushed.
                objects
                    .move_reference(&self.repository.refs.synced, Expected::Any, target)
                    .map_err(ReloadError::Reference)?;
            }
            let expected = Expected::Is(local);
            objects
                .move_reference(&self.repository.refs.head, expected, target)
                .map_err(ReloadError::Reference)?;
        } else if seen.local.is_none() && !target.is_zero() {
            objects
                .move_reference(&self.repository.refs.head, Expected::Absent, target)
                .map_err(ReloadError::Reference)?;
        }
        Ok(kept)
    }

    /// Returns the commits that only the local branch has, oldest first; `None` if they do not form
    /// one line on top of the shared history.
    pub(super) fn ours(
        &self,
        objects: &Objects,
        seen: &BranchComparison,
    ) -> Result<Option<Vec<CommitId>>, ReloadError> {
        let (Some(local), Some(remote)) = (seen.local, seen.remote) else { return Ok(None) };
        let of = ReloadError::Repository;
        let mut ours = objects.first_parents(local, seen.ahead as usize).map_err(of)?;
        ours.reverse();
        let Some(oldest) = ours.first() else { return Ok(Some(ours)) };
        let parents = objects.commit(*oldest).map_err(of)?.parents;
        let is_shared = match parents[..] {
            [] => seen.synced.is_none(),
            [parent] => {
                seen.synced == Some(parent) || objects.descends_from(remote, parent).map_err(of)?
            }
            _ => false,
        };
        Ok(is_shared.then_some(ours))
    }

    /// Keeps local commits that the branch cannot keep on a separate branch, and returns its full
    /// name.
    pub(super) fn keep(&self, objects: &Objects, ours: CommitId) -> Result<String, ReloadError> {
        fault::step("conflict.keep");
        // The name is on disk at once, so its objects must be, too.
        self.writer.sync().map_err(ReloadError::Store)?;
        let kept = refs::keep(objects, ours).map_err(ReloadError::Reference)?;
        fault::step("conflict.kept");
        tracing::warn!(commit = %ours, reference = kept, "unpushed commits are kept");
        Ok(kept)
    }
}
