//! Pins: returns to a previously served state and stays there, whatever is pushed.

use std::sync::Arc;
use std::time::SystemTime;

use super::candidate::{Candidate, WholeState};
use super::error::ReloadError;
use super::hold_reason::Pinned;
use super::kept_states::Reachability;
use super::publication::{BranchMove, Origin, Publication};
use super::publisher::OnDisk;
use super::reloader::Reloader;
use super::role_gate;
use super::schedule::RequestKind;
use crate::fault;
use crate::id::CommitId;
use crate::mirror::{Expected, Objects};
use crate::report::{ReloadOutcome, Timings};
use crate::snapshot::Snapshot;

impl Reloader {
    /// Goes to `pin` and stays there, or, without one, returns to the head of the branch. Neither
    /// the remote nor admission is asked: both states were served before.
    pub(super) fn turn(&self, pin: Option<CommitId>) -> Result<ReloadOutcome, ReloadError> {
        if self.repository.remote.is_none() {
            return Err(ReloadError::PinWithoutRemote);
        }
        let turn = self.writer.turn();
        let kind = pin.map_or(RequestKind::Unpin, RequestKind::Pin);
        role_gate::check(turn.role(), kind)?;
        let objects = self.repository.objects().map_err(ReloadError::Open)?;
        let published = self.states.published();
        let head = objects.reference(&self.repository.refs.head).map_err(ReloadError::Reference)?;
        let target = match pin {
            Some(commit) => self.served_before(&objects, commit, head)?,
            None => head.unwrap_or(published.commit()),
        };
        let since = SystemTime::now();
        let origin = Origin::Pin { pinned: pin.map(|commit| Pinned { commit, since }), head };
        fault::step("pin.build");
        let kept = self.states.earlier().find(target, Reachability::History).cloned();
        let publication = match kept {
            _ if target == published.commit() => None,
            Some(state) => Some(Publication {
                changed: Arc::new(state.differences(&published)),
                state,
                reason: None,
                lineage: self.publisher.lineage(target),
                timings: Timings::default(),
                origin: origin.clone(),
                branch: BranchMove::default(),
            }),
            None => self.build(&objects, &published, target, &origin)?,
        };
        let refer = || {
            self.note_pin(&objects, pin)?;
            fault::step("pin.noted");
            Ok::<_, ReloadError>(())
        };
        match publication {
            Some(publication) => {
                let on_disk = OnDisk { store: || Ok(()), refer: || refer().map(|()| None) };
                self.publisher.publish(&turn, publication, on_disk)
            }
            None => {
                let branch = BranchMove::default();
                self.publisher.refer(&turn, &origin, &branch, || refer().map(|()| None))
            }
        }
    }

    /// Returns `commit` if it was served before: by this process, or as an ancestor of the branch.
    fn served_before(
        &self,
        objects: &Objects,
        commit: CommitId,
        local: Option<CommitId>,
    ) -> Result<CommitId, ReloadError> {
        let is_published = self.states.commit() == commit;
        if is_published || self.states.earlier().find(commit, Reachability::History).is_some() {
            return Ok(commit);
        }
        let known = objects.contains(commit.as_bytes());
        let descends = |local| objects.descends_from(local, commit);
        match local.filter(|_| known).map(descends).transpose() {
            Ok(Some(true)) => Ok(commit),
            Ok(_) => Err(ReloadError::NeverServed { commit }),
            Err(error) => Err(ReloadError::Repository(error)),
        }
    }

    fn build(
        &self,
        objects: &Objects,
        published: &Arc<Snapshot>,
        target: CommitId,
        origin: &Origin,
    ) -> Result<Option<Publication>, ReloadError> {
        let candidate = Candidate::of(objects, published, target, None, &self.load);
        let Some(candidate) = candidate.map_err(ReloadError::Load)? else { return Ok(None) };
        let whole = candidate.into_whole(published, objects, &self.load);
        let WholeState { state, changed, reason, timings } = whole.map_err(ReloadError::Load)?;
        let (lineage, origin) = (self.publisher.lineage(target), origin.clone());
        let branch = BranchMove::default();
        Ok(Some(Publication { state, changed, reason, lineage, timings, origin, branch }))
    }

    /// Records the pin, or removes it, before anything is published: the status follows.
    pub(super) fn note_pin(
        &self,
        objects: &Objects,
        pin: Option<CommitId>,
    ) -> Result<(), ReloadError> {
        // It lasts over a restart, too.
        let name = &self.repository.refs.pinned;
        match pin {
            Some(commit) => objects.set_reference(name, Expected::Any, commit),
            None => objects.delete_reference(name, Expected::Any),
        }
        .map_err(ReloadError::Reference)?;
        match pin {
            Some(commit) => tracing::warn!(%commit, "pinned: pushes are fetched and held"),
            None => tracing::warn!("unpinned: pushes go live again"),
        }
        Ok(())
    }

    /// Ends the pin because the operator lets through a push that the pin held.
    pub(super) fn unpin_for(&self, objects: &Objects) -> Result<(), ReloadError> {
        if self.status.pinned().is_some() {
            self.note_pin(objects, None)?;
        }
        Ok(())
    }
}
