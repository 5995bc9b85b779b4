//! A mirror as a value: its location, and the limits for reading it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::OUR_FOLDER;
use super::gaps::Gaps;
use super::given_up::GivenUp;
use super::ownership::SafeDirectories;
use super::tag_listing::TagListing;
use super::tree_cache::TreeCache;

/// The cause of an error of this module, whichever library it came from.
pub type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The limits that apply to every handle of a [`Mirror`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorOptions {
    /// The largest object that is inflated, in bytes. It bounds the memory that one hostile object
    /// can cost; it is not a limit on the size of a record.
    pub object_limit: u64,
    /// The largest number of paths that a diff reports. A few small trees that refer to each other
    /// many times can expand to more paths than fit in memory.
    pub path_limit: usize,
    /// The largest number of bytes of all paths that a diff reports: a tree that is used many times
    /// has a long path each time.
    pub path_bytes_limit: usize,
    /// The repositories that are opened although another user owns them.
    pub safe_directories: SafeDirectories,
}

impl Default for MirrorOptions {
    fn default() -> Self {
        Self {
            object_limit: 64 << 20,
            path_limit: 5_000_000,
            path_bytes_limit: 256 << 20,
            safe_directories: SafeDirectories::default(),
        }
    }
}

/// A git repository on disk that follows one branch of a remote.
///
/// It consists of a path and limits, is cheap to clone and safe to share, and holds no open files.
#[derive(Debug, Clone)]
pub struct Mirror {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// The folder of the refs, the objects and Headwater's own files: the common directory of a
    /// linked work tree.
    pub(super) git_dir: PathBuf,
    pub(super) options: MirrorOptions,
    pub(super) trees: Arc<TreeCache>,
    /// The heads of the remote that are not requested again.
    pub(super) given_up: GivenUp,
    /// The objects that are missing.
    pub(super) gaps: Gaps,
    /// The tags of the leader, if this is a follower.
    pub(super) tag_listing: TagListing,
}

impl Mirror {
    /// Returns the absolute path of the git directory, which holds `objects` and `refs`.
    pub fn git_dir(&self) -> &Path {
        &self.shared.git_dir
    }

    /// Returns the path of Headwater's own folder in it. The folder may not exist.
    pub fn own_folder(&self) -> PathBuf {
        self.git_dir().join(OUR_FOLDER)
    }

    /// Records that an object is missing which the mirror should have. Returns whether the next
    /// fetch will request everything for it: at most one an hour does.
    pub fn note_gap(&self) -> bool {
        self.shared.gaps.note()
    }

    /// Returns the limits of its handles.
    pub fn options(&self) -> &MirrorOptions {
        &self.shared.options
    }
}
