//! Writes records into a file of many, each in its place: all other bytes stay as they are.
//!
//! Changes are noted first. Then all of them are written at once, and the result is read again in the
//! same way as a push. It is accepted only if exactly the intended records have exactly the intended
//! values, and all others are unchanged. So the file is split and read a few times, however many of
//! its records change.

mod blocks;
mod change;
mod edits;
mod new_file;
mod json;
mod lines;
mod order;
mod edit_rounds;
mod splice;
mod toml;
mod yaml;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::error::EncodeError;
use super::validation::validated;
use super::{DEPTH, is_deeper};
use crate::decode::{self, Format};
use crate::id::{BlobId, Key};
use crate::layout::SheetSpec;
use crate::record::Record;
use crate::split::Splitter;
use crate::tables::{self, PreviousRecords, ReadOutcome, Source, Table, TableChange};
use crate::value::Value;
use change::Change;
use edit_rounds::{Refused, Rewritten, Step, filled, rewritten};
use edits::{Edit, Edits, Wanted};

/// The byte order mark that a text file may begin with.
const MARK: &str = "\u{feff}";

/// A file of many records that is being written.
#[derive(Debug, Clone)]
pub(crate) struct List {
    /// Its text, without a byte order mark.
    text: String,
    has_mark: bool,
    /// How it is cut.
    table: Table,
    /// The records that differ from the original state, or were removed.
    changed: HashMap<Key, Option<Arc<Record>>>,
    /// What is noted and not written yet.
    edits: Edits,
    /// How many times the whole text was cut or read to write it.
    passes: usize,
}

/// Why noted changes cannot be written.
#[derive(Debug)]
pub(crate) struct Unwritten {
    /// The record that is in the way, if it is one of them.
    pub(crate) key: Option<Key>,
    pub(crate) source: EncodeError,
}

impl List {
    /// Opens the file that is `source`, which is cut as in `table`, if known. Returns `None` if it
    /// is not a list.
    pub(crate) fn open(source: &Source<'_>, table: Option<&Table>, bytes: &[u8]) -> Option<Self> {
        let has_mark = bytes.starts_with(MARK.as_bytes());
        let text = decode::text(bytes).ok()?.to_owned();
        let table = match table {
            Some(table) => table.clone(),
            None => match tables::read(source, BlobId::ZERO, bytes) {
                ReadOutcome::List(list) => list.replacing(None, &|_| None).table,
                ReadOutcome::Record | ReadOutcome::Broken(_) => return None,
            },
        };
        let (changed, edits) = (HashMap::new(), Edits::default());
        Some(Self { text, has_mark, table, changed, edits, passes: 0 })
    }

    /// Begins a file that is not there yet with its first record, which a map calls `name`. Returns the
    /// key that the record has in it, too.
    ///
    /// # Errors
    ///
    /// See [`EncodeError`]: no file is begun that would be read as anything but this record.
    pub(crate) fn begin(
        source: &Source<'_>,
        name: &str,
        record: &Json,
    ) -> Result<(Self, Arc<Record>), EncodeError> {
        checked(source.spec, record)?;
        let text = new_file::begun(source, record)?;
        let text = filled(source, &text, name, record)?;
        let unreadable = |message: &str| EncodeError::Unreadable { message: message.to_owned() };
        let TableChange { table, records } =
            match tables::read(source, BlobId::ZERO, text.as_bytes()) {
                ReadOutcome::List(list) => list.replacing(None, &|_| None),
                ReadOutcome::Broken(problems) => {
                    return Err(unreadable(problems.first().map_or("", |first| &first.message)));
                }
                ReadOutcome::Record => return Err(EncodeError::NoList),
            };
        if let Some(problem) = table.problems().next() {
            return Err(unreadable(&problem.message));
        }
        let only = match &records[..] {
            [(_, Some(only))] if only.value.as_str() == Value::new(record).as_str() => {
                Arc::clone(only)
            }
            _ => return Err(unreadable("the file would be read as another value")),
        };
        let changed = records.into_iter().collect();
        let edits = Edits::default();
        Ok((Self { text, has_mark: false, table, changed, edits, passes: 0 }, only))
    }

