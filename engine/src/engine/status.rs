//! What the operator sees of the engine.

use std::sync::Arc;
use std::time::SystemTime;

use super::holds::Held;
use super::ledger::Report;
use super::pin::Pinned;
use super::push::report::PushStatus;
use crate::id::CommitId;
use crate::plan::RebuildReason;

/// What the operator sees, beside the snapshot.
#[derive(Debug, Clone)]
pub struct EngineStatus {
    /// The branch that is served.
    pub branch: String,
    /// The remote without credentials, or `None` where the local branch is followed.
    pub remote: Option<String>,
    /// The head of the branch on the remote, as last seen.
    pub remote_head: Option<CommitId>,
    /// When the remote last answered.
    pub fetched_at: Option<SystemTime>,
    /// Since when the remote has had a head that is not published.
    pub behind_since: Option<SystemTime>,
    /// How many commits the local branch is ahead of the remote.
    pub ahead: u64,
    /// How they are pushed.
    pub push: PushStatus,
    /// The push that is held back.
    pub held: Option<Held>,
    /// The commit that is served whatever is pushed.
    pub pinned: Option<Pinned>,
    /// How many states are kept beside the published one, to go back to one at once.
    pub retained: usize,
    /// How many states are in memory, those included that readers have not let go.
    pub alive: usize,
    /// The last reload that is done.
    pub last: Option<Arc<Report>>,
    /// Whether the published state has problems that a push would have been refused for: it was
    /// served because there was nothing to compare with.
    pub degraded: bool,
    /// Why the first state was built as it was: `first_load`, or `cache_invalid`.
    pub opened: RebuildReason,
    /// Whether the branch is missing on the remote.
    pub branch_missing: bool,
    /// Whether the remote has no branch at all.
    pub remote_empty: bool,
    /// When the published snapshot was published.
    pub published_at: SystemTime,
}
