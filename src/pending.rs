//! The verdicts that are still out when their callers are told to come back.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use headwater_engine::engine::{Ledger, Verdict};
use headwater_engine::report::ReloadId;
use lru::LruCache;

/// How many are kept. Older ones are forgotten.
const KEPT: NonZeroUsize = NonZeroUsize::new(256).expect("it is not 0");

/// A verdict that may still be out.
pub type Pending = Arc<OnceLock<Verdict>>;

/// Verdicts by the ids that their callers were given.
pub struct PendingVerdicts(Mutex<LruCache<ReloadId, Pending>>);

impl Default for PendingVerdicts {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

impl PendingVerdicts {
    /// Keeps `pending` under a fresh id; the oldest is forgotten when there are too many.
    pub fn name(&self, ledger: &Ledger, pending: Pending) -> ReloadId {
        let id = ledger.reserve();
        self.lock().put(id, pending);
        id
    }

    /// Returns what is known under `id`.
    pub fn get(&self, id: &ReloadId) -> Option<Pending> {
        self.lock().peek(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<ReloadId, Pending>> {
        // Every statement leaves the map whole, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
