//! The references of the branch: where it is, what of it the remote has, and what it could not keep.

use std::sync::PoisonError;

use super::Shared;
use super::error::ReloadError;
use super::refs::CONFLICTS;
use super::remote_view::Seen;
use crate::causes::chain;
use crate::fault;
use crate::id::CommitId;
use crate::mirror::{Expected, Objects, RefError};
use crate::plan::Movement;
use crate::report::Kept;

impl Shared {
    /// Moves the branch to `target`; returns what it kept of ours that would be lost.
    pub(super) fn move_branch(
        &self,
        objects: &Objects,
        seen: &Seen,
        target: CommitId,
    ) -> Result<Option<Kept>, ReloadError> {
        if self.remote.is_none() {
            return Ok(None);
        }
        let mut kept = None;
        if let Some(local) = seen.local
            && local != target
        {
            if seen.ahead > 0 && seen.movement != Movement::Stay {
                let reference = self.keep(objects, local)?;
                kept = Some(Kept { reference, commit: local, lost: vec![] });
            }
            if !seen.forward && seen.remote == Some(target) {
                // What was in step is in the history of neither any more; the next write goes on
                // top of this, and is to be pushed.
                objects
                    .move_reference(&self.synced_ref(), Expected::Any, target)
                    .map_err(ReloadError::Reference)?;
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
        Ok(kept)
    }

    /// Returns the commits that only our branch has, the oldest first; `None` where they are not in
    /// one line on top of what is shared.
    pub(super) fn ours(
        &self,
        objects: &Objects,
        seen: &Seen,
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

    /// Keeps commits of ours that the branch cannot keep on a branch of their own, and returns its
    /// full name.
    pub(super) fn keep(&self, objects: &Objects, ours: CommitId) -> Result<String, ReloadError> {
        fault::step("conflict.keep");
        // The name is on the disk at once, so what it stands for has to be.
        self.writing.sync().map_err(ReloadError::Store)?;
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
        // No write comes between the two, which the branch would name before it is on the disk;
        // where writes are synced at once, nobody has to wait for this.
        let lock = || self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = self.writing.is_buffered().then(lock);
        let stored = self.writing.sync().map_err(ReloadError::Store);
        let opened = stored.and_then(|()| self.mirror.objects().map_err(ReloadError::Open));
        let synced = opened.and_then(|objects| {
            objects.sync_reference(&self.branch_ref()).map_err(ReloadError::Reference)
        });
        if let Err(error) = synced {
            tracing::warn!(error = chain(&error), "the branch may not survive a power loss");
        }
        drop(writer);
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
            let (Some(seen), Some(ours), synced) = (seen, ours, read(&self.synced_ref())?) else {
                return Ok(());
            };
            if synced == Some(seen) {
                return Ok(());
            }
            let descends = |descendant, ancestor| {
                let found = objects.descends_from(descendant, ancestor);
                found.map_err(ReloadError::Repository)
            };
            // A clone that was made by hand has no note, but its history tells. Elsewhere something
            // may have been written on top of what was seen.
            let shared = seen == ours
                || descends(ours, seen)? && synced.map_or(Ok(true), |old| descends(seen, old))?;
            if shared {
                fault::step("note.write");
                let expected = synced.map_or(Expected::Absent, Expected::Is);
                match objects.set_reference(&self.synced_ref(), expected, seen) {
                    // A push that is done just now knows better.
                    Ok(()) | Err(RefError::Moved { .. }) => {}
                    Err(error) => return Err(ReloadError::Reference(error)),
                }
                fault::step("note.written");
            }
            Ok(())
        };
        if let Err(error) = note() {
            tracing::warn!(error = chain(&error), "cannot record what the remote has");
        }
    }
}
