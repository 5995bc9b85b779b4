//! What commits changed, as one state discloses it: kept as long as the state, and by the next one if
//! it discloses the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, TryLockError};

use crate::id::{CommitId, SheetName};
use crate::report::Counts;

/// How many counts are kept, each of one sheet at one commit: a few megabytes.
const KEPT: usize = 30_000;

/// How many records one commit changed, by sheet.
pub(crate) type ChangedBySheet = Arc<BTreeMap<SheetName, Counts>>;

/// The counts of commits, each made once. A clone starts empty, since it is made to be changed.
#[derive(Debug, Default)]
pub(crate) struct CommitCounts(OnceLock<Arc<Counted>>);

#[derive(Debug, Default)]
struct Counted {
    kept: Mutex<Kept>,
    /// The turn to make some.
    making: Mutex<()>,
}

#[derive(Debug, Default)]
struct Kept {
    by_commit: HashMap<CommitId, ChangedBySheet>,
    weight: usize,
}

impl CommitCounts {
    /// Returns the counts of `commit`: those that are kept, or those that `make` makes now. One
    /// caller at a time makes some, so a commit that costs much costs it once; the others wait, or get
    /// `if_busy`.
    ///
    /// # Errors
    ///
    /// Fails if `make` does, then nothing is kept; or with `if_busy`.
    pub(crate) fn get_or_make<E>(
        &self,
        commit: CommitId,
        if_busy: Option<E>,
        make: impl FnOnce() -> Result<BTreeMap<SheetName, Counts>, E>,
    ) -> Result<ChangedBySheet, E> {
        let counted = self.0.get_or_init(Arc::default);
        if let Some(counts) = counted.kept(commit) {
            return Ok(counts);
        }
        let _turn = match (counted.making.try_lock(), if_busy) {
            (Ok(turn), _) => turn,
            (Err(TryLockError::Poisoned(turn)), _) => turn.into_inner(),
            (Err(TryLockError::WouldBlock), Some(busy)) => return Err(busy),
            (Err(TryLockError::WouldBlock), None) => {
                counted.making.lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        if let Some(counts) = counted.kept(commit) {
            return Ok(counts);
        }
        let counts = Arc::new(make()?);
        let mut kept = counted.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = 1 + counts.len();
        if kept.weight + weight > KEPT {
            *kept = Kept::default();
        }
        kept.weight += weight;
        kept.by_commit.insert(commit, counts.clone());
        Ok(counts)
    }

    /// Shares those of another state from now on, unless some were made already.
    pub(super) fn share(&self, other: &Self) {
        let counted = other.0.get_or_init(Arc::default);
        // Those of this state are as good.
        let _ = self.0.set(counted.clone());
    }
}

impl Counted {
    fn kept(&self, commit: CommitId) -> Option<ChangedBySheet> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.by_commit.get(&commit).cloned()
    }
}

impl Clone for CommitCounts {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(n: u32) -> CommitId {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        CommitId::from_bytes(bytes)
    }

    #[test]
    fn what_is_kept_is_made_once_and_bounded() {
        let counts = CommitCounts::default();
        let changed = || BTreeMap::from([(SheetName::new("s"), Counts::default())]);
        let refused: Result<_, &str> = counts.get_or_make(commit(0), None, || Err("no"));
        assert_eq!(refused, Err("no"));
        let made = counts.get_or_make::<()>(commit(0), None, || Ok(changed())).unwrap();
        let again = counts.get_or_make::<()>(commit(0), None, || panic!("it is kept")).unwrap();
        assert!(Arc::ptr_eq(&made, &again));
        let while_made: Result<_, &str> = counts.get_or_make(commit(1), None, || {
            let kept = counts.get_or_make(commit(0), Some("busy"), || Err("it is kept"));
            assert!(kept.is_ok());
            Err(counts.get_or_make(commit(2), Some("busy"), || Ok(changed())).unwrap_err())
        });
        assert_eq!(while_made, Err("busy"));
        for n in 0..KEPT as u32 {
            counts.get_or_make::<()>(commit(n), None, || Ok(changed())).unwrap();
            let kept = counts.0.get().unwrap().kept.lock().unwrap();
            assert!(kept.weight <= KEPT && kept.weight == 2 * kept.by_commit.len());
        }
        let last = commit(KEPT as u32 - 1);
        assert_eq!(counts.clone().get_or_make(last, None, || Err("unknown")), Err("unknown"));
        let next = CommitCounts::default();
        next.share(&counts);
        assert!(next.get_or_make::<()>(last, None, || panic!("it is kept")).is_ok());
    }
}
