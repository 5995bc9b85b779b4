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
    /// The tags of the source are followed as well; more than a thousand, once a minute.
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
        let listing = &self.mirror.shared.tag_listing;
        let name = format!("refs/remotes/leader/{}", self.branch);
        let old = known.reference(&name)?;
        fault::point("fetch.connect").map_err(FetchError::ours)?;
        let (head, begun) = (RemoteHead::At(commit), Instant::now());
        let is_here = self.known == Known::Everything && known.contains(commit.as_bytes());
        let received = match is_here {
            true => Received { head, pack: None, tags: None },
            false => Conversation::hold(self.remote, &self.budget, |talk| {
                let tags = match self.asked {
                    Asked::BranchAndTags if listing.is_due() => {
                        let tags = talk.list(&[TAGS])?.tags;
                        listing.note(tags.len());
                        Some(tags)
                    }
                    Asked::BranchAndTags | Asked::Branch => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;
    use crate::mirror::{MirrorOptions, RemoteOptions};

    #[test]
    fn many_tags_are_not_asked_for_after_each_write() {
        let leader = TestRepository::bare();
        let first = leader.commit_files("main", &[("a", "1")]);
        let second = leader.commit_files("main", &[("a", "2")]);
        let third = leader.commit_files("main", &[("a", "3")]);
        let follows = |mirror: &Mirror, commit: CommitId| {
            let remote = Remote::new(&leader.url(), RemoteOptions::default()).unwrap();
            mirror.fetch_commit(&remote, "main", commit, &FetchLimits::default()).unwrap();
            mirror.objects().unwrap().references_under(TAGS).unwrap().len()
        };
        for (count, seen) in [(3, 4), (1_001, 1_001)] {
            let own = TestRepository::bare();
            let mirror = Mirror::open(own.path(), MirrorOptions::default()).unwrap();
            let tag = |from: usize, to: usize| {
                let line = |n: usize| format!("create refs/tags/t{n:05} {first}\n");
                let lines: String = (from..to).map(line).collect();
                leader.git_with(["update-ref", "--stdin"], lines.as_bytes());
            };
            tag(leader.objects().references_under(TAGS).unwrap().len(), count);
            assert_eq!(follows(&mirror, second), count);
            tag(count, count + 1);
            assert_eq!(follows(&mirror, third), seen);
        }
    }
}
