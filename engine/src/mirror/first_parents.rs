//! The line of first parents, commit by commit.

use std::collections::HashSet;

use super::{ObjectError, Objects};
use crate::id::CommitId;

/// A commit, its first parent, and so on, newest first. Each is read when it is asked for.
pub struct FirstParentLine<'a> {
    objects: &'a Objects,
    /// The commits whose parents a shallow repository lacks.
    boundary: HashSet<CommitId>,
    buffer: Vec<u8>,
    next: Option<CommitId>,
}

impl Objects {
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
