//! Publishing: the one place that stores the pointer, whichever way a state comes.

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::Shared;
use super::publication::{Lineage, Origin, Publication, Published};
use crate::admit::Health;
use crate::delta::Delta;
use crate::id::CommitId;
use crate::report::{ReloadOutcome, Replayed};
use crate::snapshot::Snapshot;

impl Shared {
    /// Publishes a state: `refer` moves the references that name it, then the pointer is stored, then
    /// the status is brought in step. Whoever calls it holds the writer.
    ///
    /// Whoever has to consent to a publication is asked before `refer`: until then nothing is moved,
    /// and the state can be dropped.
    ///
    /// # Errors
    ///
    /// Those of `refer`; nothing is published then.
    pub(super) fn publish<E>(
        &self,
        publication: Publication,
        refer: impl FnOnce() -> Result<Option<Replayed>, E>,
    ) -> Result<ReloadOutcome, E> {
        let begun = Instant::now();
        let replayed = refer()?;
        let (before, delta) = self.swap(&publication);
        let refusable = Health::of(&publication.state).refusable();
        let mut outcome = ReloadOutcome {
            shown: delta.counts(),
            replayed,
            ahead: self.settle(&publication.origin, Some(refusable)),
            ..publication.outcome(&before)
        };
        self.announce(delta, publication.lineage);
        outcome.timings.swap = begun.elapsed();
        Ok(outcome)
    }

    /// Returns the outcome where `published` stays, and brings the status in step with what was
    /// found out. Whoever calls it holds the writer, unless nothing was.
    pub(super) fn stay(&self, origin: &Origin, published: &Snapshot) -> ReloadOutcome {
        let ahead = self.settle(origin, None);
        ReloadOutcome { ahead, ..origin.unchanged(published) }
    }

    /// Says how `commit`, which is to be published, stands to what is published. Costs a walk over
    /// the history between the two.
    pub(super) fn lineage(&self, commit: CommitId) -> Lineage {
        let last = self.published.load().commit();
        match () {
            () if last == commit => Lineage::Same,
            () if last.is_zero() => Lineage::First,
            () if self.contains(commit, last) => Lineage::Forward,
            () => Lineage::Departs,
        }
    }

    /// Stores the pointer, and keeps the state that was there before for those who go back to it,
    /// unless the new one shares nothing with it or does not descend from it.
    fn swap(&self, publication: &Publication) -> (Arc<Snapshot>, Delta) {
        let Publication { state, changed, reason, lineage, .. } = publication;
        let keeps = lineage.keeps_history() && reason.is_none();
        let mut retained = self.retained();
        retained.note(state);
        retained.judge_anew();
        let before = self.published.swap(state.clone());
        // What the new state does not descend from is nobody's to read from here on.
        if !keeps {
            retained.clear();
        }
        if keeps && *lineage != Lineage::Same {
            retained.keep(before.clone(), Instant::now());
        } else {
            retained.pass(before.clone());
        }
        // Readers of earlier states wait for the lock, and not for what follows.
        drop(retained);
        let delta = Delta::of(&before, state, changed);
        (before, delta)
    }

    /// Brings the status in step, and returns how many commits the remote does not have.
    fn settle(&self, origin: &Origin, refusable: Option<bool>) -> u64 {
        let (serves, now) = (self.published.load().commit(), SystemTime::now());
        let mut status = self.status();
        status.settle(origin, serves, now);
        if let Some(refusable) = refusable {
            status.published(origin, refusable, now);
        }
        status.ahead
    }

    /// Tells those who watch what the public sees differently, if it does.
    fn announce(&self, delta: Delta, lineage: Lineage) {
        let commit = delta.to;
        if delta.from == commit && delta.changes.is_empty() {
            return;
        }
        let descends = matches!(lineage, Lineage::Forward | Lineage::Same);
        let published = Arc::new(Published { delta: Arc::new(delta), descends });
        let seen = AssertUnwindSafe(|| self.publication_observer.see(&published));
        if catch_unwind(seen).is_err() {
            tracing::error!(%commit, "observing a publication panicked");
        }
    }
}
