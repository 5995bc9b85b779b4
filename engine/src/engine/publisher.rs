//! Publishing: the one place where a state goes live, wherever it comes from.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use super::config::Observer;
use super::consent::{Announcement, Consent};
use super::publication::{BranchMove, Lineage, Origin, Publication, Published};
use super::publish_turn::Turn;
use super::repository::Repository;
use super::role::{CurrentRole, Role};
use super::states::States;
use super::status::StatusBoard;
use crate::admit::{Withheld, refusable};
use crate::delta::Delta;
use crate::id::CommitId;
use crate::report::{ReloadOutcome, Replayed};
use crate::snapshot::Snapshot;

/// Publishes states, and updates what depends on them.
pub(super) struct Publisher {
    repository: Arc<Repository>,
    states: Arc<States>,
    status: Arc<StatusBoard>,
    role: Arc<CurrentRole>,
    /// Who must consent while this replica leads.
    consent: Option<Arc<dyn Consent>>,
    observer: Observer<Published>,
}

/// The parts of a publication that are on disk.
pub(super) struct OnDisk<S, R> {
    /// Stores the objects of its commit. No reference names them yet.
    pub(super) store: S,
    /// Moves the references that name it.
    pub(super) refer: R,
}

impl Publisher {
    pub(super) fn new(
        repository: Arc<Repository>,
        states: Arc<States>,
        status: Arc<StatusBoard>,
        role: Arc<CurrentRole>,
        consent: Option<Arc<dyn Consent>>,
        observer: Observer<Published>,
    ) -> Self {
        Self { repository, states, status, role, consent, observer }
    }

    /// Publishes a state: its objects are stored, the other replicas consent, the references are
    /// moved, the pointer is stored, and the status is updated, in this order.
    ///
    /// # Errors
    ///
    /// Those of the steps, and [`Withheld`]; in that case nothing is published. Before consent,
    /// nothing is moved.
    pub(super) fn publish<E: From<Withheld>>(
        &self,
        turn: &Turn<'_>,
        publication: Publication,
        on_disk: OnDisk<
            impl FnOnce() -> Result<(), E>,
            impl FnOnce() -> Result<Option<Replayed>, E>,
        >,
    ) -> Result<ReloadOutcome, E> {
        let begun = Instant::now();
        (on_disk.store)()?;
        let Publication { state, origin, branch, .. } = &publication;
        self.ask(turn, state, origin, branch)?;
        let replayed = (on_disk.refer)()?;
        publication.state.take_commit_counts(&self.states.published());
        let before = self.states.swap(&publication);
        let Publication { state, changed, origin, lineage, .. } = &publication;
        let delta = Delta::of(&before, state, changed);
        let is_refusable = refusable(state);
        let mut outcome = ReloadOutcome {
            shown: delta.counts(),
            replayed,
            ahead: self.status.settle(origin, state.commit(), Some(is_refusable)),
            ..publication.outcome(&before)
        };
        if *lineage == Lineage::Departs && outcome.replayed.is_none() {
            turn.forget_repeats();
        }
        // A repair has the same commit, and may be of something that the public does not see.
        if delta.from != delta.to || !changed.is_empty() {
            let descends = matches!(lineage, Lineage::Forward | Lineage::Same);
            let (delta, transition) = (Arc::new(delta), publication.transition(before));
            self.observer.see(&Arc::new(Published { delta, descends, transition }));
        }
        outcome.timings.swap = begun.elapsed();
        Ok(outcome)
    }

    /// Moves references without a new state, once the other replicas consent.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`].
    pub(super) fn refer<E: From<Withheld>>(
        &self,
        turn: &Turn<'_>,
        origin: &Origin,
        branch: &BranchMove,
        refer: impl FnOnce() -> Result<Option<Replayed>, E>,
    ) -> Result<ReloadOutcome, E> {
        let published = self.states.published();
        self.ask(turn, &published, origin, branch)?;
        let replayed = refer()?;
        Ok(ReloadOutcome { replayed, ..self.stay(origin, &published) })
    }

    /// Returns what is announced once `state` is published from `origin`.
    pub(super) fn announcement(
        &self,
        state: &Snapshot,
        origin: &Origin,
        branch: &BranchMove,
    ) -> Announcement {
        let status = self.status.foreseen(origin, state.commit());
        let head = branch.head.or_else(|| self.repository.head());
        let synced = branch.synced.or_else(|| self.repository.synced());
        Announcement {
            head: head.unwrap_or_else(|| state.commit()),
            pinned: status.pinned.map(|pinned| pinned.commit),
            digest: state.digest(),
            remote: status.standing(synced),
            moves: branch.moves.clone(),
        }
    }

    /// Asks the other replicas for their consent, while this one leads.
    fn ask(
        &self,
        turn: &Turn<'_>,
        state: &Snapshot,
        origin: &Origin,
        branch: &BranchMove,
    ) -> Result<(), Withheld> {
        // Nobody can tell a state with fewer text segments from the one before.
        if *origin == Origin::Compaction {
            return Ok(());
        }
        if turn.role() != self.role.get() {
            return Err(Withheld::RoleChanged);
        }
        match &self.consent {
            Some(consent) if turn.role() == Role::Leading => {
                consent.publish(&self.announcement(state, origin, branch))
            }
            _ => Ok(()),
        }
    }

    /// Returns the outcome if `published` stays, and updates the status with what was found out.
    pub(super) fn stay(&self, origin: &Origin, published: &Snapshot) -> ReloadOutcome {
        let ahead = self.status.settle(origin, self.states.commit(), None);
        ReloadOutcome { ahead, ..origin.unchanged(published) }
    }

    /// Returns the relation of `commit`, which is to be published, to the published one. Walks the
    /// history between the two.
    pub(super) fn lineage(&self, commit: CommitId) -> Lineage {
        let last = self.states.commit();
        match () {
            () if last == commit => Lineage::Same,
            () if last.is_zero() => Lineage::First,
            () if self.repository.contains(commit, last) => Lineage::Forward,
            () => Lineage::Departs,
        }
    }
}
