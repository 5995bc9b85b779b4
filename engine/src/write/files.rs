//! Applies the operations of a batch to files, one after another.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value as Json;

use super::blame::Writers;
use super::cost::{self, Costs};
use super::memory_cost::weighed;
use super::open_list::OpenList;
use super::record_location::Holder;
use super::scope::Bounds;
use super::walked_folders::WalkedFolders;
use super::{
    Action, Batch, Broken, Condition, Operation, Version, WriteError, Written, attachment_version,
    version,
};
use crate::encode::{encode, patched, path_of};
use crate::id::{BlobId, Key, SheetName, TreeId};
use crate::layout::{SheetSpec, unstorable};
use crate::mirror::{BlobContent, Edit, Edits, EntryMode, ObjectError, Stage};
use crate::sheet::spellings;
use crate::snapshot::Snapshot;
use crate::value::Value;

/// The largest file that is read to preserve its style.
const LARGEST: u64 = 64 << 20;

/// The files of a batch, as changed by the operations so far.
pub(super) struct Files<'a> {
    pub(super) stage: &'a mut Stage,
    pub(super) before: &'a Snapshot,
    pub(super) batch: &'a Batch,
    /// The place of the operation that is applied.
    pub(super) operation: usize,
    pub(super) bounds: Bounds<'a>,
    tree: Option<TreeId>,
    /// The records as changed by operations, which later operations see.
    pub(super) records: HashMap<(SheetName, Key), Option<File>>,
    pub(super) edits: Edits,
    /// The sheet that wrote each file. Another one does not see what it wrote, so it may not write there.
    pub(super) editors: HashMap<String, SheetName>,
    /// The files of many records that are written to, by path.
    pub(super) lists: BTreeMap<String, OpenList>,
    /// How many more bytes of files may be read and written.
    pub(super) left: usize,
    pub(super) costs: Costs,
    pub(super) walked: WalkedFolders,
    /// The most bytes of one record.
    pub(super) record_limit: u64,
}

/// A record as a file, or within one.
#[derive(Clone)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) value: Value,
    /// The content of the file, or `None` if the file holds many records.
    pub(super) blob: Option<BlobId>,
}

impl File {
    /// Returns the version of the record.
    pub(super) fn version(&self) -> Version {
        version(self.value.as_str().as_bytes())
    }
}

/// What is at a path.
pub(super) struct StagedEntry {
    pub(super) mode: EntryMode,
    /// The id of its blob or tree.
    pub(super) id: [u8; 20],
}

impl<'a> Files<'a> {
    /// Starts from the records of `before`, whose files are in `tree`. The author may change the
    /// sheets in the batch's scope.
    pub(super) fn new(
        stage: &'a mut Stage,
        before: &'a Snapshot,
        tree: Option<TreeId>,
        batch: &'a Batch,
        record_limit: u64,
    ) -> Self {
        let bounds = Bounds { layout: before.layout(), scope: &batch.scope };
        let (records, edits, lists) = (HashMap::new(), Edits::new(), BTreeMap::new());
        let editors = HashMap::new();
        let (left, costs, operation) = (batch.limit, Costs::default(), 0);
        let walked = WalkedFolders::default();
        Self {
            stage,
            before,
            batch,
            operation,
            bounds,
            tree,
            records,
            edits,
            editors,
            lists,
            left,
            costs,
            walked,
            record_limit,
        }
    }

    /// Returns what the operations made of the files.
    pub(super) fn into_edits(mut self) -> Result<Edits, WriteError> {
        self.store_lists()?;
        Ok(self.edits)
    }

    /// Counts what files cost, before they are read.
    pub(super) fn spend(&mut self, cost: usize) -> Result<(), WriteError> {
        self.costs.add(cost, self.batch.limit)
    }

