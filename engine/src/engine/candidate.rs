//! A candidate: a state that is to go live, built from a state that was published when it was begun.
//!
//! A state is a function of its commit. So whatever is published meanwhile, the candidate stays right; only
//! its difference from the published state is found anew.

use std::cell::Cell;
use std::sync::Arc;

use super::held_pushes::Objection;
use crate::admit::{AdmissionLimits, Health, admit};
use crate::id::CommitId;
use crate::load::{LoadError, Prepared, finish, prepare};
use crate::mirror::Objects;
use crate::options::LoadOptions;
use crate::plan::RebuildReason;
use crate::report::Timings;
use crate::snapshot::{RecordChange, Snapshot, count};

/// What happens if what was made before the turn, the state to go to or the local commits on top of it, does not
/// serve any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfOutdated {
    /// The turn is given up, so that nobody waits while another one is built.
    GiveUp,
    /// It is built while others wait: they changed it too often.
    BuildInTurn,
}

/// A state that is to go live.
pub(super) struct Candidate {
    /// The state next to which it was built.
    base: Arc<Snapshot>,
    built: Built,
    /// Whether it was found that it may replace `base`.
    is_admitted: Cell<bool>,
}

/// How far it is built.
enum Built {
    /// The maps, which are enough to admit it.
    Maps(Box<Prepared>),
    /// All of it.
    Whole(WholeState),
}

/// A state with its text index, which can go live.
pub(super) struct WholeState {
    pub(super) state: Arc<Snapshot>,
    /// The served records that differ from those of the published state.
    pub(super) changed: Arc<Vec<RecordChange>>,
    /// Why it was rebuilt; `None` if the difference was applied.
    pub(super) reason: Option<RebuildReason>,
    /// The time that its stages took.
    pub(super) timings: Timings,
}

impl Candidate {
    /// Builds the maps of `commit` next to `base`; `None` if `base` is its state.
    ///
    /// # Errors
    ///
    /// See [`prepare`].
    pub(super) fn of(
        objects: &Objects,
        base: &Arc<Snapshot>,
        commit: CommitId,
        forced: Option<RebuildReason>,
        options: &LoadOptions,
    ) -> Result<Option<Self>, LoadError> {
        let prepared = prepare(objects, Some(base), commit, forced, options)?;
        let built = prepared.map(|prepared| Built::Maps(Box::new(prepared)));
        let is_admitted = Cell::new(false);
        Ok(built.map(|built| Self { base: base.clone(), built, is_admitted }))
    }

    /// Returns its commit.
    pub(super) fn commit(&self) -> CommitId {
        self.state().commit()
    }

    /// Returns the state of `commit`, built next to this one, if that is whole and another one.
    ///
    /// # Errors
    ///
    /// See [`prepare`].
    pub(super) fn advanced(
        &self,
        objects: &Objects,
        commit: CommitId,
        options: &LoadOptions,
    ) -> Result<Option<Self>, LoadError> {
        let Built::Whole(WholeState { state, reason, .. }) = &self.built else { return Ok(None) };
        let mut next = Self::of(objects, state, commit, None, options)?;
        // Like this one, it shares nothing with what is published.
        if let Some(Self { built: Built::Maps(prepared), .. }) = &mut next {
            prepared.reason = prepared.reason.or(*reason);
        }
        Ok(next)
    }

    /// Returns the state, whose text index must not be searched yet.
    pub(super) fn state(&self) -> &Snapshot {
        match &self.built {
            Built::Maps(prepared) => prepared.draft.state(),
            Built::Whole(whole) => &whole.state,
        }
    }

    /// Returns the state with its text index, if that is built.
    pub(super) fn whole(&self) -> Option<&Arc<Snapshot>> {
        match &self.built {
            Built::Maps(_) => None,
            Built::Whole(whole) => Some(&whole.state),
        }
    }

    /// Returns the served records that differ from those of `published`.
    pub(super) fn changed_from(&self, published: &Arc<Snapshot>) -> Arc<Vec<RecordChange>> {
        match &self.built {
            Built::Maps(prepared) if Arc::ptr_eq(&self.base, published) => {
                prepared.changed_from(published)
            }
            Built::Whole(whole) if Arc::ptr_eq(&self.base, published) => whole.changed.clone(),
            _ => Arc::new(self.state().differences(published)),
        }
    }

    /// Returns why the state may not replace `published`, if so. Finds it out once, if it may.
    pub(super) fn objection(
        &self,
        published: &Arc<Snapshot>,
        limits: &AdmissionLimits,
    ) -> Option<Objection> {
        let is_base = Arc::ptr_eq(&self.base, published);
        if is_base && self.is_admitted.get() {
            return None;
        }
        let changed = count(&self.changed_from(published));
        let (before, after) = (Health::of(published), Health::of(self.state()));
        let objection = Objection::of(admit(&before, &after, &changed, limits));
        self.is_admitted.set(is_base && objection.is_none());
        objection
    }

    /// Builds its text index.
    ///
    /// # Errors
    ///
    /// See [`finish`].
    pub(super) fn indexed(
        self,
        objects: &Objects,
        options: &LoadOptions,
    ) -> Result<Self, LoadError> {
        let (base, is_admitted) = (self.base.clone(), self.is_admitted.clone());
        let whole = self.into_whole(&base, objects, options)?;
        Ok(Self { base, built: Built::Whole(whole), is_admitted })
    }

    /// Returns the whole state, which is to replace `published`.
    ///
    /// # Errors
    ///
    /// See [`finish`].
    pub(super) fn into_whole(
        self,
        published: &Arc<Snapshot>,
        objects: &Objects,
        options: &LoadOptions,
    ) -> Result<WholeState, LoadError> {
        let changed = self.changed_from(published);
        match self.built {
            Built::Whole(whole) => Ok(WholeState { changed, ..whole }),
            Built::Maps(prepared) => {
                let (state, reason, timings) = finish(objects, *prepared, options)?;
                Ok(WholeState { state: Arc::new(state), changed, reason, timings })
            }
        }
    }
}
