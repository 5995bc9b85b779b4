//! A held push: fetched, not published, and remembered until the remote's head moves on.

use std::sync::Arc;
use std::time::SystemTime;

use super::Shared;
use super::error::ReloadError;
use super::publication::{Followed, Origin};
use super::remote_view::Seen;
use super::schedule::RequestKind;
use crate::admit::Excess;
use crate::fault;
use crate::id::CommitId;
use crate::problem::Problem;
use crate::report::{OutcomeKind, ReloadId, ReloadOutcome};
use crate::snapshot::Snapshot;

/// Why a push is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldReason {
    /// The branch was rewound or rewritten, or has moved on both sides.
    Diverged,
    /// Its content has new problems in sheets that refuse them.
    Refused,
    /// A sheet has more problems than its limit allows.
    OverLimit,
    /// It does more than a push may do.
    PushLimit,
    /// Another commit is pinned.
    Pinned,
}

impl HeldReason {
    /// Returns the stable name that the API shows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Diverged => "diverged",
            Self::Refused => "refused",
            Self::OverLimit => "over_limit",
            Self::PushLimit => "push_limit",
            Self::Pinned => "pinned",
        }
    }
}

/// A push that was fetched and is not published. There is at most one: a newer push supersedes it.
#[derive(Debug, Clone)]
pub struct Held {
    /// The id of the reload that held it back, by which the operator lets it through.
    pub id: ReloadId,
    /// The remote's head that is held back.
    pub commit: CommitId,
    /// The published commit when it was held.
    pub published: CommitId,
    /// Why it is held.
    pub reason: HeldReason,
    /// Since when.
    pub since: SystemTime,
    /// What is wrong with its content, as far as it was looked at.
    pub problems: Arc<[Problem]>,
    /// What it does too much of; empty unless that is the reason.
    pub excesses: Arc<[Excess]>,
}

impl Shared {
    /// Says whether the operator lets exactly this head through.
    pub(super) fn let_through(&self, kind: RequestKind, seen: &Seen) -> Result<bool, ReloadError> {
        let RequestKind::Apply(id) = kind else { return Ok(false) };
        let status = self.status();
        let held = status.held.as_ref().filter(|held| held.id == id);
        match held {
            Some(held) if Some(held.commit) == seen.remote => Ok(true),
            _ => Err(ReloadError::NotHeld { id }),
        }
    }

    /// Answers again what was answered before, when exactly this head was refused before.
    pub(super) fn recall(&self, target: CommitId) -> Result<(), ReloadError> {
        let published = self.published.load().commit();
        match &self.status().held {
            Some(held)
                if held.commit == target
                    && held.published == published
                    && held.reason != HeldReason::Diverged =>
            {
                Err(ReloadError::Held { held: held.clone(), repeated: true })
            }
            _ => Ok(()),
        }
    }

    /// Holds the push of `commit` back, in place of any that was held before.
    pub(super) fn hold(
        &self,
        id: ReloadId,
        commit: CommitId,
        reason: HeldReason,
        problems: Vec<Problem>,
        excesses: Vec<Excess>,
    ) -> ReloadError {
        let (held, repeated) = self.note_held(id, commit, reason, problems, excesses);
        ReloadError::Held { held, repeated }
    }

    /// Holds what was pushed back because another commit is pinned, which is no failure.
    pub(super) fn hold_for_pin(
        &self,
        id: ReloadId,
        commit: CommitId,
        published: &Snapshot,
        seen: &Seen,
    ) -> ReloadOutcome {
        let (held, repeated) = self.note_held(id, commit, HeldReason::Pinned, vec![], vec![]);
        let (remote, fetched, through) = (seen.remote, seen.reached, false);
        let followed = Followed { remote, fetched, level: None, through };
        let outcome = self.stay(&Origin::Branch(followed), published);
        ReloadOutcome { kind: OutcomeKind::Held, held: Some(held.id), repeated, ..outcome }
    }

    /// Notes what is held, and returns it and whether it was held before.
    fn note_held(
        &self,
        id: ReloadId,
        commit: CommitId,
        reason: HeldReason,
        problems: Vec<Problem>,
        excesses: Vec<Excess>,
    ) -> (Held, bool) {
        fault::step("hold.note");
        let published = self.published.load().commit();
        let mut status = self.status();
        let known = status.held.as_ref().filter(|held| {
            (held.commit, held.published, held.reason) == (commit, published, reason)
        });
        if let Some(held) = known {
            return (held.clone(), true);
        }
        let (since, problems, excesses) = (SystemTime::now(), problems.into(), excesses.into());
        let held = Held { id, commit, published, reason, since, problems, excesses };
        status.held = Some(held.clone());
        (held, false)
    }
}