    /// Applies the operation at `index`.
    pub(super) fn apply(
        &mut self,
        index: usize,
        operation: &Operation,
    ) -> Result<Written, WriteError> {
        self.operation = index;
        let Operation { sheet, action, condition } = operation;
        let spec = self.before.layout().sheet(sheet.as_str()).cloned();
        let spec = spec.ok_or_else(|| WriteError::NoSheet { sheet: sheet.clone() })?;
        match action {
            Action::Create(record) => {
                match self.holder_in(&spec)? {
                    Holder::List(list) => {
                        return self.put_in_list(&spec, &list, (None, None), record);
                    }
                    Holder::NewList => return self.begin_list(&spec, None, record),
                    Holder::Itself => {}
                }
                let path = self.path(&spec, record, None)?;
                let key = self.key(&spec, &path)?;
                if self.is_taken(sheet, &key) {
                    return Err(WriteError::Exists { sheet: sheet.clone(), key });
                }
                self.put(&spec, None, path, record)
            }
            Action::Put(key, record) => {
                // An unreadable file has the key that it claims.
                let key = &match self.broken_at(sheet, key) {
                    None => self.meant(&spec, key)?,
                    Some(_) => key.clone(),
                };
                let old = self.met(&spec, key, condition)?;
                match self.holder_of(&spec, key, old.as_ref())? {
                    Holder::List(list) => {
                        let old = old.map(|_| key.clone());
                        return self.put_in_list(&spec, &list, (old, Some(key)), record);
                    }
                    Holder::NewList => return self.begin_list(&spec, Some(key), record),
                    Holder::Itself => {}
                }
                let path = match (&old, spec.template.is_every_file()) {
                    (Some(old), true) => old.path.clone(),
                    (None, _)
                        if !spec.is_gitsheets()
                            && let Some(path) = self.broken_at(sheet, key) =>
                    {
                        path
                    }
                    _ => self.path(&spec, record, Some(key))?,
                };
                if old.is_none() && self.key(&spec, &path)? != *key {
                    return Err(WriteError::OtherKey { key: key.clone(), rendered: path });
                }
                self.put(&spec, old.map(|old| (key.clone(), old)), path, record)
            }
            Action::Patch(key, patch) => {
                let key = &self.meant(&spec, key)?;
                let old = self.met(&spec, key, condition)?;
                let missing = || WriteError::NotFound { sheet: sheet.clone(), key: key.clone() };
                let old = old.ok_or_else(missing)?;
                // The canonical text of a value is JSON.
                let record = serde_json::from_str(old.value.as_str()).unwrap_or(Json::Null);
                let record = patched(&spec, &old.path, &record, patch);
                if old.blob.is_none() {
                    let place = (Some(key.clone()), None);
                    return self.put_in_list(&spec, &old.path, place, &record);
                }
                let path = match spec.template.is_every_file() {
                    true => old.path.clone(),
                    false => self.path(&spec, &record, Some(key))?,
                };
                self.put(&spec, Some((key.clone(), old)), path, &record)
            }
            Action::Delete(key) => {
                let key = &self.meant(&spec, key)?;
                let old = self.met(&spec, key, condition)?;
                let missing = || WriteError::NotFound { sheet: sheet.clone(), key: key.clone() };
                let old = old.ok_or_else(missing)?;
                if old.blob.is_none() {
                    self.remove_from_list(&spec, &old.path, key)?;
                } else {
                    self.edit_file(&spec, &old.path, Edit::Remove)?;
                    if let Some(folder) = spec.attachments_of(&old.path) {
                        self.remove_folder(&spec, folder)?;
                    }
                }
                self.records.insert((sheet.clone(), key.clone()), None);
                Ok(Written {
                    sheet: sheet.clone(),
                    key: key.clone(),
                    moved_from: None,
                    before: Some(old.version()),
                    value: None,
                    attachment: None,
                })
            }
            Action::Attach(key, name, content) => {
                let blob = self.stage.blob(content)?;
                self.attach(&spec, key, name, condition, Some(blob))
            }
            Action::Detach(key, name) => self.attach(&spec, key, name, condition, None),
        }
    }

    /// Returns which operation wrote each record; `written` has the outcome of each.
    pub(super) fn writers(&self, written: &[Written]) -> Writers {
        let mut writers = Writers::default();
        for (index, one) in written.iter().enumerate() {
            let file = self.records.get(&(one.sheet.clone(), one.key.clone()));
            if let Some(Some(file)) = file {
                writers.note(&file.path, &one.key, index);
            }
        }
        writers
    }

