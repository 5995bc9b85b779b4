//! A cache that is bounded by bytes, and does not fail at once when it is too small.
//!
//! Of two entries chosen at random, the one that was used less recently leaves. If everything in use
//! fits, nothing leaves. If it does not, some of it is still there: a cache that drops the least
//! recently used entry of all has nothing left for those who ask in turn.

use std::collections::HashMap;
use std::hash::Hash;

/// The fewest bytes that an entry counts as, so that their number is bounded too.
const LEAST: usize = 1 << 10;

/// Values by key. The values may take so many bytes together; a single one may take more.
#[derive(Debug)]
pub struct BoundedCache<K, V> {
    entries: HashMap<K, Entry<V>>,
    room: usize,
    bytes: usize,
    /// The number of uses so far.
    uses: u64,
    random: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    /// The number of the last use.
    used: u64,
}

impl<K: Clone + Eq + Hash, V> BoundedCache<K, V> {
    /// Returns an empty cache, whose values may take `room` bytes together.
    pub fn with_room(room: usize) -> Self {
        Self { entries: HashMap::new(), room, bytes: 0, uses: 0, random: 0x9E37_79B9_7F4A_7C15 }
    }

    /// Returns the value of `key`, which is in use then. Costs a look into a map.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        let entry = self.entries.get_mut(key)?;
        self.uses += 1;
        entry.used = self.uses;
        Some(&entry.value)
    }

    /// Sets the value of `key`, which takes about `bytes`. Returns the values that leave: the last
    /// one of the key, and those for which there is no room any more.
    pub fn put(&mut self, key: K, value: V, bytes: usize) -> Vec<V> {
        let bytes = bytes.max(LEAST);
        self.uses += 1;
        let entry = Entry { value, bytes, used: self.uses };
        self.bytes += bytes;
        let mut left: Vec<V> = self
            .entries
            .insert(key.clone(), entry)
            .into_iter()
            .map(|last| {
                self.bytes -= last.bytes;
                last.value
            })
            .collect();
        while self.bytes > self.room && self.entries.len() > 1 {
            let leaves = self.less_used(&key);
            left.extend(leaves.and_then(|key| self.remove(&key)));
        }
        left
    }

    /// Removes the values that `leaves` chooses, and returns them.
    pub fn extract_if(&mut self, mut leaves: impl FnMut(&K, &V) -> bool) -> Vec<V> {
        let left = self.entries.extract_if(|key, entry| leaves(key, &entry.value));
        let bytes = &mut self.bytes;
        left.map(|(_, entry)| {
            *bytes -= entry.bytes;
            entry.value
        })
        .collect()
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.bytes -= entry.bytes;
        Some(entry.value)
    }

    /// Returns the less recently used one of two keys that are chosen at random, but not `newest`.
    fn less_used(&mut self, newest: &K) -> Option<K> {
        let others = self.entries.len() - 1;
        let chosen = [0; 2].map(|_| self.below(others));
        let others = self.entries.iter().filter(|(key, _)| *key != newest);
        let chosen = others.enumerate().filter(|(at, _)| chosen.contains(at));
        let less_used = chosen.min_by_key(|(_, (_, entry))| entry.used);
        less_used.map(|(_, (key, _))| key.clone())
    }

    /// Returns a number below `end`. Nobody outside learns anything of it (xorshift64*).
    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let number = self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        number as usize % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for each of so many values in turn, and makes those that are not there. Returns how many
    /// were made.
    fn made(cache: &mut BoundedCache<usize, usize>, keys: usize, bytes: usize) -> usize {
        let mut made = 0;
        for key in 0..keys {
            if cache.get(&key).is_none() {
                cache.put(key, key, bytes);
                made += 1;
            }
        }
        made
    }

    #[test]
    fn what_fits_is_made_once_and_what_does_not_fit_is_partly_there() {
        let bytes = 4 << 10;
        let mut cache = BoundedCache::with_room(64 * bytes);
        assert_eq!((made(&mut cache, 64, bytes), made(&mut cache, 64, bytes)), (64, 0));
        for (keys, at_most) in [(66, 30), (80, 65), (128, 125)] {
            let rounds: usize = (0..50).map(|_| made(&mut cache, keys, bytes)).sum();
            assert!(rounds / 50 <= at_most, "{keys}: {} a round", rounds / 50);
        }
    }

    #[test]
    fn the_bytes_are_bounded_and_so_is_the_number() {
        let mut cache = BoundedCache::with_room(100 * LEAST);
        for key in 0..1_000 {
            cache.put(key, key, 0);
            assert!(cache.bytes <= cache.room && cache.entries.len() <= 100);
        }
        let left = cache.put(7, 7, 99 * LEAST);
        assert!(left.len() >= 98 && cache.bytes <= cache.room, "{left:?}");
        cache.put(8, 8, 1_000 * LEAST);
        assert_eq!(
            (cache.entries.len(), cache.get(&8)),
            (1, Some(&8)),
            "a single one may be larger"
        );
        cache.put(9, 9, 1);
        assert_eq!((cache.entries.len(), cache.bytes), (1, LEAST));
    }

    #[test]
    fn what_is_used_often_stays() {
        let mut cache = BoundedCache::with_room(32 * LEAST);
        let mut lost = 0;
        for key in 0..10_000 {
            for often in 0..8 {
                if cache.get(&often).is_none() {
                    lost += usize::from(key > 0);
                    cache.put(often, often, 0);
                }
            }
            cache.put(100 + key, key, 0);
        }
        assert!(lost < 1_000, "{lost} of 80,000");
    }

    #[test]
    fn what_is_replaced_or_taken_out_counts_no_more() {
        let mut cache = BoundedCache::with_room(1 << 20);
        assert!(cache.put("a", 1, 5 << 10).is_empty());
        assert_eq!(cache.put("a", 2, 2 << 10), [1]);
        cache.put("b", 3, 3 << 10);
        assert_eq!(cache.bytes, 5 << 10);
        assert_eq!(cache.extract_if(|key, _| *key == "a"), [2]);
        assert_eq!((cache.bytes, cache.get(&"a")), (3 << 10, None));
        assert_eq!(cache.get(&"b"), Some(&3));
    }
}
