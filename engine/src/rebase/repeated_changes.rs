//! What requests changed that both sides took: the remote has it, perhaps with a later change on top. So it is no
//! change of ours, and only what other commits changed in the same record has to be found again.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::lists::Side;
use super::merge::merge;
use super::touched::RepeatedFiles;
use crate::id::{BlobId, Key, SheetName};
use crate::layout::{Layout, PathClaim, Shape};
use crate::mirror::{BlobContent, EntryMode, FileEntry, ObjectError, Objects};
use crate::tables::Source;

/// How many bytes of such files are read, at most, each time that a state is judged: writers may wait for it.
const READ: u64 = 16 << 20;

/// The records of a file, as one sheet reads them.
type Records = HashMap<Key, Arc<Json>>;

/// What such requests changed in records, read when it is asked for.
pub(super) struct RepeatedChanges<'a> {
    objects: &'a Objects,
    layout: &'a Layout,
    files: &'a RepeatedFiles<'a>,
    /// How many more bytes may be read.
    left: u64,
    known: HashMap<(SheetName, String), HashMap<Key, Vec<Change>>>,
}

/// A record before and after a request; `None` where there is none.
struct Change {
    before: Option<Arc<Json>>,
    after: Option<Arc<Json>>,
}

impl<'a> RepeatedChanges<'a> {
    pub(super) fn new(
        objects: &'a Objects,
        layout: &'a Layout,
        files: &'a RepeatedFiles<'a>,
    ) -> Self {
        Self { objects, layout, files, left: READ, known: HashMap::new() }
    }

    /// Returns what the value `base` of a record in the file at `path` is with what such requests changed in it. A
    /// change that does not fit, or of a file that cannot be read, is not made.
    ///
    /// # Errors
    ///
    /// When the repository cannot be read.
    pub(super) fn on(
        &mut self,
        base: Option<Json>,
        sheet: &SheetName,
        key: &Key,
        path: &str,
    ) -> Result<Option<Json>, ObjectError> {
        let place = (sheet.clone(), path.to_owned());
        if !self.known.contains_key(&place) {
            let changes = self.changes(sheet, path)?;
            self.known.insert(place.clone(), changes);
        }
        let changes = self.known.get(&place).and_then(|changes| changes.get(key));
        let mut value = base;
        for Change { before, after } in changes.into_iter().flatten() {
            if let Ok(changed) = merge(before.as_deref(), after.as_deref(), value.as_ref()) {
                value = changed;
            }
        }
        Ok(value)
    }

    /// Returns the changes of each record of a file, oldest first.
    fn changes(
        &mut self,
        sheet: &SheetName,
        path: &str,
    ) -> Result<HashMap<Key, Vec<Change>>, ObjectError> {
        let mut changes: HashMap<Key, Vec<Change>> = HashMap::new();
        let claims = self.layout.claims(path.as_bytes()).into_iter();
        let mut claims = claims.filter(|claim| claim.fault.is_none());
        let Some(claim) = claims.find(|claim| claim.sheet.name == *sheet) else {
            return Ok(changes);
        };
        let mut versions: HashMap<BlobId, Option<Records>> = HashMap::new();
        for change in self.files.changes(path.as_bytes()) {
            for entry in [change.old, change.new].into_iter().flatten() {
                if let Entry::Vacant(place) = versions.entry(entry.id) {
                    place.insert(self.read(&claim, path, entry)?);
                }
            }
            let nothing = Records::new();
            let records = |entry: Option<FileEntry>| match entry {
                Some(entry) => versions.get(&entry.id)?.as_ref(),
                None => Some(&nothing),
            };
            let (Some(old), Some(new)) = (records(change.old), records(change.new)) else {
                continue;
            };
            let keys: HashSet<&Key> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let (before, after) = (old.get(key), new.get(key));
                if before != after {
                    let change = Change { before: before.cloned(), after: after.cloned() };
                    changes.entry(key.clone()).or_default().push(change);
                }
            }
        }
        Ok(changes)
    }

    /// Returns the records of one content of a file; `None` if it cannot be read.
    fn read(
        &mut self,
        claim: &PathClaim,
        path: &str,
        entry: FileEntry,
    ) -> Result<Option<Records>, ObjectError> {
        if !matches!(entry.mode, EntryMode::Regular | EntryMode::Executable) {
            return Ok(None);
        }
        let bytes = self.objects.read_blob(entry.id, self.left, |content| match content {
            BlobContent::Bytes(bytes) => Some(bytes.to_vec()),
            BlobContent::TooLarge(_) => None,
        })?;
        let Some(bytes) = bytes else { return Ok(None) };
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Ok(records(claim, path, entry.id, bytes))
    }
}

fn records(claim: &PathClaim, path: &str, blob: BlobId, bytes: Vec<u8>) -> Option<Records> {
    let PathClaim { sheet: spec, key: list, .. } = claim;
    let shape = spec.shape_of(path);
    // The canonical text of a value is JSON.
    let json = |text: &str| serde_json::from_str(text).ok().map(Arc::new);
    if shape != Shape::Record {
        let source = Source { spec, path, list, record_limit: u64::MAX };
        if let Some(side) = Side::read(&source, blob, bytes.clone()) {
            let each = side.records();
            return each
                .map(|(key, record)| Some((key.clone(), json(record.value.as_str())?)))
                .collect();
        }
        if shape == Shape::List {
            return None;
        }
    }
    let value = spec.decode(path, &bytes).ok()?;
    Some(HashMap::from([(list.clone(), json(value.as_str())?)]))
}
