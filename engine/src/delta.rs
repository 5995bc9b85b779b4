//! The difference between two commits for the public.

mod fields;
mod transition;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use fields::{FieldChange, changed_fields};
pub use transition::Transition;

use crate::id::{CommitId, Key, SheetName};
use crate::record::Record;
use crate::report::Counts;
use crate::sheet::Served;
use crate::snapshot::{RecordChange, Snapshot, weight};

/// The public records that differ between two states, each once, by sheet and key.
#[derive(Debug, Clone)]
pub struct Delta {
    /// The commit of the earlier state.
    pub from: CommitId,
    /// The commit of the later state.
    pub to: CommitId,
    /// The changes.
    pub changes: Vec<PublicChange>,
    /// The records that were public in the earlier state and are private now. All that is reported
    /// about them is that they left. Only a [`Disclosure`](crate::disclosure::Disclosure) finds
    /// any.
    pub withheld: Vec<Withheld>,
}

/// The size of a record in a delta besides its value, in bytes.
const RECORD: u64 = 256;

/// A record about which nothing may be reported any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Withheld {
    /// Its sheet.
    pub sheet: SheetName,
    /// Its key.
    pub key: Key,
}

/// A record that differs for the public between two states.
#[derive(Debug, Clone)]
pub struct PublicChange {
    /// Its sheet.
    pub sheet: SheetName,
    /// Its key.
    pub key: Key,
    /// The old public record, if any.
    pub before: Option<Arc<Record>>,
    /// The new public record, if any.
    pub after: Option<Arc<Record>>,
}

impl Delta {
    /// Returns the public difference of two states; `changed` lists the served records that differ.
    ///
    /// A sheet whose visibility rules differ is compared whole, because its records can become
    /// visible or hidden without a change. Linear in `changed` and in the records of such sheets.
    pub fn of(before: &Snapshot, after: &Snapshot, changed: &[RecordChange]) -> Self {
        let compared = shown_otherwise(before, after);
        let seen = |record: &Option<Arc<Record>>, sheet: &SheetName, state: &Snapshot| {
            let sheet = state.sheet(sheet.as_str())?;
            record.clone().filter(|record| sheet.shows(record))
        };
        let listed = changed.iter().filter(|change| !compared.contains(&change.sheet));
        let public = listed.filter_map(|RecordChange { sheet, key, served }| {
            let before = seen(&served.before, sheet, before);
            let after = seen(&served.after, sheet, after);
            let differs = Served { before: before.clone(), after: after.clone() }.differs();
            let (sheet, key) = (sheet.clone(), key.clone());
            differs.then_some(PublicChange { sheet, key, before, after })
        });
        let mut changes: Vec<_> = public.collect();
        for sheet in &compared {
            compare(before, after, sheet, &mut changes);
        }
        changes.sort_unstable_by(|a, b| (&a.sheet, &a.key).cmp(&(&b.sheet, &b.key)));
        Self { from: before.commit(), to: after.commit(), changes, withheld: Vec::new() }
    }

    /// Returns about how many bytes its records take, even if they are also held elsewhere.
    pub fn weight(&self) -> u64 {
        let records = self.changes.iter().flat_map(|change| [&change.before, &change.after]);
        records.flatten().map(|record| weight(record)).sum()
    }

    /// Returns about how many bytes the delta itself holds, if nothing else holds its records.
    pub fn bytes(&self) -> u64 {
        let records = self.changes.iter().flat_map(|change| [&change.before, &change.after]);
        records.flatten().map(|record| RECORD + record.value.as_str().len() as u64).sum()
    }

    /// Counts the changes by sheet; sheets without changes are left out.
    pub fn counts(&self) -> BTreeMap<SheetName, Counts> {
        let mut counted: BTreeMap<SheetName, Counts> = BTreeMap::new();
        for PublicChange { sheet, before, after, .. } in &self.changes {
            let counts = counted.entry(sheet.clone()).or_default();
            match (before, after) {
                (None, _) => counts.added += 1,
                (Some(_), None) => counts.removed += 1,
                (Some(_), Some(_)) => counts.modified += 1,
            }
        }
        counted
    }

    /// Returns the inverse: from the later state to the earlier one.
    #[must_use]
    pub fn reversed(self) -> Self {
        let back = |change: PublicChange| PublicChange {
            before: change.after,
            after: change.before,
            ..change
        };
        let changes = self.changes.into_iter().map(back).collect();
        Self { from: self.to, to: self.from, changes, withheld: Vec::new() }
    }
}

/// Returns the sheets of both states whose visibility rules differ.
///
/// If only one of the states has a sheet, all of its records are among those that differ.
fn shown_otherwise(before: &Snapshot, after: &Snapshot) -> BTreeSet<SheetName> {
    let mut found = BTreeSet::new();
    for sheet in after.sheets() {
        let new = sheet.spec();
        if let Some(old) = before.sheet(new.name.as_str()).map(|sheet| sheet.spec())
            && (old.public, &old.hidden) != (new.public, &new.hidden)
        {
            found.insert(new.name.clone());
        }
    }
    found
}

/// Adds every record of `sheet` that is public in only one of the states, or that has another
/// value.
fn compare(before: &Snapshot, after: &Snapshot, sheet: &SheetName, found: &mut Vec<PublicChange>) {
    // Both are sorted by key.
    let (mut old, mut new) = (shown(before, sheet).peekable(), shown(after, sheet).peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.key.cmp(&new.key),
        };
        let before = if order.is_le() { old.next().cloned() } else { None };
        let after = if order.is_ge() { new.next().cloned() } else { None };
        let served = Served { before, after };
        if let Some(record) = served.before.as_ref().or(served.after.as_ref())
            && served.differs()
        {
            let (sheet, key) = (sheet.clone(), record.key.clone());
            let Served { before, after } = served;
            found.push(PublicChange { sheet, key, before, after });
        }
    }
}

/// Returns the public records of `sheet`, by key.
fn shown<'a>(state: &'a Snapshot, sheet: &SheetName) -> impl Iterator<Item = &'a Arc<Record>> {
    state.sheet(sheet.as_str()).into_iter().flat_map(|sheet| sheet.shown_records(None))
}
