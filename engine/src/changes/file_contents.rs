//! The contents of a file: one record, many, or nothing readable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::change::{Change, PathState};
use super::decode_budget::{DecodeBudget, Weight};
use crate::id::{BlobId, Key};
use crate::layout::{Shape, SheetSpec};
use crate::mirror::{BlobContent, ObjectError, Objects};
use crate::options::LoadOptions;
use crate::problem::{Problem, Rule};
use crate::record::Record;
use crate::sheet::{Content, Sheet, SlotUpdate};
use crate::split::ParsedFile;
use crate::tables::{self, PreviousRecords, ReadOutcome, Source, Table, TableChange};

/// What a record takes in addition to its text, in bytes: at least that.
const RECORD: u64 = 128;

/// What its places in the maps and the text index take, in bytes.
const SLOT: u64 = 172;

/// How often a problem is in memory: in the state, in what admission compares, and in what is held.
const COPIES: u64 = 4;

/// The contents of a file.
#[derive(Debug)]
pub(super) enum FileContents {
    /// One record, or none that can be read.
    Content(Option<Content>),
    /// Many records.
    List(Box<TableChange>),
}

/// The old contents of a file that held many records.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    table: &'a Table,
    held: PreviousRecords<'a>,
}

/// A changed file of many records.
pub(super) struct ChangedList<'b> {
    /// The claim of the file itself, which applies if it no longer holds a list.
    pub(super) change: Change,
    /// The old sheet.
    pub(super) sheet: &'b Sheet,
    /// How the file was split.
    pub(super) table: &'b Arc<Table>,
    /// The new blob; `None` if the file is gone.
    pub(super) new: Option<BlobId>,
}

impl Default for FileContents {
    fn default() -> Self {
        Self::Content(None)
    }
}

impl FileContents {
    /// Returns how much memory they take.
    pub(super) fn weight(&self) -> Weight {
        let of_record = |record: &Arc<Record>| record.value.as_str().len() as u64;
        let (texts, records, problems, pieces) = match self {
            Self::Content(None) => (0, 0, 0, 0),
            Self::Content(Some(Content::Record(record))) => (of_record(record), 1, 0, 0),
            Self::Content(Some(Content::Broken(problems))) => {
                (0, 0, problems.iter().map(Problem::weight).sum(), 0)
            }
            Self::List(list) => {
                let records = list.records.iter().filter_map(|(_, record)| record.as_ref());
                let texts = records.clone().map(of_record).sum();
                let problems = list.table.problems().map(Problem::weight).sum();
                (texts, records.count() as u64, problems, list.table.pieces_weight())
            }
        };
        // The text index takes about as much as the texts, if no word comes twice.
        Weight {
            now: texts + records * RECORD + problems + pieces,
            later: texts + records * SLOT + problems * (COPIES - 1),
        }
    }

    /// Adds it to the changes, where the claim of the file is at index `at`.
    pub(super) fn put(self, at: usize, changes: &mut Vec<Change>) {
        let sheet = changes[at].sheet.clone();
        let PathState::Claims(claim) = &mut changes[at].now else { return };
        match self {
            Self::Content(content) => claim.content = content,
            Self::List(list) => {
                let TableChange { table, records } = *list;
                let path = claim.path.clone();
                put_list(changes, &sheet, path, table, records);
            }
        }
    }
}

/// Adds the list in the file at `path`, and those of its records that have changed.
fn put_list(
    changes: &mut Vec<Change>,
    sheet: &Arc<SheetSpec>,
    path: Box<str>,
    table: Table,
    records: Vec<(Key, Option<Arc<Record>>)>,
) {
    put_records(changes, sheet, &path, records);
    let now = PathState::Lists { path, table: Some(Arc::new(table)) };
    changes.push(Change { sheet: sheet.clone(), now });
}

fn put_records(
    changes: &mut Vec<Change>,
    sheet: &Arc<SheetSpec>,
    path: &str,
    records: impl IntoIterator<Item = (Key, Option<Arc<Record>>)>,
) {
    let claim = |(key, record): (Key, Option<Arc<Record>>)| {
        let content = record.map(Content::Record);
        let now = PathState::Claims(SlotUpdate { key, path: path.into(), content });
        Change { sheet: sheet.clone(), now }
    };
    changes.extend(records.into_iter().map(claim));
}

impl ChangedList<'_> {
    /// Adds the changes of its records to `changes`. `file` is the new file.
    pub(super) fn follow(
        self,
        objects: &Objects,
        file: &ParsedFile,
        budget: &DecodeBudget,
        changes: &mut Vec<Change>,
        options: &LoadOptions,
    ) -> Result<(), ObjectError> {
        let Self { mut change, sheet, table, new } = self;
        let PathState::Claims(SlotUpdate { path, .. }) = &change.now else { return Ok(()) };
        let path = path.clone();
        let held = |key: &Key| sheet.held(key.as_str(), &path).cloned();
        let before = Before { table, held: &held };
        let look = |blob| {
            let limit = change.limit(options);
            objects.read_blob(blob, limit, |bytes| {
                let changed = change.compare(objects, blob, &bytes, before, options);
                let look = || change.look(blob, bytes, file, Some(before), options);
                let decode =
                    || changed.map_or_else(look, |list| FileContents::List(Box::new(list)));
                budget.decode(decode, FileContents::weight)
            })
        };
        let spec = change.sheet.clone();
        match new.map(look).transpose()?.unwrap_or(FileContents::Content(None)) {
            FileContents::List(list) => {
                let TableChange { table, records } = *list;
                put_list(changes, &spec, path, table, records);
            }
            FileContents::Content(content) => {
                let gone = table.keys().map(|key| (key.clone(), None));
                put_records(changes, &spec, &path, gone);
                changes.push(Change { sheet: spec, now: PathState::Lists { path, table: None } });
                // Last, because it may have the key of one of them.
                if let PathState::Claims(claim) = &mut change.now {
                    claim.content = content;
                }
                changes.push(change);
            }
        }
        Ok(())
    }
}

