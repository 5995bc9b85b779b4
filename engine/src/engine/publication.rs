//! A publication: a state that takes the place of the published one, and what follows from it.
//!
//! One place publishes, [`Publisher::publish`](super::publishing::Publisher::publish), whichever way a
//! state comes: from a push, a replay, a write, a pin, an audit or a compaction. Pure functions that
//! know every way decide what follows: here what the outcome says, in `status.rs` what the status
//! says.

use std::sync::Arc;

use super::hold::Pinned;
use crate::delta::Delta;
use crate::id::CommitId;
use crate::plan::RebuildReason;
use crate::report::{OutcomeKind, ReloadOutcome, Timings};
use crate::snapshot::{RecordChange, Snapshot, count};

/// A state that is to take the place of the published one.
pub(super) struct Publication {
    pub(super) state: Arc<Snapshot>,
    /// The served records that differ from those of the published state.
    pub(super) changed: Arc<Vec<RecordChange>>,
    /// Why the state was built anew; `None` where the difference was applied.
    pub(super) reason: Option<RebuildReason>,
    pub(super) lineage: Lineage,
    /// How long it took so far.
    pub(super) timings: Timings,
    pub(super) origin: Origin,
}

/// How the commit to publish stands to the published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lineage {
    /// Nothing was published before but the empty state.
    First,
    /// It is the same commit.
    Same,
    /// It descends from it.
    Forward,
    /// It does not: the branch was rewritten, or an earlier commit is pinned.
    Departs,
}

/// Where a state comes from, or where it was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The remote, or the local branch where there is none.
    Branch(Followed),
    /// Commits that were made of what somebody wrote.
    Write {
        /// How many.
        commits: u64,
    },
    /// The operator, who pins a commit or unpins it.
    Pin {
        /// The pin from now on.
        pinned: Option<Pinned>,
        /// The head of the branch.
        head: Option<CommitId>,
    },
    /// The same commit, built anew because the published state was wrong.
    Audit,
    /// The same state with fewer segments of text.
    Compaction,
}

/// What a reload found out about the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Followed {
    /// The remote's head, as far as it is known.
    pub(super) remote: Option<CommitId>,
    /// Whether the remote was asked, and answered.
    pub(super) fetched: bool,
    /// How many commits the remote does not have, once the branch is where the state is. `None`
    /// where the remote has a head that is not published, or none is known: nothing follows then.
    pub(super) level: Option<u64>,
    /// Whether the operator let it through, which ends a pin.
    pub(super) through: bool,
}

/// A publication that has happened, for those who watch.
#[derive(Debug, Clone)]
pub struct Published {
    /// What the public sees differently.
    pub delta: Arc<Delta>,
    /// Whether the commit descends from the one that was published before, or is the same. After any
    /// other one, such as the first or one of a rewritten branch, nobody can go on by the delta.
    pub descends: bool,
}

impl Lineage {
    /// Says whether earlier states may still be read: they are in the history of the new one.
    pub(super) fn keeps_history(self) -> bool {
        self != Self::Departs
    }
}

impl Publication {
    /// Decides what the outcome says, but for what the publication itself finds out.
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
    /// Returns the outcome of looking here and leaving `published` as it is.
    pub(super) fn unchanged(&self, published: &Snapshot) -> ReloadOutcome {
        let (fetched, remote_head) = match self {
            Self::Branch(followed) => (followed.fetched, followed.remote),
            Self::Write { .. } | Self::Pin { .. } | Self::Audit | Self::Compaction => (false, None),
        };
        let outcome = ReloadOutcome::staying(published.commit(), published.digest());
        ReloadOutcome { fetched, remote_head, ..outcome }
    }
}
