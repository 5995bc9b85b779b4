//! What keeps a push from being published: a hold, or another pinned commit.

use std::sync::Arc;
use std::time::SystemTime;

use crate::admit::Excess;
use crate::id::CommitId;
use crate::problem::Problem;
use crate::report::ReloadId;

/// Why a push is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldReason {
    /// The branch was rewound or rewritten, or both sides have moved.
    Diverged,
    /// Its content has new problems in sheets that refuse them.
    Refused,
    /// A sheet has more problems than its limit allows.
    OverLimit,
    /// It changes more than a push may.
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

/// A push that was fetched but not published. There is at most one: a newer push supersedes it.
#[derive(Debug, Clone)]
pub struct HeldPush {
    /// The id of the reload that held it, with which the operator lets it through.
    pub id: ReloadId,
    /// The remote's head that is held.
    pub commit: CommitId,
    /// The published commit at the time it was held.
    pub published: CommitId,
    /// Why it is held.
    pub reason: HeldReason,
    /// Since when.
    pub since: SystemTime,
    /// The problems of its content, as far as it was checked.
    pub problems: Arc<[Problem]>,
    /// The limits that it exceeds; empty unless that is the reason.
    pub excesses: Arc<[Excess]>,
}

/// A commit that is served, whatever is pushed, until it is unpinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// The commit.
    pub commit: CommitId,
    /// Since when; after a restart, since the restart.
    pub since: SystemTime,
}
