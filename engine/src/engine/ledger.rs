//! The ledger: the last reloads by id, for callers that ask later how theirs went.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::locks::{Lock, LockGuard, Rank};
use super::report::Report;
use crate::report::ReloadId;

/// The number of reloads that are kept. The oldest are forgotten first.
const KEPT: usize = 256;

/// What is known about a reload.
#[derive(Debug, Clone)]
pub enum LedgerEntry {
    /// It waits or runs.
    Running,
    /// It is done.
    Done(Arc<Report>),
}

/// The last reloads of this process, in memory. It exists before the engine does, so that calls
/// that arrive during the first load get an id.
#[derive(Debug)]
pub struct Ledger {
    epoch: u64,
    next: AtomicU64,
    entries: Lock<BTreeMap<ReloadId, LedgerEntry>>,
}

impl Ledger {
    /// Returns an empty ledger whose ids start at the current time.
    pub fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch = u64::try_from(since_epoch.as_millis()).unwrap_or_default();
        let entries = Lock::new(Rank::Ledger, BTreeMap::new());
        Self { epoch, next: AtomicU64::new(1), entries }
    }

    /// Returns a fresh id, which is known as running from now on.
    pub fn reserve(&self) -> ReloadId {
        let id = self.fresh();
        self.note(id);
        id
    }

    /// Returns a fresh id about which nothing is known.
    pub(super) fn fresh(&self) -> ReloadId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        ReloadId { epoch: self.epoch, number }
    }

    /// Records that `id` waits or runs, unless it is known.
    pub(super) fn note(&self, id: ReloadId) {
        if self.get(&id).is_none() {
            self.put(id, LedgerEntry::Running);
        }
    }

    /// Returns what is known about `id`, or `None` if it is unknown or forgotten.
    pub fn get(&self, id: &ReloadId) -> Option<LedgerEntry> {
        self.lock().get(id).cloned()
    }

    /// Returns the kept reloads, newest first.
    pub fn recent(&self) -> Vec<(ReloadId, LedgerEntry)> {
        self.lock().iter().rev().map(|(id, entry)| (*id, entry.clone())).collect()
    }

    /// Records the result of a reload.
    pub(super) fn record(&self, report: &Arc<Report>) {
        self.put(report.id, LedgerEntry::Done(report.clone()));
    }

    fn put(&self, id: ReloadId, entry: LedgerEntry) {
        let mut entries = self.lock();
        entries.insert(id, entry);
        while entries.len() > KEPT {
            entries.pop_first();
        }
    }

    fn lock(&self) -> LockGuard<'_, BTreeMap<ReloadId, LedgerEntry>> {
        self.entries.lock()
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form() {
        let id = Ledger::new().reserve();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("12".parse::<ReloadId>().is_err());
    }

    #[test]
    fn only_the_newest_are_kept() {
        let ledger = Ledger::new();
        let first = ledger.reserve();
        let last = (0..KEPT).map(|_| ledger.reserve()).last().unwrap();
        assert!(ledger.get(&first).is_none());
        assert!(matches!(ledger.get(&last), Some(LedgerEntry::Running)));
        assert_eq!(ledger.recent().len(), KEPT);
    }
}
