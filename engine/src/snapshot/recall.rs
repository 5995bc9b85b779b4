//! The text index from the cache: what a start need not index again.

use std::sync::Arc;

use super::{Draft, RecordChange, Snapshot};
use crate::cache::Cache;
use crate::digest::hash_part;
use crate::layout::SheetSpec;
use crate::record::Record;
use crate::search::{DocName, Kept, KeptIndex, Origin, SearchError};
use crate::sheet::Sheet;

impl Snapshot {
    /// Writes the records and the text index to `cache`, from which a later load takes them. The
    /// text index only where it is another than what is kept.
    ///
    /// # Errors
    ///
    /// Fails when the system refuses to write; what was there is left then.
    pub fn save(&self, cache: &Cache) -> std::io::Result<()> {
        let sheets: Vec<&Sheet> = self.sheets.values().map(Arc::as_ref).collect();
        cache.save_records(&sheets)?;
        cache.save_segments(&self.text, &|name: &DocName| {
            let sheet = self.sheets.get(&name.sheet)?;
            sheet.record(name.key.as_str()).map(|record| origin(sheet.spec(), record))
        })
    }

    /// Returns what the texts of a record are made of that is served now.
    fn origin(&self, change: &RecordChange) -> Option<Origin> {
        let sheet = self.sheets.get(&change.sheet)?;
        change.served.after.as_ref().map(|record| origin(sheet.spec(), record))
    }
}

impl Draft {
    /// Takes those documents from `kept` that are as they were, so that [`Self::index`] need not
    /// make them; none where it was made for other boosts or languages. Costs a walk over all.
    ///
    /// # Errors
    ///
    /// Fails where a segment cannot be opened.
    pub(crate) fn recall(&mut self, kept: KeptIndex) -> Result<(), SearchError> {
        let Self { snapshot, changed, indexed } = self;
        let KeptIndex { shape, mut segments } = kept;
        if *shape != *snapshot.text.shape_bytes() {
            return Ok(());
        }
        indexed.resize(changed.len(), false);
        let mut dead = Vec::with_capacity(segments.len());
        for Kept { docs, .. } in &mut segments {
            // Both are in the order of the names.
            let mut changes = changed.iter().zip(&mut *indexed).peekable();
            let mut dead_here = Vec::new();
            for (doc, (name, from)) in (0..).zip(docs) {
                let here = (&name.sheet, &name.key);
                while changes.next_if(|(change, _)| (&change.sheet, &change.key) < here).is_some() {
                }
                let same = changes.next_if(|(change, indexed)| {
                    (&change.sheet, &change.key) == here
                        && !**indexed
                        && snapshot.origin(change) == Some(*from)
                });
                match same {
                    Some((change, indexed)) => {
                        *indexed = true;
                        // One copy of a key in memory is enough.
                        name.key = change.key.clone();
                    }
                    None => dead_here.push(doc),
                }
            }
            dead.push(dead_here);
        }
        let kept = segments.into_iter().zip(dead).collect();
        snapshot.text = snapshot.text.recalling(kept)?;
        Ok(())
    }
}

/// Hashes all that the texts of a record depend on.
fn origin(spec: &SheetSpec, record: &Record) -> Origin {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&spec.id).update(record.blob.as_bytes());
    hash_part(&mut hasher, record.path().as_bytes());
    *hasher.finalize().as_bytes()
}
