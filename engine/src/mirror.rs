//! The local bare clone of the remote, and the only place that names gix.
//!
//! A [`Mirror`] is a path and a few limits. Whoever wants to read takes a fresh handle,
//! [`Objects`], for one piece of work and drops it: a handle sees the packs that were there when
//! it was taken, and opening one costs less than a millisecond.

mod check;
mod conversation;
mod diff;
mod fetch;
mod file;
mod git;
mod history;
mod lock;
mod objects;
mod open;
mod ownership;
mod push;
mod quarantine;
mod read;
mod refs;
mod refusal;
mod remote;
mod stage;
mod touched;
mod transport;
mod tree;
mod trees;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub use conversation::{RemoteBranch, RemoteBranches};
pub use diff::{Entry, PathChange};
pub use fetch::{FetchError, FetchErrorKind, FetchLimits, Fetched, RemoteHead};
pub(crate) use fetch::{is_disk_full, is_of_our_side};
pub use file::OpenFile;
pub use git::{GitError, GitVersion, OLDEST_GIT};
pub use history::{CommitFacts, ResolveError};
pub use lock::{LockError, MirrorLock};
pub use objects::{ObjectError, Objects};
pub use open::{OpenError, RepositoryFacts};
pub use ownership::{Foreign, SafeDirectories};
pub use push::{PushError, PushErrorKind};
pub(crate) use quarantine::UNFINISHED;
pub use read::BlobContent;
pub use refs::{Expected, RefError};
pub use refusal::Untrusted;
pub use remote::{Remote, RemoteError, RemoteOptions};
pub use stage::{
    CommitFlaw, Durability, Edit, EditError, Edits, Identity, NewCommit, Signature, Stage, Trailer,
};
pub use touched::{File, Touch};
pub use transport::Phase;
pub use tree::{EntryMode, TreeEntry, TreeFlaw};

use crate::id::CommitId;
use trees::TreeCache;

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
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Where refs, objects and our own files are: the common directory of a linked work tree.
    git_dir: PathBuf,
    options: MirrorOptions,
    trees: Arc<TreeCache>,
    /// The head of a remote whose pack cost more than it may: it is not asked for again.
    given_up: Mutex<Option<CommitId>>,
}

impl Mirror {
    /// Returns the absolute path of the git directory, which holds `objects` and `refs`.
    pub fn git_dir(&self) -> &Path {
        &self.shared.git_dir
    }

    /// Returns the folder in it for what is Headwater's own. It need not be there.
    pub fn own_folder(&self) -> PathBuf {
        self.git_dir().join(quarantine::OUR_FOLDER)
    }

    /// Returns what its handles obey.
    pub fn options(&self) -> &MirrorOptions {
        &self.shared.options
    }
}

#[cfg(test)]
pub(crate) mod testing;
