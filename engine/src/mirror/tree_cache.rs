//! A cache of the large trees of recent differences, so that none is inflated twice.
//!
//! A push to a flat folder of many records changes one tree of megabytes. The check of a fetch
//! reads it, the reload after it reads it again, and the next push compares with it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::TreeId;

/// The size in bytes from which a tree is kept; reading a smaller one costs less than finding it.
const LARGE: usize = 16 << 10;

/// The number of bytes kept in total.
const KEPT: usize = 8 << 20;

/// Decoded trees by id, the most recent last. An id determines its bytes, so nothing gets stale.
#[derive(Debug, Default)]
pub(super) struct TreeCache(Mutex<VecDeque<(TreeId, Arc<Vec<u8>>)>>);

impl TreeCache {
    /// Returns the cached tree, or else the result of `read`, which is kept if it is large.
    pub(super) fn get<E>(
        &self,
        id: TreeId,
        read: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Arc<Vec<u8>>, E> {
        if let Some(tree) = self.latest(id) {
            return Ok(tree);
        }
        let tree = Arc::new(read()?);
        self.note(id, tree.clone());
        Ok(tree)
    }

    /// Keeps the tree if it is large.
    pub(super) fn note(&self, id: TreeId, tree: Arc<Vec<u8>>) {
        if (LARGE..=KEPT).contains(&tree.len()) {
            self.keep(id, tree);
        }
    }

    /// Returns the tree if it is kept, and makes it the most recent.
    fn latest(&self, id: TreeId) -> Option<Arc<Vec<u8>>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(other, _)| *other == id)?;
        let entry = kept.remove(place)?;
        let tree = entry.1.clone();
        kept.push_back(entry);
        Some(tree)
    }

    fn keep(&self, id: TreeId, tree: Arc<Vec<u8>>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((id, tree));
        while kept.iter().map(|(_, tree)| tree.len()).sum::<usize>() > KEPT {
            kept.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> TreeId {
        TreeId::from_bytes([n; 20])
    }

    /// Requests a tree of `size` bytes and returns whether it had to be read.
    fn is_read(cache: &TreeCache, n: u8, size: usize) -> bool {
        let mut read = false;
        let tree = cache.get(id(n), || {
            read = true;
            Ok::<_, ()>(vec![n; size])
        });
        assert_eq!(*tree.unwrap(), vec![n; size]);
        read
    }

    #[test]
    fn a_large_tree_is_read_once_and_a_small_one_each_time() {
        let cache = TreeCache::default();
        assert!(is_read(&cache, 1, LARGE) && !is_read(&cache, 1, LARGE));
        assert!(is_read(&cache, 2, LARGE - 1) && is_read(&cache, 2, LARGE - 1));
        assert!(is_read(&cache, 3, KEPT + 1) && is_read(&cache, 3, KEPT + 1));
    }

    #[test]
    fn the_tree_that_was_not_asked_for_longest_goes_first() {
        let cache = TreeCache::default();
        let third = KEPT / 3;
        assert!([1, 2, 3].iter().all(|n| is_read(&cache, *n, third)));
        assert!(!is_read(&cache, 1, third));
        assert!(is_read(&cache, 4, third));
        assert!(is_read(&cache, 2, third) && !is_read(&cache, 1, third));
    }

    #[test]
    fn a_tree_that_cannot_be_read_is_not_kept() {
        let cache = TreeCache::default();
        assert_eq!(cache.get(id(1), || Err("gone")), Err("gone"));
        assert!(is_read(&cache, 1, LARGE));
    }
}
