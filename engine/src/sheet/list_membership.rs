//! Finds the file of many records that holds a record, or that a new record goes into.

use std::sync::Arc;

use serde_json::Value as Json;

use super::Sheet;
use crate::encode::EncodeError;
use crate::id::Key;
use crate::tables::{self, Source, Table};
use crate::value::Value;

impl Sheet {
    /// Returns the list that a record without a given key goes into, with its path: the only list of
    /// the sheet, if all records are in lists. Linear in the lists.
    pub fn only_list(&self) -> Option<(&str, &Arc<Table>)> {
        let mut lists = self.tables();
        let first = lists.next().filter(|_| lists.next().is_none());
        first.filter(|_| self.spec.is_listed() || self.has_only_lists())
    }

    /// Returns the list that holds the record `key`, or that a new record of this name goes into;
    /// `None` if there is none, or if the record is a separate file. Linear in the parts of the key.
    pub fn list_of(&self, key: &str) -> Option<&Arc<Table>> {
        match self.record(key) {
            Some(record) => self.table(&record.path()),
            None => self.spec.lists_of(key).iter().find_map(|path| self.table(path)),
        }
    }

    /// Returns whether the record `key`, or a new one of this name, is in a file of many records.
    pub fn is_listed(&self, key: &str) -> bool {
        match self.record(key) {
            Some(record) => record.is_in_list(),
            None => {
                let is_below = || key.contains('/') && self.has_only_lists();
                self.spec.is_listed() || self.list_of(key).is_some() || is_below()
            }
        }
    }

    /// Returns the key that the fields of `record` determine in the list that records without a given
    /// key go into; `None` if they do not determine it, or if there are several lists.
    ///
    /// # Errors
    ///
    /// Refuses a record without the field that names it.
    pub fn key_in_list(&self, record: &Json) -> Result<Option<Key>, EncodeError> {
        let list = self.only_list();
        let Some(path) = list.map(|(path, _)| path).or(self.spec.listing.file.as_deref()) else {
            return Ok(None);
        };
        let claim = Key::new(self.spec.key(path).unwrap_or_default());
        // Nothing is read.
        let source = Source { spec: &self.spec, path, list: &claim, record_limit: 0 };
        let value = Value::new(record);
        let key = match list {
            Some((_, table)) if table.is_by_position() => Ok(None),
            Some((_, table)) if table.record_count() > 0 => {
                table.key_of(&source, &value, table.pieces().len())
            }
            _ => tables::first_name(&self.spec, &value).map(|name| {
                name.map(|name| Key::new(self.spec.element_key(claim.as_str(), &name)))
            }),
        };
        key.map_err(|message| EncodeError::Unnamed { message })
    }

    /// Returns whether nothing about the records is declared, and all of them are in lists. Linear in the
    /// lists.
    pub fn has_only_lists(&self) -> bool {
        let (mut files, mut records) = (0, 0);
        for (_, table) in self.tables() {
            (files, records) = (files + 1, records + table.record_count());
        }
        let may_be = self.spec.has_lists() && self.spec.template.is_every_file();
        may_be && files > 0 && self.len() == records
    }
}
