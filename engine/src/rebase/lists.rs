//! Merges two changes of one file of many records, record by record and field by field.
//!
//! Both sides are read once. A commit of ours begins where the one before it ended, on both sides: so it
//! costs a reading of its own file and the writing of what it changed.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::incoming::{Brought, NewContent};
use super::record_edit::{RecordEdit, There, record_edit};
use super::sheet_coverage::{Coverage, ParsedChange, ParsedVersion};
use super::touched::TouchedPart;
use crate::encode::List;
use crate::id::{BlobId, Key, SheetName};
use crate::layout::SheetSpec;
use crate::mirror::ObjectError;
use crate::pointer::Pointer;
use crate::record::Record;
use crate::split::ParsedFile;
use crate::tables::{self, ReadOutcome, Source, Table, TableChange, Unseen};

/// The largest file of many records that is merged, in bytes.
pub(super) const LARGEST_LIST: usize = 32 << 20;

/// How many bytes the files have together that are kept for the next commit.
const KEPT: usize = 2 * LARGEST_LIST;

/// The files that were merged last, as both sides have them now.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// By the sheet that reads them, and their path.
    files: HashMap<(SheetName, String), BothSides>,
    /// The sheet that merged each file last. Most commits of one author are of one sheet, and each sheet
    /// that does not see a change reads the file in vain.
    last: HashMap<String, SheetName>,
    /// The content of the file that our last commit changed and of which several sheets read a part.
    parsed: Option<ParsedVersion>,
    /// How many sides were read without knowing the one before.
    reads: usize,
}

/// A file of many records on both sides.
#[derive(Debug)]
pub(super) struct BothSides {
    /// As our commit left it.
    pub(super) ours: Side,
    /// The same with their changes, and without what is left out.
    pub(super) theirs: Side,
}

/// One side of such a file.
#[derive(Debug)]
pub(super) struct Side {
    blob: BlobId,
    bytes: Vec<u8>,
    /// How it is cut.
    table: Table,
    records: HashMap<Key, Arc<Record>>,
    unseen: OnceCell<Unseen>,
}

/// The new content of our side.
pub(super) struct Ours<'a> {
    pub(super) blob: BlobId,
    pub(super) bytes: Vec<u8>,
    /// The same, parsed once for all sheets.
    pub(super) file: &'a ParsedFile,
    /// What the sheet sees of the change.
    pub(super) coverage: Coverage,
}

/// A record that a new content of a file changed.
struct Changed {
    key: Key,
    was: Option<Arc<Record>>,
    is: Option<Arc<Record>>,
}

impl Lists {
    /// Returns whether the sheet merged the file at `path` last.
    pub(super) fn merged_last(&self, sheet: &SheetName, path: &str) -> bool {
        self.last.get(path) == Some(sheet)
    }

    /// Returns a content of a file, which is parsed once for all sheets and, if it is that of the commit before,
    /// for both commits.
    pub(super) fn parsed(&self, blob: BlobId, bytes: &[u8]) -> ParsedVersion {
        let known = self.parsed.as_ref().filter(|known| known.blob() == blob);
        known.cloned().unwrap_or_else(|| ParsedVersion::new(blob, bytes))
    }

    /// Keeps the parsed content of a file for the next commit.
    pub(super) fn keep_parsed(&mut self, version: &ParsedVersion) {
        self.parsed = version.is_small().then(|| version.clone());
    }

