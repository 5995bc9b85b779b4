//! What a replica counts of its part in a cluster, since its process began.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::histogram::Histogram;

/// The bounds of how long a publication takes to a follower, and a write to a second place, in seconds.
const BOUNDS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// How the digest of a state compares with that of the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// They are equal.
    Equal,
    /// They differed, even if a rebuild led to the leader's.
    Differs,
    /// They were made by different versions or settings, so they are not compared.
    Skipped,
}

/// Where a replica got commits of its leader from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchedFrom {
    /// The leader.
    Leader,
    /// Another replica.
    Replica,
    /// The remote.
    Remote,
}

/// What became of a call that was for the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// The leader has answered it.
    Answered,
    /// The leader did not answer, so nobody knows what it did.
    Unreachable,
    /// The other replica does not lead.
    Misdirected,
    /// There was no leader.
    NoLeader,
}

/// What a replica has counted.
#[derive(Debug)]
pub struct Counts {
    follows: Histogram,
    safes: Histogram,
    comparisons: [AtomicU64; 3],
    fetches: [AtomicU64; 3],
    forwardings: [AtomicU64; 4],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            follows: Histogram::new(&BOUNDS),
            safes: Histogram::new(&BOUNDS),
            comparisons: Default::default(),
            fetches: Default::default(),
            forwardings: Default::default(),
        }
    }
}

impl Counts {
    /// Counts a publication that is served, `after` this replica saw it in the register.
    pub fn followed(&self, after: Duration) {
        self.follows.observe(after);
    }

    /// Counts a write that is in two places, `after` it was published.
    pub fn secured(&self, after: Duration) {
        self.safes.observe(after);
    }

    /// Counts a digest.
    pub fn compared(&self, comparison: Comparison) {
        self.comparisons[comparison as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts commits that came from a source.
    pub fn fetched(&self, from: FetchedFrom) {
        self.fetches[from as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that was for the leader.
    pub fn forwarded(&self, forwarding: Forwarding) {
        self.forwardings[forwarding as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how long publications took.
    pub fn follows(&self) -> &Histogram {
        &self.follows
    }

    /// Returns how long it took until writes were in two places.
    pub fn safes(&self) -> &Histogram {
        &self.safes
    }

    /// Returns the compared digests, by result.
    pub fn comparisons(&self) -> [(&'static str, u64); 3] {
        named(["equal", "differs", "skipped"], &self.comparisons)
    }

    /// Returns the fetches, by source.
    pub fn fetches(&self) -> [(&'static str, u64); 3] {
        named(["leader", "replica", "remote"], &self.fetches)
    }

    /// Returns the calls for the leader, by what became of them.
    pub fn forwardings(&self) -> [(&'static str, u64); 4] {
        named(["answered", "unreachable", "misdirected", "no_leader"], &self.forwardings)
    }
}

fn named<const N: usize>(
    names: [&'static str; N],
    counts: &[AtomicU64; N],
) -> [(&'static str, u64); N] {
    std::array::from_fn(|at| (names[at], counts[at].load(Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_counted_under_its_name() {
        let counts = Counts::default();
        for comparison in [Comparison::Equal, Comparison::Equal, Comparison::Differs] {
            counts.compared(comparison);
        }
        counts.compared(Comparison::Skipped);
        assert_eq!(counts.comparisons(), [("equal", 2), ("differs", 1), ("skipped", 1)]);
        counts.fetched(FetchedFrom::Replica);
        counts.fetched(FetchedFrom::Remote);
        assert_eq!(counts.fetches(), [("leader", 0), ("replica", 1), ("remote", 1)]);
        let forwardings = [Forwarding::Unreachable, Forwarding::Misdirected, Forwarding::NoLeader];
        forwardings.into_iter().for_each(|forwarding| counts.forwarded(forwarding));
        let names = ["answered", "unreachable", "misdirected", "no_leader"];
        assert_eq!(counts.forwardings().map(|(name, _)| name), names);
        assert_eq!(counts.forwardings().map(|(_, count)| count), [0, 1, 1, 1]);
    }
}
