//! One record of a file of many, written in the place where it stands: all other bytes stay.
//!
//! What comes of an edit is read again, by the way that a push takes. It holds if exactly the record
//! that was meant is exactly what was meant, and all others are what they were; else it is refused.

mod blocks;
mod change;
mod fresh;
mod json;
mod lines;
mod order;
mod toml;
mod yaml;

use std::collections::HashMap;
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
use crate::tables::{self, Held, Reading, Source, Table, TableChange};
use crate::value::Value;
use change::{Change, Place};

/// The mark that a text file may begin with.
const MARK: &str = "\u{feff}";

/// A file of many records that is being written to.
#[derive(Debug, Clone)]
pub(crate) struct List {
    /// Its text, without a byte order mark.
    text: String,
    has_mark: bool,
    /// How it is cut.
    table: Table,
    /// The records that are others than in the state that it came from, or gone.
    changed: HashMap<Key, Option<Arc<Record>>>,
}

impl List {
    /// Takes up the file that is `source`, which was cut as `table` says if that is known. `None`
    /// where it is no list.
    pub(crate) fn open(source: &Source<'_>, table: Option<&Table>, bytes: &[u8]) -> Option<Self> {
        let has_mark = bytes.starts_with(MARK.as_bytes());
        let text = decode::text(bytes).ok()?.to_owned();
        let table = match table {
            Some(table) => table.clone(),
            None => match tables::read(source, BlobId::ZERO, bytes) {
                Reading::List(list) => list.replacing(None, &|_| None).table,
                Reading::Record | Reading::Broken(_) => return None,
            },
        };
        Some(Self { text, has_mark, table, changed: HashMap::new() })
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
        let text = fresh::begun(source, record)?;
        let (splitter, begin) = match source.splitter(&text).transpose() {
            Ok(found) => found.unzip(),
            Err(flaw) => return Err(EncodeError::Unreadable { message: flaw.message }),
        };
        let begins = begin.map(|begin| vec![begin]).unwrap_or_default();
        let place = Place { at: 0, name };
        let text =
            written(source, (&text, splitter.as_ref(), begins), place, Change::Insert(record))?;
        let unreadable = |message: &str| EncodeError::Unreadable { message: message.to_owned() };
        let TableChange { table, records } =
            match tables::read(source, BlobId::ZERO, text.as_bytes()) {
                Reading::List(list) => list.replacing(None, &|_| None),
                Reading::Broken(problems) => {
                    return Err(unreadable(problems.first().map_or("", |first| &first.message)));
                }
                Reading::Record => return Err(EncodeError::NoList),
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
        Ok((Self { text, has_mark: false, table, changed }, only))
    }

    /// Returns the content of the file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mark = if self.has_mark { MARK } else { "" };
        [mark, &self.text].concat().into_bytes()
    }

    /// Returns the length of its text.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Says whether a record is found in the file without a look at all of it.
    pub(crate) fn is_cut_by_scan(&self) -> bool {
        self.table.splitter().is_some()
    }

    /// Returns the key that `record` would have in the file, in the place of the one called `old` if
    /// there is such; `None` where its fields do not say it, as in a map.
    ///
    /// # Errors
    ///
    /// Refuses a record without the field that it is called by.
    pub(crate) fn key_of(
        &self,
        source: &Source<'_>,
        record: &Json,
        old: Option<&Key>,
    ) -> Result<Option<Key>, EncodeError> {
        match old {
            Some(old) if self.table.is_by_position() => Ok(Some(old.clone())),
            _ => {
                let key = self.table.key_of(source, &Value::new(record));
                key.map_err(|message| EncodeError::Unnamed { message })
            }
        }
    }

    /// Lets the record `old` be `record`, whose key is `key`.
    ///
    /// # Errors
    ///
    /// See [`EncodeError`]; the file is what it was then.
    pub(crate) fn replace(
        &mut self,
        source: &Source<'_>,
        held: Held<'_>,
        (old, key): (&Key, &Key),
        record: &Json,
    ) -> Result<Value, EncodeError> {
        checked(source.spec, record)?;
        let was = self.held(held)(old).ok_or(EncodeError::NotFoundInList)?.value.clone();
        let is = Value::new(record);
        if old == key && was.as_str() == is.as_str() {
            return Ok(was);
        }
        let change = Change::Replace { was: &was, is: record };
        let text = self.rewritten(source, old, change)?;
        let mut wanted = HashMap::from([(key.clone(), Some(is))]);
        if old != key {
            wanted.insert(old.clone(), None);
        }
        self.store(source, held, text, &wanted)?;
        self.value_of(held, key)
    }

    /// Adds a record: where the order of the keys says, if the file is in that order, else at its end.
    ///
    /// # Errors
    ///
    /// See [`EncodeError`]; the file is what it was then.
    pub(crate) fn insert(
        &mut self,
        source: &Source<'_>,
        held: Held<'_>,
        key: &Key,
        record: &Json,
    ) -> Result<Value, EncodeError> {
        checked(source.spec, record)?;
        let text = self.rewritten(source, key, Change::Insert(record))?;
        let is = Value::new(record);
        self.store(source, held, text, &HashMap::from([(key.clone(), Some(is))]))?;
        self.value_of(held, key)
    }

