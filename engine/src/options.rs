//! Options for reading records, independent of the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::layout::DefinitionFile;
use crate::memory::MemoryProbe;

/// How long files may be decoded while another state is served. A million records take half a minute.
const DECODE_TIME: Duration = Duration::from_secs(600);

/// The options of a load.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Sheet definitions that replace the commit's `headwater.toml`.
    pub sheets: Option<DefinitionFile>,
    /// The maximum size in bytes of a record or its file; a larger one is a problem.
    pub record_limit: u64,
    /// The maximum size in bytes of a file of many records; a larger one is a problem.
    pub file_limit: u64,
    /// Is asked before a state is rebuilt while another is served.
    pub memory: MemoryProbe,
    /// Whether a state that must be rebuilt can be skipped if memory is short.
    pub optional: bool,
    /// Whether a difference is applied however large it is: what it costs is known from the difference,
    /// and a rebuild costs whatever the whole commit does.
    pub prefers_increment: bool,
    /// The longest time for which files may be decoded while another state is served; `None` for any
    /// time.
    pub time: Option<Duration>,
    /// Is advanced while records are read, for display.
    pub progress: Arc<Progress>,
}

/// The progress of a load.
#[derive(Debug, Default)]
pub struct Progress {
    files: AtomicUsize,
    decoded: AtomicUsize,
}

impl Progress {
    /// Returns the number of decoded files and the total number of files, which is zero until it is
    /// known.
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
            prefers_increment: false,
            time: Some(DECODE_TIME),
            progress: Arc::default(),
        }
    }
}
