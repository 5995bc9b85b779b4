//! Finds what a replay would lose, by the records that it makes and not by the files.
//!
//! Commits are merged file by file, and git does not know what a record is: it may be in another file on
//! the other side, in several sheets, or read by other rules. So the result is compared, record by record,
//! with what the merge of the states would be. Whatever differs is a conflict.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::layouts::Layouts;
use super::left_out::LeftOut;
use super::merge::merge;
use super::repeated_changes::RepeatedChanges;
use super::sheet_coverage::FilePart;
use super::touched::TouchedPaths;
use crate::id::{BlobId, Key, SheetName};
use crate::layout::PathClaim;
use crate::mirror::{ObjectError, Objects, PathChange};
use crate::pointer::Pointer;
use crate::record::Record;
use crate::report::LostField;
use crate::snapshot::{RecordChange, Snapshot};

/// The states that a replay brings together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplayedStates<'a> {
    /// The state on top of which our first commit was made.
    pub(crate) base: &'a Snapshot,
    /// The state of our last commit.
    pub(crate) ours: &'a Snapshot,
    /// The state of the remote's head.
    pub(crate) theirs: &'a Snapshot,
    /// The state that is to go live.
    pub(crate) merged: &'a Snapshot,
}

/// What differs between two of these states.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Differences<'a> {
    pub(crate) records: &'a [RecordChange],
    pub(crate) files: &'a [PathChange],
}

impl ReplayedStates<'_> {
    /// Returns what of the changes of both sides is not in the merged state. `ours` are the differences between the
    /// base and ours, and `put` those between theirs and the merged state, of which only what our commits `touched` is
    /// looked at: what they changed and took back is no change of ours. What only requests changed that the remote has,
    /// too, is not looked at: perhaps they had another result there. Neither is what is left out.
    ///
    /// Costs a look at four states for each of these records, and reads files that a request of both sides and other
    /// commits changed, up to a limit, if what is served of them differs from the merge.
    pub(crate) fn lost(
        &self,
        objects: &Objects,
        ours: Differences<'_>,
        put: Differences<'_>,
        touched: &TouchedPaths,
        left_out: &LeftOut,
    ) -> Result<Vec<LostField>, ObjectError> {
        let mut lost = BTreeSet::new();
        let repeated = &touched.repeated();
        let mut changes = RepeatedChanges::new(objects, self.ours.layout(), repeated);
        let mut rows = LeftOutRows { left_out, known: HashMap::new() };
        let known: HashSet<_> = ours.records.iter().map(|it| (&it.sheet, &it.key)).collect();
        // Elsewhere, what is the same record is not certain, and was looked at when the commits were put.
        let (ours_read, they_read) = (self.ours.layout().clone(), self.theirs.layout().clone());
        let layouts = Layouts { ours: ours_read, theirs: they_read };
        let is_taken_back = |change: &&RecordChange| {
            let RecordChange { sheet, key, .. } = *change;
            let is_touched = |record: &Arc<Record>| {
                let path = record.path();
                touched.has_record(path.as_bytes(), sheet, key) && layouts.agree_on(path.as_bytes())
            };
            !known.contains(&(sheet, key)) && self.record(sheet, key).is_some_and(is_touched)
        };
        let taken_back = put.records.iter().filter(is_taken_back);
        for RecordChange { sheet, key, .. } in ours.records.iter().chain(taken_back) {
            let Some(record) = self.record(sheet, key) else { continue };
            let path = record.path();
            if repeated.have_only(path.as_bytes())
                || left_out.has_record(path.as_bytes(), sheet, key)
            {
                continue;
            }
            let value = |state| value(state, sheet, key);
            let mut sides = Sides {
                base: value(self.base),
                ours: value(self.ours),
                theirs: value(self.theirs),
                merged: value(self.merged),
            };
            if !sides.are_kept() {
                sides.base = changes.on(sides.base, sheet, key, &path)?;
            }
            if !sides.are_kept() && !rows.has(self, sheet, record, &path) {
                let pointer = match record.is_in_list() {
                    true => Pointer::of([key.as_str()]),
                    false => Pointer::whole(),
                };
                lost.insert(LostField { path, pointer });
            }
        }
        let known: HashSet<_> = ours.files.iter().map(|change| &change.path).collect();
        for PathChange { path, .. } in put.files {
            // A request of both sides may have changed it differently.
            let is_taken_back = !known.contains(path) && repeated.changes(path).is_empty();
            if is_taken_back && touched.has_file(path) && !left_out.has_file(path) {
                // What is served of a record was compared.
                if layouts.agree_on(path) && !layouts.ours.beside(path).is_empty() {
                    let path = String::from_utf8_lossy(path).into_owned();
                    lost.insert(LostField { path, pointer: Pointer::whole() });
                }
            }
        }
        for PathChange { path, .. } in ours.files {
            if repeated.have_only(path) || left_out.has_file(path) {
                continue;
            }
            let is_lost = |PathClaim { sheet, key, .. }: &PathClaim| {
                let has = |state: &Snapshot| {
                    state.sheet(sheet.name.as_str())?.record(key.as_str()).map(drop)
                };
                has(self.ours).is_some() && has(self.merged).is_none()
            };
            // A file beside a record is served with it, or not at all.
            if self.ours.layout().beside(path).iter().any(is_lost) {
                let path = String::from_utf8_lossy(path).into_owned();
                lost.insert(LostField { path, pointer: Pointer::whole() });
            }
        }
        Ok(lost.into_iter().collect())
    }

    /// Returns a record as one of the states has it, ours if it does.
    fn record(&self, sheet: &SheetName, key: &Key) -> Option<&Arc<Record>> {
        let states = [self.ours, self.base, self.theirs, self.merged];
        states.into_iter().find_map(|state| state.sheet(sheet.as_str())?.record(key.as_str()))
    }
}

