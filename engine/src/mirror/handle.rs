//! A mirror as a value: where it is, and what reading it obeys.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::folder::OUR_FOLDER;
use super::ownership::SafeDirectories;
use super::trees::TreeCache;
use crate::id::CommitId;

/// The cause of an error of this module, whatever library it came from.
pub type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What every handle of a [`Mirror`] obeys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorOptions {
    /// The largest object that is inflated, in bytes. It bounds what one hostile object can cost
    /// in memory, not what a record may weigh.
    pub object_limit: u64,
    /// The largest number of paths a diff reports. A few small trees that name each other many
    /// times can stand for more paths than memory holds.
    pub path_limit: usize,
    /// The repositories that are opened although another user owns them.
    pub safe_directories: SafeDirectories,
}

impl Default for MirrorOptions {
    fn default() -> Self {
        Self {
            object_limit: 64 << 20,
            path_limit: 20_000_000,
            safe_directories: SafeDirectories::default(),
        }
    }
}

/// A git repository on disk that follows one branch of a remote.
///
/// It is a path and limits, cheap to clone and safe to share. It holds no open files.
#[derive(Debug, Clone)]
pub struct Mirror {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// Where refs, objects and our own files are: the common directory of a linked work tree.
    pub(super) git_dir: PathBuf,
    pub(super) options: MirrorOptions,
    pub(super) trees: Arc<TreeCache>,
    /// The head of a remote whose pack cost more than it may: it is not asked for again.
    pub(super) given_up: Mutex<Option<CommitId>>,
}

impl Mirror {
    /// Returns the absolute path of the git directory, which holds `objects` and `refs`.
    pub fn git_dir(&self) -> &Path {
        &self.shared.git_dir
    }

    /// Returns the folder in it for what is Headwater's own. It need not be there.
    pub fn own_folder(&self) -> PathBuf {
        self.git_dir().join(OUR_FOLDER)
    }

    /// Returns what its handles obey.
    pub fn options(&self) -> &MirrorOptions {
        &self.shared.options
    }
}
