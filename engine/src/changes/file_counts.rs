//! How many files each sheet claims, records or not.

use std::collections::BTreeSet;

use foldhash::HashMap;
use im::OrdMap;

use crate::id::SheetName;

/// The numbers at a commit, without those that are zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClaimedFileCounts(OrdMap<SheetName, usize>);

/// By how much they change.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileCountChanges(HashMap<SheetName, i64>);

impl ClaimedFileCounts {
    /// Returns the number of a sheet.
    pub(crate) fn of(&self, sheet: &SheetName) -> usize {
        self.0.get(sheet).copied().unwrap_or_default()
    }

    /// Returns the numbers after the sheets `redefined` have begun anew, and after these changes.
    pub(crate) fn after(
        &self,
        redefined: &BTreeSet<SheetName>,
        changes: &FileCountChanges,
    ) -> Self {
        let mut counts = self.0.clone();
        for sheet in redefined {
            counts.remove(sheet);
        }
        for (sheet, change) in &changes.0 {
            let before = counts.get(sheet).copied().unwrap_or_default();
            match before.saturating_add_signed(isize::try_from(*change).unwrap_or_default()) {
                0 => counts.remove(sheet),
                now => counts.insert(sheet.clone(), now),
            };
        }
        Self(counts)
    }
}

impl FileCountChanges {
    /// Adds a change of a sheet.
    pub(super) fn add(&mut self, sheet: &SheetName, change: i64) {
        match self.0.get_mut(sheet) {
            Some(count) => *count += change,
            None => {
                self.0.insert(sheet.clone(), change);
            }
        }
    }

    /// Adds the changes of other files.
    pub(super) fn merge(&mut self, other: Self) {
        other.0.iter().for_each(|(sheet, change)| self.add(sheet, *change));
    }

    /// Returns how many files are claimed together after these changes, if it was `before`.
    pub(super) fn total(&self, before: usize) -> usize {
        before.saturating_add_signed(isize::try_from(self.0.values().sum::<i64>()).unwrap_or(0))
    }
}
