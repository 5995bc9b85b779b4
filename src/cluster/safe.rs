//! Which head of the leader is in two places, so that no single machine can take it away: a pure
//! decision.
//!
//! The leader's own disk is the first place, and another replica's disk or the remote the second.
//! Whoever was told that a write happened must find it after the loss of any one machine, so a write
//! is answered once the register names a safe head that contains it.

use std::collections::VecDeque;

use headwater_engine::id::CommitId;

use super::register::Head;

/// The number of heads that are remembered. The replicas that are here store the newest one, and never
/// one before it later.
const MOST: usize = 4_096;

/// The heads that this leader has published since the last safe one, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads(VecDeque<Head>);

impl Heads {
    /// Returns the heads of a leader that begins at `head`.
    pub fn begin(head: Head) -> Self {
        Self(VecDeque::from([head]))
    }

    /// Adds what was published.
    pub fn publish(&mut self, head: Head) {
        if self.0.back().is_some_and(|last| last.commit == head.commit) {
            return;
        }
        self.0.push_back(head);
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// Returns the newest head that is elsewhere, too: on the disk of another replica, as `stored`
    /// says, or on the remote. What was published before it is forgotten.
    pub fn safe(
        &mut self,
        stored: impl IntoIterator<Item = CommitId>,
        synced: Option<CommitId>,
    ) -> Option<Head> {
        let places: Vec<CommitId> = stored.into_iter().chain(synced).collect();
        let newest = self.0.iter().rposition(|head| places.contains(&head.commit))?;
        self.0.drain(..newest);
        self.0.front().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::register::tests::facts;
    use super::*;

    fn head(number: u64) -> Head {
        Head { commit: facts(number).head, seq: number }
    }

    #[test]
    fn the_newest_head_that_is_elsewhere_is_safe() {
        let commit = |number| facts(number).head;
        type Case = (&'static [u64], &'static [u64], Option<u64>, Option<u64>);
        let cases: [Case; 12] = [
            // Published, on the disks of others, on the remote: safe.
            (&[1], &[], None, None),
            (&[1], &[1], None, Some(1)),
            (&[1], &[], Some(1), Some(1)),
            (&[1], &[9], Some(8), None),
            (&[1, 2, 3], &[], None, None),
            (&[1, 2, 3], &[2], None, Some(2)),
            (&[1, 2, 3], &[2], Some(1), Some(2)),
            (&[1, 2, 3], &[1], Some(3), Some(3)),
            (&[1, 2, 3], &[1, 3], Some(2), Some(3)),
            (&[1, 2, 3], &[9, 1], None, Some(1)),
            // What was published twice in a row is one head.
            (&[1, 1, 2], &[1], None, Some(1)),
            // A replay and back: the last one counts.
            (&[1, 2, 1], &[1], None, Some(1)),
        ];
        for (published, stored, synced, safe) in cases {
            let mut heads = Heads::begin(head(published[0]));
            published[1..].iter().for_each(|number| heads.publish(head(*number)));
            let stored: Vec<_> = stored.iter().map(|number| commit(*number)).collect();
            let found = heads.safe(stored, synced.map(commit)).map(|head| head.commit);
            assert_eq!(found, safe.map(commit), "{published:?}");
        }
    }

    #[test]
    fn a_safe_head_stays_until_a_newer_one_is() {
        let mut heads = Heads::begin(head(1));
        (2..=4).for_each(|number| heads.publish(head(number)));
        assert_eq!(heads.safe([head(3).commit], None), Some(head(3)));
        assert_eq!(heads.0, [head(3), head(4)]);
        // Somebody who is behind does not take it back.
        assert_eq!(heads.safe([head(2).commit], None), None);
        assert_eq!(heads.safe([head(2).commit, head(3).commit], None), Some(head(3)));
        assert_eq!(heads.safe([], Some(head(4).commit)), Some(head(4)));
        assert_eq!(heads.0, [head(4)]);
    }

    #[test]
    fn the_number_of_heads_is_bounded() {
        let mut heads = Heads::begin(head(0));
        (1..=2 * MOST as u64).for_each(|number| heads.publish(head(number)));
        assert_eq!(heads.0.len(), MOST);
        assert_eq!(heads.safe([head(2 * MOST as u64).commit], None), Some(head(2 * MOST as u64)));
    }
}