    /// Stores a record, replacing `old` if there is one.
    fn put(
        &mut self,
        spec: &Arc<SheetSpec>,
        old: Option<(Key, File)>,
        path: String,
        record: &Json,
    ) -> Result<Written, WriteError> {
        let sheet = &spec.name;
        // The result of a patch may be heavier than the estimate when the request was accepted.
        weighed(record)?;
        let key = self.key(spec, &path)?;
        // A file keeps its path as long as its key stays the same.
        let path = match &old {
            Some((old, file)) if *old == key => file.path.clone(),
            _ => path,
        };
        let moved_from = old.as_ref().map(|(old, _)| old).filter(|old| **old != key).cloned();
        if moved_from.is_some() && self.is_taken(sheet, &key) {
            return Err(WriteError::Exists { sheet: sheet.clone(), key });
        }
        let before = match old.as_ref().and_then(|(_, file)| file.blob) {
            Some(blob) => Some(self.read(blob)?),
            None => None,
        };
        let size = before.as_ref().map_or(0, Vec::len);
        let sheets = self.before.layout().claims(path.as_bytes()).len();
        self.spend(cost::of_record(spec.format_of(&path), size, sheets))?;
        let refused = |source| WriteError::Encode { sheet: sheet.clone(), source };
        let encoded = encode(spec, &path, record, before.as_deref()).map_err(refused)?;
        let cost = encoded.bytes.len() + before.map_or(0, |before| before.len());
        self.left = self.left.checked_sub(cost).ok_or(WriteError::BatchTooLarge)?;
        let blob = self.stage.blob(&encoded.bytes)?;
        if let (Some(from), Some((_, file))) = (&moved_from, &old) {
            self.edit_file(spec, &file.path, Edit::Remove)?;
            self.records.insert((sheet.clone(), from.clone()), None);
            self.move_attachments(spec, &file.path, &path)?;
        }
        let edit = Edit::Put { mode: EntryMode::Regular, id: *blob.as_bytes() };
        self.edit_file(spec, &path, edit)?;
        let file = File { path, value: encoded.value.clone(), blob: Some(blob) };
        self.records.insert((sheet.clone(), key.clone()), Some(file));
        let before = old.as_ref().map(|(_, file)| file.version());
        let (sheet, value) = (sheet.clone(), Some(encoded.value));
        Ok(Written { sheet, key, moved_from, before, value, attachment: None })
    }

    /// Returns the existing record, if the condition is met.
    fn met(
        &self,
        spec: &SheetSpec,
        key: &Key,
        condition: &Condition,
    ) -> Result<Option<File>, WriteError> {
        let sheet = &spec.name;
        self.bounds.allow_key(spec, key)?;
        let found = self.find(sheet, key);
        let now = found.as_ref().map(File::version);
        if condition.is_met(now) {
            Ok(found)
        } else {
            Err(WriteError::Stale { sheet: sheet.clone(), key: key.clone(), version: now })
        }
    }

    /// Returns the key of the record that `key` means to readers: if no record has that key, the
    /// only one that has it in another Unicode normalization.
    fn meant(&self, spec: &SheetSpec, key: &Key) -> Result<Key, WriteError> {
        // This comes first, so that the answer does not reveal whether the record exists.
        self.bounds.allow_key(spec, key)?;
        let is_there = |key: &Key| self.find(&spec.name, key).is_some();
        if is_there(key) {
            return Ok(key.clone());
        }
        let mut others = spellings(key.as_str()).into_iter().map(Key::new).filter(is_there);
        match (others.next(), others.next()) {
            (Some(only), None) => Ok(only),
            _ => Ok(key.clone()),
        }
    }

    pub(super) fn find(&self, sheet: &SheetName, key: &Key) -> Option<File> {
        if let Some(file) = self.records.get(&(sheet.clone(), key.clone())) {
            return file.clone();
        }
        let record = self.before.sheet(sheet.as_str())?.record(key.as_str())?;
        let (path, value) = (record.path(), record.value.clone());
        let blob = (!record.is_in_list()).then_some(record.blob);
        Some(File { path, value, blob })
    }

    /// Returns whether a new record cannot have the key, because another one has it, or a file that cannot be read: only
    /// who names that one replaces it.
    fn is_taken(&self, sheet: &SheetName, key: &Key) -> bool {
        self.find(sheet, key).is_some() || self.broken_at(sheet, key).is_some()
    }

    /// Returns the path of an unreadable file that claims the key. A record is written over it,
    /// since a record next to it would conflict with it once it is repaired.
    pub(super) fn broken_at(&self, sheet: &SheetName, key: &Key) -> Option<String> {
        let slot = self.before.sheet(sheet.as_str())?.slot(key.as_str())?;
        slot.broken_at().map(str::to_owned)
    }

    fn path(
        &self,
        spec: &SheetSpec,
        record: &Json,
        key: Option<&Key>,
    ) -> Result<String, WriteError> {
        let path = match self.before.sheet(spec.name.as_str()) {
            Some(sheet) => sheet.path_for(record, key),
            None => path_of(spec, record, key),
        };
        path.map_err(|source| WriteError::Path { sheet: spec.name.clone(), source })
    }

    /// Returns the key that the file at `path` claims in the sheet, if it may be written.
    pub(super) fn key(&self, spec: &SheetSpec, path: &str) -> Result<Key, WriteError> {
        self.bounds.allow(&spec.name, path.as_bytes())?;
        let claims = self.before.layout().claims(path.as_bytes());
        let claim = claims.into_iter().find(|claim| claim.sheet.name == spec.name);
        let not_of_sheet =
            || WriteError::NotOfSheet { sheet: spec.name.clone(), path: path.to_owned() };
        match claim.ok_or_else(not_of_sheet)? {
            claim if claim.fault.is_none() => Ok(claim.key),
            claim => {
                let broken = |problem| Broken { problem, operation: None };
                Err(WriteError::Invalid { broken: claim.fault.into_iter().map(broken).collect() })
            }
        }
    }

