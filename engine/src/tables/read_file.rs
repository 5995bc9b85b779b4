//! Reads a file of many records from scratch.

use std::sync::Arc;

use foldhash::{HashSet, HashSetExt as _};

use super::naming::name_all;
use super::row::{MOST_PIECES, MOST_PROBLEMS, Row, settle};
use super::source::Source;
use super::table::{Piece, PreviousRecords, Table, TableChange, Unread};
use crate::decode::{self, Flaw};
use crate::id::{BlobId, Key};
use crate::layout::{Shape, SheetSpec};
use crate::problem::{Problem, Rule};
use crate::record::{Frame, Record};
use crate::split::{self, Cut, ParsedFile, Splitter};
use crate::value::Value;

/// The outcome of reading a file.
#[derive(Debug)]
pub(crate) enum ReadOutcome {
    /// One record, which is yet to be decoded.
    Record,
    /// A file that cannot be cut.
    Broken(Vec<Problem>),
    /// A list of records.
    List(Box<List>),
}

/// A list of records that was read from scratch.
#[derive(Debug)]
pub(crate) struct List {
    table: Table,
    records: Vec<Arc<Record>>,
}

/// Reads the file `source`, which is or may be a list of records. Linear in its bytes.
pub(crate) fn read(source: &Source<'_>, blob: BlobId, bytes: &[u8]) -> ReadOutcome {
    read_shared(source, blob, bytes, &ParsedFile::for_readers(1))
}

/// Reads the file `source` as [`read`] does. `file` is the same file, which other sheets may read too.
pub(crate) fn read_shared(
    source: &Source<'_>,
    blob: BlobId,
    bytes: &[u8],
    file: &ParsedFile,
) -> ReadOutcome {
    let is_list = source.spec.shape_of(source.path) == Shape::List;
    let text = match decode::text(bytes) {
        Ok(text) => text,
        // Either way the file is unreadable, which decoding it will report.
        Err(_) if !is_list => return ReadOutcome::Record,
        Err(flaw) => return ReadOutcome::Broken(source.broken(flaw)),
    };
    let (splitter, begin) = match source.splitter(text).transpose() {
        Ok(found) => found.unzip(),
        Err(flaw) => return ReadOutcome::Broken(source.broken(flaw)),
    };
    let format = source.spec.format_of(source.path);
    let rows = match (&splitter, format) {
        (Some(splitter), _) => {
            let begin = begin.unwrap_or_default();
            let cuts = match cut(splitter, text, begin) {
                Ok(cuts) => cuts,
                Err(_) if !is_list => return ReadOutcome::Record,
                Err(flaw) => {
                    return ReadOutcome::Broken(source.broken(better(flaw, splitter, text)));
                }
            };
            if !is_list && !cuts.iter().all(|cut| text[cut.body.clone()].starts_with('{')) {
                return ReadOutcome::Record;
            }
            source.rows(splitter, text, &cuts)
        }
        (None, Some(format)) if !is_list => match split::list(file, format, text) {
            Some(elements) => source.whole(elements),
            None => return ReadOutcome::Record,
        },
        (None, Some(format)) => {
            match split::elements(file, format, text, &source.spec.listing.records) {
                Ok(elements) => source.whole(elements),
                Err(flaw) => return ReadOutcome::Broken(source.broken(flaw)),
            }
        }
        (None, None) => return ReadOutcome::Record,
    };
    let begin = begin.unwrap_or_default();
    let above = memchr::memchr_iter(b'\n', &text.as_bytes()[..begin]).count();
    let above = u32::try_from(above).unwrap_or(u32::MAX);
    match listed(source, (blob, text), (splitter, begin, above), rows) {
        Ok(list) => ReadOutcome::List(Box::new(list)),
        Err(problem) => ReadOutcome::Broken(vec![problem]),
    }
}

/// What a file holds under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupResult {
    /// Nothing.
    Nothing,
    /// The file is unreadable, or a part of it that may be the record is.
    Unread,
    /// The value.
    Value(Value),
}

