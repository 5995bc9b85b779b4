//! Where a follower goes: what the leader has published, and where to get it.

use std::sync::Arc;

use crate::digest::Digest;
use crate::id::CommitId;
use crate::mirror::Remote;

/// What the leader has published.
#[derive(Debug, Clone)]
pub struct FollowTarget {
    /// The head of its branch; zeros if the branch has no commit.
    pub head: CommitId,
    /// The commit that it has pinned, and serves instead of the head.
    pub pinned: Option<CommitId>,
    /// The digest of the state that it serves.
    pub digest: Digest,
    /// How that state was made. Digests are compared only with what is made in the same way; see
    /// [`Engine::made_by`](super::Engine::made_by).
    pub made_by: String,
    /// The last commit of the branch that the remote is known to have.
    pub synced: Option<CommitId>,
    /// The number of commits that the remote does not have.
    pub unpushed: u64,
    /// Where its commits can be fetched from, in the order in which they are asked.
    pub sources: Vec<Arc<Remote>>,
}

impl FollowTarget {
    /// Returns the commit that the leader serves.
    pub fn served(&self) -> CommitId {
        self.pinned.unwrap_or(self.head)
    }

    /// Returns the commits that the mirror must have: the head, and the served one, which may not be
    /// in its history.
    pub(super) fn commits(&self) -> impl Iterator<Item = CommitId> {
        let commits = [self.pinned, Some(self.head)];
        commits.into_iter().flatten().filter(|commit| !commit.is_zero())
    }
}

/// A commit of the leader that is on the disk of this replica, with its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The head of the leader's branch.
    pub commit: CommitId,
}
