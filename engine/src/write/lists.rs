//! Applies operations to files of many records.

use std::sync::Arc;

use serde_json::Value as Json;

use super::files::{File, Files};
use super::open_list::OpenList;
use super::weight::weighed;
use super::{WriteError, Written};
use crate::encode::{EncodeError, List};
use crate::id::{BlobId, Key};
use crate::layout::{Shape, SheetSpec};
use crate::mirror::{Edit, EntryMode, ObjectError};
use crate::record::Record;
use crate::tables::Source;

/// Where a record is found without reading the others, an operation costs its record and this
/// fraction of the file.
const SCANNED: usize = 128;
/// Where the whole file is parsed, it costs this fraction of the file.
const PARSED: usize = 4;

impl Files<'_> {
    /// Returns the path of the list that contains a record, or that a new record `key` goes into;
    /// `None` if the record is a file of its own.
    pub(super) fn list_of(
        &mut self,
        spec: &Arc<SheetSpec>,
        key: &Key,
        old: Option<&File>,
    ) -> Result<Option<String>, WriteError> {
        if let Some(old) = old {
            return Ok(old.blob.is_none().then(|| old.path.clone()));
        }
        // An unreadable file of its own is replaced by the record.
        if !spec.is_listed() && self.broken_at(&spec.name, key).is_some() {
            return Ok(None);
        }
        for path in spec.lists_of(key.as_str()) {
            if self.is_list(spec, &path)? {
                return Ok(Some(path));
            }
        }
        match spec.is_listed() {
            true => Err(WriteError::NoList { sheet: spec.name.clone() }),
            false => Ok(None),
        }
    }

    /// Returns the path of the list that new records of a sheet go into, if all its records are in
    /// lists.
    pub(super) fn list_of_sheet(
        &mut self,
        spec: &Arc<SheetSpec>,
    ) -> Result<Option<String>, WriteError> {
        let name = &spec.name;
        if let Some(file) = &spec.listing.file {
            return match self.is_list(spec, file)? {
                true => Ok(Some(file.clone())),
                false => Err(WriteError::NoList { sheet: name.clone() }),
            };
        }
        let sheet = self.before.sheet(name.as_str());
        let mut lists = sheet.iter().flat_map(|sheet| sheet.tables());
        let only = match (lists.next(), lists.next()) {
            (Some((path, table)), None) => Some((path.to_owned(), table.keys().count())),
            _ => None,
        };
        let is_all = |count: usize| sheet.is_some_and(|sheet| sheet.len() == count);
        match only {
            Some((path, _)) if spec.is_listed() => Ok(Some(path)),
            Some((path, count)) if spec.template.is_every_file() && is_all(count) => Ok(Some(path)),
            _ if spec.is_listed() => Err(WriteError::WhichList { sheet: name.clone() }),
            _ => Ok(None),
        }
    }

    /// Returns whether the file at `path` is now a list.
    fn is_list(&mut self, spec: &Arc<SheetSpec>, path: &str) -> Result<bool, WriteError> {
        let sheet = self.before.sheet(spec.name.as_str());
        if self.lists.contains_key(path) || sheet.is_some_and(|sheet| sheet.table(path).is_some()) {
            return Ok(true);
        }
        // An empty list is in no sheet.
        let is_there = spec.shape_of(path) != Shape::Record && self.entry_at(path)?.is_some();
        if !is_there {
            return Ok(false);
        }
        match self.open_list(spec, path) {
            Ok(()) => Ok(true),
            Err(WriteError::NoList { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens the list at `path`, unless the batch has already done so.
    fn open_list(&mut self, spec: &Arc<SheetSpec>, path: &str) -> Result<(), WriteError> {
        let sheet = &spec.name;
        self.bounds.allow(sheet, path.as_bytes())?;
        if let Some(open) = self.lists.get(path) {
            let is_same = open.sheet == *sheet;
            return is_same.then_some(()).ok_or_else(|| WriteError::SharedList {
                path: path.to_owned(),
                sheet: open.sheet.clone(),
            });
        }
        let no_list = || WriteError::NoList { sheet: sheet.clone() };
        let entry = self.entry_at(path)?.ok_or_else(no_list)?;
        if !matches!(entry.mode, EntryMode::Regular | EntryMode::Executable) {
            return Err(no_list());
        }
        let claims = self.before.layout().claims(path.as_bytes());
        let claim = claims.into_iter().find(|claim| claim.sheet.name == *sheet);
        let key = claim.filter(|claim| claim.fault.is_none()).ok_or_else(no_list)?.key;
        let blob = BlobId::from_bytes(entry.id);
        let bytes = self.read(blob)?;
        let table = self.before.sheet(sheet.as_str()).and_then(|sheet| sheet.table(path));
        let table = table.filter(|table| table.blob() == blob);
        let source = Source { spec, path, list: &key, record_limit: self.record_limit };
        let list = List::open(&source, table.map(Arc::as_ref), &bytes).ok_or_else(no_list)?;
        self.left = self.left.checked_sub(bytes.len()).ok_or(WriteError::BatchTooLarge)?;
        let open = OpenList { sheet: sheet.clone(), key, mode: entry.mode, list };
        self.lists.insert(path.to_owned(), open);
        Ok(())
    }

    /// Stores a record in the list at `path`, replacing `old` if there is one; `given` is the key
    /// that the caller gave.
    pub(super) fn put_in_list(
        &mut self,
        spec: &Arc<SheetSpec>,
        path: &str,
        (old, given): (Option<Key>, Option<&Key>),
        record: &Json,
    ) -> Result<Written, WriteError> {
        let sheet = &spec.name;
        let weight = weighed(record)?;
        self.open_list(spec, path)?;
        let fields = self.with_list(spec, path, weight, |list, source, _| {
            list.key_of(source, record, old.as_ref())
        })?;
        let key = match (fields, old.as_ref().or(given)) {
            (None, Some(named)) => named.clone(),
            (None, None) => {
                let message = "say it in the address";
                let source = EncodeError::Unnamed { message };
                return Err(WriteError::Encode { sheet: sheet.clone(), source });
            }
            (Some(key), Some(given)) if old.is_none() && key != *given => {
                let rendered = key.to_string();
                return Err(WriteError::OtherKey { key: given.clone(), rendered });
            }
            (Some(key), _) => key,
        };
        let moved_from = old.clone().filter(|old| *old != key);
        if (old.is_none() || moved_from.is_some()) && self.find(sheet, &key).is_some() {
            return Err(WriteError::Exists { sheet: sheet.clone(), key });
        }
        let value = self.with_list(spec, path, 0, |list, source, held| match &old {
            Some(old) => list.replace(source, held, (old, &key), record),
            None => list.insert(source, held, &key, record),
        })?;
        if let Some(from) = &moved_from {
            self.records.insert((sheet.clone(), from.clone()), None);
        }
        let file = File { path: path.to_owned(), value: value.clone(), blob: None };
        self.records.insert((sheet.clone(), key.clone()), Some(file));
        let (sheet, existed, value) = (sheet.clone(), old.is_some(), Some(value));
        Ok(Written { sheet, key, moved_from, existed, value, attachment: None })
    }

    /// Removes a record from the list at `path`.
    pub(super) fn remove_from_list(
        &mut self,
        spec: &Arc<SheetSpec>,
        path: &str,
        key: &Key,
    ) -> Result<(), WriteError> {
        self.open_list(spec, path)?;
        self.with_list(spec, path, 0, |list, source, held| list.remove(source, held, key))
    }

    /// Runs a function on an open list, and counts its cost.
    fn with_list<T>(
        &mut self,
        spec: &Arc<SheetSpec>,
        path: &str,
        weight: usize,
        work: impl FnOnce(
            &mut List,
            &Source<'_>,
            &dyn Fn(&Key) -> Option<Arc<Record>>,
        ) -> Result<T, EncodeError>,
    ) -> Result<T, WriteError> {
        let sheet = self.before.sheet(spec.name.as_str());
        let held = |key: &Key| sheet?.held(key.as_str(), path).cloned();
        let no_list = || WriteError::NoList { sheet: spec.name.clone() };
        let OpenList { key, list, .. } = self.lists.get_mut(path).ok_or_else(no_list)?;
        let part = if list.is_cut_by_scan() { SCANNED } else { PARSED };
        let cost = weight + list.len() / part;
        self.left = self.left.checked_sub(cost).ok_or(WriteError::BatchTooLarge)?;
        let source = Source { spec, path, list: key, record_limit: self.record_limit };
        let done = work(list, &source, &held);
        done.map_err(|source| WriteError::Encode { sheet: spec.name.clone(), source })
    }

    /// Stores the lists as files.
    pub(super) fn store_lists(&mut self) -> Result<(), ObjectError> {
        for (path, OpenList { mode, list, .. }) in std::mem::take(&mut self.lists) {
            let blob = self.stage.blob(&list.bytes())?;
            self.edits.insert(path, Edit::Put { mode, id: *blob.as_bytes() });
        }
        Ok(())
    }
}
