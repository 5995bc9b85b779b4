//! A bounded number of waiting callers, in total and per source.
//!
//! When all places are taken, one of the source that has most of them goes to a source that has fewer. So nobody keeps
//! another out by waiting, from however many sources.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::source::Source;

/// The most callers that wait at once.
const MOST: usize = 2048;

/// As many may wait for their turns however few connections there are: one may have several requests.
const LEAST: usize = 64;

/// The waiting callers. Its clones are one limit. Joining and leaving cost a logarithm of their number; when all places are taken, joining looks
/// at each source.
#[derive(Debug)]
pub struct WaiterLimit<K = Source> {
    most: usize,
    /// The most from one source; `None` for as many as it leaves for others.
    each: Option<usize>,
    waiting: Arc<Mutex<Waiting<K>>>,
}

#[derive(Debug)]
struct Waiting<K> {
    /// The number of callers so far, which numbers them.
    came: u64,
    all: usize,
    /// Those of each source, with what tells each that it has lost its place.
    of: HashMap<K, BTreeMap<u64, Arc<Notify>>>,
}

/// A waiting caller, until it is dropped.
pub(super) struct Waiter<'a, K: Eq + Hash> {
    limit: &'a WaiterLimit<K>,
    source: K,
    number: u64,
    sent_away: Arc<Notify>,
}

impl<K> Default for WaiterLimit<K> {
    fn default() -> Self {
        Self::shared(MOST)
    }
}

impl<K> Clone for WaiterLimit<K> {
    fn clone(&self) -> Self {
        Self { most: self.most, each: self.each, waiting: self.waiting.clone() }
    }
}

impl<K> WaiterLimit<K> {
    /// Returns a limit for requests on so many connections: half as many may wait, and one source has a quarter. So
    /// connections are left for those who do not wait, also where all come from the address of a proxy.
    pub fn for_connections(connections: usize) -> Self {
        Self::shared((connections / 2).clamp(LEAST, MOST))
    }

    /// Returns a limit of up to `most`, with up to `each` from one source.
    pub(super) fn new(most: usize, each: usize) -> Self {
        Self { each: Some(each), ..Self::shared(most) }
    }

    /// Returns a limit of up to `most`, of which each source may have as many as it leaves for others.
    pub(super) fn shared(most: usize) -> Self {
        let waiting = Waiting { came: 0, all: 0, of: HashMap::new() };
        Self { most, each: None, waiting: Arc::new(Mutex::new(waiting)) }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<K>> {
        // The state is consistent after every statement, so a poisoned lock holds a usable one.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> WaiterLimit<K> {
    /// Admits one more, which may send away the one that came last of the source with the most. Returns `None` if
    /// its source has its share.
    pub(super) fn join(&self, source: K) -> Option<Waiter<'_, K>> {
        let mut waiting = self.waiting();
        let own = waiting.of.get(&source).map_or(0, BTreeMap::len);
        if self.each.is_some_and(|each| own >= each) {
            return None;
        }
        if waiting.all >= self.most {
            waiting.send_one_away(own)?;
        } else if self.each.is_none() && own >= (self.most - waiting.all - 1).max(1) {
            return None;
        }
        waiting.came += 1;
        waiting.all += 1;
        let (number, sent_away) = (waiting.came, Arc::new(Notify::new()));
        waiting.of.entry(source.clone()).or_default().insert(number, sent_away.clone());
        drop(waiting);
        Some(Waiter { limit: self, source, number, sent_away })
    }
}

impl<K: Eq + Hash + Clone> Waiting<K> {
    /// Sends away the caller that came last of the source with the most, if it still has more after that than one with
    /// `own` has with another one.
    fn send_one_away(&mut self, own: usize) -> Option<()> {
        let most = self.of.iter().max_by_key(|(_, callers)| callers.len());
        let (source, _) = most.filter(|(_, callers)| callers.len() > own + 1)?;
        let source = source.clone();
        let (_, last) = self.of.get_mut(&source)?.pop_last()?;
        self.all -= 1;
        last.notify_one();
        Some(())
    }
}

impl<K: Eq + Hash> Waiter<'_, K> {
    /// Waits until the place goes to another source. It is told once.
    pub(super) async fn was_sent_away(&self) {
        self.sent_away.notified().await;
    }
}

