//! Decides how a snapshot gets to a commit: a pure function of plain facts.

use std::fmt;

use crate::id::CommitId;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The closed list of reasons to rebuild the state instead of applying a difference.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RebuildReason {
            $($(#[$doc])* $variant,)*
        }

        impl RebuildReason {
            /// Every reason, in the order in which [`plan`] checks them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the stable name that logs, metrics and the API show.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

reasons! {
    /// There is no state yet.
    FirstLoad = "first_load",
    /// The caller asked for it.
    Requested = "requested",
    /// The audit found a state that differs from a rebuild.
    AuditMismatch = "audit_mismatch",
    /// The difference led to another state than the leader's.
    DigestMismatch = "digest_mismatch",
    /// The cache next to the mirror failed its check.
    CacheInvalid = "cache_invalid",
    /// The tree of the published commit can no longer be read.
    BaseMissing = "base_missing",
    /// Sheets were declared for the first time, or are no longer declared.
    LayoutChanged = "layout_changed",
    /// So much changed that a rebuild is cheaper.
    TooManyChanges = "too_many_changes",
    /// The text index is of another commit than the maps.
    IndexOutOfStep = "index_out_of_step",
    /// The text index refused the change.
    IndexFailed = "index_failed",
    /// Applying the difference failed or panicked.
    ApplyFailed = "apply_failed",
}

impl RebuildReason {
    /// Returns whether, as far as is known, the served state is no worse without the rebuild: then
    /// it is not worth running out of memory.
    pub const fn is_optional(self) -> bool {
        matches!(self, Self::Requested | Self::AuditMismatch)
    }
}

impl fmt::Display for RebuildReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The facts before a reload is built.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The published commit, or `None` before the first load.
    pub published: Option<CommitId>,
    /// The commit to go to.
    pub target: CommitId,
    /// A reason from the caller: a request, or the retreat from a failed increment.
    pub forced: Option<RebuildReason>,
    /// Whether the tree of the published commit can still be read.
    pub base_readable: bool,
    /// Whether the definitions of both commits can be compared sheet by sheet.
    pub layout_comparable: bool,
    /// The commit of the text index.
    pub index_stamp: CommitId,
    /// The number of paths that differ between the two trees.
    pub changed_paths: usize,
    /// The number of records and problems in the state.
    pub held_slots: usize,
    /// Whether an increment is preferred however much it changes.
    pub prefers_increment: bool,
}

/// How to get to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadPlan {
    /// The target is already published.
    Nothing,
    /// Apply the difference of the two trees.
    Increment,
    /// Apply the difference from the empty tree to an empty state.
    Rebuild(RebuildReason),
}

/// Below this number of changed paths, an increment is always cheaper.
const FEW: usize = 1_000;

/// Decides how to get to the target. Pure; the first reason that applies is returned.
///
/// A change of more than six tenths of the state leads to a rebuild. Up to there, applying the
/// difference was measured to be cheaper (docs/performance.md, "Growth"); beyond that, the text
/// index spends more and more on tombstones, and later on compacting them.
pub fn plan(facts: &Facts) -> ReloadPlan {
    use RebuildReason as Reason;
    let Some(published) = facts.published else {
        return ReloadPlan::Rebuild(facts.forced.unwrap_or(Reason::FirstLoad));
    };
    if let Some(reason) = facts.forced {
        return ReloadPlan::Rebuild(reason);
    }
    if published == facts.target {
        return ReloadPlan::Nothing;
    }
    let many = facts.changed_paths > FEW && facts.changed_paths * 10 > facts.held_slots * 6;
    let many = many && !facts.prefers_increment;
    let reason = [
        (!facts.base_readable, Reason::BaseMissing),
        (!facts.layout_comparable, Reason::LayoutChanged),
        (many, Reason::TooManyChanges),
        (facts.index_stamp != published, Reason::IndexOutOfStep),
    ];
    match reason.into_iter().find(|(holds, _)| *holds) {
        Some((_, reason)) => ReloadPlan::Rebuild(reason),
        None => ReloadPlan::Increment,
    }
}

/// Whether the branch may move, and where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// To the remote's head.
    To(CommitId),
    /// Nowhere: the remote has nothing that is missing here.
    Stay,
    /// Nowhere: the remote was rewound or rewritten, or both sides moved.
    Diverged,
}

/// What is known about the branch after a fetch.
#[derive(Debug, Clone, Copy)]
pub struct BranchFacts {
    /// The head of the branch on the remote.
    pub remote: CommitId,
    /// The local head of the branch, or `None` before the first load.
    pub local: Option<CommitId>,
    /// The last commit known to be both local and on the remote.
    pub synced: Option<CommitId>,
    /// Whether the remote's head is, or descends from, the local head.
    pub remote_has_local: bool,
    /// Whether the local head is, or descends from, the remote's head.
    pub local_has_remote: bool,
    /// Whether the remote's head is, or descends from, the last synced commit.
    pub remote_has_synced: bool,
}

