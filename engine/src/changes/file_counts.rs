//! By how much the number of files changes that each sheet claims.

use foldhash::HashMap;

use crate::id::SheetName;

/// The changes, by sheet.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileCounts(HashMap<SheetName, i64>);

impl FileCounts {
    /// Adds a change of a sheet.
    pub(super) fn add(&mut self, sheet: &SheetName, change: i64) {
        match self.0.get_mut(sheet) {
            Some(count) => *count += change,
            None => drop(self.0.insert(sheet.clone(), change)),
        }
    }

    /// Adds the changes of other files.
    pub(super) fn merge(&mut self, other: Self) {
        other.0.iter().for_each(|(sheet, change)| self.add(sheet, *change));
    }

    /// Returns how many files are claimed after these changes, if it was `before`.
    pub(super) fn total(&self, before: usize) -> usize {
        before.saturating_add_signed(isize::try_from(self.0.values().sum::<i64>()).unwrap_or(0))
    }

    /// Returns the change of a sheet.
    pub(crate) fn of(&self, sheet: &SheetName) -> i64 {
        self.0.get(sheet).copied().unwrap_or_default()
    }
}
