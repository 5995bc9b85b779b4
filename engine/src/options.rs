//! How records are read, whatever commit they are read from.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::layout::DefinitionFile;
use crate::memory::MemoryProbe;

/// What a load needs beside the repository.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Sheet definitions that take the place of the commit's `headwater.toml`.
    pub sheets: Option<DefinitionFile>,
    /// The most bytes that a record may have, or the file that it is; a larger one is a problem.
    pub record_limit: u64,
    /// The most bytes that a file of many records may have; a larger one is a problem.
    pub file_limit: u64,
    /// Is asked before a state is built anew beside one that is served.
    pub memory: MemoryProbe,
    /// Whether a state that has to be built anew can be done without where memory is short.
    pub optional: bool,
    /// Is counted up while records are read, for those who want to show it.
    pub progress: Arc<Progress>,
}

/// How far a load has come.
#[derive(Debug, Default)]
pub struct Progress {
    files: AtomicUsize,
    decoded: AtomicUsize,
}

impl Progress {
    /// Returns how many files of how many are decoded; the second is zero until it is known.
    pub fn decoded(&self) -> (usize, usize) {
        (self.decoded.load(Ordering::Relaxed), self.files.load(Ordering::Relaxed))
    }

    pub(crate) fn begin(&self, files: usize) {
        self.decoded.store(0, Ordering::Relaxed);
        self.files.store(files, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self) {
        self.decoded.fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            sheets: None,
            record_limit: 1 << 20,
            file_limit: 64 << 20,
            memory: MemoryProbe::default(),
            optional: false,
            progress: Arc::default(),
        }
    }
}
