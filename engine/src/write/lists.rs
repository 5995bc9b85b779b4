//! Applies operations to files of many records.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value as Json;

use super::cost;
use super::files::{File, Files};
use super::memory_cost::weighed;
use super::open_list::OpenList;
use super::record_location::Holder;
use super::{WriteError, Written};
use crate::encode::{EncodeError, List};
use crate::id::{BlobId, Key};
use crate::layout::{Shape, SheetSpec};
use crate::mirror::{Edit, EntryMode};
use crate::record::Record;
use crate::tables::{Source, first_name};
use crate::value::Value;

/// A list of one record that is not there yet.
struct Begun {
    path: String,
    /// The key that the file itself claims.
    list_key: Key,
    list: List,
    first: Arc<Record>,
}

impl Files<'_> {
    /// Returns what holds a record, or what a new one named `key` goes into.
    pub(super) fn holder_of(
        &mut self,
        spec: &Arc<SheetSpec>,
        key: &Key,
        old: Option<&File>,
    ) -> Result<Holder, WriteError> {
        if let Some(old) = old {
            return Ok(match old.blob {
                Some(_) => Holder::Itself,
                None => Holder::List(old.path.clone()),
            });
        }
        // An unreadable file of its own is replaced by the record.
        if !spec.is_listed() && self.broken_at(&spec.name, key).is_some() {
            return Ok(Holder::Itself);
        }
        for path in spec.lists_of(key.as_str()) {
            if self.is_list(spec, &path)? {
                return Ok(Holder::List(path));
            }
        }
        let sheet = self.before.sheet(spec.name.as_str());
        let has_only_lists = || sheet.is_some_and(|sheet| sheet.has_only_lists());
        let is_below = || key.as_str().contains('/') && has_only_lists();
        Ok(if spec.is_listed() || is_below() { Holder::NewList } else { Holder::Itself })
    }

    /// Returns what a new record of a sheet goes into if no key is given.
    pub(super) fn holder_in(&mut self, spec: &Arc<SheetSpec>) -> Result<Holder, WriteError> {
        if let Some(file) = &spec.listing.file {
            return Ok(match self.is_list(spec, file)? {
                true => Holder::List(file.clone()),
                false => Holder::NewList,
            });
        }
        let only = self.before.sheet(spec.name.as_str()).and_then(|sheet| sheet.only_list());
        // One that the caller may not write to is not told.
        match only.filter(|(path, _)| self.bounds.allow(&spec.name, path.as_bytes()).is_ok()) {
            Some((path, _)) => Ok(Holder::List(path.to_owned())),
            None if spec.is_listed() => Err(WriteError::WhichList { sheet: spec.name.clone() }),
            None => Ok(Holder::Itself),
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
            return is_same.then_some(()).ok_or_else(|| WriteError::SharedFile {
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
        let sheets = claims.len();
        let claim = claims.into_iter().find(|claim| claim.sheet.name == *sheet);
        let key = claim.filter(|claim| claim.fault.is_none()).ok_or_else(no_list)?.key;
        let blob = BlobId::from_bytes(entry.id);
        let bytes = self.read(blob)?;
        let table = self.before.sheet(sheet.as_str()).and_then(|sheet| sheet.table(path));
        let table = table.filter(|table| table.blob() == blob);
        self.left = self.left.checked_sub(bytes.len()).ok_or(WriteError::BatchTooLarge)?;
        let is_scanned = table.is_some_and(|table| table.splitter().is_some());
        let cost = cost::of_list(spec.format_of(path), is_scanned, bytes.len(), sheets);
        self.spend(cost::affordable(cost, self.batch.limit)?)?;
        let source = Source { spec, path, list: &key, record_limit: self.record_limit };
        let list = List::open(&source, table.map(Arc::as_ref), &bytes).ok_or_else(no_list)?;
        let (sheet, mode, last) = (sheet.clone(), entry.mode, self.operation);
        let open = OpenList { sheet, key, mode, list, writers: HashMap::new(), last };
        self.lists.insert(path.to_owned(), open);
        Ok(())
    }

    /// Begins a list with its first record; `given` is the key that a caller says.
    pub(super) fn begin_list(
        &mut self,
        spec: &Arc<SheetSpec>,
        given: Option<&Key>,
        record: &Json,
    ) -> Result<Written, WriteError> {
        let sheet = &spec.name;
        let weight = weighed(record)?;
        let begun = match (&spec.listing.file, given) {
            (Some(file), given) => {
                let name = given.map_or("", Key::as_str);
                self.begun(spec, file.clone(), name, record)?
            }
            (None, Some(given)) => self.begun_for(spec, given, record)?,
            (None, None) => return Err(WriteError::WhichList { sheet: sheet.clone() }),
        };
        let Begun { path, list_key, list, first } = begun;
        let key = first.key.clone();
        if let Some(given) = given.filter(|given| **given != key) {
            let rendered = key.to_string();
            return Err(WriteError::OtherKey { key: given.clone(), rendered });
        }
        if self.find(sheet, &key).is_some() {
            return Err(WriteError::Exists { sheet: sheet.clone(), key });
        }
        // The existing file cannot be read as a list, and stays as it is.
        if self.entry_at(&path)?.is_some() {
            return Err(WriteError::NoList { sheet: sheet.clone() });
        }
        let cost = weight + list.len();
        self.left = self.left.checked_sub(cost).ok_or(WriteError::BatchTooLarge)?;
        let (mode, last) = (EntryMode::Regular, self.operation);
        let writers = HashMap::from([(key.clone(), last)]);
        let open = OpenList { sheet: sheet.clone(), key: list_key, mode, list, writers, last };
        self.lists.insert(path.clone(), open);
        let value = first.value.clone();
        let file = File { path, value: value.clone(), blob: None };
        self.records.insert((sheet.clone(), key.clone()), Some(file));
        let (sheet, value) = (sheet.clone(), Some(value));
        Ok(Written { sheet, key, moved_from: None, before: None, value, attachment: None })
    }

    /// Begins the list that a record called `key` is the first of: what the record is called in it, which
    /// may have a slash, is the end of the key.
    fn begun_for(
        &mut self,
        spec: &Arc<SheetSpec>,
        key: &Key,
        record: &Json,
    ) -> Result<Begun, WriteError> {
        let sheet = &spec.name;
        let which = || WriteError::WhichList { sheet: sheet.clone() };
        let (list, last) = key.as_str().rsplit_once('/').ok_or_else(which)?;
        let name = first_name(spec, &Value::new(record)).map_err(|message| {
            let source = EncodeError::Unnamed { message };
            WriteError::Encode { sheet: sheet.clone(), source }
        })?;
        let (list, name) = match &name {
            None => (list, last),
            Some(name) => {
                let before = key.as_str().strip_suffix(&**name);
                let before = before.and_then(|before| before.strip_suffix('/'));
                let other = || WriteError::OtherKey {
                    key: key.clone(),
                    rendered: spec.element_key(list, name),
                };
                (before.ok_or_else(other)?, &**name)
            }
        };
        let state = self.before.sheet(sheet.as_str());
        let ending = state.and_then(|state| usual_ending(state.tables().map(|(path, _)| path)));
        let path = spec.file_path(list, ending);
        let path = path.map_err(|source| WriteError::Path { sheet: sheet.clone(), source })?;
        self.begun(spec, path, name, record)
    }

    fn begun(
        &self,
        spec: &Arc<SheetSpec>,
        path: String,
        name: &str,
        record: &Json,
    ) -> Result<Begun, WriteError> {
        let list_key = self.key(spec, &path)?;
        let (list, limit) = (&list_key, self.record_limit);
        let source = Source { spec, path: &path, list, record_limit: limit };
        let begun = List::begin(&source, name, record);
        let refused = |source| WriteError::Encode { sheet: spec.name.clone(), source };
        let (list, first) = begun.map_err(refused)?;
        Ok(Begun { path, list_key, list, first })
    }

    /// Stores a record in the list at `path`, in the place of `old` if there is one; `given` is the
    /// key that a caller says.
    pub(super) fn put_in_list(
        &mut self,
        spec: &Arc<SheetSpec>,
        path: &str,
        (old, given): (Option<Key>, Option<&Key>),
        record: &Json,
    ) -> Result<Written, WriteError> {
        let sheet = &spec.name;
        let weight = weighed(record)?;
        self.left = self.left.checked_sub(weight).ok_or(WriteError::BatchTooLarge)?;
        self.open_list(spec, path)?;
        let fields = self.with_list(spec, path, &[], |list, source, _| {
            list.key_of(source, record, old.as_ref())
        })?;
        let key = match (fields, old.as_ref().or(given)) {
            (None, Some(named)) => named.clone(),
            (None, None) => {
                let message = "give it in the address";
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
        let before = old.as_ref().and_then(|key| self.find(sheet, key)).map(|old| old.version());
        let keys: Vec<&Key> = old.iter().chain([&key]).collect();
        let value = self.with_list(spec, path, &keys, |list, source, held| match &old {
            Some(old) => list.replace(source, held, (old, &key), record),
            None => list.insert(source, held, &key, record),
        })?;
        if let Some(from) = &moved_from {
            self.records.insert((sheet.clone(), from.clone()), None);
        }
        let file = File { path: path.to_owned(), value: value.clone(), blob: None };
        self.records.insert((sheet.clone(), key.clone()), Some(file));
        let (sheet, value) = (sheet.clone(), Some(value));
        Ok(Written { sheet, key, moved_from, before, value, attachment: None })
    }

    /// Removes a record from the list at `path`.
    pub(super) fn remove_from_list(
        &mut self,
        spec: &Arc<SheetSpec>,
        path: &str,
        key: &Key,
    ) -> Result<(), WriteError> {
        self.open_list(spec, path)?;
        self.with_list(spec, path, &[key], |list, _, held| list.remove(held, key))
    }

    /// Does something with a list that is open, for the current operation, which writes the records
    /// called `keys`.
    fn with_list<T>(
        &mut self,
        spec: &Arc<SheetSpec>,
        path: &str,
        keys: &[&Key],
        work: impl FnOnce(
            &mut List,
            &Source<'_>,
            &dyn Fn(&Key) -> Option<Arc<Record>>,
        ) -> Result<T, EncodeError>,
    ) -> Result<T, WriteError> {
        let sheet = self.before.sheet(spec.name.as_str());
        let held = |key: &Key| sheet?.held(key.as_str(), path).cloned();
        let no_list = || WriteError::NoList { sheet: spec.name.clone() };
        let OpenList { key, list, writers, last, .. } =
            self.lists.get_mut(path).ok_or_else(no_list)?;
        for key in keys {
            writers.insert((*key).clone(), self.operation);
            *last = self.operation;
        }
        let source = Source { spec, path, list: key, record_limit: self.record_limit };
        let done = work(list, &source, &held);
        done.map_err(|source| WriteError::Encode { sheet: spec.name.clone(), source })
    }

    /// Writes what the operations made of the lists, each list at once, and makes files of them.
    pub(super) fn store_lists(&mut self) -> Result<(), WriteError> {
        for (path, open) in std::mem::take(&mut self.lists) {
            let OpenList { sheet, key, mode, mut list, writers, last } = open;
            let spec = self.before.layout().sheet(sheet.as_str()).cloned();
            let spec = spec.ok_or_else(|| WriteError::NoSheet { sheet: sheet.clone() })?;
            let held = self.before.sheet(sheet.as_str());
            let held = |key: &Key| held?.held(key.as_str(), &path).cloned();
            let (spec, record_limit) = (&*spec, self.record_limit);
            let source = Source { spec, path: &path, list: &key, record_limit };
            list.write(&source, &held).map_err(|unwritten| {
                let writer = unwritten.key.and_then(|key| writers.get(&key).copied());
                let error = WriteError::Encode { sheet, source: unwritten.source };
                self.batch.at_operation(writer.unwrap_or(last), error)
            })?;
            let blob = self.stage.blob(&list.bytes())?;
            self.edits.insert(path, Edit::Put { mode, id: *blob.as_bytes() });
        }
        Ok(())
    }
}

/// Returns what most of these paths end in; of several the first in order.
fn usual_ending<'p>(paths: impl Iterator<Item = &'p str>) -> Option<&'p str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for ending in paths.filter_map(|path| path.rsplit_once('.')).map(|(_, ending)| ending) {
        *counts.entry(ending).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(ending, _)| ending)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::SheetName;
    use crate::load::load;
    use crate::mirror::Identity;
    use crate::mirror::testing::TestRepository;
    use crate::options::LoadOptions;
    use crate::write::{Action, Batch, Condition, MOST_WRITTEN, Operation, Scope};

    const DEFINITION: &str = "[sheets.d]\nformat = \"yaml\"\nrecords = \"each\"\n\
                              key = \"${{ id }}\"\n";

    fn batch(actions: impl IntoIterator<Item = Action>) -> Batch {
        let sheet = SheetName::new("d");
        let operation =
            |action| Operation { sheet: sheet.clone(), action, condition: Condition::Any };
        Batch {
            operations: actions.into_iter().map(operation).collect(),
            actor: "ada".into(),
            author: Identity::parse("Ada <ada@example.org>").unwrap(),
            scope: Scope::Every,
            view: crate::view::View::PUBLIC,
            message: "a change".to_owned(),
            trailers: Vec::new(),
            repeat: None,
            limit: MOST_WRITTEN,
        }
    }

    #[test]
    fn all_operations_of_a_batch_on_one_list_are_written_at_once() {
        let repository = TestRepository::bare();
        let text: String = (0..100).map(|at| format!("- id: k{at}\n  n: 1\n")).collect();
        let commit = repository
            .commit_files("main", &[("headwater.toml", DEFINITION), ("d/all.yaml", &text)]);
        let tree = repository.tree_of("main");
        let mirror = repository.mirror();
        let mut stage = mirror.stage().unwrap();
        let records = load(stage.objects(), commit, &LoadOptions::default()).unwrap();
        let patch = |at: usize| Action::Patch(Key::new(format!("all/k{at}")), json!({"n": 2}));
        let batch = batch((0..100).map(patch));
        let mut files = Files::new(&mut stage, &records, Some(tree), &batch, 1_000);
        for (index, operation) in batch.operations.iter().enumerate() {
            files.apply(index, operation).unwrap();
        }
        assert_eq!(files.lists["d/all.yaml"].list.passes(), 0, "they are only noted");
        let edits = files.into_edits().unwrap();
        let Edit::Put { id, .. } = &edits["d/all.yaml"] else { panic!("{edits:?}") };
        let blob = BlobId::from_bytes(*id);
        let written = stage.objects().read_blob(blob, 10_000, |content| match content {
            crate::mirror::BlobContent::Bytes(bytes) => bytes.to_vec(),
            crate::mirror::BlobContent::TooLarge(_) => Vec::new(),
        });
        assert_eq!(String::from_utf8(written.unwrap()).unwrap(), text.replace("n: 1", "n: 2"));
    }
}
