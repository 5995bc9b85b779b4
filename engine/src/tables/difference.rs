//! Finds the records affected by a change inside a file: only those between the common beginning
//! and the common end are read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::naming::{FIELDS, Naming};
use super::row::{Row, settle};
use super::source::Source;
use super::table::{Piece, PreviousRecords, Table, TableChange, Unread};
use crate::decode::{self, TextPosition};
use crate::id::{BlobId, Key};
use crate::layout::Shape;
use crate::problem::{Problem, Rule};
use crate::split::{Cut, Splitter};
use crate::value::Value;

/// A range of the pieces of the old file, and its replacement.
struct Middle {
    /// The number of pieces before it.
    first: usize,
    /// The first piece after it.
    last: usize,
    /// Where it begins in both files, and in which line.
    at: usize,
    line: u32,
    /// Where it ends in the old file, and in the new one.
    ends: [usize; 2],
    /// Its pieces in the old file.
    old: Vec<Cut>,
    /// Its pieces in the new file.
    new: Vec<Cut>,
}

/// Returns the changes of a file that was cut as `old`, contained `before`, and now contains
/// `after`. Returns `None` if the changes cannot be determined from the differing pieces; then the
/// whole file must be read.
///
/// Compares the bytes and reads the records that differ; linear in the pieces with a small factor.
pub(crate) fn change(
    source: &Source<'_>,
    old: &Table,
    held: PreviousRecords<'_>,
    [before, after]: [&[u8]; 2],
    blob: BlobId,
) -> Option<TableChange> {
    let (before, after) = (decode::text(before).ok()?, decode::text(after).ok()?);
    let (splitter, begin) = source.splitter(after)?.ok()?;
    // Another header turns the same rows into other records.
    if old.splitter.as_ref() != Some(&splitter) || old.begin != begin {
        return None;
    }
    let is_above_same = before.as_bytes().get(..begin) == after.as_bytes().get(..begin);
    // If two elements have one key, the second is read only once the first is gone.
    let is_contested = old.problems().any(|problem| problem.rule == Rule::KeyTaken);
    if !is_above_same || is_contested {
        return None;
    }
    let middle = middle(old, &splitter, before, after)?;
    let either = source.spec.shape_of(source.path) == Shape::Either;
    if either && !middle.new.iter().all(|cut| after[cut.body.clone()].starts_with('{')) {
        return None;
    }
    let gone = source.rows(&splitter, before, &middle.old);
    let mut come = source.rows(&splitter, after, &middle.new);
    if come.len() < middle.new.len() || gone.len() < middle.old.len() {
        return None;
    }
    let naming = renamed(&old.naming, &gone, &come)?;
    let keys = keys(source, &naming, &middle, &mut come)?;
    settle(&mut come, after, (middle.at, middle.line as usize));
    let moved = Moved::behind(&middle, &come, before, after, old);
    replaced(source, old, held, (blob, after.len()), (naming, moved), (&middle, come, keys))
}

/// How far the positions after the difference move.
struct Moved {
    lines: i64,
    /// The old line in which the difference ends, and by how much the columns after it move.
    line: u32,
    columns: i64,
}

impl Moved {
    fn behind(middle: &Middle, come: &[Row], before: &str, after: &str, old: &Table) -> Self {
        let gone = old.pieces.iter().skip(middle.first).take(middle.last - middle.first);
        let gone: u32 = gone.map(|piece| piece.lines).sum();
        let come: u32 = come.iter().map(|row| row.lines).sum();
        let (was, is) = (middle.line + gone, middle.line + come);
        let is_told = old
            .unread
            .iter()
            .any(|unread| unread.piece >= middle.last && unread.problem.line == Some(was));
        let mut columns = 0;
        if is_told {
            let column = |text: &str, at: usize| TextPosition::new(text, at, 1).to(at).1 as i64;
            columns = column(after, middle.ends[1]) - column(before, middle.ends[0]);
        }
        Self { lines: i64::from(is) - i64::from(was), line: was, columns }
    }