/// Searches the file at `path`, which claims the key `list`, for the record `key`. Linear in the
/// bytes.
pub fn seek(
    (spec, path): (&SheetSpec, &str),
    (list, key): (&Key, &str),
    bytes: &[u8],
    record_limit: u64,
) -> LookupResult {
    let source = Source { spec, path, list, record_limit };
    let reading = match spec.shape_of(path) {
        Shape::Record => ReadOutcome::Record,
        Shape::List | Shape::Either => read(&source, BlobId::ZERO, bytes),
    };
    match reading {
        ReadOutcome::Record if list.as_str() != key => LookupResult::Nothing,
        ReadOutcome::Record if bytes.len() as u64 > record_limit => LookupResult::Unread,
        ReadOutcome::Record => {
            spec.decode(path, bytes).map_or(LookupResult::Unread, LookupResult::Value)
        }
        ReadOutcome::Broken(_) => LookupResult::Unread,
        ReadOutcome::List(list) => {
            let List { table, records } = *list;
            let found = records.into_iter().find(|record| record.key.as_str() == key);
            match found {
                Some(record) => LookupResult::Value(record.value.clone()),
                None if table.unread() > 0 => LookupResult::Unread,
                None => LookupResult::Nothing,
            }
        }
    }
}

/// Cuts a whole text.
fn cut(splitter: &Splitter, text: &str, begin: usize) -> Result<Vec<Cut>, Flaw> {
    let mut cuts = Vec::new();
    let mut at = begin;
    while let Some(cut) = splitter.piece(text, begin, at)? {
        if cuts.len() == MOST_PIECES {
            let message = format!("the file has more than {} records", MOST_PIECES);
            return Err(Flaw::new(Rule::TooLarge, message).at_offset(text, at));
        }
        at = cut.end;
        cuts.push(cut);
    }
    Ok(cuts)
}

/// Returns the parser's error for a text that cannot be cut, since it is clearer.
fn better(flaw: Flaw, splitter: &Splitter, text: &str) -> Flaw {
    match splitter {
        Splitter::Elements => decode::json(text.as_bytes()).err().unwrap_or(flaw),
        Splitter::Rows(_) | Splitter::Lines => flaw,
    }
}

fn listed(
    source: &Source<'_>,
    (blob, text): (BlobId, &str),
    (splitter, begin, above): (Option<Splitter>, usize, u32),
    mut rows: Vec<Row>,
) -> Result<List, Problem> {
    let frame = Arc::new(Frame::within(source.path));
    let (naming, keys) = name_all(source, &mut rows);
    settle(&mut rows, text, (0, 1));
    if let Some(problem) = too_many_problems(&rows) {
        return Err(problem);
    }
    let mut records = Vec::with_capacity(rows.len());
    let mut unread = Vec::new();
    let piece = |(at, (row, key)): (usize, (Row, Option<Key>))| {
        match (row.value, &key) {
            (Ok(value), Some(key)) => records.push(source.record(&frame, key, value)),
            (Ok(_), None) => {}
            (Err(problems), _) => {
                let problems = problems.into_iter();
                unread.extend(problems.map(|problem| Unread { piece: at, problem }));
            }
        }
        Piece { key, length: row.length, lines: row.lines }
    };
    let pieces = rows.into_iter().zip(keys).enumerate().map(piece).collect();
    let unread = unread.into();
    let size = text.len();
    let table = Table { blob, frame, splitter, size, begin, above, pieces, naming, unread };
    Ok(List { table, records })
}

/// Returns the single problem of a file with too many problems, at the position of the first.
fn too_many_problems(rows: &[Row]) -> Option<Problem> {
    let problems = || rows.iter().filter_map(|row| row.value.as_ref().err()).flatten();
    let first = problems().next()?;
    let most = MOST_PROBLEMS;
    (problems().count() > most).then(|| Problem {
        message: format!("the file has more than {most} problems; the first: {}", first.message),
        rule: Rule::Malformed,
        ..first.clone()
    })
}

impl List {
    /// Returns the changes relative to `old`, the previous cut of the file.
    pub(crate) fn replacing(self, old: Option<&Table>, held: PreviousRecords<'_>) -> TableChange {
        let Self { table, records } = self;
        let mut changed = Vec::with_capacity(records.len());
        if let Some(old) = old {
            let mut kept: HashSet<&Key> = HashSet::with_capacity(records.len());
            kept.extend(table.keys());
            let gone = old.keys().filter(|key| !kept.contains(*key));
            changed.extend(gone.map(|key| (key.clone(), None)));
        }
        for record in records {
            let is_same =
                old.is_some() && held(&record.key).is_some_and(|old| old.value == record.value);
            if !is_same {
                changed.push((record.key.clone(), Some(record)));
            }
        }
        TableChange { table, records: changed }
    }
}
