//! What was made from one state for each view.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::View;
use crate::bounded_cache::BoundedCache;

/// The bytes that all that was made from one state may take, besides what it shares with the state.
const ROOM: usize = 32 << 20;

/// What was made from one state for each view, as long as there is room. A clone starts empty, since
/// it is made to be changed.
pub(crate) struct ByView<T>(Mutex<BoundedCache<View, Cell<T>>>);

/// What is made for a view, or is being made.
type Cell<T> = Arc<OnceLock<T>>;

impl<T: Clone> ByView<T> {
    /// Returns what was made for `view`, if it is there. Never waits for somebody who makes it.
    pub(crate) fn get(&self, view: &View) -> Option<T> {
        self.kept().get(view).and_then(|cell| cell.get().cloned())
    }

    /// Returns what was made for `view`, or what `make` makes now. Others who want the same wait
    /// meanwhile, so that it is made once. `bytes` says about how many bytes it takes by itself.
    pub(crate) fn get_or_make(
        &self,
        view: &View,
        make: impl FnOnce() -> T,
        bytes: impl FnOnce(&T) -> usize,
    ) -> T {
        let cell = self.cell(view);
        let mut is_new = false;
        let made = cell.get_or_init(|| {
            is_new = true;
            make()
        });
        let made = made.clone();
        if is_new {
            let left = self.kept().put(view.clone(), cell, bytes(&made));
            // Freed without the lock.
            drop(left);
        }
        made
    }

    fn cell(&self, view: &View) -> Cell<T> {
        let mut kept = self.kept();
        if let Some(cell) = kept.get(view) {
            return cell.clone();
        }
        let cell = Cell::default();
        let left = kept.put(view.clone(), cell.clone(), 0);
        drop(kept);
        drop(left);
        cell
    }
}

impl<T> ByView<T> {
    /// Forgets all of it.
    pub(crate) fn forget(&self) {
        let left = self.kept().extract_if(|_, _| true);
        // Freed without the lock.
        drop(left);
    }

    fn kept(&self) -> MutexGuard<'_, BoundedCache<View, Cell<T>>> {
        // The cache is consistent after every statement, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for ByView<T> {
    fn default() -> Self {
        Self(Mutex::new(BoundedCache::with_room(ROOM)))
    }
}

impl<T> Clone for ByView<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> std::fmt::Debug for ByView<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByView").finish_non_exhaustive()
    }
}
