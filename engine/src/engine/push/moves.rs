//! Commits that were replaced, and what has taken their place.

use std::collections::{HashMap, VecDeque};

use crate::id::CommitId;

/// The number of replaced commits that are remembered, for callers that ask later.
const REMEMBERED: usize = 4_096;

/// The last commits that were replaced, or are kept on a separate branch.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// What each one became; `None` if it is kept on a separate branch.
    became: HashMap<CommitId, Option<CommitId>>,
    /// In the order in which they were replaced.
    order: VecDeque<CommitId>,
}

impl Moves {
    /// Records replaced commits, in their order. What is known already costs no place.
    pub(super) fn note(&mut self, moves: &[(CommitId, Option<CommitId>)]) {
        for (old, new) in moves {
            if self.became.get(old) == Some(new) {
                continue;
            }
            // Whatever it was replaced by before: it is back. So the steps from a commit never lead in a circle.
            if let Some(new) = new {
                self.became.remove(new);
            }
            self.became.insert(*old, *new);
            self.order.push_back(*old);
        }
        // Whoever waits for one of these looks for it next.
        while self.order.len() > REMEMBERED.max(moves.len()) {
            let oldest = self.order.pop_front();
            oldest.and_then(|oldest| self.became.remove(&oldest));
        }
    }

    /// Returns the commit that has the change of `commit` now: itself, unless it was replaced. Returns `None` if it is
    /// kept on a separate branch.
    pub(super) fn now(&self, commit: CommitId) -> Option<CommitId> {
        let mut now = commit;
        while let Some(became) = self.became.get(&now) {
            now = (*became)?;
        }
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> CommitId {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        CommitId::from_bytes(bytes)
    }

    #[test]
    fn a_commit_is_followed_through_every_replay() {
        let mut moves = Moves::default();
        moves.note(&[(id(1), Some(id(11))), (id(2), Some(id(12))), (id(3), Some(id(12)))]);
        moves.note(&[(id(11), Some(id(21))), (id(12), None)]);
        let now = |moves: &Moves, number| moves.now(id(number));
        assert_eq!([1, 11, 21].map(|number| now(&moves, number)), [Some(id(21)); 3]);
        assert_eq!([2, 3, 12].map(|number| now(&moves, number)), [None; 3]);
        assert_eq!(now(&moves, 9), Some(id(9)));
        // The remote has the first one after all.
        moves.note(&[(id(21), Some(id(1)))]);
        assert_eq!([1, 11, 21].map(|number| now(&moves, number)), [Some(id(1)); 3]);
    }

    #[test]
    fn what_is_told_again_and_again_is_remembered_once() {
        let mut moves = Moves::default();
        for _ in 0..3 {
            moves.note(&[(id(1), Some(id(2))), (id(3), None)]);
        }
        assert_eq!((moves.order.len(), moves.became.len()), (2, 2));
        // Back and forth: the last one counts, however often all of it is told.
        let told = [(id(5), Some(id(6))), (id(6), Some(id(5)))];
        for _ in 0..2 {
            moves.note(&told);
            assert_eq!([5, 6].map(|number| moves.now(id(number))), [Some(id(5)); 2]);
        }
    }

    #[test]
    fn the_newest_are_remembered() {
        let mut moves = Moves::default();
        let all: Vec<_> = (0..=REMEMBERED as u32).map(|n| (id(n), Some(id(1 << 20)))).collect();
        moves.note(&all);
        assert_eq!(moves.now(id(0)), Some(id(1 << 20)), "all of one replay are");
        moves.note(&[(id(2 << 20), None)]);
        assert_eq!((moves.now(id(1)), moves.now(id(2))), (Some(id(1)), Some(id(1 << 20))));
        assert_eq!(moves.became.len(), REMEMBERED);
    }
}
