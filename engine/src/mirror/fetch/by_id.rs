//! Fetches one commit by its id: from a replica whose branch may not be there yet.
//!
//! A leader makes its next commit known before it moves its branch, so a follower asks for the
//! commit and not for the branch. Any server of protocol version 2 sends a commit by its id.

use std::time::Instant;

use super::{
    Asked, Attempt, FetchError, Fetched, Known, OneRound, Received, RemoteHead, TAGS, Tracked,
};
use crate::fault;
use crate::id::CommitId;
use crate::mirror::conversation::Conversation;
use crate::mirror::{FetchLimits, Mirror, Remote};

impl Mirror {
    /// Fetches `commit`, which belongs to `branch`, and points `refs/remotes/leader/<branch>` at it.
    /// The tags of the source are followed as well.
    ///
    /// Blocking, with the guarantees of [`fetch`](Self::fetch). Nothing is asked for a commit that
    /// is in the mirror.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch); [`FetchError::Unreachable`] if the source does not have the commit.
    pub fn fetch_commit(
        &self,
        source: &Remote,
        branch: &str,
        commit: CommitId,
        limits: &FetchLimits,
    ) -> Result<Fetched, FetchError> {
        // Each push was within its limit where it came from, and many may be fetched at once here.
        let limits = FetchLimits { max_paths: usize::MAX, ..*limits };
        self.attempts(source, branch, &limits, |attempt, _| attempt.run_for(commit))
    }
}

impl Attempt<'_> {
    /// Fetches the commit and the tags.
    fn run_for(&self, commit: CommitId) -> Result<Fetched, FetchError> {
        let known = self.mirror.objects()?;
        let name = format!("refs/remotes/leader/{}", self.branch);
        let old = known.reference(&name)?;
        fault::point("fetch.connect").map_err(FetchError::ours)?;
        let (head, begun) = (RemoteHead::At(commit), Instant::now());
        let is_here = self.known == Known::Everything && known.contains(commit.as_bytes());
        let received = match is_here {
            true => Received { head, pack: None, tags: None },
            false => Conversation::hold(self.remote, &self.budget, |talk| {
                let tags = match self.asked {
                    Asked::BranchAndTags => Some(talk.list(&[TAGS])?.tags),
                    Asked::Branch => None,
                };
                fault::point("fetch.listed").map_err(FetchError::ours)?;
                let round = OneRound { tip: commit, haves: self.haves(&known) };
                let pack = Some(self.receive_quarantined(talk, &known, round)?);
                Ok(Received { head, pack, tags })
            })?,
        };
        self.conclude(&known, received, Tracked { name: &name, old, begun })
    }
}
