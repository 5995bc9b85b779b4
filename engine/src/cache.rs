//! The cache next to the mirror: decoded records and the text index, so that a start need not make
//! them again.
//!
//! An entry records the value of a blob under a path of a sheet, or the words in a record with that
//! blob. These are facts whatever the commit: a cache is never out of date, it only lacks what is
//! newer than itself. So it is not a second way to a state. A load with a cache walks the same tree
//! and applies the same changes, and takes from the cache only what it would otherwise have made
//! identically.
//!
//! There are two files, and each may be of another commit. Both are lists of blocks with checksums.
//! Those protect against damage, not against somebody who can write to the mirror.

mod blocks;
mod records;
mod segments;

pub(crate) use records::CachedRecord;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::mirror::Mirror;
use crate::search::{SearchError, words_are_of};

/// Returns the first bytes of every file of this layout. Raise the number when the layout changes,
/// or when the decoding of a file, the texts of a record that are searched, or the splitting of a text into
/// words change, without a new version of Headwater.
fn format() -> String {
    format!("headwater cache 8, of version {}, {}", env!("CARGO_PKG_VERSION"), words_are_of())
}

/// A reason why a cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The file cannot be read.
    #[error("cannot read the cache {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error from the system.
        #[source]
        source: io::Error,
    },
    /// Its contents have changed since it was written.
    #[error("the cache {path} is damaged at block {block}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number of the block, from 0.
        block: u64,
    },
    /// It was written by another version of Headwater, or for another size limit of records.
    #[error("the cache {path} was written for other settings or by another version")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is intact but does not contain a valid text index.
    #[error("the text index in the cache {path} cannot be opened")]
    Unopened {
        /// The file.
        path: PathBuf,
        /// The error from the index.
        #[source]
        source: SearchError,
    },
}

/// The files next to a mirror that keep decoded records and the text index. They may not exist.
#[derive(Debug, Clone)]
pub struct Cache {
    records: PathBuf,
    segments: PathBuf,
    record_limit: u64,
}

impl Cache {
    /// Returns the cache of `mirror` for records of at most `record_limit` bytes.
    pub fn beside(mirror: &Mirror, record_limit: u64) -> Self {
        Self::within(&mirror.own_folder(), record_limit)
    }

    fn within(folder: &Path, record_limit: u64) -> Self {
        Self { records: folder.join("cache"), segments: folder.join("cache.text"), record_limit }
    }

    /// Returns the path of the records file.
    pub fn path(&self) -> &Path {
        &self.records
    }

    /// Returns the path of the text index file. It is empty if there are only a few records:
    /// indexing their texts is as fast.
    pub fn text_path(&self) -> &Path {
        &self.segments
    }

    /// Removes the files, if they exist.
    pub fn remove(&self) {
        remove(&self.records);
        self.remove_text();
    }

    /// Removes the text index file, if it exists.
    pub(crate) fn remove_text(&self) {
        remove(&self.segments);
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "the cache cannot be removed");
    }
}

#[cfg(test)]
mod tests;