    /// Goes on with what is kept of the file at `path` for the sheets `specs` that see nothing of `change`, which
    /// another sheet has merged as `merged` into the content `theirs`: their records are as before. Forgets it
    /// for the others, and where it is not of the contents before.
    pub(super) fn follow<'s>(
        &mut self,
        path: &str,
        specs: impl Iterator<Item = &'s SheetSpec>,
        merged: &BothSides,
        theirs: BlobId,
        change: &mut ParsedChange,
    ) {
        for spec in specs {
            let place = (spec.name.clone(), path.to_owned());
            let Some(mut kept) = self.files.remove(&place) else { continue };
            let is_of_before = (kept.ours.blob, kept.theirs.blob) == (change.old_blob(), theirs);
            if is_of_before && kept.are_whole() && change.is_apart_from(spec, path) {
                kept.ours.is_now(&merged.ours);
                kept.theirs.is_now(&merged.theirs);
                self.files.insert(place, kept);
            }
        }
    }

    /// Returns what is known of the file, and forgets it.
    pub(super) fn take(&mut self, source: &Source<'_>) -> Option<BothSides> {
        self.files.remove(&place(source))
    }

    /// Reads a side of which nothing is known; `None` if it is not a list.
    pub(super) fn read(
        &mut self,
        source: &Source<'_>,
        blob: BlobId,
        bytes: Vec<u8>,
    ) -> Option<Side> {
        self.reads += 1;
        tracing::debug!(path = source.path, reads = self.reads, "reading a file of many records");
        Side::read(source, blob, bytes)
    }

    /// Returns how many sides were read so.
    #[cfg(test)]
    pub(super) fn reads(&self) -> usize {
        self.reads
    }

    /// Keeps a file for the next commit, unless it is too large to be merged again. Forgets all others
    /// if they are too large together.
    pub(super) fn put(&mut self, source: &Source<'_>, sides: BothSides) {
        self.last.insert(source.path.to_owned(), source.spec.name.clone());
        if sides.ours.bytes.len().max(sides.theirs.bytes.len()) > LARGEST_LIST {
            return;
        }
        if self.files.values().map(BothSides::len).sum::<usize>() + sides.len() > KEPT {
            self.files.clear();
        }
        self.files.insert(place(source), sides);
    }
}

fn place(source: &Source<'_>) -> (SheetName, String) {
    (source.spec.name.clone(), source.path.to_owned())
}

impl BothSides {
    /// Returns whether the files are parsed whole, so that the records do not depend on where they are.
    fn are_whole(&self) -> bool {
        [&self.ours, &self.theirs].iter().all(|side| side.table.splitter().is_none())
    }

    fn len(&self) -> usize {
        self.ours.bytes.len() + self.theirs.bytes.len()
    }
}

/// What has come of a change of a file of many records.
pub(super) struct Merged {
    /// Our side after the change, and theirs with it, or as it was if it does not fit.
    pub(super) sides: BothSides,
    /// The rows that we changed.
    pub(super) rows: TouchedPart,
    /// The fields that both sides changed differently: JSON Pointers that begin with the key of the record. The
    /// empty one is the whole file. There are none if the change is on top of one that is left out.
    pub(super) result: Result<(), Vec<Pointer>>,
}

