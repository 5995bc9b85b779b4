//! A bounded number of waiting callers, in total and per source.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::source::Source;

/// The most callers that wait at once.
const MOST: usize = 2048;

/// The waiting callers. Joining and leaving cost the same, however many there are.
#[derive(Debug)]
pub(super) struct WaiterLimit<K = Source> {
    most: usize,
    /// The most from one source; `None` for as many as it leaves for others.
    each: Option<usize>,
    counts: Mutex<Counts<K>>,
}

#[derive(Debug)]
struct Counts<K> {
    all: usize,
    of: HashMap<K, usize>,
}

/// A waiting caller, until it is dropped.
pub(super) struct Waiter<'a, K: Eq + Hash> {
    limit: &'a WaiterLimit<K>,
    source: K,
}

impl<K> Default for WaiterLimit<K> {
    fn default() -> Self {
        Self::shared(MOST)
    }
}

impl<K> WaiterLimit<K> {
    /// Returns a limit of up to `most`, with up to `each` from one source.
    pub(super) fn new(most: usize, each: usize) -> Self {
        Self { each: Some(each), ..Self::shared(most) }
    }

    /// Returns a limit of up to `most`, of which each source may have as many as it leaves for others. So one that
    /// has none finds a place, however few others have however many.
    pub(super) fn shared(most: usize) -> Self {
        let counts = Counts { all: 0, of: HashMap::new() };
        Self { most, each: None, counts: Mutex::new(counts) }
    }

    fn counts(&self) -> MutexGuard<'_, Counts<K>> {
        // The numbers are consistent after every statement, so a poisoned lock holds usable ones.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> WaiterLimit<K> {
    /// Admits one more. Returns `None` if too many wait.
    pub(super) fn join(&self, source: K) -> Option<Waiter<'_, K>> {
        let mut counts = self.counts();
        let of = counts.of.get(&source).copied().unwrap_or(0);
        let left = self.most.saturating_sub(counts.all + 1);
        let most = self.each.unwrap_or(left.max(1));
        if counts.all >= self.most || of >= most {
            return None;
        }
        counts.all += 1;
        counts.of.insert(source.clone(), of + 1);
        Some(Waiter { limit: self, source })
    }
}

impl<K: Eq + Hash> Drop for Waiter<'_, K> {
    fn drop(&mut self) {
        let mut counts = self.limit.counts();
        counts.all -= 1;
        if let Some(of) = counts.of.get_mut(&self.source) {
            *of -= 1;
            if *of == 0 {
                counts.of.remove(&self.source);
            }
        }
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
        assert!(second.is_some() && limit.join(3).is_none(), "the limit of all sources");
        first.pop();
        assert!(limit.join(1).is_some());
        drop((first, second));
        assert!(limit.counts().all == 0 && limit.counts().of.is_empty());
    }

    #[test]
    fn a_source_may_have_as_many_as_it_leaves_for_others() {
        let limit = WaiterLimit::shared(1_000);
        let mut waiting = Vec::new();
        for source in 0..9 {
            let before = limit.counts().all;
            waiting.extend((0..1_000).map_while(|_| limit.join(source)));
            let own = limit.counts().all - before;
            assert!(own > 0 && own <= (1_000 - before).div_ceil(2), "{source} has {own}");
        }
        assert_eq!(waiting.iter().filter(|waiter| waiter.source == 0).count(), 500);
        let _one = limit.join(9).unwrap();
        drop(waiting);
        assert_eq!(limit.counts().all, 1);
    }
}
