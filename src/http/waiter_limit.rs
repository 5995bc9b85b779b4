//! A bounded number of waiting callers, in total and per source.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::source::Source;

/// The most callers that wait at once.
const MOST: usize = 2048;

/// The most of them from one source.
const EACH: usize = 1024;

/// The waiting callers. Joining and leaving cost the same, however many there are.
#[derive(Debug)]
pub(super) struct WaiterLimit<K = Source> {
    most: usize,
    each: usize,
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
        Self::new(MOST, EACH)
    }
}

impl<K> WaiterLimit<K> {
    /// Returns a limit of up to `most`, with up to `each` from one source.
    pub(super) fn new(most: usize, each: usize) -> Self {
        let counts = Counts { all: 0, of: HashMap::new() };
        Self { most, each, counts: Mutex::new(counts) }
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
        if counts.all >= self.most || of >= self.each {
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
}
