//! The served repository: one branch of it, its remote, and the git lane, in which one thread at a
//! time talks to the remote or repacks.

use std::sync::Arc;

use super::error::ReloadError;
use super::lane::Lane;
use super::locks::LockGuard;
use super::refs::BranchRefs;
use crate::causes::chain;
use crate::fault;
use crate::id::CommitId;
use crate::mirror::{
    self, Expected, FetchError, FetchLimits, Fetched, Mirror, MirrorLock, Objects, RefError, Remote,
};

/// The served repository.
pub(super) struct Repository {
    pub(super) mirror: Mirror,
    pub(super) branch: String,
    pub(super) refs: BranchRefs,
    /// The source of new commits; `None` follows the local branch and moves no reference.
    pub(super) remote: Option<Arc<Remote>>,
    /// The limits of a fetch.
    pub(super) fetch: FetchLimits,
    lane: Lane,
    /// Keeps a second server out for as long as the engine lives.
    _lock: Option<MirrorLock>,
}

impl Repository {
    pub(super) fn new(
        mirror: Mirror,
        branch: String,
        remote: Option<Arc<Remote>>,
        fetch: FetchLimits,
        lock: Option<MirrorLock>,
    ) -> Self {
        let (refs, lane) = (BranchRefs::of(&branch), Lane::new());
        Self { mirror, branch, refs, remote, fetch, lane, _lock: lock }
    }

    /// Waits for the git lane. Writes never wait for it.
    pub(super) fn lane(&self) -> LockGuard<'_, ()> {
        self.lane.enter()
    }

    /// Waits for the git lane for a reader, who gives way to all others.
    pub(super) fn lane_for_reader(&self) -> LockGuard<'_, ()> {
        self.lane.enter_last()
    }

    /// Fetches the branch from `remote`. The caller holds the lane.
    pub(super) fn fetch_branch(
        &self,
        remote: &Remote,
        expected: Option<CommitId>,
    ) -> Result<Fetched, FetchError> {
        self.mirror.fetch_expecting(remote, &self.branch, &self.fetch, expected)
    }

    /// Fetches a commit of the branch, and the tags, from another replica or the remote. The caller
    /// holds the lane.
    pub(super) fn fetch_commit(
        &self,
        source: &Remote,
        commit: CommitId,
    ) -> Result<Fetched, FetchError> {
        self.mirror.fetch_commit(source, &self.branch, commit, &self.fetch)
    }

    /// Opens the objects for reading.
    pub(super) fn objects(&self) -> Result<Objects, mirror::RepositoryError> {
        self.mirror.objects()
    }

    /// Returns the number of local commits that the remote did not have when it was last asked; 0 if it never was, or
    /// if the history cannot be read now.
    pub(super) fn unpushed(&self) -> u64 {
        let unpushed = || {
            let objects = self.objects().ok()?;
            let at = |name: &str| objects.reference(name).ok()?;
            objects.count_between(at(&self.refs.synced)?, at(&self.refs.head)?).ok()
        };
        unpushed().map_or(0, |count| count as u64)
    }

    /// Returns the head of the branch; `None` if it does not exist or cannot be read now.
    pub(super) fn head(&self) -> Option<CommitId> {
        self.objects().ok()?.reference(&self.refs.head).ok()?
    }

    /// Returns the last commit known to be both local and on the remote, if there is one.
    pub(super) fn synced(&self) -> Option<CommitId> {
        self.objects().ok()?.reference(&self.refs.synced).ok()?
    }

    /// Returns whether `hash` is `head` or one of its ancestors; false for a missing commit.
    pub(super) fn contains(&self, head: CommitId, hash: CommitId) -> bool {
        head == hash
            || self.objects().is_ok_and(|objects| {
                objects.contains(hash.as_bytes())
                    && objects.descends_from(head, hash).unwrap_or(false)
            })
    }

    /// Records that the other replicas know the head of the branch, as the leader does after each
    /// publication. A failure to write it is only logged: without the note, the commits are kept once
    /// more than needed when another replica leads.
    pub(super) fn note_followed(&self) {
        let note = || -> Result<(), ReloadError> {
            let objects = self.objects().map_err(ReloadError::Open)?;
            let read = |name: &str| objects.reference(name).map_err(ReloadError::Reference);
            match read(&self.refs.head)? {
                Some(head) if read(&self.refs.followed)? != Some(head) => {
                    let noted = objects.set_reference(&self.refs.followed, Expected::Any, head);
                    noted.map_err(ReloadError::Reference)
                }
                _ => Ok(()),
            }
        };
        if let Err(error) = note() {
            tracing::warn!(error = chain(&error), "cannot record what the replicas agreed on");
        }
    }

    /// Records the last commit that is both local and on the remote: the last seen head of the
    /// remote, once the local branch contains it.
    ///
    /// This is done after a reload, and before a fetch asks the remote again, so the note is
    /// present whenever a move is judged. A failure to write it is only logged: the next reload
    /// tries again.
    pub(super) fn note_synced(&self) {
        let note = || -> Result<(), ReloadError> {
            let objects = self.objects().map_err(ReloadError::Open)?;
            let read = |name: &str| objects.reference(name).map_err(ReloadError::Reference);
            let (seen, ours) = (read(&self.refs.tracking)?, read(&self.refs.head)?);
            let (Some(seen), Some(ours), synced) = (seen, ours, read(&self.refs.synced)?) else {
                return Ok(());
            };
            if synced == Some(seen) {
                return Ok(());
            }
            let descends = |descendant, ancestor| {
                let found = objects.descends_from(descendant, ancestor);
                found.map_err(ReloadError::Repository)
            };
            // A clone that was made by hand has no note, but its history shows it. Elsewhere
            // something may have been written on top of the seen head.
            let shared = seen == ours
                || descends(ours, seen)? && synced.map_or(Ok(true), |old| descends(seen, old))?;
            if shared {
                fault::step("note.write");
                let expected = synced.map_or(Expected::Absent, Expected::Is);
                match objects.set_reference(&self.refs.synced, expected, seen) {
                    // A concurrent push has newer information.
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