    /// Returns the content of a file that is written again.
    pub(super) fn read(&self, blob: BlobId) -> Result<Vec<u8>, WriteError> {
        let read = self.stage.objects().read_blob(blob, LARGEST, |content| match content {
            BlobContent::Bytes(bytes) => Some(bytes.to_vec()),
            BlobContent::TooLarge(_) => None,
        });
        read?.ok_or(WriteError::BatchTooLarge)
    }

    /// Sets the attachment `name` of a record to this blob, or removes it.
    fn attach(
        &mut self,
        spec: &Arc<SheetSpec>,
        key: &Key,
        name: &str,
        condition: &Condition,
        blob: Option<BlobId>,
    ) -> Result<Written, WriteError> {
        let sheet = &spec.name;
        let key = &self.meant(spec, key)?;
        let missing = || WriteError::NotFound { sheet: sheet.clone(), key: key.clone() };
        self.bounds.allow_key(spec, key)?;
        let record = self.find(sheet, key).ok_or_else(missing)?;
        let path = self.before.layout().attachment_of(spec, &record.path, name);
        // An existing attachment may be removed, whatever its name.
        let path = path.filter(|_| blob.is_none() || unstorable(name).is_none());
        let path = path.ok_or_else(|| WriteError::NotAttachable {
            sheet: sheet.clone(),
            name: name.to_owned(),
        })?;
        // Before anything is said of the file: whether it exists, and by its version what it contains.
        self.bounds.allow(sheet, path.as_bytes())?;
        let there = self.entry_at(&path)?.filter(|entry| entry.mode != EntryMode::Folder);
        let there = there.map(|file| BlobId::from_bytes(file.id));
        let now = there.map(attachment_version);
        if !condition.is_met(now) {
            return Err(WriteError::Stale { sheet: sheet.clone(), key: key.clone(), version: now });
        }
        let edit = match blob {
            Some(blob) => Edit::Put { mode: EntryMode::Regular, id: *blob.as_bytes() },
            None if there.is_none() => {
                let (sheet, key, name) = (sheet.clone(), key.clone(), name.to_owned());
                return Err(WriteError::NoAttachment { sheet, key, name });
            }
            None => Edit::Remove,
        };
        self.edit_file(spec, &path, edit)?;
        Ok(Written {
            sheet: sheet.clone(),
            key: key.clone(),
            moved_from: None,
            before: now,
            value: None,
            attachment: blob.map(attachment_version),
        })
    }

    /// Sets one file to its new content. A list stays a list.
    pub(super) fn edit_file(
        &mut self,
        spec: &SheetSpec,
        path: &str,
        edit: Edit,
    ) -> Result<(), WriteError> {
        self.bounds.allow(&spec.name, path.as_bytes())?;
        let is_list = |path| self.before.sheets().any(|sheet| sheet.table(path).is_some());
        if self.lists.contains_key(path) || is_list(path) {
            return Err(WriteError::InList { path: path.to_owned() });
        }
        self.allow_editor(spec, path)?;
        self.editors.insert(path.to_owned(), spec.name.clone());
        self.edits.insert(path.to_owned(), edit);
        Ok(())
    }

    /// Allows the sheet to change a file that no operation of another one changed.
    pub(super) fn allow_editor(&self, spec: &SheetSpec, path: &str) -> Result<(), WriteError> {
        match self.editors.get(path).filter(|editor| **editor != spec.name) {
            None => Ok(()),
            Some(editor) => {
                Err(WriteError::SharedFile { path: path.to_owned(), sheet: editor.clone() })
            }
        }
    }

    /// Returns what is at `path`, as far as the operations have come.
    pub(super) fn entry_at(&self, path: &str) -> Result<Option<StagedEntry>, ObjectError> {
        match (self.edits.get(path), self.tree) {
            (Some(Edit::Put { mode, id }), _) => Ok(Some(StagedEntry { mode: *mode, id: *id })),
            (Some(Edit::Remove), _) | (None, None) => Ok(None),
            (None, Some(tree)) => {
                let entry = self.stage.objects().entry_at(tree, path.as_bytes())?;
                Ok(entry.map(|entry| StagedEntry { mode: entry.mode, id: entry.id }))
            }
        }
    }
}