    fn apply(&self, problem: &mut Problem) {
        let by = |number: u32, by: i64| u32::try_from(i64::from(number) + by).unwrap_or(u32::MAX);
        if problem.line == Some(self.line) {
            problem.column = problem.column.map(|column| by(column, self.columns));
        }
        problem.line = problem.line.map(|line| by(line, self.lines));
    }
}

/// Finds the range in which the two files differ, cut into pieces.
fn middle(old: &Table, splitter: &Splitter, before: &str, after: &str) -> Option<Middle> {
    let prefix = common_prefix(before.as_bytes(), after.as_bytes());
    let most = before.len().min(after.len()) - prefix;
    let suffix = common_suffix(before.as_bytes(), after.as_bytes(), most);
    let (mut first, mut at, mut line) = (0, old.begin, 1 + old.above);
    let mut pieces = old.pieces.iter().peekable();
    // The bytes that decide where a piece ends are equal in both files.
    while let Some(piece) =
        pieces.next_if(|piece| at + piece.length as usize + Splitter::AHEAD <= prefix)
    {
        (first, at) = (first + 1, at + piece.length as usize);
        line += piece.lines;
    }
    let mut middle =
        Middle { first, last: first, at, line, ends: [at, at], old: Vec::new(), new: Vec::new() };
    // The positions in the new file and in the old one.
    let (mut here, mut there) = (at, at);
    loop {
        middle.ends = [there, here];
        // The rest is equal, so the splitter cuts it the same way.
        let is_rest_same = before.len() - there <= suffix;
        let is_even = before.len() - there == after.len() - here;
        if is_rest_same && is_even && pieces.peek().is_some() {
            return Some(middle);
        }
        let is_behind = before.len() - there > after.len() - here || !is_rest_same;
        match pieces.peek() {
            Some(piece) if is_behind => {
                let end = there + piece.length as usize;
                middle.old.push(old_cut(splitter, old, before, there)?);
                middle.last += 1;
                there = end;
                pieces.next();
            }
            _ => match splitter.piece(after, old.begin, here).ok()? {
                Some(cut) => {
                    here = cut.end;
                    middle.new.push(cut);
                }
                None => {
                    for piece in pieces {
                        middle.old.push(old_cut(splitter, old, before, there)?);
                        middle.last += 1;
                        there += piece.length as usize;
                    }
                    return Some(middle);
                }
            },
        }
    }
}

fn old_cut(splitter: &Splitter, old: &Table, before: &str, at: usize) -> Option<Cut> {
    splitter.piece(before, old.begin, at).ok()?
}

/// Returns how the records are named after `gone` is replaced by `come`, or `None` if that depends
/// on the other records.
fn renamed(naming: &Naming, gone: &[Row], come: &[Row]) -> Option<Naming> {
    let Naming::Found { field, mut lacking } = naming.clone() else {
        return Some(Naming::Declared);
    };
    fn values(rows: &[Row]) -> impl Iterator<Item = &Value> {
        rows.iter().filter_map(|row| row.value.as_ref().ok())
    }
    for value in values(gone) {
        for (count, lacks) in lacking.iter_mut().zip(Naming::lacks(value)) {
            *count = count.checked_sub(usize::from(lacks))?;
        }
    }
    for value in values(come) {
        for (count, lacks) in lacking.iter_mut().zip(Naming::lacks(value)) {
            *count += usize::from(lacks);
        }
    }
    // A field that no record lacks is better if its values are unique.
    let may_be_better = lacking[..field.unwrap_or(FIELDS.len())].contains(&0);
    let is_lost = field.is_some_and(|at| lacking[at] > 0);
    // Later records would get other positions.
    let is_moved = field.is_none() && gone.len() != come.len();
    (!may_be_better && !is_lost && !is_moved).then_some(Naming::Found { field, lacking })
}

