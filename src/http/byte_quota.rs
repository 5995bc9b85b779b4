//! A budget for the bytes that callers make the server hold, in total and per caller.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A budget of bytes. Cheap to clone.
#[derive(Debug)]
pub(super) struct ByteQuota<K: Eq + Hash + Clone>(Arc<Shared<K>>);

#[derive(Debug)]
struct Shared<K> {
    /// The bytes of all callers.
    all: usize,
    /// The most bytes of one caller.
    each: usize,
    taken: Mutex<Taken<K>>,
}

#[derive(Debug)]
struct Taken<K> {
    all: usize,
    of: HashMap<K, usize>,
}

/// The bytes that one caller holds, until this is dropped.
#[derive(Debug)]
pub(super) struct QuotaShare<K: Eq + Hash + Clone> {
    room: ByteQuota<K>,
    caller: K,
    bytes: usize,
}

impl<K: Eq + Hash + Clone> Clone for ByteQuota<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Eq + Hash + Clone> ByteQuota<K> {
    /// Returns room for `all` bytes, of which one caller may have `each`.
    pub(super) fn new(all: usize, each: usize) -> Self {
        let taken = Mutex::new(Taken { all: 0, of: HashMap::new() });
        Self(Arc::new(Shared { all, each, taken }))
    }

    /// Returns the holding of `caller`, which is empty at first.
    pub(super) fn enter(&self, caller: K) -> QuotaShare<K> {
        QuotaShare { room: self.clone(), caller, bytes: 0 }
    }

    /// Returns how many bytes are taken.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.taken().all
    }

    fn taken(&self) -> MutexGuard<'_, Taken<K>> {
        // The numbers are consistent after every statement, so a poisoned lock holds usable ones.
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> QuotaShare<K> {
    /// Takes `bytes` more, or none if there is no room for all of them. Returns whether it did.
    #[must_use]
    pub(super) fn grows(&mut self, bytes: usize) -> bool {
        let mut taken = self.room.taken();
        let of = taken.of.get(&self.caller).copied().unwrap_or(0);
        if taken.all + bytes > self.room.0.all || of + bytes > self.room.0.each {
            return false;
        }
        taken.all += bytes;
        taken.of.insert(self.caller.clone(), of + bytes);
        drop(taken);
        self.bytes += bytes;
        true
    }
}

impl<K: Eq + Hash + Clone> Drop for QuotaShare<K> {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.all -= self.bytes;
        if let Some(of) = taken.of.get_mut(&self.caller) {
            *of -= self.bytes;
            if *of == 0 {
                taken.of.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_bytes_in_all_and_for_each_and_who_goes_makes_room() {
        let room = ByteQuota::new(10, 6);
        let (mut one, mut again, mut two) = (room.enter(1), room.enter(1), room.enter(2));
        assert!(one.grows(4) && !again.grows(3), "both are one caller");
        assert!(again.grows(2) && !two.grows(5), "the total is ten");
        assert!(two.grows(4) && !two.grows(1));
        drop(one);
        assert!(two.grows(2) && !two.grows(1) && again.grows(2));
        drop((again, two));
        assert!(room.taken().all == 0 && room.taken().of.is_empty());
    }
}