/// Applies to `theirs` the changes that `ours` made to `old`; `None` if it is not a readable list, or if
/// ours changed what the sheet does not see, which another sheet may.
/// Without `old`, both sides created the file. `is_left_out` returns whether rows are among those of commits
/// that are left out. `is_elsewhere` returns whether they may have a record, which
/// is not under its key any more, under another one or in another file; it gets our side, too.
///
/// A key means the same record on both sides only if both name their records in the same way. If they
/// do not, or if the keys are positions and their number has changed, nothing is merged.
///
/// # Errors
///
/// That of `is_elsewhere`.
pub(super) fn merged(
    source: &Source<'_>,
    old: Option<Side>,
    ours: Ours<'_>,
    mut theirs: Side,
    is_left_out: &dyn Fn(&TouchedPart) -> bool,
    is_elsewhere: &mut dyn FnMut(&Json, &Side) -> Result<bool, ObjectError>,
) -> Result<Option<Merged>, ObjectError> {
    let before = old.as_ref().map(|old| old.table.clone());
    let coverage = ours.coverage;
    let unseen = |side: &Side| match coverage {
        Coverage::All => side.table.unseen_pieces(source, &side.bytes),
        Coverage::Partial | Coverage::Unknown => side.unseen(source),
    };
    let unseen_before = unseen(old.as_ref().unwrap_or(&theirs));
    let Some((ours, changed)) = Side::after(source, old, ours) else { return Ok(None) };
    if unseen(&ours) != unseen_before {
        return Ok(None);
    }
    let tables: Vec<&Table> = before.iter().chain([&ours.table, &theirs.table]).collect();
    let names_alike = tables.iter().all(|one| tables.iter().all(|other| one.names_like(other)));
    let is_by_position = tables.iter().any(|table| table.is_by_position());
    let count = before.as_ref().map_or(0, |table| table.pieces().len());
    let is_moved = is_by_position && count != theirs.table.pieces().len();
    if told(before.as_ref()) != told(Some(&ours.table)) || !names_alike || is_moved {
        let sides = BothSides { ours, theirs };
        let (rows, result) = (TouchedPart::Whole, Err(vec![Pointer::whole()]));
        return Ok(Some(Merged { sides, rows, result }));
    }
    let rows = match is_by_position {
        true => TouchedPart::Whole,
        false => {
            let keys = changed.iter().map(|changed| changed.key.clone()).collect();
            TouchedPart::rows(source.spec, source.path, keys)
        }
    };
    if is_left_out(&rows) {
        return Ok(Some(Merged { sides: BothSides { ours, theirs }, rows, result: Err(vec![]) }));
    }
    let mut conflicts = Vec::new();
    let mut edits = Vec::new();
    let mut moved = None;
    for Changed { key, was, is } in &changed {
        let there = theirs.records.get(key);
        let [was, is, there] = [was.as_ref(), is.as_ref(), there].map(|record| json(record?));
        if was == is {
            continue;
        }
        if is_by_position && was != there {
            conflicts.push(Pointer::of([key.as_str()]));
            continue;
        }
        let there = match (&there, &was) {
            (Some(there), _) => There::Record(there),
            (None, Some(was))
                if theirs.has_unread()
                    || moved
                        .get_or_insert_with(|| brought_by(&changed, source, &theirs))
                        .may_have(was, |_| false)
                    || is_elsewhere(was, &ours)? =>
            {
                There::Unknown
            }
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
    let Some(mut list) = List::open(source, Some(&theirs.table), &theirs.bytes) else {
        return Ok(None);
    };
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
    if !conflicts.is_empty() {
        return Ok(Some(Merged {
            sides: BothSides { ours, theirs },
            rows,
            result: Err(conflicts),
        }));
    }
    let (bytes, change) = list.into_change();
    theirs.apply(change, (BlobId::ZERO, bytes));
    Ok(Some(Merged { sides: BothSides { ours, theirs }, rows, result: Ok(()) }))
}

impl Side {
    /// Returns its records, in any order.
    pub(super) fn records(&self) -> impl Iterator<Item = (&Key, &Arc<Record>)> {
        self.records.iter()
    }

    /// Reads a file; `None` if it is not a list. Linear in its bytes.
    pub(super) fn read(source: &Source<'_>, blob: BlobId, bytes: Vec<u8>) -> Option<Self> {
        Self::read_shared(source, blob, bytes, &ParsedFile::for_readers(1))
    }

    /// Reads a file as [`Self::read`] does. `file` is the same file, which other sheets may read too.
    pub(super) fn read_shared(
        source: &Source<'_>,
        blob: BlobId,
        bytes: Vec<u8>,
        file: &ParsedFile,
    ) -> Option<Self> {
        let outcome = tables::read_shared(source, BlobId::ZERO, &bytes, file);
        let ReadOutcome::List(list) = outcome else { return None };
        let TableChange { table, records } = list.replacing(None, &|_| None);
        let records = records.into_iter();
        let records = records.filter_map(|(key, record)| Some((key, record?))).collect();
        Some(Self { blob, bytes, table, records, unseen: OnceCell::new() })
    }

    pub(super) fn blob(&self) -> BlobId {
        self.blob
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Becomes the content of `other`, in which it has the same records.
    fn is_now(&mut self, other: &Self) {
        (self.blob, self.bytes) = (other.blob, other.bytes.clone());
        self.unseen = OnceCell::new();
    }

    /// Notes which blob it is.
    pub(super) fn is_stored(&mut self, blob: BlobId) {
        self.blob = blob;
    }

    /// Goes from `old` to a new content, or reads it if there was no file. Returns the records that it
    /// changed, too.
    fn after(
        source: &Source<'_>,
        old: Option<Self>,
        Ours { blob, bytes, file, .. }: Ours<'_>,
    ) -> Option<(Self, Vec<Changed>)> {
        let Some(mut side) = old else {
            let side = Self::read_shared(source, blob, bytes, file)?;
            let new = |key: &Key| Changed {
                key: key.clone(),
                was: None,
                is: side.records.get(key).cloned(),
            };
            let changed = side.table.keys().map(new).collect();
            return Some((side, changed));
        };
        let held = |key: &Key| side.records.get(key).cloned();
        let texts = [&side.bytes[..], &bytes];
        let change = match tables::change(source, &side.table, &held, texts, BlobId::ZERO) {
            Some(change) => change,
            None => match tables::read_shared(source, BlobId::ZERO, &bytes, file) {
                ReadOutcome::List(list) => list.replacing(Some(&side.table), &held),
                ReadOutcome::Record | ReadOutcome::Broken(_) => return None,
            },
        };
        let changed = side.apply(change, (blob, bytes));
        Some((side, changed))
    }

    /// Becomes another content, and returns the records that it changed.
    fn apply(&mut self, change: TableChange, (blob, bytes): (BlobId, Vec<u8>)) -> Vec<Changed> {
        let TableChange { table, records } = change;
        (self.blob, self.bytes, self.table) = (blob, bytes, table);
        self.unseen = OnceCell::new();
        let records = records.into_iter();
        let changed = records.map(|(key, is)| {
            let was = match &is {
                Some(record) => self.records.insert(key.clone(), Arc::clone(record)),
                None => self.records.remove(&key),
            };
            Changed { key, was, is }
        });
        changed.collect()
    }

    /// Returns what the sheet does not see of the file, which is found the first time.
    fn unseen(&self, source: &Source<'_>) -> Unseen {
        *self.unseen.get_or_init(|| self.table.unseen(source, &self.bytes))
    }

    /// Returns whether a piece of the file cannot be read.
    pub(super) fn has_unread(&self) -> bool {
        self.table.unread() > 0
    }

    /// Returns whether the record under `key` is `record`.
    pub(super) fn has(&self, key: &Key, record: &Json) -> bool {
        self.records.get(key).and_then(json).as_ref() == Some(record)
    }

    /// Lists the records that differ from those of `before` under the same keys, each with that one.
    pub(super) fn differing_from(
        &self,
        before: Option<&Self>,
    ) -> impl Iterator<Item = (Key, Json, Option<Json>)> {
        self.records.iter().filter_map(move |(key, record)| {
            let before = before.and_then(|before| before.records.get(key));
            let is_other = before.is_none_or(|before| before.value != record.value);
            is_other.then(|| Some((key.clone(), json(record)?, before.and_then(json)))).flatten()
        })
    }
}

/// Returns the records that we changed or added, and that they do not have. One that they deleted may be among them,
/// under another key.
fn brought_by(changed: &[Changed], source: &Source<'_>, theirs: &Side) -> Brought {
    let mut brought = Brought::default();
    for Changed { key, was, is } in changed {
        let Some(now) = is.as_ref().and_then(json).filter(|now| !theirs.has(key, now)) else {
            continue;
        };
        let before = was.as_ref().and_then(json);
        let (path, key) = (source.path.as_bytes().to_owned(), Some(key.clone()));
        brought.add(NewContent { path, blob: BlobId::ZERO, key, now, before });
    }
    brought
}

fn json(record: &Arc<Record>) -> Option<Json> {
    // The canonical text of a value is JSON.
    serde_json::from_str(record.value.as_str()).ok()
}

/// Returns the problems of the records of a file, wherever they are.
fn told(table: Option<&Table>) -> Vec<&str> {
    table.into_iter().flat_map(Table::problems).map(|problem| problem.message.as_str()).collect()
}
