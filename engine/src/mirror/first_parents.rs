//! The line of first parents, commit by commit, down to the root or to where a shallow history ends.

use std::collections::HashSet;

use super::gix_id::commit_id;
use super::{ObjectError, Objects};
use crate::id::CommitId;

/// A commit and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// The commit.
    pub commit: CommitId,
    /// The committer's time, in seconds since the Unix epoch.
    pub seconds: i64,
}

/// A part of a line of first parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstParents {
    /// The commits, newest first.
    pub made: Vec<Made>,
    /// Whether it ends just above the known commit, rather than at the root commit.
    pub reaches: bool,
}

/// A commit, its first parent, and so on, newest first. Each is read when it is asked for.
pub struct FirstParentLine<'a> {
    objects: &'a Objects,
    /// The commits whose parents a shallow repository lacks.
    boundary: HashSet<CommitId>,
    buffer: Vec<u8>,
    next: Option<CommitId>,
}

impl Objects {
    /// Returns the commits whose parents a shallow repository lacks.
    pub(super) fn boundary(&self) -> Result<HashSet<CommitId>, ObjectError> {
        let commits = self.repo.shallow_commits().map_err(|source| ObjectError::Unreadable {
            id: "shallow".to_owned(),
            source: source.into(),
        })?;
        Ok(commits.iter().flat_map(|commits| commits.iter()).map(|id| commit_id(id)).collect())
    }

    /// Returns `from` and its first parents, newest first, at most `limit` commits.
    ///
    /// The line ends early where a shallow history ends.
    pub fn first_parents(
        &self,
        from: CommitId,
        limit: usize,
    ) -> Result<Vec<CommitId>, ObjectError> {
        self.first_parent_line(from)?.take(limit).collect()
    }

    /// Returns `from` and its first parents, newest first, down to but excluding `known`, or else
    /// down to the root commit. Reads each of them.
    pub fn first_parents_above(
        &self,
        from: CommitId,
        known: Option<CommitId>,
    ) -> Result<FirstParents, ObjectError> {
        let (boundary, mut buffer) = (self.boundary()?, Vec::new());
        let mut line = FirstParents { made: Vec::new(), reaches: false };
        let mut next = Some(from);
        while let Some(commit) = next {
            if known == Some(commit) {
                line.reaches = true;
                break;
            }
            let facts = self.read_commit(commit, &mut buffer)?;
            line.made.push(Made { commit, seconds: facts.committer_time });
            next = facts.parents.first().copied().filter(|_| !boundary.contains(&commit));
        }
        Ok(line)
    }

    /// Returns the line of first parents that begins with `from`, down to the root commit or to where
    /// a shallow history ends.
    pub fn first_parent_line(&self, from: CommitId) -> Result<FirstParentLine<'_>, ObjectError> {
        let boundary = self.boundary()?;
        Ok(FirstParentLine { objects: self, boundary, buffer: Vec::new(), next: Some(from) })
    }
}

impl Iterator for FirstParentLine<'_> {
    type Item = Result<CommitId, ObjectError>;

    fn next(&mut self) -> Option<Self::Item> {
        let commit = self.next.take()?;
        Some(self.objects.read_commit(commit, &mut self.buffer).map(|facts| {
            let parent = facts.parents.first().copied();
            self.next = parent.filter(|_| !self.boundary.contains(&commit));
            commit
        }))
    }
}

#[cfg(test)]
mod tests {
    use crate::mirror::testing::TestRepository;

    #[test]
    fn first_parents_end_where_a_shallow_history_ends() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let last = repository.commit_files("main", &[("a", "2")]);
        let shallow = TestRepository::bare();
        shallow.git(["fetch", "-q", "--depth=1", &repository.url(), "main:main"]);
        let objects = shallow.objects();
        assert_eq!(objects.first_parents(last, 10).unwrap(), [last]);
        assert_eq!(objects.history(last, 10).unwrap(), [last]);
    }
}
