//! The local bare clone of the remote, and the only module that uses gix.
//!
//! A [`Mirror`] is a path and a few limits. A reader takes a fresh handle, [`Objects`], for one
//! piece of work and drops it afterwards: a handle sees the packs that existed when it was opened,
//! and opening one takes less than a millisecond.

mod address;
mod ancestry;
mod check;
mod child;
mod commit;
mod conversation;
mod diff;
mod fetch;
mod first_parents;
mod file;
mod folder;
mod gaps;
mod git;
mod gix_id;
mod given_up;
mod group_memory;
mod handle;
mod history;
mod limits;
mod lock;
mod objects;
mod open;
mod ownership;
mod pack;
mod push;
mod quarantine;
mod read;
mod refs;
mod refusal;
mod remote;
mod revision;
mod serve;
mod stage;
mod system;
mod tag_listing;
mod file_history;
mod transport;
mod tree;
mod tree_flaw;
mod tree_size;
mod tree_cache;

pub use address::RemoteOptions;
pub use ancestry::Ancestry;
pub use commit::CommitFacts;
pub use conversation::{RemoteBranch, RemoteBranches};
pub use diff::{FileEntry, PathChange, TreeDifference, TreeFiles};
pub use fetch::{FetchError, FetchErrorKind, Fetched, RemoteHead};
pub use file::{FoundFile, OpenFile};
pub use file_history::{File, Files, ReadLimits, Touch};
pub use first_parents::{FirstParentLine, FirstParents, Made};
pub(crate) use folder::UNFINISHED;
pub use git::{GitError, GitVersion, OLDEST_GIT};
pub use handle::{Cause, Mirror, MirrorOptions};

pub use limits::FetchLimits;
pub use lock::{LockError, MirrorLock};
pub use objects::{ObjectError, Objects};
pub(crate) use objects::{has_too_many_paths, lacks_object};
pub use open::{RepositoryError, RepositoryFacts};
pub use ownership::{Foreign, SafeDirectories};
pub use push::{PushError, PushErrorKind, RefPush};
pub use read::BlobContent;
pub use refs::{Expected, RefError};
pub use refusal::Untrusted;
pub use remote::{Remote, RemoteError};
pub use revision::ResolveError;
pub use serve::{GitAnswer, GitRequest};
pub use stage::{
    CommitFlaw, Durability, Edit, EditError, Edits, Identity, NewCommit, Signature, Stage, Trailer,
};
pub(crate) use system::{is_disk_full, is_of_our_side};
pub use transport::Phase;
pub use tree::{EntryMode, TreeEntry};
pub use tree_flaw::TreeFlaw;
pub use tree_size::{TreeGrowth, TreeSize};

#[cfg(test)]
pub(crate) mod testing;