    /// Takes a record out.
    ///
    /// # Errors
    ///
    /// See [`EncodeError`]; the file is what it was then.
    pub(crate) fn remove(
        &mut self,
        source: &Source<'_>,
        held: Held<'_>,
        key: &Key,
    ) -> Result<(), EncodeError> {
        let is_last = || self.table.pieces().last().flatten() == Some(key);
        if self.table.is_by_position() && !is_last() {
            return Err(EncodeError::Positions);
        }
        let text = self.rewritten(source, key, Change::Remove)?;
        self.store(source, held, text, &HashMap::from([(key.clone(), None)]))
    }

    /// Returns the value that a record has now, with the fields of its path.
    fn value_of(&self, held: Held<'_>, key: &Key) -> Result<Value, EncodeError> {
        let record = self.held(held)(key).ok_or(EncodeError::NotFoundInList)?;
        Ok(record.value.clone())
    }

    /// Returns what the file holds now: what is changed, and the rest as in `held`.
    fn held(&self, held: Held<'_>) -> impl Fn(&Key) -> Option<Arc<Record>> {
        move |key| match self.changed.get(key) {
            Some(record) => record.clone(),
            None => held(key),
        }
    }

    fn rewritten(
        &self,
        source: &Source<'_>,
        key: &Key,
        change: Change<'_>,
    ) -> Result<String, EncodeError> {
        let name = source.spec.element_name(source.list.as_str(), key.as_str());
        let name = name.ok_or(EncodeError::NotFoundInList)?;
        let table = &self.table;
        let at = match change {
            Change::Insert(_) if table.is_by_position() => table.pieces().count(),
            Change::Insert(_) => {
                let list = source.list.as_str();
                let names = table.pieces().map(|key| source.spec.element_name(list, key?.as_str()));
                let names: Vec<_> = names.collect();
                order::place(&names, name)
            }
            Change::Replace { .. } | Change::Remove => {
                table.place_of(key).ok_or(EncodeError::NotFoundInList)?
            }
        };
        let splitter = table.splitter();
        let begins = splitter.map(|_| table.begins()).unwrap_or_default();
        written(source, (&self.text, splitter, begins), Place { at, name }, change)
    }

    /// Reads what has come of the file.
    fn read_again(
        &self,
        source: &Source<'_>,
        held: Held<'_>,
        text: &str,
    ) -> Result<TableChange, EncodeError> {
        let held = self.held(held);
        let bytes = [self.text.as_bytes(), text.as_bytes()];
        if let Some(change) = tables::change(source, &self.table, &held, bytes, BlobId::ZERO) {
            return Ok(change);
        }
        match tables::read(source, BlobId::ZERO, text.as_bytes()) {
            Reading::List(list) => Ok(list.replacing(Some(&self.table), &held)),
            Reading::Broken(problems) => {
                let message = problems.first().map(|problem| problem.message.clone());
                Err(EncodeError::Unreadable { message: message.unwrap_or_default() })
            }
            Reading::Record => Err(EncodeError::NoList),
        }
    }

    /// Takes a new text if it changes the records that are `wanted` and no others.
    fn store(
        &mut self,
        source: &Source<'_>,
        held: Held<'_>,
        text: String,
        wanted: &HashMap<Key, Option<Value>>,
    ) -> Result<(), EncodeError> {
        let TableChange { table, records } = self.read_again(source, held, &text)?;
        let is_wanted = |(key, record): &(Key, Option<Arc<Record>>)| {
            // What its path says of it is in no file.
            let value = record.as_ref().map(|record| record.value.as_str());
            wanted.get(key).is_some_and(|wanted| wanted.as_ref().map(Value::as_str) == value)
        };
        let told = |table: &Table| -> Vec<_> {
            table.problems().map(|problem| (problem.rule, problem.message.clone())).collect()
        };
        if let Some((_, Some(record))) = records.iter().find(|change| !is_wanted(change))
            && wanted.contains_key(&record.key)
        {
            let message = "the file would be read as another value".to_owned();
            return Err(EncodeError::Unreadable { message });
        }
        let is_all = records.len() == wanted.len() && records.iter().all(is_wanted);
        if !is_all || told(&table) != told(&self.table) {
            return Err(EncodeError::OthersChange);
        }
        self.changed.extend(records);
        (self.text, self.table) = (text, table);
        Ok(())
    }
}

/// Returns the text of a file in which one record is another. Where the file is cut by a scan, `begins`
/// says where its pieces begin, and where the last one ends.
fn written(
    source: &Source<'_>,
    (text, splitter, begins): (&str, Option<&Splitter>, Vec<usize>),
    place: Place<'_>,
    change: Change<'_>,
) -> Result<String, EncodeError> {
    let records = &source.spec.listing.records;
    match (source.spec.format_of(source.path), splitter) {
        (Some(Format::Csv | Format::Tsv | Format::JsonLines), Some(splitter)) => {
            lines::rewritten((text, splitter), &begins, place, change)
        }
        (Some(Format::Json), splitter) => {
            json::rewritten(text, records, splitter.map(|_| begins), place, change)
        }
        (Some(Format::Yaml), _) => yaml::rewritten(text, records, place, change),
        (Some(Format::Toml10 | Format::Toml11), _) => toml::rewritten(text, records, place, change),
        _ => Err(EncodeError::NotFoundInList),
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

/// Refuses what is no record of the sheet, before it is written.
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
