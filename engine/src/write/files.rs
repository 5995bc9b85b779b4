//! What the operations of a batch make of the files, one after the other.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{Action, Condition, Operation, WriteError, Written, version};
use crate::encode::{encode, patched, path_of};
use crate::id::{BlobId, Key, SheetName, TreeId};
use crate::layout::SheetSpec;
use crate::mirror::{BlobContent, Edit, Edits, EntryMode, ObjectError, Stage};
use crate::snapshot::Snapshot;
use crate::value::Value;

/// The largest file that is read for the sake of its style.
const LARGEST: u64 = 64 << 20;

/// The files of a batch as far as it has come.
pub(super) struct Files<'a> {
    stage: &'a mut Stage,
    before: &'a Snapshot,
    tree: Option<TreeId>,
    /// What operations made of records, which those behind them see.
    records: HashMap<(SheetName, Key), Option<File>>,
    pub(super) edits: Edits,
}

/// A record as a file.
#[derive(Clone)]
struct File {
    path: String,
    value: Value,
    blob: BlobId,
}

impl<'a> Files<'a> {
    /// Begins with the records of `before`, whose files are in `tree`.
    pub(super) fn new(stage: &'a mut Stage, before: &'a Snapshot, tree: Option<TreeId>) -> Self {
        Self { stage, before, tree, records: HashMap::new(), edits: Edits::new() }
    }

    /// Applies one operation.
    pub(super) fn apply(&mut self, operation: &Operation) -> Result<Written, WriteError> {
        let Operation { sheet, action, condition } = operation;
        let spec = self.before.layout().sheet(sheet.as_str()).cloned();
        let spec = spec.ok_or_else(|| WriteError::NoSheet { sheet: sheet.clone() })?;
        match action {
            Action::Create(record) => {
                let path = self.path(&spec, record, None)?;
                let key = self.key(&spec, &path)?;
                if self.find(sheet, &key).is_some() {
                    return Err(WriteError::Exists { sheet: sheet.clone(), key });
                }
                self.put(&spec, None, path, record)
            }
            Action::Put(key, record) => {
                let old = self.met(sheet, key, condition)?;
                let path = match (&old, spec.template.is_every_file()) {
                    (Some(old), true) => old.path.clone(),
                    _ => self.path(&spec, record, Some(key))?,
                };
                if old.is_none() && self.key(&spec, &path)? != *key {
                    return Err(WriteError::OtherKey { key: key.clone(), rendered: path });
                }
                self.put(&spec, old.map(|old| (key.clone(), old)), path, record)
            }
            Action::Patch(key, patch) => {
                let old = self.met(sheet, key, condition)?;
                let missing = || WriteError::NotFound { sheet: sheet.clone(), key: key.clone() };
                let old = old.ok_or_else(missing)?;
                // The canonical text of a value is JSON.
                let record = serde_json::from_str(old.value.as_str()).unwrap_or(Json::Null);
                let record = patched(&spec, &old.path, &record, patch);
                let path = match spec.template.is_every_file() {
                    true => old.path.clone(),
                    false => self.path(&spec, &record, Some(key))?,
                };
                self.put(&spec, Some((key.clone(), old)), path, &record)
            }
            Action::Delete(key) => {
                let old = self.met(sheet, key, condition)?;
                let missing = || WriteError::NotFound { sheet: sheet.clone(), key: key.clone() };
                let old = old.ok_or_else(missing)?;
                self.edits.insert(old.path.clone(), Edit::Remove);
                if let Some(folder) = self.attachments(&spec, &old.path) {
                    self.edits.insert(folder, Edit::Remove);
                }
                self.records.insert((sheet.clone(), key.clone()), None);
                Ok(Written {
                    sheet: sheet.clone(),
                    key: key.clone(),
                    moved_from: None,
                    existed: true,
                    value: None,
                })
            }
        }
    }

