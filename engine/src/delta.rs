//! What readers see differently at two commits.

mod fields;

use std::sync::Arc;

pub use fields::{FieldChange, changed_fields};

use crate::id::{CommitId, Key, SheetName};
use crate::record::Record;
use crate::sheet::Served;
use crate::snapshot::{RecordChange, Snapshot};

/// The public records that differ between two states, each once, by sheet and key.
#[derive(Debug, Clone)]
pub struct Delta {
    /// The commit of the earlier state.
    pub from: CommitId,
    /// The commit of the later state.
    pub to: CommitId,
    /// What differs.
    pub changes: Vec<PublicChange>,
}

/// A record that the public sees differently in two states.
#[derive(Debug, Clone)]
pub struct PublicChange {
    /// Its sheet.
    pub sheet: SheetName,
    /// Its key.
    pub key: Key,
    /// What the public saw, if anything.
    pub before: Option<Arc<Record>>,
    /// What the public sees, if anything.
    pub after: Option<Arc<Record>>,
}

impl Delta {
    /// Returns what the public sees of `changed`, the served records that differ between the two
    /// states. Linear in their number.
    pub fn of(before: &Snapshot, after: &Snapshot, changed: &[RecordChange]) -> Self {
        let seen = |record: &Option<Arc<Record>>, sheet: &SheetName, state: &Snapshot| {
            let sheet = state.sheet(sheet.as_str())?;
            record.clone().filter(|record| sheet.shows(record))
        };
        let public = changed.iter().filter_map(|RecordChange { sheet, key, served }| {
            let before = seen(&served.before, sheet, before);
            let after = seen(&served.after, sheet, after);
            let differs = Served { before: before.clone(), after: after.clone() }.differs();
            let (sheet, key) = (sheet.clone(), key.clone());
            differs.then_some(PublicChange { sheet, key, before, after })
        });
        let mut changes: Vec<_> = public.collect();
        changes.sort_unstable_by(|a, b| (&a.sheet, &a.key).cmp(&(&b.sheet, &b.key)));
        Self { from: before.commit(), to: after.commit(), changes }
    }

    /// Returns the way back: from the later state to the earlier one.
    #[must_use]
    pub fn reversed(self) -> Self {
        let back = |change: PublicChange| PublicChange {
            before: change.after,
            after: change.before,
            ..change
        };
        let changes = self.changes.into_iter().map(back).collect();
        Self { from: self.to, to: self.from, changes }
    }
}