/// The rows that are left out, as they are found by another sheet, which reads them by other keys.
struct LeftOutRows<'a> {
    left_out: &'a LeftOut,
    /// For each file and each sheet as which its rows are left out, the values of these.
    known: HashMap<String, HashMap<SheetName, HashSet<BlobId>>>,
}

impl LeftOutRows<'_> {
    /// Returns whether a row that is left out is this `record` of `sheet`. The rows of a file are looked up once.
    fn has(
        &mut self,
        states: &ReplayedStates<'_>,
        sheet: &SheetName,
        record: &Record,
        path: &str,
    ) -> bool {
        if !record.is_in_list() {
            return false;
        }
        let left_out = self.left_out;
        let rows = self.known.entry(path.to_owned()).or_insert_with(|| {
            let mut rows: HashMap<SheetName, HashSet<BlobId>> = HashMap::new();
            for (sheet, key) in left_out.records(path.as_bytes()) {
                for state in [states.ours, states.base] {
                    let row = state.sheet(sheet.as_str()).and_then(|it| it.record(key.as_str()));
                    if let Some(row) = row.filter(|row| row.is_at(path)) {
                        // The blob of a row is a hash of its value.
                        rows.entry(sheet.clone()).or_default().insert(row.blob);
                    }
                }
            }
            rows
        });
        // Rows of separate parts of a file may have one value.
        let part =
            |sheet: &SheetName| FilePart::of(states.ours.layout().sheet(sheet.as_str())?, path);
        let own = part(sheet);
        rows.iter().filter(|(_, blobs)| blobs.contains(&record.blob)).any(|(other, _)| {
            match (&own, part(other)) {
                (Some(own), Some(other)) => !own.is_apart_from(&other),
                (None, _) | (_, None) => true,
            }
        })
    }
}

fn value(state: &Snapshot, sheet: &SheetName, key: &Key) -> Option<Json> {
    let record = state.sheet(sheet.as_str())?.record(key.as_str())?;
    // The canonical text of a value is JSON.
    serde_json::from_str(record.value.as_str()).ok()
}

/// The values of one record; `None` where there is none.
#[derive(Debug, Clone)]
struct Sides {
    base: Option<Json>,
    ours: Option<Json>,
    theirs: Option<Json>,
    merged: Option<Json>,
}

impl Sides {
    /// Returns whether the merged value has what both sides changed.
    fn are_kept(&self) -> bool {
        let Self { base, ours, theirs, merged } = self;
        let expected = merge(base.as_ref(), ours.as_ref(), theirs.as_ref());
        expected.is_ok_and(|expected| expected == *merged)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_kept_if_the_merge_of_the_states_has_it() {
        let [a, b, c] = [json!({"n": 1, "m": 1}), json!({"n": 2, "m": 1}), json!({"n": 1, "m": 3})];
        let both = json!({"n": 2, "m": 3});
        let other = json!({"n": 9, "m": 1});
        // Each row: the base, ours, theirs, the result, and whether all of it is there.
        for (base, ours, theirs, merged, expected) in [
            (Some(&a), Some(&b), Some(&a), Some(&b), true),
            (Some(&a), Some(&b), Some(&a), Some(&a), false),
            (Some(&a), Some(&b), Some(&b), Some(&b), true),
            (Some(&a), Some(&b), Some(&c), Some(&both), true),
            (Some(&a), Some(&b), Some(&c), Some(&c), false),
            (Some(&a), Some(&b), Some(&other), Some(&b), false),
            (Some(&a), Some(&b), None, Some(&b), false),
            (Some(&a), None, Some(&a), None, true),
            (Some(&a), None, Some(&a), Some(&a), false),
            (Some(&a), None, Some(&c), Some(&c), false),
            (Some(&a), None, None, None, true),
            (None, Some(&a), None, Some(&a), true),
            (None, Some(&a), None, None, false),
            (None, Some(&a), Some(&b), Some(&b), false),
        ] {
            let [base, ours, theirs, merged] =
                [base, ours, theirs, merged].map(|value| value.cloned());
            let sides = Sides { base, ours, theirs, merged };
            assert_eq!(sides.are_kept(), expected, "{sides:?}");
        }
    }
}
