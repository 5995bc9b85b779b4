//! A file of many records, read from nothing.

use std::sync::Arc;

use foldhash::{HashSet, HashSetExt as _};

use super::naming::name_all;
use super::{Held, Piece, Source, Table, TableChange, Unread};
use crate::decode::{self, Cursor, Flaw, Format};
use crate::id::{BlobId, Key};
use crate::layout::{Shape, SheetSpec};
use crate::problem::{Problem, Rule};
use crate::record::{Frame, Record};
use crate::split::{self, Cut, Element, Records, Splitter};
use crate::value::Value;

/// What a file turned out to be.
#[derive(Debug)]
pub(crate) enum Reading {
    /// One record, which is still to be decoded.
    Record,
    /// Nothing that can be cut.
    Broken(Vec<Problem>),
    /// A list of records.
    List(List),
}

/// A list of records that was read from nothing.
#[derive(Debug)]
pub(crate) struct List {
    table: Table,
    records: Vec<Arc<Record>>,
}

/// A piece as it was read.
#[derive(Debug)]
pub(super) struct Row {
    /// The name by which a map has it.
    pub(super) name: Option<String>,
    pub(super) length: u32,
    pub(super) lines: u32,
    /// Where it begins, where the file is cut by a scan: places of problems are counted from there
    /// until they are [settled](settle).
    start: Option<usize>,
    /// Where it begins, line and column, where the file is parsed whole and that is known.
    place: Option<(usize, usize)>,
    /// Its value, or what is wrong with it.
    pub(super) value: Result<Value, Vec<Problem>>,
}

impl Row {
    /// Makes it one that is no record.
    pub(super) fn spoil(&mut self, source: &Source<'_>, rule: Rule, message: String) {
        self.value = Err(vec![source.problem(self.place, rule, message)]);
    }
}

impl Source<'_> {
    fn problem(&self, place: Option<(usize, usize)>, rule: Rule, message: String) -> Problem {
        let part = |number: usize| u32::try_from(number).ok();
        let problem = Problem::new(&self.spec.name, self.path, rule, message);
        problem.at(place.and_then(|(line, _)| part(line)), place.and_then(|(_, c)| part(c)))
    }

    fn broken(&self, flaw: Flaw) -> Vec<Problem> {
        let problem = Problem::new(&self.spec.name, self.path, flaw.rule, flaw.message);
        vec![problem.at(flaw.line, flaw.column)]
    }

    /// Returns how a file of this name is cut by a scan, and where the first piece begins; `None`
    /// where it is parsed whole.
    pub(super) fn splitter(&self, text: &str) -> Option<Result<(Splitter, usize), Flaw>> {
        let types = |name: &str| self.spec.cells_of(name);
        match (self.spec.format_of(self.path)?, &self.spec.listing.records) {
            (Format::Csv, _) => Some(Splitter::rows(text, false, &types)),
            (Format::Tsv, _) => Some(Splitter::rows(text, true, &types)),
            (Format::JsonLines, _) => Some(Ok(Splitter::lines(text))),
            (Format::Json, Records::Each | Records::Found) => Splitter::list(text).map(Ok),
            _ => None,
        }
    }

    /// Reads pieces of a text.
    pub(super) fn rows(&self, splitter: &Splitter, text: &str, cuts: &[Cut]) -> Vec<Row> {
        let row = |Cut { body, end }: &Cut| {
            let bytes = &text.as_bytes()[body.start..*end];
            let lines = memchr::memchr_iter(b'\n', bytes).count();
            Row {
                name: None,
                length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
                lines: u32::try_from(lines).unwrap_or(u32::MAX),
                start: Some(body.start),
                place: None,
                value: self.value(splitter, &text[body.clone()]),
            }
        };
        cuts.iter().map(row).collect()
    }

    /// Reads the value of a piece; a problem has its place from the beginning of the piece.
    fn value(&self, splitter: &Splitter, body: &str) -> Result<Value, Vec<Problem>> {
        if body.len() as u64 > self.record_limit {
            return Err(vec![self.too_large(body.len())]);
        }
        let json = splitter.read(body).map_err(|flaw| self.broken(flaw))?;
        self.spec.judge(self.path, &json)
    }

    fn too_large(&self, size: usize) -> Problem {
        let limit = self.record_limit;
        let message = format!("the record has {size} bytes, more than the limit of {limit}");
        Problem::new(&self.spec.name, self.path, Rule::TooLarge, message)
    }

    /// Reads the records of a file that is parsed whole.
    fn whole(&self, elements: Vec<Element>) -> Vec<Row> {
        let row = |Element { name, value, place }: Element| {
            let value = value.map_err(|flaw| self.broken(flaw));
            let value = value.and_then(|json| self.spec.judge(self.path, &json));
            let value = value.and_then(|value| match value.as_str().len() {
                size if size as u64 > self.record_limit => Err(vec![self.too_large(size)]),
                _ => Ok(value),
            });
            let (line, column) = place.unzip();
            let part = |number: Option<usize>| number.and_then(|number| u32::try_from(number).ok());
            let value = value.map_err(|problems| {
                let at = |problem: Problem| problem.at(part(line), part(column));
                problems.into_iter().map(at).collect()
            });
            Row { name, length: 0, lines: 0, start: None, place, value }
        };
        elements.into_iter().map(row).collect()
    }

    /// Makes the record of a value.
    pub(super) fn record(&self, frame: &Arc<Frame>, key: &Key, value: Value) -> Arc<Record> {
        let hash = blake3::hash(value.as_str().as_bytes());
        let mut blob = [0; 20];
        blob.copy_from_slice(&hash.as_bytes()[..20]);
        let blob = BlobId::from_bytes(blob);
        Arc::new(Record { key: key.clone(), frame: frame.clone(), blob, value })
    }
}

