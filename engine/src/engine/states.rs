//! The states in memory: the published one, and the earlier ones.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::kept_states::{Earlier, Generation};
use super::locks::{Lock, LockGuard, Rank};
use super::publication::{Lineage, Publication};
use crate::id::CommitId;
use crate::snapshot::Snapshot;

/// The published state and the others. Readers of the published one take no lock.
pub(super) struct States {
    published: ArcSwap<Snapshot>,
    earlier: Lock<Earlier>,
}

/// The published state, and the generation in which findings about it are valid.
pub(super) struct Present {
    pub(super) state: Arc<Snapshot>,
    pub(super) generation: Generation,
}

impl States {
    /// Starts with a first state.
    pub(super) fn new(first: Snapshot) -> Self {
        let (first, mut earlier) = (Arc::new(first), Earlier::default());
        earlier.note(&first);
        Self { published: ArcSwap::new(first), earlier: Lock::new(Rank::Earlier, earlier) }
    }

    /// Returns the published state. Wait-free.
    pub(super) fn published(&self) -> Arc<Snapshot> {
        self.published.load_full()
    }

    /// Returns the commit of the published state; zeros for an empty repository.
    pub(super) fn commit(&self) -> CommitId {
        self.published.load().commit()
    }

    /// Returns the published state with the current generation.
    pub(super) fn present(&self) -> Present {
        let earlier = self.earlier();
        Present { state: self.published(), generation: earlier.generation() }
    }

    /// Returns the states besides the published one.
    pub(super) fn earlier(&self) -> LockGuard<'_, Earlier> {
        self.earlier.lock()
    }

    /// Stores the pointer, and keeps the previous state for a return to it, unless the new one
    /// shares nothing with it or does not descend from it. Returns the previous state.
    ///
    /// The one place where the pointer is stored; only [`super::publisher`] calls it.
    pub(super) fn swap(&self, publication: &Publication) -> Arc<Snapshot> {
        let Publication { state, lineage, .. } = publication;
        let keeps = publication.keeps_before();
        let mut earlier = self.earlier();
        earlier.note(state);
        earlier.judge_anew();
        let before = self.published.swap(state.clone());
        // Those who still read it have what their view sees of it.
        before.forget_views();
        // From here on, nobody may read states from which the new one does not descend.
        if !keeps {
            earlier.clear();
        }
        if keeps && *lineage != Lineage::Same {
            earlier.keep(before.clone(), Instant::now());
        } else {
            earlier.pass(before.clone());
        }
        before
    }
}
