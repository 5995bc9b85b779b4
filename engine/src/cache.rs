//! The cache beside the mirror: decoded records and the text index, so that a start need not make
//! them again.
//!
//! An entry says which value a blob has under a path of a sheet, or which words stand in a record
//! with that blob. That is a fact, whatever the commit: a cache is never out of date, it only lacks
//! what is new since it was written. So it is no second way to a state. A load that has one walks
//! the same tree and applies the same changes, and only takes from it what it would have made
//! alike.
//!
//! There are two files, and each may be of another commit. Both are lists of blocks with checksums.
//! Those guard against damage, not against whoever may write to the mirror.

mod blocks;
mod records;
mod segments;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::mirror::Mirror;
use crate::search::{SearchError, words_are_of};

/// What every file of this layout begins with. The number is raised when the layout changes, or
/// what some file decodes to, or into which words a text falls, without a new version of Headwater.
fn format() -> String {
    format!("headwater cache 6, of version {}, {}", env!("CARGO_PKG_VERSION"), words_are_of())
}

/// A reason why a cache is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The file cannot be read.
    #[error("cannot read the cache {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is not what was written.
    #[error("the cache {path} is damaged at block {block}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number of the block, from 0.
        block: u64,
    },
    /// It was written by another version of Headwater, or for another limit of records.
    #[error("the cache {path} was written for other settings or by another version")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is what was written, but no text index.
    #[error("the text index in the cache {path} cannot be opened")]
    Unopened {
        /// The file.
        path: PathBuf,
        /// What the index says.
        #[source]
        source: SearchError,
    },
}

/// The files beside a mirror that keep decoded records and the text index. They need not be there.
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

    /// Returns the path of the file with the records.
    pub fn path(&self) -> &Path {
        &self.records
    }

    /// Returns the path of the file with the text index. Of few records nothing is in it: their texts
    /// are indexed as fast.
    pub fn text_path(&self) -> &Path {
        &self.segments
    }

    /// Removes the files, if there are any.
    pub fn remove(&self) {
        remove(&self.records);
        self.remove_text();
    }

    /// Removes the file with the text index, if there is one.
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
