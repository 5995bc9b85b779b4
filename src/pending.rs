//! The verdicts that are still pending when their callers are asked to come back.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use headwater_engine::engine::{Ledger, ReloadAnswer};
use headwater_engine::report::ReloadId;
use lru::LruCache;

/// The number of kept verdicts. Older ones are forgotten.
const KEPT: NonZeroUsize = NonZeroUsize::new(256).expect("it is not 0");

/// A verdict that may still be pending.
pub type Pending = Arc<OnceLock<ReloadAnswer>>;

/// Verdicts by the ids that their callers got.
pub struct PendingReloads(Mutex<LruCache<ReloadId, Pending>>);

impl Default for PendingReloads {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

impl PendingReloads {
    /// Keeps `pending` under a new id; forgets the oldest if there are too many.
    pub fn name(&self, ledger: &Ledger, pending: Pending) -> ReloadId {
        let id = ledger.reserve();
        self.lock().put(id, pending);
        id
    }

    /// Returns the verdict with this id.
    pub fn get(&self, id: &ReloadId) -> Option<Pending> {
        self.lock().peek(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<ReloadId, Pending>> {
        // The map is consistent after every statement, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
