//! The pieces of a file, each read separately.

use std::sync::Arc;

use super::source::Source;
use crate::decode::{Flaw, Format, TextPosition};
use crate::id::{BlobId, Key};
use crate::problem::{Problem, Rule};
use crate::record::{Frame, Record};
use crate::split::{Cut, Element, Records, Splitter};
use crate::value::Value;

/// The maximum number of pieces in a file.
pub(super) const MOST_PIECES: usize = 2_000_000;

/// The maximum number of problems for the pieces of one file; beyond that, the file as a whole is
/// one problem.
pub(super) const MOST_PROBLEMS: usize = 10_000;

/// A piece as read.
#[derive(Debug)]
pub(super) struct Row {
    /// Its name in a map.
    pub(super) name: Option<String>,
    pub(super) length: u32,
    pub(super) lines: u32,
    /// Where it begins, if a scan cuts the file: positions of problems are relative to it until
    /// they are [settled](settle).
    start: Option<usize>,
    /// The line and column where it begins, if the file is parsed whole and they are known.
    place: Option<(usize, usize)>,
    /// Its value, or what is wrong with it.
    pub(super) value: Result<Value, Vec<Problem>>,
}

impl Row {
    /// Marks the row as not a record.
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

    pub(super) fn broken(&self, flaw: Flaw) -> Vec<Problem> {
        let problem = Problem::new(&self.spec.name, self.path, flaw.rule, flaw.message);
        vec![problem.at(flaw.line, flaw.column)]
    }

    /// Returns how a scan cuts a file of this name, and where the first piece begins; `None` if it is
    /// parsed whole.
    pub(crate) fn splitter(&self, text: &str) -> Option<Result<(Splitter, usize), Flaw>> {
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
        until_too_broken(cuts.iter().map(row))
    }

    /// Reads the value of a piece; the position of a problem is relative to the piece.
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
    pub(super) fn whole(&self, elements: Vec<Element>) -> Vec<Row> {
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
        until_too_broken(elements.into_iter().map(row))
    }

    /// Makes a record from a value.
    pub(super) fn record(&self, frame: &Arc<Frame>, key: &Key, value: Value) -> Arc<Record> {
        let hash = blake3::hash(value.as_str().as_bytes());
        let mut blob = [0; 20];
        blob.copy_from_slice(&hash.as_bytes()[..20]);
        let blob = BlobId::from_bytes(blob);
        Arc::new(Record { key: key.clone(), frame: frame.clone(), blob, value })
    }
}

/// Takes rows until they have more problems than a file may have; later problems are not reported.
fn until_too_broken(rows: impl Iterator<Item = Row>) -> Vec<Row> {
    let mut problems = 0;
    let mut taken = Vec::new();
    for row in rows {
        problems += row.value.as_ref().err().map_or(0, Vec::len);
        taken.push(row);
        if problems > MOST_PROBLEMS {
            break;
        }
    }
    taken
}

/// Makes the positions of all problems relative to the file: the rows are pieces of `text` from
/// byte `at` on, which is in line `line`.
pub(super) fn settle(rows: &mut [Row], text: &str, (at, line): (usize, usize)) {
    let mut position = None;
    for row in rows {
        if let (Err(problems), Some(start)) = (&mut row.value, row.start) {
            let position = position.get_or_insert_with(|| TextPosition::new(text, at, line));
            let (line, column) = position.to(start);
            problems.iter_mut().for_each(|problem| place_below(problem, line, column));
        }
    }
}

/// Converts the position of a problem from relative to its piece to relative to its file.
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
