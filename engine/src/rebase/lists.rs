//! Merges two changes of one file of many records, record by record and field by field.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::record_edit::{RecordEdit, There, may_be_renamed, record_edit};
use crate::encode::List;
use crate::id::{BlobId, Key};
use crate::pointer::Pointer;
use crate::record::Record;
use crate::tables::{self, ReadOutcome, Source, Table};

/// The most new records of theirs among which a missing one is looked for. With more, it counts as
/// found.
const MOST_COMPARED: usize = 1_000;

/// One side of such a file.
#[derive(Default)]
struct Side {
    /// How it is cut; `None` where there was no file.
    table: Option<Table>,
    records: BTreeMap<Key, Arc<Record>>,
}

/// Applies to `theirs` the changes that `ours` made to `old`; `None` if one of them is not a
/// readable list. Without `old`, both sides created the file.
///
/// A key means the same record on both sides only if both name their records in the same way. If they
/// do not, or if the keys are positions and their number has changed, nothing is merged.
///
/// # Errors
///
/// The fields that both sides changed differently: JSON Pointers that begin with the key of the
/// record. The empty one is the whole file.
pub(super) fn merged(
    source: &Source<'_>,
    old: Option<&[u8]>,
    [ours, theirs]: [&[u8]; 2],
) -> Option<Result<Vec<u8>, Vec<Pointer>>> {
    let bytes = theirs;
    let old = match old {
        Some(bytes) => Side::read(source, bytes)?,
        None => Side::default(),
    };
    let (ours, theirs) = (Side::read(source, ours)?, Side::read(source, theirs)?);
    let whole = || Some(Err(vec![Pointer::whole()]));
    let sides = [&old, &ours, &theirs];
    let tables: Vec<&Table> = sides.iter().filter_map(|side| side.table.as_ref()).collect();
    let names_alike = tables.iter().all(|one| tables.iter().all(|other| one.names_like(other)));
    let is_by_position = tables.iter().any(|table| table.is_by_position());
    let is_moved = is_by_position && old.len() != theirs.len();
    if old.told() != ours.told() || !names_alike || is_moved {
        return whole();
    }
    // What they alone have, which may be a record of the old state under another key.
    let added = OnceCell::new();
    let added = || added.get_or_init(|| theirs.beyond([&old, &ours]));
    let is_elsewhere = |was: &Json| {
        theirs.table.as_ref().is_some_and(|table| table.unread() > 0)
            || added().len() > MOST_COMPARED
            || added().iter().any(|new| may_be_renamed(was, new))
    };
    let mut conflicts = Vec::new();
    let mut edits = Vec::new();
    let gone = old.keys().filter(|key| !ours.records.contains_key(*key));
    for key in gone.chain(ours.keys()) {
        let [was, is, there] = [&old, &ours, &theirs].map(|side| side.value(key));
        if was == is {
            continue;
        }
        if is_by_position && was != there {
            conflicts.push(Pointer::of([key.as_str()]));
            continue;
        }
        let there = match (&there, &was) {
            (Some(there), _) => There::Record(there),
            (None, Some(was)) if is_elsewhere(was) => There::Unknown,
            (None, _) => There::Nothing,
        };
        match record_edit(was.as_ref(), is.as_ref(), there) {
            Err(pointers) => {
                let of_key = Pointer::of([key.as_str()]);
                conflicts.extend(pointers.iter().map(|pointer| of_key.joined(pointer)));
            }
            Ok(edit) => edits.push((key, edit)),
        }
    }
    let mut list = List::open(source, theirs.table.as_ref(), bytes)?;
    let held = |key: &Key| theirs.records.get(key).cloned();
    for (key, edit) in edits {
        let noted = match &edit {
            RecordEdit::Keep => Ok(()),
            RecordEdit::Remove => list.remove(&held, key),
            RecordEdit::Replace(record) => {
                list.replace(source, &held, (key, key), record).map(drop)
            }
            RecordEdit::Insert(record) => list.insert(source, &held, key, record).map(drop),
        };
        // The merged value may no longer be a valid list.
        if noted.is_err() {
            conflicts.push(Pointer::of([key.as_str()]));
        }
    }
    if conflicts.is_empty()
        && let Err(unwritten) = list.write(source, &held)
    {
        conflicts
            .push(unwritten.key.map_or_else(Pointer::whole, |key| Pointer::of([key.as_str()])));
    }
    Some(if conflicts.is_empty() { Ok(list.bytes()) } else { Err(conflicts) })
}

impl Side {
    fn read(source: &Source<'_>, bytes: &[u8]) -> Option<Self> {
        let ReadOutcome::List(list) = tables::read(source, BlobId::ZERO, bytes) else {
            return None;
        };
        let change = list.replacing(None, &|_| None);
        let records = change.records.into_iter();
        let records = records.filter_map(|(key, record)| Some((key, record?))).collect();
        Some(Self { table: Some(change.table), records })
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        self.table.iter().flat_map(Table::keys)
    }

    fn value(&self, key: &Key) -> Option<Json> {
        // The canonical text of a value is JSON.
        serde_json::from_str(self.records.get(key)?.value.as_str()).ok()
    }

    /// Returns how many pieces it has.
    fn len(&self) -> usize {
        self.table.as_ref().map_or(0, |table| table.pieces().len())
    }

    /// Returns the records whose keys the others do not have.
    fn beyond(&self, others: [&Self; 2]) -> Vec<Json> {
        let is_known = |key: &&Key| others.iter().any(|other| other.records.contains_key(*key));
        let new = self.records.keys().filter(|key| !is_known(key));
        new.filter_map(|key| self.value(key)).collect()
    }

    /// Returns the problems of its records, wherever they are.
    fn told(&self) -> Vec<&str> {
        self.table
            .iter()
            .flat_map(Table::problems)
            .map(|problem| problem.message.as_str())
            .collect()
    }
}
