//! A publication: a state that replaces the published one, and its consequences.
//!
//! One place publishes, [`Publisher::publish`](super::publisher::Publisher::publish), wherever a
//! state comes from: a push, a replay, a write, a pin, an audit or a compaction. Pure functions
//! that know every origin decide the consequences: the outcome here, the status in `status.rs`.

use std::sync::Arc;

use super::consent::Moved;
use super::hold_reason::Pinned;
use crate::delta::{Delta, Transition};
use crate::id::CommitId;
use crate::plan::RebuildReason;
use crate::report::{OutcomeKind, ReloadOutcome, Timings};
use crate::snapshot::{RecordChange, Snapshot, count};

/// A state that is to replace the published one.
pub(super) struct Publication {
    pub(super) state: Arc<Snapshot>,
    /// The served records that differ from those of the published state.
    pub(super) changed: Arc<Vec<RecordChange>>,
    /// Why the state was rebuilt; `None` if the difference was applied.
    pub(super) reason: Option<RebuildReason>,
    pub(super) lineage: Lineage,
    /// The time taken so far.
    pub(super) timings: Timings,
    pub(super) origin: Origin,
    pub(super) branch: BranchMove,
}

/// What becomes of the references of the branch with a publication. The default leaves them.
#[derive(Debug, Clone, Default)]
pub(super) struct BranchMove {
    /// The new head; `None` if it stays.
    pub(super) head: Option<CommitId>,
    /// The commit of the branch that the remote is known to have; `None` if nothing new is known.
    pub(super) synced: Option<CommitId>,
    /// The commits that are replaced.
    pub(super) moves: Vec<Moved>,
}

/// The relation of the commit to be published to the published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lineage {
    /// Only the empty state was published before.
    First,
    /// It is the same commit.
    Same,
    /// It descends from the published commit.
    Forward,
    /// It does not descend from it: the branch was rewritten, or an earlier commit is pinned.
    Departs,
}

/// Where a state comes from, or where a new one was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The remote, or the local branch if there is none.
    Branch(Followed),
    /// Commits made from writes.
    Write {
        /// The number of commits.
        commits: u64,
    },
    /// The operator, who pins or unpins a commit.
    Pin {
        /// The pin from now on.
        pinned: Option<Pinned>,
        /// The head of the branch.
        head: Option<CommitId>,
    },
    /// The leader of several replicas.
    Leader(Led),
    /// The same commit, rebuilt because the published state was wrong.
    Audit,
    /// The same state with fewer text segments.
    Compaction,
}

/// What a reload found out about the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Followed {
    /// The remote's head, if known.
    pub(super) remote: Option<CommitId>,
    /// Whether the remote was asked, and answered.
    pub(super) fetched: bool,
    /// The number of commits that the remote does not have, once the branch is at the state. `None`
    /// if the remote's head is not published or not known: then nothing follows.
    pub(super) level: Option<u64>,
    /// Whether the operator let it through, which ends a pin.
    pub(super) through: bool,
}

/// What the leader says about the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Led {
    /// The commit that it has pinned.
    pub(super) pinned: Option<CommitId>,
    /// The last commit that the remote is known to have.
    pub(super) synced: Option<CommitId>,
    /// The number of commits that the remote does not have.
    pub(super) unpushed: u64,
}

/// A completed publication, for observers.
#[derive(Debug, Clone)]
pub struct Published {
    /// What changes for the public.
    pub delta: Arc<Delta>,
    /// Whether the commit is, or descends from, the previously published one. If not, as for the
    /// first commit or that of a rewritten branch, the delta cannot be applied.
    pub descends: bool,
    /// The step between the two states, from which each view has its delta. `None` if they share
    /// nothing, or if the earlier one may not be read any more: nobody keeps it then.
    pub transition: Option<Transition>,
}

impl Lineage {
    /// Returns whether earlier states may still be read: they are in the history of the new one.
    pub(super) fn keeps_history(self) -> bool {
        self != Self::Departs
    }
}

impl Publication {
    /// Returns the step from `before` to this state, if that is kept.
    pub(super) fn transition(&self, before: Arc<Snapshot>) -> Option<Transition> {
        let (after, changed) = (self.state.clone(), self.changed.clone());
        self.keeps_before().then_some(Transition { before, after, changed })
    }

    /// Returns whether the state before is kept: this one shares its contents, and descends from it.
    pub(super) fn keeps_before(&self) -> bool {
        self.lineage.keeps_history() && self.reason.is_none()
    }

    /// Returns the outcome, except for what the publication itself finds out.
    pub(super) fn outcome(&self, before: &Snapshot) -> ReloadOutcome {
        let is_anew = self.reason.is_some();
        let redefined = before.layout().redefined(self.state.layout()).filter(|_| !is_anew);
        ReloadOutcome {
            kind: if is_anew { OutcomeKind::Rebuilt } else { OutcomeKind::Applied },
            reason: self.reason,
            new: self.state.commit(),
            digest: self.state.digest(),
            changed: count(&self.changed),
            redefined: redefined.into_iter().flatten().collect(),
            timings: self.timings,
            ..self.origin.unchanged(before)
        }
    }
}

impl Origin {
    /// Returns the outcome of checking here and leaving `published` as it is.
    pub(super) fn unchanged(&self, published: &Snapshot) -> ReloadOutcome {
        let (fetched, remote_head) = match self {
            Self::Branch(followed) => (followed.fetched, followed.remote),
            Self::Write { .. }
            | Self::Pin { .. }
            | Self::Leader(_)
            | Self::Audit
            | Self::Compaction => (false, None),
        };
        let outcome = ReloadOutcome::staying(published.commit(), published.digest());
        ReloadOutcome { fetched, remote_head, ..outcome }
    }
}
