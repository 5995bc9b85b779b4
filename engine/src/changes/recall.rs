//! Takes from the cache what it has of the files that are to be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::change::{Change, PathState};
use crate::cache::{Cache, CacheError, CachedRecord};
use crate::id::{BlobId, SheetName};
use crate::record::Record;
use crate::sheet::{Content, SlotUpdate};
use crate::value::Value;

/// How many files after the last one found are tried before all are searched. The cache is in the
/// order of keys, which differs only locally from that of paths.
const NEAR: usize = 4;

/// A file that is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct WantedFile {
    /// The number of its change.
    pub(super) at: usize,
    pub(super) blob: BlobId,
}

/// Fills in what the cache has, and leaves the rest in `wanted`, which is in the order of paths. Reads
/// on all cores.
pub(super) fn recall(
    cache: &Cache,
    changes: &mut [Change],
    wanted: &mut Vec<WantedFile>,
) -> Result<(), CacheError> {
    let mut sheets: BTreeMap<&SheetName, [u8; 32]> = BTreeMap::new();
    let mut last = None;
    for file in &*wanted {
        let sheet = &changes[file.at].sheet;
        if last.replace(Arc::as_ptr(sheet)) != Some(Arc::as_ptr(sheet)) {
            sheets.insert(&sheet.name, sheet.id);
        }
    }
    let all: &[Change] = changes;
    let found = cache.read_records(&sheets, &|near, entry| {
        let file = wanted[find(all, wanted, near, &entry)?];
        let update = update(&all[file.at]).filter(|_| file.blob == entry.blob)?;
        let frame = all[file.at].sheet.frame(update.key.as_str(), entry.path);
        let value = Value::from_stored(entry.text);
        let record = Record { key: update.key.clone(), frame, blob: file.blob, value };
        Some((file.at, Content::Record(Arc::new(record))))
    })?;
    for (at, content) in found {
        if let PathState::Claims(claim) = &mut changes[at].now {
            claim.content = Some(content);
        }
    }
    wanted.retain(|file| update(&changes[file.at]).is_none_or(|update| update.content.is_none()));
    Ok(())
}

/// Returns the place in `wanted` of the file of an entry: usually the one at `near`, which then moves
/// on.
fn find(
    changes: &[Change],
    wanted: &[WantedFile],
    near: &mut usize,
    entry: &CachedRecord<'_>,
) -> Option<usize> {
    let path = |file: &WantedFile| update(&changes[file.at]).map(|update| &*update.path);
    let is_it = |at: &usize| {
        let file = wanted.get(*at);
        file.is_some_and(|file| {
            path(file) == Some(entry.path) && changes[file.at].sheet.name == *entry.sheet
        })
    };
    let found = (*near..*near + NEAR).find(is_it).or_else(|| {
        let first = wanted.partition_point(|file| path(file) < Some(entry.path));
        let same = wanted.get(first..).unwrap_or_default().iter();
        let count = same.take_while(|file| path(file) == Some(entry.path)).count();
        (first..first + count).find(is_it)
    })?;
    *near = found + 1;
    Some(found)
}

fn update(change: &Change) -> Option<&SlotUpdate> {
    match &change.now {
        PathState::Claims(update) => Some(update),
        PathState::Misnamed { .. } | PathState::Lists { .. } => None,
    }
}
