//! The commits in the history of a head, found by a walk that goes on from question to question.

use std::collections::{HashSet, VecDeque};

use super::{ObjectError, Objects};
use crate::id::CommitId;

/// The known part of the history of a head. Takes some 50 bytes for each commit in it.
#[derive(Debug, Default)]
pub struct Ancestors {
    head: Option<CommitId>,
    found: HashSet<CommitId>,
    /// The commits in `found` whose parents are still to be read, the next one first.
    pending: VecDeque<CommitId>,
}

impl Ancestors {
    /// Returns whether `commit` is `head` or in its history.
    ///
    /// Walks from the head on until it finds the commit, and remembers what it has seen. It reads
    /// each commit once, so all questions about one history together cost one walk through it.
    /// After a push, only the new commits are read; after a rewrite, the walk starts again.
    ///
    /// # Errors
    ///
    /// Fails if a commit cannot be read. The next question tries it again.
    pub fn contain(
        &mut self,
        objects: &Objects,
        head: CommitId,
        commit: CommitId,
    ) -> Result<bool, ObjectError> {
        self.move_to(objects, head)?;
        let boundary = objects.boundary()?;
        while !self.found.contains(&commit) {
            let Some(next) = self.pending.front() else { return Ok(false) };
            if !boundary.contains(next) {
                for parent in objects.commit(*next)?.parents {
                    if self.found.insert(parent) {
                        self.pending.push_back(parent);
                    }
                }
            }
            self.pending.pop_front();
        }
        Ok(true)
    }

    fn move_to(&mut self, objects: &Objects, head: CommitId) -> Result<(), ObjectError> {
        if self.head == Some(head) {
            return Ok(());
        }
        let is_later = self.head.map_or(Ok(false), |before| objects.descends_from(head, before))?;
        if !is_later {
            *self = Self::default();
        }
        self.head = Some(head);
        if self.found.insert(head) {
            // The newest first: they are asked for most.
            self.pending.push_front(head);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use headwater_testkit::{Upstream, git};
    use proptest::prelude::*;

    use super::*;
    use crate::mirror::{Mirror, MirrorOptions};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_question_is_answered_as_by_a_walk_of_its_own(
            parents in prop::collection::vec((any::<u8>(), prop::option::of(any::<u8>())), 1..9),
            questions in prop::collection::vec((any::<u8>(), any::<u8>()), 1..12),
        ) {
            let upstream = Upstream::new();
            let tree = git(upstream.path(), ["mktree"]);
            let mut commits: Vec<String> = Vec::new();
            for (n, (first, second)) in parents.iter().enumerate() {
                let mut arguments =
                    vec!["commit-tree".to_owned(), "-m".into(), n.to_string(), tree.clone()];
                for parent in [Some(*first), *second].into_iter().flatten() {
                    // One of the earlier commits, or none: there may be several roots.
                    if let Some(parent) = commits.get(usize::from(parent) % (n + 1)) {
                        arguments.extend(["-p".into(), parent.clone()]);
                    }
                }
                commits.push(git(upstream.path(), arguments));
            }
            let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
            let objects = mirror.objects().unwrap();
            let commit = |at: u8| -> CommitId {
                commits[usize::from(at) % commits.len()].parse().unwrap()
            };
            let mut ancestors = Ancestors::default();
            for (head, asked) in questions {
                let (head, asked) = (commit(head), commit(asked));
                let expected = objects.descends_from(head, asked).unwrap();
                prop_assert_eq!(ancestors.contain(&objects, head, asked).unwrap(), expected);
            }
        }
    }
}