/// Counts the places of all problems from the beginning of the file: the rows are pieces of `text`
/// from byte `at` on, which is in line `line`.
pub(super) fn settle(rows: &mut [Row], text: &str, (at, line): (usize, usize)) {
    let mut cursor = None;
    for row in rows {
        if let (Err(problems), Some(start)) = (&mut row.value, row.start) {
            let cursor = cursor.get_or_insert_with(|| Cursor::new(text, at, line));
            let (line, column) = cursor.to(start);
            problems.iter_mut().for_each(|problem| place_below(problem, line, column));
        }
    }
}

/// Moves the place of a problem from the beginning of a piece to that of its file.
fn place_below(problem: &mut Problem, line: usize, column: usize) {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (line, column) = (number(line), number(column));
    problem.column = match (problem.line, problem.column) {
        (Some(2..), column) => column,
        (_, Some(inner)) => Some(column.saturating_add(inner - 1)),
        (_, None) => Some(column),
    };
    problem.line = Some(problem.line.map_or(line, |inner| line.saturating_add(inner - 1)));
}

/// Reads the file that is `source`, a list of records or one that may be. Linear in its bytes.
pub(crate) fn read(source: &Source<'_>, blob: BlobId, bytes: &[u8]) -> Reading {
    let is_list = source.spec.shape_of(source.path) == Shape::List;
    let text = match decode::text(bytes) {
        Ok(text) => text,
        // Whatever it is, it cannot be read; who decodes it says so.
        Err(_) if !is_list => return Reading::Record,
        Err(flaw) => return Reading::Broken(source.broken(flaw)),
    };
    let (splitter, begin) = match source.splitter(text).transpose() {
        Ok(found) => found.unzip(),
        Err(flaw) => return Reading::Broken(source.broken(flaw)),
    };
    let format = source.spec.format_of(source.path);
    let rows = match (&splitter, format) {
        (Some(splitter), _) => {
            let begin = begin.unwrap_or_default();
            let cuts = match cut(splitter, text, begin) {
                Ok(cuts) => cuts,
                Err(_) if !is_list => return Reading::Record,
                Err(flaw) => return Reading::Broken(source.broken(better(flaw, splitter, text))),
            };
            if !is_list && !cuts.iter().all(|cut| text[cut.body.clone()].starts_with('{')) {
                return Reading::Record;
            }
            source.rows(splitter, text, &cuts)
        }
        (None, Some(format)) if !is_list => match split::list(format, text) {
            Some(elements) => source.whole(elements),
            None => return Reading::Record,
        },
        (None, Some(format)) => match split::elements(format, text, &source.spec.listing.records) {
            Ok(elements) => source.whole(elements),
            Err(flaw) => return Reading::Broken(source.broken(flaw)),
        },
        (None, None) => return Reading::Record,
    };
    let begin = begin.unwrap_or_default();
    let above = memchr::memchr_iter(b'\n', &text.as_bytes()[..begin]).count();
    let above = u32::try_from(above).unwrap_or(u32::MAX);
    Reading::List(listed(source, (blob, text), (splitter, begin, above), rows))
}

/// What a file holds under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// Nothing.
    Nothing,
    /// The file cannot be read, or a part of it that may be the record.
    Unread,
    /// The value.
    Value(Value),
}

/// Looks in the file at `path`, which claims the key `list`, for the record called `key`. Linear in
/// the bytes.
pub fn seek(
    (spec, path): (&SheetSpec, &str),
    (list, key): (&Key, &str),
    bytes: &[u8],
    record_limit: u64,
) -> Sought {
    let source = Source { spec, path, list, record_limit };
    let reading = match spec.shape_of(path) {
        Shape::Record => Reading::Record,
        Shape::List | Shape::Either => read(&source, BlobId::ZERO, bytes),
    };
    match reading {
        Reading::Record if list.as_str() != key => Sought::Nothing,
        Reading::Record if bytes.len() as u64 > record_limit => Sought::Unread,
        Reading::Record => spec.decode(path, bytes).map_or(Sought::Unread, Sought::Value),
        Reading::Broken(_) => Sought::Unread,
        Reading::List(List { table, records }) => {
            let found = records.into_iter().find(|record| record.key.as_str() == key);
            match found {
                Some(record) => Sought::Value(record.value.clone()),
                None if table.unread() > 0 => Sought::Unread,
                None => Sought::Nothing,
            }
        }
    }
}

/// Cuts a whole text.
fn cut(splitter: &Splitter, text: &str, begin: usize) -> Result<Vec<Cut>, Flaw> {
    let mut cuts = Vec::new();
    let mut at = begin;
    while let Some(cut) = splitter.piece(text, begin, at)? {
        at = cut.end;
        cuts.push(cut);
    }
    Ok(cuts)
}

/// Returns what the parser says of a text that cannot be cut: it has better words.
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
) -> List {
    let frame = Arc::new(Frame::within(source.path));
    let (naming, keys) = name_all(source, &mut rows);
    settle(&mut rows, text, (0, 1));
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
    List { table: Table { blob, frame, splitter, begin, above, pieces, naming, unread }, records }
}

impl List {
    /// Returns what changes where the file was cut as `old` says before.
    pub(crate) fn replacing(self, old: Option<&Table>, held: Held<'_>) -> TableChange {
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
