//! Writes one record of a file of many in place: all other bytes stay.
//!
//! The result of an edit is read again by the same code as a push. The edit succeeds only if the
//! intended record has exactly the intended value and all others are unchanged; otherwise it is
//! rejected.

mod blocks;
mod change;
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
use crate::record::Record;
use crate::tables::{self, Held, Reading, Source, Table, TableChange};
use crate::value::Value;
use change::{Change, Place};

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
                Reading::List(list) => list.replacing(None, &|_| None).table,
                Reading::Record | Reading::Broken(_) => return None,
            },
        };
        Some(Self { text, has_mark, table, changed: HashMap::new() })
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

    /// Returns whether a record is found without reading the whole file.
    pub(crate) fn is_cut_by_scan(&self) -> bool {
        self.table.splitter().is_some()
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
                let key = self.table.key_of(source, &Value::new(record));
                key.map_err(|message| EncodeError::Unnamed { message })
            }
        }
    }

    /// Replaces the record `old` by `record`, whose key is `key`.
    ///
    /// # Errors
    ///
    /// See [`EncodeError`]; the file is then unchanged.
    pub(crate) fn replace(
        &mut self,
        source: &Source<'_>,
        held: Held<'_>,
        (old, key): (&Key, &Key),
        record: &Json,
    ) -> Result<Value, EncodeError> {
        checked(source, record)?;
        let was = self.held(held)(old).ok_or(EncodeError::NotFoundInList)?.value.clone();
        let is = Value::new(record);
        if old == key && was == is {
            return Ok(is);
        }
        let change = Change::Replace { was: &was, is: record };
        let text = self.rewritten(source, old, change)?;
        let mut wanted = HashMap::from([(key.clone(), Some(is.clone()))]);
        if old != key {
            wanted.insert(old.clone(), None);
        }
        self.store(source, held, text, &wanted)?;
        Ok(is)
    }

    /// Adds a record: in key order, if the file is sorted, or else at its end.
    ///
    /// # Errors
    ///
    /// See [`EncodeError`]; the file is then unchanged.
    pub(crate) fn insert(
        &mut self,
        source: &Source<'_>,
        held: Held<'_>,
        key: &Key,
        record: &Json,
    ) -> Result<Value, EncodeError> {
        checked(source, record)?;
        let text = self.rewritten(source, key, Change::Insert(record))?;
        let is = Value::new(record);
        self.store(source, held, text, &HashMap::from([(key.clone(), Some(is.clone()))]))?;
        Ok(is)
    }

    /// Removes a record.
    ///
    /// # Errors
    ///
    /// See [`EncodeError`]; the file is then unchanged.
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

    /// Returns the current contents of the file: changed records, and the others as in `held`.
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
        let format = source.spec.format_of(source.path);
        let (text, table) = (&*self.text, &self.table);
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
        let place = Place { at, name };
        match (format, table.splitter()) {
            (Some(Format::Csv | Format::Tsv | Format::JsonLines), Some(splitter)) => {
                lines::rewritten((text, splitter), &table.begins(), place, change)
            }
            (Some(Format::Json), splitter) => {
                let begins = splitter.map(|_| table.begins());
                json::rewritten(text, &source.spec.listing.records, begins, place, change)
            }
            (Some(Format::Yaml), _) => {
                yaml::rewritten(text, &source.spec.listing.records, place, change)
            }
            (Some(Format::Toml10 | Format::Toml11), _) => {
                toml::rewritten(text, &source.spec.listing.records, place, change)
            }
            _ => Err(EncodeError::NotFoundInList),
        }
    }

    /// Reads the resulting file.
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

    /// Accepts a new text if it changes exactly the `wanted` records.
    fn store(
        &mut self,
        source: &Source<'_>,
        held: Held<'_>,
        text: String,
        wanted: &HashMap<Key, Option<Value>>,
    ) -> Result<(), EncodeError> {
        let TableChange { table, records } = self.read_again(source, held, &text)?;
        let is_wanted = |(key, record): &(Key, Option<Arc<Record>>)| {
            let value = record.as_ref().map(|record| &record.value);
            wanted.get(key).is_some_and(|wanted| wanted.as_ref() == value)
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

/// Rejects a value that is not a record of the sheet, before it is written.
fn checked(source: &Source<'_>, record: &Json) -> Result<(), EncodeError> {
    if !record.is_object() {
        return Err(EncodeError::NotATable);
    }
    if is_deeper(record, DEPTH) {
        return Err(EncodeError::TooDeep);
    }
    validated(source.spec, record)
}

#[cfg(test)]
mod tests;
