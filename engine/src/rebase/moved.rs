//! Files that both sides seem to have deleted. If the other side moved such a file instead, our deletion
//! would be dropped as done, and the record would still be served under its new key.

use std::sync::Arc;

use serde_json::Value as Json;

use super::Merge;
use super::new_records::NewRecords;
use super::record_edit::may_be_renamed;
use crate::id::TreeId;
use crate::layout::SheetSpec;
use crate::mirror::{FileEntry, ObjectError, PathChange};

/// The most new files of theirs among which a missing one is looked for. With more, it counts as found.
const MOST_COMPARED: usize = 1_000;

impl Merge<'_> {
    /// Returns the files that they alone have: neither `parent`, on which our commit was made, nor our
    /// `changes` have one at these paths.
    pub(super) fn added_by_them(
        &self,
        parent: Option<TreeId>,
        changes: &[PathChange],
    ) -> Result<Vec<PathChange>, ObjectError> {
        let is_ours = |path: &[u8]| {
            let at = changes.binary_search_by(|change| change.path.as_slice().cmp(path));
            at.is_ok_and(|at| changes[at].new.is_some())
        };
        let mut theirs = self.stage.objects().diff(parent, self.tree)?;
        theirs.retain(|change| change.old.is_none() && !is_ours(&change.path));
        Ok(theirs)
    }

    /// Returns whether one of the files `added` may be the file at `path`, which was `old`: it has the same
    /// content, or is a record of the same sheet that differs in one field.
    pub(super) fn may_be_moved(
        &mut self,
        path: &str,
        old: FileEntry,
        added: &[PathChange],
    ) -> Result<bool, ObjectError> {
        let news = added.iter().filter_map(|change| Some((change, change.new?)));
        if news.clone().any(|(_, new)| new.id == old.id) {
            return Ok(true);
        }
        let spec_at = |path: &[u8]| {
            let claims = self.layouts.theirs.claims(path).into_iter();
            claims.map(|claim| claim.sheet).next()
        };
        let Some(spec) = spec_at(path.as_bytes()) else { return Ok(false) };
        let Some(Some((old, _))) = self.record(&spec, path, Some(old))? else { return Ok(false) };
        let is_of_sheet = |path: &[u8]| spec_at(path).is_some_and(|other| other.name == spec.name);
        let news: Vec<_> = news.filter(|(change, _)| is_of_sheet(&change.path)).collect();
        if news.len() > MOST_COMPARED {
            return Ok(true);
        }
        for (change, new) in news {
            let new = self.new_record(&spec, &change.path, new)?;
            if new.is_some_and(|new| may_be_renamed(&old, &new)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads a new file of theirs; `None` if it is not a record.
    fn new_record(
        &mut self,
        spec: &SheetSpec,
        path: &[u8],
        entry: FileEntry,
    ) -> Result<Option<Arc<Json>>, ObjectError> {
        let name = (path.to_vec(), entry.id);
        if let Some(known) = self.new_records.records.get(&name) {
            return Ok(known.clone());
        }
        let record = self.record(spec, &String::from_utf8_lossy(path), Some(entry))?.flatten();
        let record = record.map(|(record, _)| Arc::new(record));
        // Those of other commits are gone, or come again.
        if self.new_records.records.len() >= MOST_COMPARED {
            self.new_records.records.clear();
        }
        let NewRecords { records, reads } = &mut *self.new_records;
        *reads += 1;
        tracing::trace!(reads, path = %name.0.escape_ascii(), "reading a new file of theirs");
        records.insert(name, record.clone());
        Ok(record)
    }
}
