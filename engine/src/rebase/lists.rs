//! Merges two changes of one file of many records, record by record and field by field.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::merge::merge;
use crate::encode::List;
use crate::id::{BlobId, Key};
use crate::pointer::Pointer;
use crate::record::Record;
use crate::tables::{self, Reading, Source, Table};

/// One side of such a file.
#[derive(Default)]
struct Side {
    /// How it is cut; `None` where there was no file.
    table: Option<Table>,
    records: BTreeMap<Key, Arc<Record>>,
}

/// The change to one of their records.
enum RecordEdit {
    Remove,
    Replace(Json),
    Insert(Json),
}

/// Applies to `theirs` the changes that `ours` made to `old`; `None` if one of them is not a
/// readable list. Without `old`, both sides created the file.
///
/// If the keys are positions and their number of records has changed, the same key no longer means
/// the same record, so nothing is merged.
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
    let mut tables = [&old, &ours, &theirs].into_iter().filter_map(|side| side.table.as_ref());
    let is_by_position = tables.any(Table::is_by_position);
    if old.told() != ours.told() || is_by_position && old.records.len() != theirs.records.len() {
        return whole();
    }
    let mut conflicts = Vec::new();
    let mut steps = Vec::new();
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
        match merge(was.as_ref(), is.as_ref(), there.as_ref()) {
            Err(pointers) => {
                let of_key = Pointer::of([key.as_str()]);
                conflicts.extend(pointers.iter().map(|pointer| of_key.joined(pointer)));
            }
            Ok(merged) if merged == there => {}
            Ok(None) => steps.push((key, RecordEdit::Remove)),
            Ok(Some(merged)) if there.is_some() => steps.push((key, RecordEdit::Replace(merged))),
            Ok(Some(merged)) => steps.push((key, RecordEdit::Insert(merged))),
        }
    }
    let mut list = List::open(source, theirs.table.as_ref(), bytes)?;
    let held = |key: &Key| theirs.records.get(key).cloned();
    for (key, step) in steps {
        let done = match &step {
            RecordEdit::Remove => list.remove(source, &held, key),
            RecordEdit::Replace(record) => {
                list.replace(source, &held, (key, key), record).map(drop)
            }
            RecordEdit::Insert(record) => list.insert(source, &held, key, record).map(drop),
        };
        // The merged value may no longer be a valid list.
        if done.is_err() {
            conflicts.push(Pointer::of([key.as_str()]));
        }
    }
    Some(if conflicts.is_empty() { Ok(list.bytes()) } else { Err(conflicts) })
}

impl Side {
    fn read(source: &Source<'_>, bytes: &[u8]) -> Option<Self> {
        let Reading::List(list) = tables::read(source, BlobId::ZERO, bytes) else { return None };
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

    /// Returns the problems of its records, wherever they are.
    fn told(&self) -> Vec<&str> {
        self.table
            .iter()
            .flat_map(Table::problems)
            .map(|problem| problem.message.as_str())
            .collect()
    }
}