    /// Returns the content of the file, with what is [written](Self::write).
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mark = if self.has_mark { MARK } else { "" };
        [mark, &self.text].concat().into_bytes()
    }

    /// Returns its content, how it is cut, and the records that differ from the original state.
    pub(crate) fn into_change(self) -> (Vec<u8>, TableChange) {
        let bytes = self.bytes();
        let Self { table, changed, .. } = self;
        (bytes, TableChange { table, records: changed.into_iter().collect() })
    }

    /// Returns the length of its text.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Returns how many times its text was cut or read to write it.
    #[cfg(test)]
    pub(crate) fn passes(&self) -> usize {
        self.passes
    }

    /// Returns the key that `record` would have in the file, replacing the record `old` if there is
    /// one; `None` if its fields do not determine the key, as in a map.
    ///
    /// # Errors
    ///
    /// Rejects a record without the field that names it.
    pub(crate) fn key_of(
        &self,
        source: &Source<'_>,
        record: &Json,
        old: Option<&Key>,
    ) -> Result<Option<Key>, EncodeError> {
        match old {
            Some(old) if self.table.is_by_position() => Ok(Some(old.clone())),
            _ => {
                let count = if self.table.is_by_position() { self.len_noted() } else { 0 };
                let key = self.table.key_of(source, &Value::new(record), count);
                key.map_err(|message| EncodeError::Unnamed { message })
            }
        }
    }

    /// Notes that the record `old` is to be `record`, whose key is `key`. Returns its value as it is
    /// read back.
    ///
    /// # Errors
    ///
    /// See [`EncodeError`]: what is wrong with the record by itself.
    pub(crate) fn replace(
        &mut self,
        source: &Source<'_>,
        held: PreviousRecords<'_>,
        (old, key): (&Key, &Key),
        record: &Json,
    ) -> Result<Value, EncodeError> {
        let wanted = wanted(source, key, record)?;
        if !self.is_there(held, old) {
            return Err(EncodeError::NotFoundInList);
        }
        let value = wanted.value.clone();
        self.edits.replace(old, wanted);
        Ok(value)
    }

    /// Notes a new record. It goes where the order of the keys says, if the file is in that order, else
    /// to its end.
    ///
    /// # Errors
    ///
    /// See [`EncodeError`]: what is wrong with the record by itself.
    pub(crate) fn insert(
        &mut self,
        source: &Source<'_>,
        held: PreviousRecords<'_>,
        key: &Key,
        record: &Json,
    ) -> Result<Value, EncodeError> {
        let wanted = wanted(source, key, record)?;
        let value = wanted.value.clone();
        self.edits.insert(wanted);
        // What the first one is called by decides what the others are called by.
        if self.table.keys().next().is_none() {
            self.write(source, held).map_err(|unwritten| unwritten.source)?;
        }
        Ok(value)
    }

    /// Notes that a record is to be gone.
    ///
    /// # Errors
    ///
    /// See [`EncodeError`]. Where the keys are positions, only the last record can go.
    pub(crate) fn remove(
        &mut self,
        held: PreviousRecords<'_>,
        key: &Key,
    ) -> Result<(), EncodeError> {
        if !self.is_there(held, key) {
            return Err(EncodeError::NotFoundInList);
        }
        if self.table.is_by_position() && self.last() != Some(key) {
            return Err(EncodeError::Positions);
        }
        self.edits.remove(key);
        Ok(())
    }

    /// Writes all that is noted. Linear in the file, and reads it once.
    ///
    /// # Errors
    ///
    /// See [`EncodeError`]; the file is what it was then, and nothing is noted.
    pub(crate) fn write(
        &mut self,
        source: &Source<'_>,
        held: PreviousRecords<'_>,
    ) -> Result<(), Unwritten> {
        let edits = std::mem::take(&mut self.edits);
        let before = |key: &Key| self.held(held)(key).map(|record| record.value.clone());
        let was: Vec<Option<Value>> =
            edits.all().iter().map(|edit| before(edit.from.as_ref()?)).collect();
        let steps = edits.all().iter().zip(&was);
        let steps = steps.map(|(edit, was)| step(source, edit, was.as_ref()));
        let steps: Vec<Step<'_>> = steps.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        if steps.is_empty() {
            return Ok(());
        }
        let mut wanted: HashMap<Key, Option<Value>> = HashMap::with_capacity(steps.len());
        for Edit { from, to } in edits.all() {
            if let Some(from) = from {
                wanted.entry(from.clone()).or_default();
            }
            if let Some(Wanted { key, value, .. }) = to {
                wanted.insert(key.clone(), Some(value.clone()));
            }
        }
        // One that takes the key of another may be what that was.
        wanted.retain(|key, value| text_of(before(key).as_ref()) != text_of(value.as_ref()));
        let rewritten = rewritten(source, (&self.text, &self.table), &steps);
        let Rewritten { text, rounds } = rewritten
            .map_err(|Refused { key, source }| Unwritten { key: Some(key.clone()), source })?;
        self.passes += rounds + 1;
        let (changes, passes) = (steps.len(), self.passes);
        tracing::debug!(path = source.path, changes, passes, "writing into a file of many records");
        self.store(source, held, text, &wanted)
    }

    /// Returns whether there is such a record, with all that is noted.
    fn is_there(&self, held: PreviousRecords<'_>, key: &Key) -> bool {
        match self.edits.at(key) {
            Some(noted) => noted.is_some(),
            None => self.held(held)(key).is_some(),
        }
    }

    /// Returns the number of pieces, with all that is noted.
    fn len_noted(&self) -> usize {
        let (added, gone) = self.edits.counts();
        self.table.pieces().len() + added - gone
    }

    /// Returns the key of the last piece, after all noted changes; `None` if it is not a record.
    fn last(&self) -> Option<&Key> {
        let is_gone = |key: &Key| matches!(self.edits.at(key), Some(None));
        let old = || self.table.pieces().rev().find(|key| !key.is_some_and(is_gone)).flatten();
        self.edits.added().next().or_else(old)
    }

    /// Returns the current contents of the file: changed records, and the others as in `held`.
    fn held(&self, held: PreviousRecords<'_>) -> impl Fn(&Key) -> Option<Arc<Record>> {
        move |key| match self.changed.get(key) {
            Some(record) => record.clone(),
            None => held(key),
        }
    }

    /// Reads what has come of the file.
    fn read_again(
        &self,
        source: &Source<'_>,
        held: PreviousRecords<'_>,
        text: &str,
    ) -> Result<TableChange, EncodeError> {
        let held = self.held(held);
        let bytes = [self.text.as_bytes(), text.as_bytes()];
        if let Some(change) = tables::change(source, &self.table, &held, bytes, BlobId::ZERO) {
            return Ok(change);
        }
        match tables::read(source, BlobId::ZERO, text.as_bytes()) {
            ReadOutcome::List(list) => Ok(list.replacing(Some(&self.table), &held)),
            ReadOutcome::Broken(problems) => {
                let message = problems.first().map(|problem| problem.message.clone());
                Err(EncodeError::Unreadable { message: message.unwrap_or_default() })
            }
            ReadOutcome::Record => Err(EncodeError::NoList),
        }
    }

    /// Returns whether a new text has other values outside of the part that the sheet reads: in YAML, an
    /// anchor of this part may be the value of an alias there.
    fn is_changed_elsewhere(&self, source: &Source<'_>, table: &Table, text: &str) -> bool {
        source.spec.format_of(source.path) == Some(Format::Yaml)
            && table.unseen(source, text.as_bytes())
                != self.table.unseen(source, self.text.as_bytes())
    }

    /// Accepts a new text if it changes exactly the `wanted` records.
    fn store(
        &mut self,
        source: &Source<'_>,
        held: PreviousRecords<'_>,
        text: String,
        wanted: &HashMap<Key, Option<Value>>,
    ) -> Result<(), Unwritten> {
        let unwritten = |key, source| Unwritten { key, source };
        let read = self.read_again(source, held, &text);
        let TableChange { table, records } = read.map_err(|source| unwritten(None, source))?;
        let is_wanted = |(key, record): &&(Key, Option<Arc<Record>>)| {
            let value = record.as_ref().map(|record| &record.value);
            wanted.get(key).is_some_and(|wanted| text_of(wanted.as_ref()) == text_of(value))
        };
        let told = |table: &Table| -> Vec<_> {
            table.problems().map(|problem| (problem.rule, problem.message.clone())).collect()
        };
        if let Some((_, Some(record))) = records.iter().find(|change| !is_wanted(change))
            && wanted.contains_key(&record.key)
        {
            let message = "the file would be read as another value".to_owned();
            let key = Some(record.key.clone());
            return Err(unwritten(key, EncodeError::Unreadable { message }));
        }
        let done: HashSet<&Key> = records.iter().filter(is_wanted).map(|(key, _)| key).collect();
        if done.len() < wanted.len()
            || records.len() > done.len()
            || told(&table) != told(&self.table)
            || self.is_changed_elsewhere(source, &table, &text)
        {
            let missed = wanted.keys().filter(|key| !done.contains(key)).min();
            return Err(unwritten(missed.cloned(), EncodeError::OthersChange));
        }
        self.changed.extend(records);
        (self.text, self.table) = (text, table);
        Ok(())
    }
}

