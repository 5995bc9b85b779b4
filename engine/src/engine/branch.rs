//! The references of the branch: where it is, what of it the remote has, and what it could not keep.

use super::Shared;
use super::error::ReloadError;
use super::looking::Seen;
use crate::fault;
use crate::id::CommitId;
use crate::mirror::{Expected, Objects, RefError};

/// The last commit known to be both ours and the remote's.
pub(super) const SYNCED: &str = "refs/headwater/synced";

/// Where commits of ours are kept that the branch cannot keep.
pub(super) const CONFLICTS: &str = "refs/heads/conflicts/";

impl Shared {
    /// Moves the branch to `target`, keeping commits of ours that would be lost.
    pub(super) fn move_branch(
        &self,
        objects: &Objects,
        seen: &Seen,
        target: CommitId,
    ) -> Result<(), ReloadError> {
        if self.remote.is_none() {
            return Ok(());
        }
        if let Some(local) = seen.local
            && local != target
        {
            if seen.ahead > 0 {
                self.keep(objects, local)?;
            }
            let expected = Expected::Is(local);
            objects
                .move_reference(&self.branch_ref(), expected, target)
                .map_err(ReloadError::Reference)?;
        } else if seen.local.is_none() && !target.is_zero() {
            objects
                .move_reference(&self.branch_ref(), Expected::Absent, target)
                .map_err(ReloadError::Reference)?;
        }
        Ok(())
    }

    /// Keeps commits of ours that the branch cannot keep on a branch of their own, and returns its
    /// full name.
    pub(super) fn keep(&self, objects: &Objects, ours: CommitId) -> Result<String, ReloadError> {
        fault::step("conflict.keep");
        let time = super::open::utc_now();
        let mut kept = format!("{CONFLICTS}{time}");
        // Two in one second have a name each.
        for n in 2.. {
            match objects.set_reference(&kept, Expected::Absent, ours) {
                Ok(()) => break,
                Err(RefError::Moved { .. }) => kept = format!("{CONFLICTS}{time}-{n}"),
                Err(error) => return Err(ReloadError::Reference(error)),
            }
        }
        fault::step("conflict.kept");
        tracing::warn!(commit = %ours, reference = kept, "unpushed commits are kept");
        Ok(kept)
    }

    /// Makes the last move of the branch durable, behind the reload that made it.
    ///
    /// Until then a power loss can take the branch back to a state that was live before, from
    /// where the next fetch goes on.
    pub(super) fn sync_branch(&self) {
        if self.remote.is_none() && self.writing.committer().is_none() {
            return;
        }
        let stored = self.writing.sync().map_err(ReloadError::Store);
        let opened = stored.and_then(|()| self.mirror.objects().map_err(ReloadError::Open));
        let synced = opened.and_then(|objects| {
            objects.sync_reference(&self.branch_ref()).map_err(ReloadError::Reference)
        });
        if let Err(error) = synced {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the branch may not survive a power loss"
            );
        }
        self.note_synced();
    }

    /// Notes the last commit that is both ours and the remote's: what the remote was last seen at,
    /// once our branch is there too.
    ///
    /// It is done behind a reload, and before a fetch looks at the remote again; so whoever judges
    /// a move finds the note. One that cannot be written is only told: the next reload tries again.
    pub(super) fn note_synced(&self) {
        let note = || -> Result<(), ReloadError> {
            let objects = self.mirror.objects().map_err(ReloadError::Open)?;
            let read = |name: &str| objects.reference(name).map_err(ReloadError::Reference);
            let (seen, ours) = (read(&self.tracking_ref())?, read(&self.branch_ref())?);
            let (Some(seen), Some(ours), synced) = (seen, ours, read(SYNCED)?) else {
                return Ok(());
            };
            // A clone that was made by hand has no note, but its history tells.
            let shared = seen == ours
                || synced.is_none()
                    && objects.descends_from(ours, seen).map_err(ReloadError::Repository)?;
            if shared && synced != Some(seen) {
                fault::step("note.write");
                let noted = objects.set_reference(SYNCED, Expected::Any, seen);
                noted.map_err(ReloadError::Reference)?;
                fault::step("note.written");
            }
            Ok(())
        };
        if let Err(error) = note() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot note what the remote has"
            );
        }
    }
}
