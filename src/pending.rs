//! The verdicts that are still out when their callers are told to come back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use headwater_engine::engine::{Ledger, Verdict};
use headwater_engine::report::ReloadId;

/// How many are kept. Older ones are forgotten.
const KEPT: usize = 256;

/// A verdict that may still be out.
pub type Pending = Arc<OnceLock<Verdict>>;

/// Verdicts by the ids that their callers were given.
#[derive(Default)]
pub struct PendingVerdicts(Mutex<BTreeMap<ReloadId, Pending>>);

impl PendingVerdicts {
    /// Keeps `pending` under a fresh id; the oldest is forgotten when there are too many.
    pub fn name(&self, ledger: &Ledger, pending: Pending) -> ReloadId {
        let id = ledger.reserve();
        let mut kept = self.lock();
        kept.insert(id, pending);
        while kept.len() > KEPT {
            kept.pop_first();
        }
        id
    }

    /// Returns what is known under `id`.
    pub fn get(&self, id: &ReloadId) -> Option<Pending> {
        self.lock().get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReloadId, Pending>> {
        // Every statement leaves the map whole, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
