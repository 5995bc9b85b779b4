//! Holds: pushes that were fetched and are not published, remembered until the remote's head moves on.

use std::sync::Arc;
use std::time::SystemTime;

use super::error::ReloadError;
use super::hold::{Held, HeldReason};
use super::schedule::RequestKind;
use super::states::States;
use super::status::StatusBoard;
use crate::admit::{Excess, Verdict};
use crate::fault;
use crate::id::CommitId;
use crate::problem::Problem;
use crate::report::ReloadId;

/// Holds pushes back and lets them through.
pub(super) struct Holds {
    pub(super) states: Arc<States>,
    pub(super) status: Arc<StatusBoard>,
}

/// Why a push may not go live, and what is wrong with it.
pub(super) struct Objection {
    pub(super) reason: HeldReason,
    /// What is wrong with its content, as far as it was looked at.
    pub(super) problems: Vec<Problem>,
    /// What it does too much of.
    pub(super) excesses: Vec<Excess>,
}

impl Objection {
    /// Returns one that needs no further words.
    pub(super) fn new(reason: HeldReason) -> Self {
        Self { reason, problems: Vec::new(), excesses: Vec::new() }
    }

    /// Returns what admission has against a state, if anything.
    pub(super) fn of(verdict: Verdict) -> Option<Self> {
        let (reason, problems, excesses) = match verdict {
            Verdict::Admitted => return None,
            Verdict::Refused(problems) => (HeldReason::Refused, problems, vec![]),
            Verdict::OverLimit(problems) => (HeldReason::OverLimit, problems, vec![]),
            Verdict::TooMuch(excesses, problems) => (HeldReason::PushLimit, problems, excesses),
        };
        Some(Self { reason, problems, excesses })
    }
}

impl Holds {
    /// Says whether the operator lets exactly this head of the remote through.
    pub(super) fn let_through(
        &self,
        kind: RequestKind,
        remote: Option<CommitId>,
    ) -> Result<bool, ReloadError> {
        let RequestKind::Apply(id) = kind else { return Ok(false) };
        let is_held = |held: &Held| held.id == id && Some(held.commit) == remote;
        match self.status.read(|status| status.held.as_ref().is_some_and(is_held)) {
            true => Ok(true),
            false => Err(ReloadError::NotHeld { id }),
        }
    }

    /// Answers again what was answered before, when exactly this head was refused before.
    pub(super) fn recall(&self, target: CommitId) -> Result<(), ReloadError> {
        let published = self.states.commit();
        let is_known = |held: &&Held| {
            held.commit == target
                && held.published == published
                && held.reason != HeldReason::Diverged
        };
        match self.status.read(|status| status.held.as_ref().filter(is_known).cloned()) {
            Some(held) => Err(ReloadError::Held { held, repeated: true }),
            None => Ok(()),
        }
    }

    /// Holds the push of `commit` back, in the place of any that was held before; returns it, and
    /// whether it was held before.
    pub(super) fn note(
        &self,
        id: ReloadId,
        commit: CommitId,
        objection: Objection,
    ) -> (Held, bool) {
        fault::step("hold.note");
        let Objection { reason, problems, excesses } = objection;
        let (published, since) = (self.states.commit(), SystemTime::now());
        let (problems, excesses) = (problems.into(), excesses.into());
        self.status.hold(Held { id, commit, published, reason, since, problems, excesses })
    }

    /// The same, as the error of the reload.
    pub(super) fn hold(&self, id: ReloadId, commit: CommitId, objection: Objection) -> ReloadError {
        let (held, repeated) = self.note(id, commit, objection);
        ReloadError::Held { held, repeated }
    }
}
