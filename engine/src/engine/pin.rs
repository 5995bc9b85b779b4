//! Pins: back to a state that was served before, and staying there whatever is pushed.

use std::sync::{Arc, PoisonError};
use std::time::{Instant, SystemTime};

use super::Shared;
use super::error::ReloadError;
use super::held::HeldReason;
use super::marks::Mark;
use super::retained::Way;
use crate::admit::Health;
use crate::fault;
use crate::id::CommitId;
use crate::load::{finish, prepare};
use crate::mirror::{Expected, Objects};
use crate::report::{OutcomeKind, ReloadOutcome};
use crate::snapshot::{RecordChange, Snapshot, count};

/// A commit that is served whatever is pushed, until it is unpinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// The commit.
    pub commit: CommitId,
    /// Since when; after a restart, since then.
    pub since: SystemTime,
}

/// A state to go to, and what it changes where that is known.
type Built = (Arc<Snapshot>, Option<Arc<Vec<RecordChange>>>);

impl Shared {
    /// Goes to `pin` and stays there, or, without one, to the head of the branch again. The remote
    /// is not asked, and admission neither: both states were served before.
    pub(super) fn turn(&self, pin: Option<CommitId>) -> Result<ReloadOutcome, ReloadError> {
        if self.remote.is_none() {
            return Err(ReloadError::PinWithoutRemote);
        }
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let objects = self.mirror.objects().map_err(ReloadError::Open)?;
        let published = self.published.load_full();
        let local = objects.reference(&self.branch_ref()).map_err(ReloadError::Reference)?;
        let target = match pin {
            Some(commit) => self.served_before(&objects, commit, local)?,
            None => local.unwrap_or(published.commit()),
        };
        let mut outcome = ReloadOutcome::staying(published.commit(), published.digest());
        (outcome.ahead, outcome.fetched) = (self.status().ahead, false);
        fault::step("pin.build");
        let built = match self.retained().find(target, Way::History).cloned() {
            Some(state) => Some((state, None)),
            None => self.build(&objects, &published, target, &mut outcome)?,
        };
        let begun = Instant::now();
        self.note_pin(&objects, pin)?;
        fault::step("pin.noted");
        if local != Some(target) {
            self.status().behind_since.get_or_insert_with(SystemTime::now);
        }
        let differs = |(state, _): &Built| state.commit() != published.commit();
        let Some((state, changed)) = built.filter(differs) else { return Ok(outcome) };
        let changed = match changed {
            Some(changed) => changed,
            None => {
                outcome.kind = OutcomeKind::Applied;
                Arc::new(state.differences(&published))
            }
        };
        outcome.shown = self.publish(state.clone(), outcome.reason.is_some(), &changed);
        outcome.timings.swap = begun.elapsed();
        (outcome.new, outcome.digest) = (state.commit(), state.digest());
        outcome.changed = count(&changed);
        let refusable = Health::of(&state).refusable();
        let mut status = self.status();
        (status.published_at, status.degraded) = (SystemTime::now(), refusable);
        Ok(outcome)
    }

    /// Returns `commit` if it was served before: by this process, or as an ancestor of the branch.
    fn served_before(
        &self,
        objects: &Objects,
        commit: CommitId,
        local: Option<CommitId>,
    ) -> Result<CommitId, ReloadError> {
        let is_published = self.published.load().commit() == commit;
        if is_published || self.retained().find(commit, Way::History).is_some() {
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
        published: &Snapshot,
        target: CommitId,
        outcome: &mut ReloadOutcome,
    ) -> Result<Option<Built>, ReloadError> {
        let prepared = prepare(objects, Some(published), target, None, &self.load);
        let Some(prepared) = prepared.map_err(ReloadError::Load)? else { return Ok(None) };
        let changed = prepared.changed_from(published);
        let (state, reason, timings) =
            finish(objects, prepared, &self.load).map_err(ReloadError::Load)?;
        outcome.kind = if reason.is_some() { OutcomeKind::Rebuilt } else { OutcomeKind::Applied };
        (outcome.reason, outcome.timings) = (reason, timings);
        Ok(Some((Arc::new(state), Some(changed))))
    }

    /// Writes the pin down, or takes it back, before anything is published.
    fn note_pin(&self, objects: &Objects, pin: Option<CommitId>) -> Result<(), ReloadError> {
        // Over a restart, too.
        let name = Mark::Pinned.of(&self.branch);
        match pin {
            Some(commit) => objects.set_reference(&name, Expected::Any, commit),
            None => objects.delete_reference(&name, Expected::Any),
        }
        .map_err(ReloadError::Reference)?;
        let mut status = self.status();
        let since = SystemTime::now();
        status.pinned = pin.map(|commit| Pinned { commit, since });
        // What is held for the pin alone is judged like any other push once it is gone.
        status.held.take_if(|held| held.reason == HeldReason::Pinned);
        match pin {
            Some(commit) => tracing::warn!(%commit, "pinned: pushes are fetched and held"),
            None => tracing::warn!("unpinned: pushes go live again"),
        }
        Ok(())
    }

    /// Ends the pin because the operator lets a push through that it held.
    pub(super) fn unpin_for(&self, objects: &Objects) -> Result<(), ReloadError> {
        if self.status().pinned.is_some() {
            self.note_pin(objects, None)?;
        }
        Ok(())
    }
}