/// Refuses what cannot be a record of the sheet in a list, or in the one that is cut as `table` says, by a
/// look at the record alone.
///
/// # Errors
///
/// See [`EncodeError`].
pub fn check_listed(
    spec: &SheetSpec,
    table: Option<&Table>,
    record: &Json,
) -> Result<(), EncodeError> {
    checked(spec, record)?;
    match (table.and_then(Table::splitter), record) {
        (Some(Splitter::Rows(header)), Json::Object(members)) => {
            header.written(members, None, None).map(drop).map_err(EncodeError::from)
        }
        _ => Ok(()),
    }
}

fn text_of(value: Option<&Value>) -> Option<&str> {
    // What its path says of it is in no file.
    value.map(Value::as_str)
}

/// Returns the change that an edit of the record that was `was` is, if it is one.
fn step<'a>(
    source: &Source<'_>,
    Edit { from, to }: &'a Edit,
    was: Option<&'a Value>,
) -> Result<Option<Step<'a>>, Unwritten> {
    let name = |key: &'a Key| {
        let name = source.spec.element_name(source.list.as_str(), key.as_str());
        let source = EncodeError::NotFoundInList;
        name.ok_or_else(|| Unwritten { key: Some(key.clone()), source })
    };
    Ok(Some(match (from, to, was) {
        (None, None, _) => return Ok(None),
        (Some(from), None, _) => {
            Step { key: from, name: name(from)?, new_name: name(from)?, change: Change::Remove }
        }
        (Some(from), Some(Wanted { key, value, .. }), Some(was))
            if from == key && was.as_str() == value.as_str() =>
        {
            return Ok(None);
        }
        (Some(from), Some(Wanted { key, record, .. }), Some(was)) => {
            let change = Change::Replace { was, is: record };
            Step { key, name: name(from)?, new_name: name(key)?, change }
        }
        (_, Some(Wanted { key, record, .. }), _) => {
            Step { key, name: name(key)?, new_name: name(key)?, change: Change::Insert(record) }
        }
    }))
}

/// Returns a record as it is to be in the file.
fn wanted(source: &Source<'_>, key: &Key, record: &Json) -> Result<Wanted, EncodeError> {
    checked(source.spec, record)?;
    let value = source.spec.judge(source.path, record).map_err(|problems| {
        let message = problems.first().map(|problem| problem.message.clone());
        EncodeError::Unreadable { message: message.unwrap_or_default() }
    })?;
    Ok(Wanted { key: key.clone(), record: record.clone(), value })
}

/// Refuses a value that is not a record of the sheet, before it is written.
fn checked(spec: &SheetSpec, record: &Json) -> Result<(), EncodeError> {
    if !record.is_object() {
        return Err(EncodeError::NotATable);
    }
    if is_deeper(record, DEPTH) {
        return Err(EncodeError::TooDeep);
    }
    validated(spec, record)
}

#[cfg(test)]
mod tests;
