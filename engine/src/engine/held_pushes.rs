//! Holds: pushes that were fetched but not published, remembered until the remote's head moves.

use std::sync::Arc;
use std::time::SystemTime;

use super::error::ReloadError;
use super::hold_reason::{HeldPush, HeldReason};
use super::schedule::RequestKind;
use super::states::States;
use super::status::StatusBoard;
use crate::admit::{Admission, Excess};
use crate::fault;
use crate::id::CommitId;
use crate::problem::Problem;
use crate::report::ReloadId;

/// Holds pushes back and lets them through.
pub(super) struct Holds {
    pub(super) states: Arc<States>,
    pub(super) status: Arc<StatusBoard>,
}

/// Why a push may not go live, and the details.
pub(super) struct Objection {
    pub(super) reason: HeldReason,
    /// The problems of its content, as far as it was checked.
    pub(super) problems: Vec<Problem>,
    /// The limits that it exceeds.
    pub(super) excesses: Vec<Excess>,
}

impl Objection {
    /// Returns an objection without details.
    pub(super) fn new(reason: HeldReason) -> Self {
        Self { reason, problems: Vec::new(), excesses: Vec::new() }
    }

    /// Returns the objection of admission to a state, if any.
    pub(super) fn of(verdict: Admission) -> Option<Self> {
        let (reason, problems, excesses) = match verdict {
            Admission::Admitted => return None,
            Admission::Refused(problems) => (HeldReason::Refused, problems, vec![]),
            Admission::OverLimit(problems) => (HeldReason::OverLimit, problems, vec![]),
            Admission::TooMuch(excesses, problems) => (HeldReason::PushLimit, problems, excesses),
        };
        Some(Self { reason, problems, excesses })
    }
}

impl Holds {
    /// Returns whether the operator lets exactly this head of the remote through.
    pub(super) fn let_through(
        &self,
        kind: RequestKind,
        remote: Option<CommitId>,
    ) -> Result<bool, ReloadError> {
        let RequestKind::Apply(id) = kind else { return Ok(false) };
        let is_held = |held: &HeldPush| held.id == id && Some(held.commit) == remote;
        match self.status.read(|status| status.held.as_ref().is_some_and(is_held)) {
            true => Ok(true),
            false => Err(ReloadError::NotHeld { id }),
        }
    }

    /// Repeats the earlier answer if exactly this head was refused before.
    pub(super) fn recall(&self, target: CommitId) -> Result<(), ReloadError> {
        let published = self.states.commit();
        let is_known = |held: &&HeldPush| {
            held.commit == target
                && held.published == published
                && held.reason != HeldReason::Diverged
        };
        match self.status.read(|status| status.held.as_ref().filter(is_known).cloned()) {
            Some(held) => Err(ReloadError::Held { held, repeated: true }),
            None => Ok(()),
        }
    }

    /// Returns whether exactly this head is held on top of what is published.
    pub(super) fn is_held(&self, head: CommitId) -> bool {
        let published = self.states.commit();
        let is_it = |held: &HeldPush| held.commit == head && held.published == published;
        self.status.read(|status| status.held.as_ref().is_some_and(is_it))
    }

    /// Holds the push of `commit`, replacing any held one. Returns it, and whether it was already
    /// held.
    pub(super) fn note(
        &self,
        id: ReloadId,
        commit: CommitId,
        objection: Objection,
    ) -> (HeldPush, bool) {
        fault::step("hold.note");
        let Objection { reason, problems, excesses } = objection;
        let (published, since) = (self.states.commit(), SystemTime::now());
        let (problems, excesses) = (problems.into(), excesses.into());
        self.status.hold(HeldPush { id, commit, published, reason, since, problems, excesses })
    }

    /// Does the same, and returns it as the error of the reload.
    pub(super) fn hold(&self, id: ReloadId, commit: CommitId, objection: Objection) -> ReloadError {
        let (held, repeated) = self.note(id, commit, objection);
        ReloadError::Held { held, repeated }
    }
}