/// Returns the keys of the new rows, or `None` if two of them share a name.
fn keys(
    source: &Source<'_>,
    naming: &Naming,
    middle: &Middle,
    come: &mut [Row],
) -> Option<Vec<Option<Key>>> {
    let mut taken = HashSet::new();
    let mut keys = Vec::with_capacity(come.len());
    for (at, row) in come.iter_mut().enumerate() {
        let name = match &row.value {
            Err(_) => {
                keys.push(None);
                continue;
            }
            Ok(_) if naming.is_position() => Ok((middle.first + at + 1).to_string()),
            Ok(value) => naming
                .name(source.spec, row.name.as_deref(), value)
                .map(std::borrow::Cow::into_owned),
        };
        match name {
            Ok(name) => {
                let key = Key::new(source.spec.element_key(source.list.as_str(), &name));
                if !taken.insert(key.clone()) {
                    return None;
                }
                keys.push(Some(key));
            }
            Err(message) => {
                row.spoil(source, Rule::Malformed, message.to_owned());
                keys.push(None);
            }
        }
    }
    Some(keys)
}

/// Replaces the old rows by the new ones. Returns `None` if another record has the name of one of
/// them.
fn replaced(
    source: &Source<'_>,
    old: &Table,
    held: PreviousRecords<'_>,
    (blob, size): (BlobId, usize),
    (naming, moved): (Naming, Moved),
    (middle, come, keys): (&Middle, Vec<Row>, Vec<Option<Key>>),
) -> Option<TableChange> {
    let mut pieces = old.pieces.clone();
    let behind = pieces.split_off(middle.last);
    let gone = pieces.split_off(middle.first);
    let mut gone: HashMap<&Key, bool> =
        gone.iter().filter_map(|piece| Some((piece.key.as_ref()?, false))).collect();
    let mut records = Vec::new();
    let mut unread: Vec<Unread> = Vec::new();
    unread.extend(old.unread.iter().take_while(|unread| unread.piece < middle.first).cloned());
    let count = come.len();
    for (at, (row, key)) in come.into_iter().zip(keys).enumerate() {
        match (row.value, &key) {
            (Ok(value), Some(key)) => {
                let before = held(key);
                match gone.get_mut(key) {
                    Some(stays) => *stays = true,
                    None if before.is_some() => return None,
                    None => {}
                }
                if before.is_none_or(|before| before.value != value) {
                    records.push((key.clone(), Some(source.record(&old.frame, key, value))));
                }
            }
            (Ok(_), None) => {}
            (Err(problems), _) => {
                let piece = middle.first + at;
                unread.extend(problems.into_iter().map(|problem| Unread { piece, problem }));
            }
        }
        pieces.push_back(Piece { key, length: row.length, lines: row.lines });
    }
    let away = gone.iter().filter(|(_, stays)| !**stays);
    let mut changed: Vec<_> = away.map(|(key, _)| (Key::clone(key), None)).collect();
    changed.sort_unstable_by(|(a, _), (b, _)| Key::cmp(a, b));
    changed.extend(records);
    for Unread { piece, problem } in old.unread.iter().filter(|u| u.piece >= middle.last) {
        let mut problem = problem.clone();
        moved.apply(&mut problem);
        unread.push(Unread { piece: piece - middle.last + middle.first + count, problem });
    }
    pieces.append(behind);
    // A list without records has no naming.
    if naming != Naming::Declared && !pieces.iter().any(|piece| piece.key.is_some()) {
        return None;
    }
    let table = Table {
        blob,
        size,
        frame: Arc::clone(&old.frame),
        pieces,
        naming,
        unread: unread.into(),
        ..old.clone()
    };
    (!table.is_too_much()).then_some(TableChange { table, records: changed })
}

/// Returns the length in bytes of the common beginning.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let chunks = a.chunks(CHUNK).zip(b.chunks(CHUNK));
    let whole = chunks.take_while(|(a, b)| a == b).map(|(a, _)| a.len()).sum::<usize>();
    whole + a[whole..].iter().zip(&b[whole..]).take_while(|(a, b)| a == b).count()
}

/// Returns the length in bytes of the common end, which is at most `most`.
fn common_suffix(a: &[u8], b: &[u8], most: usize) -> usize {
    let (a, b) = (&a[a.len() - most..], &b[b.len() - most..]);
    let chunks = a.rchunks(CHUNK).zip(b.rchunks(CHUNK));
    let whole = chunks.take_while(|(a, b)| a == b).map(|(a, _)| a.len()).sum::<usize>();
    let (a, b) = (&a[..most - whole], &b[..most - whole]);
    whole + a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// The number of bytes that are compared at a time.
const CHUNK: usize = 4_096;