impl<K: Eq + Hash> Drop for Waiter<'_, K> {
    fn drop(&mut self) {
        let mut waiting = self.limit.waiting();
        let Some(callers) = waiting.of.get_mut(&self.source) else { return };
        let was_there = callers.remove(&self.number).is_some();
        if callers.is_empty() {
            waiting.of.remove(&self.source);
        }
        waiting.all -= usize::from(was_there);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_in_all_and_of_one_source_and_who_goes_makes_room() {
        let limit = WaiterLimit::new(3, 2);
        let mut first: Vec<_> = (0..2).map(|_| limit.join(1).unwrap()).collect();
        assert!(limit.join(1).is_none(), "the limit of one source");
        let second = limit.join(2);
        let third = limit.join(3);
        assert!(third.is_some() && limit.join(4).is_none(), "all have one");
        assert!(limit.join(3).is_none(), "of a source that has as many");
        first.pop();
        drop(third);
        assert!(limit.join(1).is_some());
        drop((first, second));
        assert!(limit.waiting().all == 0 && limit.waiting().of.is_empty());
    }

    #[test]
    fn those_who_wait_leave_connections_to_others() {
        // Each row: the connections, how many may wait, and how many of one source.
        for (connections, all, own) in [
            (1, 64, 32),
            (128, 64, 32),
            (1_024, 512, 256),
            (4_096, 2_048, 1_024),
            (100_000, 2_048, 1_024),
        ] {
            let limit = WaiterLimit::for_connections(connections);
            let lanes = [limit.clone(), limit.clone()];
            let first: Vec<_> = (0..all).map_while(|at| lanes[at % 2].join(0)).collect();
            let rest: Vec<_> = (1..=all).filter_map(|source| limit.join(source)).collect();
            assert_eq!((first.len(), limit.waiting().all), (own, all), "{connections}");
            drop((first, rest));
        }
    }

    #[test]
    fn a_source_may_have_as_many_as_it_leaves_for_others() {
        let limit = WaiterLimit::shared(1_000);
        let mut waiting = Vec::new();
        for source in 0..9 {
            let before = limit.waiting().all;
            waiting.extend((0..1_000).map_while(|_| limit.join(source)));
            let own = limit.waiting().all - before;
            assert!(own > 0 && own <= (1_000 - before).div_ceil(2), "{source} has {own}");
        }
        assert_eq!(waiting.iter().filter(|waiter| waiter.source == 0).count(), 500);
        let _one = limit.join(9).unwrap();
        drop(waiting);
        assert_eq!(limit.waiting().all, 1);
    }

    #[tokio::test]
    async fn who_comes_last_of_the_source_with_the_most_is_sent_away_for_one_with_fewer() {
        let limit = WaiterLimit::new(5, 4);
        let first: Vec<_> = (0..4).map(|_| limit.join(1).unwrap()).collect();
        let second = limit.join(2).unwrap();
        let third = limit.join(3).unwrap();
        first[3].was_sent_away().await;
        let again = limit.join(3).unwrap();
        first[2].was_sent_away().await;
        assert!(
            limit.join(3).is_none() && limit.join(2).is_none(),
            "they would have more than the first"
        );
        assert!(limit.join(4).is_some());
        assert_eq!(limit.waiting().all, 4);
        drop((first, second, third, again));
        assert!(limit.waiting().all == 0 && limit.waiting().of.is_empty());
    }

    #[test]
    fn a_source_that_has_none_always_finds_a_place_beside_fewer_sources_than_places() {
        let limit = WaiterLimit::shared(64);
        let mut waiting = Vec::new();
        for source in 0..60 {
            let own = (0..64).map_while(|_| limit.join(source)).collect::<Vec<_>>();
            assert!(!own.is_empty(), "{source}");
            waiting.extend(own);
        }
    }
}
