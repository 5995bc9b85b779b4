//! Consent: what the leader of several replicas asks before it publishes.
//!
//! A state goes live only after the others can know of it: [`Consent::publish`] is asked once the
//! objects of its commit are on disk, and before any reference names them. So no branch is ever
//! ahead of what the replicas agreed on. They may have agreed on a commit to which the branch did
//! not move, because the answer was lost: its objects are here, and following goes there.

use std::time::SystemTime;

use super::hold_reason::HeldPush;
use crate::admit::Withheld;
use crate::digest::Digest;
use crate::id::CommitId;

/// What the replicas agree on, as far as the engine is concerned.
pub trait Consent: std::fmt::Debug + Send + Sync {
    /// Asks whether a state may go live; the leader is asked alone.
    ///
    /// It is called on a thread of the engine that has the turn to publish, and may block: other
    /// publications wait meanwhile, reads do not. It must not wait for another publication, as
    /// [`Engine::announcement`](super::Engine::announcement) and
    /// [`Engine::commit`](super::Engine::commit) do.
    ///
    /// # Errors
    ///
    /// [`Withheld`] if it may not, or if nobody knows. Then nothing is moved.
    fn publish(&self, announcement: &Announcement) -> Result<(), Withheld>;
}

/// What is true of the branch once a state is published.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// The head of the branch; zeros if it has no commit.
    pub head: CommitId,
    /// The pinned commit, which is served instead of the head.
    pub pinned: Option<CommitId>,
    /// The digest of the served state.
    pub digest: Digest,
    /// What is known of the remote.
    pub remote: RemoteStanding,
    /// The commits that this publication replaces.
    pub moves: Vec<Moved>,
}

impl Announcement {
    /// Returns the served commit.
    pub fn served(&self) -> CommitId {
        self.pinned.unwrap_or(self.head)
    }
}

/// How the branch relates to that of the remote.
#[derive(Debug, Clone)]
pub struct RemoteStanding {
    /// The last commit of the branch that the remote is known to have.
    pub synced: Option<CommitId>,
    /// The number of commits that the remote does not have.
    pub unpushed: u64,
    /// Since when the remote has had a head that is not published.
    pub behind_since: Option<SystemTime>,
    /// The held push.
    pub held: Option<HeldPush>,
}

/// A commit of ours that is no longer in the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The commit.
    pub old: CommitId,
    /// The commit that now has its changes; `None` if the branch does not have them.
    pub new: Option<CommitId>,
}
