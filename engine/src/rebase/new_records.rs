//! The new files of theirs that a replay has read.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::id::BlobId;

/// The new files of theirs that were read, by path and content; `None` where one is not a record. Each is
/// read once, however many deletions it is compared with.
#[derive(Debug, Default)]
pub(super) struct NewRecords {
    pub(super) records: HashMap<(Vec<u8>, BlobId), Option<Arc<Json>>>,
    /// How many were read.
    pub(super) reads: usize,
}

impl NewRecords {
    /// Returns how many were read.
    #[cfg(test)]
    pub(super) fn reads(&self) -> usize {
        self.reads
    }
}
