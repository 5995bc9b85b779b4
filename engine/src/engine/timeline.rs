//! The commit times of the branch, for readers that name a moment instead of a commit.
//!
//! The branch is walked once and then only from its new head on, so that a moment long ago costs no
//! more than one a minute ago.

use super::locks::{Lock, Rank};
use crate::id::CommitId;
use crate::mirror::{Made, ObjectError, Objects};

/// The commits for which moments can stand.
pub(super) struct Timeline(Lock<Line>);

#[derive(Debug, Default)]
struct Line {
    head: Option<CommitId>,
    /// The first parents of the head that are not newer than any commit above them: their times
    /// ascend, whatever the clocks of their authors were.
    last: Vec<Made>,
}

impl Timeline {
    pub(super) fn new() -> Self {
        Self(Lock::new(Rank::Timeline, Line::default()))
    }

    /// Returns the last of `head` and its first parents that was committed at or before a moment,
    /// given in seconds since the Unix epoch; `None` if all are later. Reads the commits that are
    /// new since the last call.
    pub(super) fn committed_by(
        &self,
        objects: &Objects,
        head: CommitId,
        seconds: i64,
    ) -> Result<Option<CommitId>, ObjectError> {
        let mut line = self.0.lock();
        if line.head != Some(head) {
            let new = objects.first_parents_above(head, line.head)?;
            if !new.reaches {
                line.last.clear();
            }
            line.head = Some(head);
            new.made.into_iter().rev().for_each(|made| line.push(made));
        }
        Ok(line.at(seconds))
    }
}

impl Line {
    /// Adds the next commit above the others.
    fn push(&mut self, made: Made) {
        while self.last.pop_if(|last| last.seconds >= made.seconds).is_some() {}
        self.last.push(made);
    }

    fn at(&self, seconds: i64) -> Option<CommitId> {
        let behind = self.last.partition_point(|made| made.seconds <= seconds);
        self.last[..behind].last().map(|made| made.commit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_moment_stands_for_the_last_commit_whatever_the_order_of_their_times(
            times in prop::collection::vec(0_i64..20, 0..30), moment in -1_i64..21,
        ) {
            let made = |(at, seconds): (usize, &i64)| Made {
                commit: CommitId::from_bytes([at as u8; 20]),
                seconds: *seconds,
            };
            let commits: Vec<Made> = times.iter().enumerate().map(made).collect();
            let mut line = Line::default();
            commits.iter().for_each(|made| line.push(*made));
            let expected = commits.iter().rev().find(|made| made.seconds <= moment);
            prop_assert_eq!(line.at(moment), expected.map(|made| made.commit));
        }
    }
}