/// Decides whether the branch may move: only forward, and never past local commits that the remote
/// does not have.
///
/// The local head is compared before `synced`, so a crash between moving the branch and recording
/// the synced commit does not look like a divergence.
pub fn movement(facts: &BranchFacts) -> Movement {
    let Some(local) = facts.local else { return Movement::To(facts.remote) };
    if facts.remote == local {
        Movement::Stay
    } else if facts.remote_has_local {
        Movement::To(facts.remote)
    } else if facts.local_has_remote && facts.remote_has_synced {
        // The local branch is ahead: its commits are still to be pushed. A push may have arrived
        // that is not recorded yet. A remote that is behind the synced commit was rewound.
        Movement::Stay
    } else {
        Movement::Diverged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: CommitId = CommitId::from_bytes([1; 20]);
    const B: CommitId = CommitId::from_bytes([2; 20]);
    const C: CommitId = CommitId::from_bytes([3; 20]);

    fn ordinary() -> Facts {
        Facts {
            published: Some(A),
            target: B,
            forced: None,
            base_readable: true,
            layout_comparable: true,
            index_stamp: A,
            changed_paths: 1,
            held_slots: 100,
            prefers_increment: false,
        }
    }

    #[test]
    fn each_reason_to_rebuild_is_found() {
        use RebuildReason::*;
        let cases = [
            (ordinary(), ReloadPlan::Increment),
            (Facts { target: A, ..ordinary() }, ReloadPlan::Nothing),
            (Facts { published: None, ..ordinary() }, ReloadPlan::Rebuild(FirstLoad)),
            (Facts { forced: Some(Requested), ..ordinary() }, ReloadPlan::Rebuild(Requested)),
            (
                Facts { forced: Some(Requested), target: A, ..ordinary() },
                ReloadPlan::Rebuild(Requested),
            ),
            (Facts { forced: Some(ApplyFailed), ..ordinary() }, ReloadPlan::Rebuild(ApplyFailed)),
            (Facts { forced: Some(IndexFailed), ..ordinary() }, ReloadPlan::Rebuild(IndexFailed)),
            (
                Facts { forced: Some(DigestMismatch), ..ordinary() },
                ReloadPlan::Rebuild(DigestMismatch),
            ),
            (
                Facts { forced: Some(AuditMismatch), ..ordinary() },
                ReloadPlan::Rebuild(AuditMismatch),
            ),
            (
                Facts { published: None, forced: Some(CacheInvalid), ..ordinary() },
                ReloadPlan::Rebuild(CacheInvalid),
            ),
            (Facts { base_readable: false, ..ordinary() }, ReloadPlan::Rebuild(BaseMissing)),
            (Facts { layout_comparable: false, ..ordinary() }, ReloadPlan::Rebuild(LayoutChanged)),
            (Facts { index_stamp: C, ..ordinary() }, ReloadPlan::Rebuild(IndexOutOfStep)),
            (
                Facts { changed_paths: 6_001, held_slots: 10_000, ..ordinary() },
                ReloadPlan::Rebuild(TooManyChanges),
            ),
            (
                Facts { changed_paths: 6_000, held_slots: 10_000, ..ordinary() },
                ReloadPlan::Increment,
            ),
            (
                Facts { changed_paths: 6_001, prefers_increment: true, ..ordinary() },
                ReloadPlan::Increment,
            ),
            (Facts { changed_paths: 1_000, held_slots: 1, ..ordinary() }, ReloadPlan::Increment),
        ];
        for (facts, expected) in cases {
            assert_eq!(plan(&facts), expected, "{facts:?}");
        }
    }

    #[test]
    fn every_reason_has_a_name_and_two_can_wait() {
        let names: Vec<String> = RebuildReason::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(names[..3], ["first_load", "requested", "audit_mismatch"]);
        let optional: Vec<&str> = RebuildReason::ALL
            .iter()
            .filter(|reason| reason.is_optional())
            .map(|reason| reason.as_str())
            .collect();
        assert_eq!(optional, ["requested", "audit_mismatch"]);
    }

    #[test]
    fn the_branch_moves_forward_only_and_never_over_unpushed_commits() {
        let facts = |remote, local, synced, remote_has_local| BranchFacts {
            remote,
            local,
            synced,
            remote_has_local,
            local_has_remote: local == Some(B) && remote == A,
            remote_has_synced: synced == Some(remote) || synced == Some(A) && remote != A,
        };
        let cases = [
            ("first load", facts(B, None, None, false), Movement::To(B)),
            ("nothing new", facts(A, Some(A), Some(A), true), Movement::Stay),
            ("fast-forward", facts(B, Some(A), Some(A), true), Movement::To(B)),
            ("rewound or rewritten", facts(B, Some(A), Some(A), false), Movement::Diverged),
            (
                "rewound behind what was in step",
                facts(A, Some(B), Some(B), false),
                Movement::Diverged,
            ),
            ("we are ahead", facts(A, Some(B), Some(A), false), Movement::Stay),
            (
                "ours are not on top of it yet",
                facts(C, Some(B), Some(C), false),
                Movement::Diverged,
            ),
            ("our push arrived", facts(B, Some(B), Some(A), true), Movement::Stay),
            ("our push arrived and more", facts(C, Some(B), Some(A), true), Movement::To(C)),
            ("both moved", facts(C, Some(B), Some(A), false), Movement::Diverged),
            ("nothing noted, rewritten", facts(C, Some(B), None, false), Movement::Diverged),
        ];
        for (name, facts, expected) in cases {
            assert_eq!(movement(&facts), expected, "{name}");
        }
    }
}