impl Change {
    /// Returns the most bytes that the file may have.
    pub(super) fn limit(&self, options: &LoadOptions) -> u64 {
        match self.shape() {
            Shape::Record => options.record_limit,
            Shape::List => options.file_limit,
            Shape::Either => options.file_limit.max(options.record_limit),
        }
    }

    /// Returns whether the file may be parsed whole, to find its records.
    pub(super) fn is_parsed(&self) -> bool {
        self.shape() != Shape::Record
    }

    fn shape(&self) -> Shape {
        match &self.now {
            PathState::Claims(SlotUpdate { path, .. }) => self.sheet.shape_of(path),
            PathState::Misnamed { .. } | PathState::Lists { .. } => Shape::Record,
        }
    }

    /// Decodes the whole `file`. `before` is its old list, if it held one.
    pub(super) fn look(
        &self,
        blob: BlobId,
        bytes: BlobContent<'_>,
        file: &ParsedFile,
        before: Option<Before<'_>>,
        options: &LoadOptions,
    ) -> FileContents {
        let PathState::Claims(SlotUpdate { key, path, .. }) = &self.now else {
            return FileContents::Content(None);
        };
        let broken = |rule, message| {
            let problem = Problem::new(&self.sheet.name, &**path, rule, message);
            FileContents::Content(Some(Content::Broken(vec![problem].into())))
        };
        let too_large = |size: u64, limit: u64| {
            let message = format!("the file has {size} bytes, more than the limit of {limit}");
            broken(Rule::TooLarge, message)
        };
        let read = |bytes: &[u8]| {
            if self.is_parsed() {
                match tables::read_shared(&self.source(key, path, options), blob, bytes, file) {
                    ReadOutcome::Record => {}
                    ReadOutcome::Broken(problems) => {
                        return FileContents::Content(Some(Content::Broken(problems.into())));
                    }
                    ReadOutcome::List(list) => {
                        let held =
                            before.map_or(&NOTHING as PreviousRecords<'_>, |before| before.held);
                        let before = before.map(|before| before.table);
                        return FileContents::List(Box::new(list.replacing(before, held)));
                    }
                }
            }
            let size = bytes.len() as u64;
            if size > options.record_limit {
                return too_large(size, options.record_limit);
            }
            FileContents::Content(Some(match self.sheet.decode(path, bytes) {
                Ok(value) => {
                    let frame = self.sheet.frame(key.as_str(), path);
                    let record = Record { key: key.clone(), frame, blob, value };
                    Content::Record(Arc::new(record))
                }
                Err(problems) => Content::Broken(problems.into()),
            }))
        };
        match bytes {
            // A library that panics on one file must not keep all others from being served.
            BlobContent::Bytes(bytes) => catch_unwind(AssertUnwindSafe(|| read(bytes)))
                .unwrap_or_else(|_| {
                    let message = "reading the file panicked; this is a bug in Headwater";
                    broken(Rule::Malformed, message.into())
                }),
            BlobContent::TooLarge(size) => too_large(size, self.limit(options)),
        }
    }

    /// Decodes the difference of a list; `None` if all of it must be decoded.
    fn compare(
        &self,
        objects: &Objects,
        blob: BlobId,
        bytes: &BlobContent<'_>,
        before: Before<'_>,
        options: &LoadOptions,
    ) -> Option<TableChange> {
        let (PathState::Claims(SlotUpdate { key, path, .. }), BlobContent::Bytes(after)) =
            (&self.now, bytes)
        else {
            return None;
        };
        let Before { table, held } = before;
        let source = self.source(key, path, options);
        // A missing old version is not an error: everything that is needed is present.
        let changed = objects.read_blob(table.blob(), options.file_limit, |old| match old {
            BlobContent::Bytes(old) => catch_unwind(AssertUnwindSafe(|| {
                tables::change(&source, table, held, [old, after], blob)
            }))
            .ok()
            .flatten(),
            BlobContent::TooLarge(_) => None,
        });
        changed.ok().flatten()
    }

    fn source<'a>(&'a self, key: &'a Key, path: &'a str, options: &LoadOptions) -> Source<'a> {
        Source { spec: &self.sheet, path, list: key, record_limit: options.record_limit }
    }
}

/// The old records of a file that did not exist.
const NOTHING: fn(&Key) -> Option<Arc<Record>> = |_| None;
