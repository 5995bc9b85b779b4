//! Publishing: the one place where a state goes live, wherever it comes from.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use super::config::Observer;
use super::publication::{Lineage, Origin, Publication, Published};
use super::publish_turn::Turn;
use super::repository::Repository;
use super::states::States;
use super::status::StatusBoard;
use crate::admit::refusable;
use crate::delta::Delta;
use crate::id::CommitId;
use crate::report::{ReloadOutcome, Replayed};
use crate::snapshot::Snapshot;

/// Publishes states, and updates what depends on them.
pub(super) struct Publisher {
    repository: Arc<Repository>,
    states: Arc<States>,
    status: Arc<StatusBoard>,
    observer: Observer<Published>,
}

impl Publisher {
    pub(super) fn new(
        repository: Arc<Repository>,
        states: Arc<States>,
        status: Arc<StatusBoard>,
        observer: Observer<Published>,
    ) -> Self {
        Self { repository, states, status, observer }
    }

    /// Publishes a state: `refer` moves the references that name it, then the pointer is stored,
    /// then the status is updated.
    ///
    /// Anything that must consent to a publication is asked before `refer`: until then nothing is
    /// moved, and the state can be dropped.
    ///
    /// # Errors
    ///
    /// Those of `refer`; in that case nothing is published.
    pub(super) fn publish<E>(
        &self,
        turn: &Turn<'_>,
        publication: Publication,
        refer: impl FnOnce() -> Result<Option<Replayed>, E>,
    ) -> Result<ReloadOutcome, E> {
        let begun = Instant::now();
        let replayed = refer()?;
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
        self.announce(delta, *lineage);
        outcome.timings.swap = begun.elapsed();
        Ok(outcome)
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

    /// Tells the observers what changes for the public, if anything does.
    fn announce(&self, delta: Delta, lineage: Lineage) {
        if delta.from != delta.to || !delta.changes.is_empty() {
            let descends = matches!(lineage, Lineage::Forward | Lineage::Same);
            self.observer.see(&Arc::new(Published { delta: Arc::new(delta), descends }));
        }
    }
}