    /// Stores a record, in the place of `old` if there is one.
    fn put(
        &mut self,
        spec: &Arc<SheetSpec>,
        old: Option<(Key, File)>,
        path: String,
        record: &Json,
    ) -> Result<Written, WriteError> {
        let sheet = &spec.name;
        let key = self.key(spec, &path)?;
        let moved_from = old.as_ref().map(|(old, _)| old).filter(|old| **old != key).cloned();
        if moved_from.is_some() && self.find(sheet, &key).is_some() {
            return Err(WriteError::Exists { sheet: sheet.clone(), key });
        }
        let before = match &old {
            Some((_, file)) => Some(self.read(file.blob)?),
            None => None,
        };
        let refused = |source| WriteError::Encode { sheet: sheet.clone(), source };
        let encoded = encode(spec, &path, record, before.as_deref()).map_err(refused)?;
        let blob = self.stage.blob(&encoded.bytes)?;
        if let (Some(from), Some((_, file))) = (&moved_from, &old) {
            self.edits.insert(file.path.clone(), Edit::Remove);
            self.records.insert((sheet.clone(), from.clone()), None);
            self.move_attachments(spec, &file.path, &path)?;
        }
        let edit = Edit::Put { mode: EntryMode::Regular, id: *blob.as_bytes() };
        self.edits.insert(path.clone(), edit);
        let file = File { path, value: encoded.value.clone(), blob };
        self.records.insert((sheet.clone(), key.clone()), Some(file));
        let (sheet, existed, value) = (sheet.clone(), old.is_some(), Some(encoded.value));
        Ok(Written { sheet, key, moved_from, existed, value })
    }

    /// Returns the record that is there, if the condition is met.
    fn met(
        &self,
        sheet: &SheetName,
        key: &Key,
        condition: &Condition,
    ) -> Result<Option<File>, WriteError> {
        let found = self.find(sheet, key);
        let now = found.as_ref().map(|file| version(file.value.as_str().as_bytes()));
        let is_met = match condition {
            Condition::Any => true,
            Condition::Absent => now.is_none(),
            Condition::Present => now.is_some(),
            Condition::Is(versions) => now.is_some_and(|now| versions.contains(&now)),
        };
        if is_met {
            Ok(found)
        } else {
            Err(WriteError::Stale { sheet: sheet.clone(), key: key.clone(), version: now })
        }
    }

    fn find(&self, sheet: &SheetName, key: &Key) -> Option<File> {
        if let Some(file) = self.records.get(&(sheet.clone(), key.clone())) {
            return file.clone();
        }
        let record = self.before.sheet(sheet.as_str())?.record(key.as_str())?;
        let (path, value, blob) = (record.path.to_string(), record.value.clone(), record.blob);
        Some(File { path, value, blob })
    }

    fn path(
        &self,
        spec: &SheetSpec,
        record: &Json,
        key: Option<&Key>,
    ) -> Result<String, WriteError> {
        path_of(spec, record, key)
            .map_err(|source| WriteError::Path { sheet: spec.name.clone(), source })
    }

    /// Returns the key that the file at `path` claims in the sheet.
    fn key(&self, spec: &SheetSpec, path: &str) -> Result<Key, WriteError> {
        let claims = self.before.layout().claims(path.as_bytes());
        let claim = claims.into_iter().find(|claim| claim.sheet.name == spec.name);
        let not_of_sheet =
            || WriteError::NotOfSheet { sheet: spec.name.clone(), path: path.to_owned() };
        match claim.ok_or_else(not_of_sheet)? {
            claim if claim.fault.is_none() => Ok(claim.key),
            claim => Err(WriteError::Invalid { problems: claim.fault.into_iter().collect() }),
        }
    }

    fn read(&self, blob: BlobId) -> Result<Vec<u8>, ObjectError> {
        self.stage.objects().read_blob(blob, LARGEST, |content| match content {
            BlobContent::Bytes(bytes) => bytes.to_vec(),
            BlobContent::TooLarge(_) => Vec::new(),
        })
    }

    /// Returns the folder of a record's attachments, where its sheet has them.
    fn attachments(&self, spec: &SheetSpec, path: &str) -> Option<String> {
        if spec.template.is_every_file() || spec.template.is_recursive() {
            return None;
        }
        path.rsplit_once('.').map(|(folder, _)| folder.to_owned())
    }

    fn move_attachments(
        &mut self,
        spec: &SheetSpec,
        from: &str,
        to: &str,
    ) -> Result<(), WriteError> {
        let (Some(from), Some(to)) = (self.attachments(spec, from), self.attachments(spec, to))
        else {
            return Ok(());
        };
        let Some(tree) = self.tree else { return Ok(()) };
        let there = self.stage.objects().entry_at(tree, from.as_bytes())?;
        if let Some(folder) = there.filter(|entry| entry.mode == EntryMode::Folder) {
            self.edits.insert(from, Edit::Remove);
            self.edits.insert(to, Edit::Put { mode: EntryMode::Folder, id: folder.id });
        }
        Ok(())
    }
}
