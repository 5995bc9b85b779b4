//! Takes the text index from the cache, so that a start need not index everything again.

use std::io;
use std::sync::Arc;

use super::{Draft, RecordChange, Snapshot};
use crate::cache::Cache;
use crate::digest::hash_part;
use crate::layout::SheetSpec;
use crate::record::Record;
use crate::search::{DocName, Origin, SearchError, StoredIndex};
use crate::sheet::Sheet;

impl Snapshot {
    /// Writes the records and the text index to `cache`, where a later load finds them.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses to write; the cache then keeps what it had.
    pub fn save(&self, cache: &Cache) -> io::Result<()> {
        self.save_records(cache)?;
        self.save_text(cache)
    }

    pub(crate) fn save_records(&self, cache: &Cache) -> io::Result<()> {
        let sheets: Vec<&Sheet> = self.sheets.values().map(Arc::as_ref).collect();
        cache.save_records(&sheets)
    }

    /// Writes the text index if its segments differ from those in the cache.
    pub(crate) fn save_text(&self, cache: &Cache) -> io::Result<()> {
        cache.save_segments(&self.text, &|name: &DocName| {
            let sheet = self.sheets.get(&name.sheet)?;
            sheet.record(name.key.as_str()).map(|record| origin(sheet.spec(), record))
        })
    }

    /// Returns the origin of the texts of a record that is now served.
    fn origin(&self, change: &RecordChange) -> Option<Origin> {
        let sheet = self.sheets.get(&change.sheet)?;
        change.served.after.as_ref().map(|record| origin(sheet.spec(), record))
    }
}

impl Draft {
    /// Takes the unchanged documents from `kept`, so that [`Self::index`] need not build them;
    /// takes none if `kept` was made for other boosts or languages. Walks everything. A segment in
    /// which most documents have changed is skipped, since it would cost more than it saves.
    ///
    /// # Errors
    ///
    /// Fails where a segment cannot be opened. The draft is as it was then.
    pub(crate) fn recall(&mut self, kept: StoredIndex) -> Result<(), SearchError> {
        let Self { snapshot, changed, indexed, .. } = self;
        if *kept.shape != *snapshot.text.shape_bytes() {
            return Ok(());
        }
        let mut found = vec![false; changed.len()];
        let mut living = Vec::with_capacity(kept.segments.len());
        for mut segment in kept.segments {
            // Both are ordered by name.
            let mut changes = changed.iter().zip(0..).peekable();
            let (mut alike, mut dead) = (Vec::new(), Vec::new());
            for (doc, (name, from)) in (0..).zip(&mut segment.docs) {
                let here = (&name.sheet, &name.key);
                while changes.next_if(|(change, _)| (&change.sheet, &change.key) < here).is_some() {
                }
                let same = changes.next_if(|(change, at)| {
                    (&change.sheet, &change.key) == here
                        && !found[*at]
                        && snapshot.origin(change) == Some(*from)
                });
                match same {
                    Some((change, at)) => {
                        alike.push(at);
                        // Keeps only one copy of a key in memory.
                        name.key = change.key.clone();
                    }
                    None => dead.push(doc),
                }
            }
            if alike.len() >= dead.len() {
                alike.into_iter().for_each(|at: usize| found[at] = true);
                living.push((segment, dead));
            }
        }
        snapshot.text = snapshot.text.recalling(living)?;
        *indexed = found;
        Ok(())
    }
}

/// Hashes everything that the texts of a record depend on.
fn origin(spec: &SheetSpec, record: &Record) -> Origin {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&spec.id).update(record.blob.as_bytes());
    hash_part(&mut hasher, record.path().as_bytes());
    // If the file is a list, many records share its path.
    hash_part(&mut hasher, record.key.as_str().as_bytes());
    *hasher.finalize().as_bytes()
}
