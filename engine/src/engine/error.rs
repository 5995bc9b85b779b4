//! Why the engine cannot open, and why a reload fails.

use std::path::PathBuf;
use std::time::Duration;

use super::hold_reason::{HeldPush, HeldReason};
use super::role::Role;
use crate::admit::Withheld;
use crate::digest::Digest;
use crate::id::CommitId;
use crate::load::LoadError;
use crate::mirror::{self, FetchError, LockError, ObjectError, RefError};
use crate::report::ReloadId;
use crate::suggestion::{did_you_mean, nearest};

/// A reason why the engine cannot serve a repository at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be used as a repository.
    #[error("cannot open the repository {}", path.display())]
    Repository {
        /// The folder.
        path: PathBuf,
        /// The error from git.
        #[source]
        source: mirror::RepositoryError,
    },
    /// There is neither a repository nor a remote to clone it from.
    #[error(
        "{} is not a repository: name one with --repo, or give --remote to clone it",
        path.display()
    )]
    NothingThere {
        /// The folder.
        path: PathBuf,
    },
    /// A remote is given for a repository that has a work tree.
    #[error(
        "{} has a work tree, into which Headwater cannot fetch: leave out --remote to serve \
         its branch as committed, or give --repo a folder that does not exist yet, to clone \
         the remote into it", path.display()
    )]
    NotBare {
        /// The folder.
        path: PathBuf,
    },
    /// The history is cut off.
    #[error(
        "{} is a shallow clone, which cannot be followed: complete it with \
         `git -C {} fetch --unshallow`", path.display(), path.display()
    )]
    Shallow {
        /// The folder.
        path: PathBuf,
    },
    /// Some of the objects are still only at the remote from which it was cloned.
    #[error(
        "{} is a partial clone, which lacks objects: clone it without --filter",
        path.display()
    )]
    PartialClone {
        /// The folder.
        path: PathBuf,
    },
    /// The URL of the remote cannot be used.
    #[error("the remote cannot be used")]
    Remote(#[source] mirror::RemoteError),
    /// No branch is given, and there is no obvious choice.
    #[error(
        "HEAD names none of the branches: choose one with --branch; there are {}",
        branches.join(", ")
    )]
    BranchUnclear {
        /// The branches that exist.
        branches: Vec<String>,
    },
    /// The only branch, or that of HEAD, is where none can be served.
    #[error(
        "the branch must not be called `conflicts`: commits that cannot be kept on the branch are kept on branches \
         below that name; rename it, or choose another one with --branch"
    )]
    BranchOfConflicts,
    /// The requested branch does not exist.
    #[error("there is no branch {branch}{}", there_are(branch, branches))]
    BranchMissing {
        /// The branch.
        branch: String,
        /// The branches that exist.
        branches: Vec<String>,
    },
    /// Another process serves this repository.
    #[error("cannot lock the repository {}", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The holder of the lock.
        #[source]
        source: LockError,
    },
    /// The remote cannot be fetched, and there is no local state to serve.
    #[error("cannot fetch branch {branch}, and there is no local state to serve")]
    Fetch {
        /// The branch.
        branch: String,
        /// The cause.
        #[source]
        source: Box<FetchError>,
    },
    /// There is no other replica to get the first state from.
    #[error("there is no replica to get branch {branch} from")]
    NoSource {
        /// The branch.
        branch: String,
    },
    /// A reference cannot be read or written.
    #[error("cannot read or write a reference in {}", path.display())]
    Reference {
        /// The folder.
        path: PathBuf,
        /// The error from git.
        #[source]
        source: RefError,
    },
    /// The head of the branch cannot be loaded.
    #[error("cannot load branch {branch}")]
    Load {
        /// The branch.
        branch: String,
        /// The cause.
        #[source]
        source: Box<LoadError>,
    },
    /// The engine's thread cannot be started.
    #[error("cannot start the reload thread")]
    Thread(#[source] std::io::Error),
}

/// Returns the list of branches, and the one that may be meant.
fn there_are(branch: &str, branches: &[String]) -> String {
    if branches.is_empty() {
        return ": the repository has none yet".to_owned();
    }
    let meant = nearest(branch, branches.iter().map(String::as_str));
    format!("; there are {}{}", branches.join(", "), did_you_mean(meant))
}

impl OpenError {
    /// Returns whether an object is missing that the remote may still have.
    pub(super) fn lacks_object(&self) -> bool {
        matches!(self, Self::Load { .. }) && mirror::lacks_object(self)
    }

    /// Returns whether the remote is unreachable, which may pass soon.
    pub fn is_remote_away(&self) -> bool {
        use mirror::FetchErrorKind::{TimedOut, Unreachable};
        matches!(self, Self::Fetch { source, .. } if matches!(source.kind(), Unreachable | TimedOut))
    }

    /// Returns whether the repository itself is damaged, so that a new clone would help: objects
    /// are missing or wrong, or a reference holds no commit. An error of the local system is not
    /// damage.
    pub fn is_damage(&self) -> bool {
        let is_ours = |error: &(dyn std::error::Error + 'static)| mirror::is_of_our_side(error);
        match self {
            Self::Reference { source: RefError::Unreadable { source, .. }, .. } => {
                !is_ours(source.as_ref())
            }
            Self::Load { source, .. } => match source.as_ref() {
                LoadError::Index { .. }
                | LoadError::Memory { .. }
                | LoadError::TooCostly { .. }
                | LoadError::Panic { .. } => false,
                // A clone would be as large.
                error if mirror::has_too_many_paths(error) => false,
                error => !is_ours(error),
            },
            Self::Repository {
                source: mirror::RepositoryError::Corrupt { source, .. }, ..
            } => !is_ours(source.as_ref()),
            _ => false,
        }
    }
}

/// A reason why a reload did not publish the remote's head. The old state continues to be served.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The branch is not on the remote.
    #[error("branch {branch} is not on the remote")]
    BranchMissing {
        /// The branch.
        branch: String,
    },
    /// The push is held.
    #[error("the remote's head {} is held: {}", held.commit, held.reason.as_str())]
    Held {
        /// The push.
        held: HeldPush,
        /// Whether this is the stored answer to an earlier attempt.
        repeated: bool,
    },
    /// No push with this id is held any more.
    #[error("push {id} is not held, or is no longer the remote's head")]
    NotHeld {
        /// The requested id.
        id: ReloadId,
    },
    /// The commit was never served.
    #[error("{commit} is neither kept in memory nor an ancestor of the branch")]
    NeverServed {
        /// The commit to pin.
        commit: CommitId,
    },
    /// The repository has no remote: it is only followed, and none of its references is written.
    #[error("a repository without a remote cannot be pinned")]
    PinWithoutRemote,
    /// The remote could not be fetched.
    #[error("cannot fetch the branch")]
    Fetch(#[source] FetchError),
    /// The new state could be built neither from the difference nor from scratch.
    #[error("cannot build the new state")]
    Load(#[source] LoadError),
    /// The state cost too much to build a while ago, and is not tried again yet.
    #[error("commit {commit} cost too much a while ago, and is not tried again yet")]
    LeftAlone {
        /// The commit.
        commit: CommitId,
    },
    /// A reference could not be read or moved.
    #[error("cannot move the branch")]
    Reference(#[source] RefError),
    /// The repository could not be read.
    #[error("cannot read the repository")]
    Repository(#[source] ObjectError),
    /// The repository could not be opened.
    #[error("cannot open the repository")]
    Open(#[source] mirror::RepositoryError),
    /// The other replicas do not consent to the new state.
    #[error("the new state is not published")]
    Withheld(#[from] Withheld),
    /// The leader decides this.
    #[error("the leader decides this, and this replica is {}", role.as_str())]
    NotLeading {
        /// The role of this replica.
        role: Role,
    },
    /// Only a follower goes where the leader is.
    #[error("this replica is {}, so it follows nobody", role.as_str())]
    NotFollowing {
        /// The role of this replica.
        role: Role,
    },
    /// The leader's commit cannot be fetched from any source.
    #[error("cannot fetch {commit}, the leader's commit, from another replica or the remote")]
    CannotFollow {
        /// The commit.
        commit: CommitId,
        /// How the last source failed; `None` if there is no source.
        #[source]
        source: Option<FetchError>,
    },
    /// The state of the leader's commit is another one here, even built from scratch.
    #[error("the state of {commit} has the digest {ours} here, and {theirs} at the leader")]
    ReplicaDiverged {
        /// The commit.
        commit: CommitId,
        /// The digest here.
        ours: Digest,
        /// The digest at the leader.
        theirs: Digest,
    },
    /// The local commits on top of the remote's could not be stored.
    #[error("cannot store the commits")]
    Store(#[source] std::io::Error),
    /// The reload panicked, which is a bug in Headwater.
    #[error("the reload panicked: {message}")]
    Panic {
        /// The message of the panic.
        message: String,
    },
}

/// The kind of a failed reload: it decides the answer to the caller and what the operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The branch is not on the remote.
    BranchMissing,
    /// The branch was rewound or rewritten.
    Diverged,
    /// The content was refused.
    Refused,
    /// The requested held push is gone.
    NotHeld,
    /// The commit cannot be pinned.
    NotPinnable,
    /// The remote cannot be reached or its answers are invalid.
    Unreachable,
    /// The remote requires other credentials.
    RemoteAuth,
    /// The remote is a folder of another user, or its host key is unknown.
    RemoteUntrusted,
    /// The remote did not send a sound repository.
    ContentRejected,
    /// The remote took too long.
    TimedOut,
    /// A disk is full.
    DiskFull,
    /// Another process holds a lock in the repository.
    RepoLocked,
    /// There is not enough memory for a second state.
    MemoryShort,
    /// The other replicas did not consent: another one leads, or nobody knows.
    LeaderChanged,
    /// The request is for a replica in another role.
    WrongRole,
    /// The leader's commit cannot be fetched.
    CannotFollow,
    /// The state of the leader's commit is another one here.
    ReplicaDiverged,
    /// Anything else: the engine failed.
    Internal,
}

impl FailureKind {
    /// Returns whether it concerns fetching the remote, which is then asked less often.
    pub fn is_of_remote(self) -> bool {
        use FailureKind::{ContentRejected, RemoteAuth, RemoteUntrusted, TimedOut, Unreachable};
        matches!(self, Unreachable | RemoteAuth | RemoteUntrusted | TimedOut | ContentRejected)
    }
}

impl ReloadError {
    /// Returns whether the mirror lacks an object that the remote may still have. What the remote
    /// did not send was requested already.
    pub(super) fn lacks_object(&self) -> bool {
        !matches!(self, Self::Fetch(_)) && mirror::lacks_object(self)
    }

    /// Returns how long the remote asks to be left alone, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Fetch(error) => error.retry_after(),
            _ => None,
        }
    }

    /// Returns the kind of the failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::BranchMissing { .. } => FailureKind::BranchMissing,
            Self::Held { held, .. } if held.reason == HeldReason::Diverged => FailureKind::Diverged,
            Self::Held { .. } => FailureKind::Refused,
            Self::NotHeld { .. } => FailureKind::NotHeld,
            Self::NeverServed { .. } | Self::PinWithoutRemote => FailureKind::NotPinnable,
            Self::Fetch(error) => match error.kind() {
                mirror::FetchErrorKind::Unreachable => FailureKind::Unreachable,
                mirror::FetchErrorKind::Auth => FailureKind::RemoteAuth,
                mirror::FetchErrorKind::Untrusted => FailureKind::RemoteUntrusted,
                mirror::FetchErrorKind::ContentRejected => FailureKind::ContentRejected,
                mirror::FetchErrorKind::TimedOut => FailureKind::TimedOut,
                mirror::FetchErrorKind::DiskFull => FailureKind::DiskFull,
                mirror::FetchErrorKind::RepoLocked => FailureKind::RepoLocked,
                mirror::FetchErrorKind::TooLarge => FailureKind::ContentRejected,
                mirror::FetchErrorKind::Other => FailureKind::Internal,
            },
            Self::Withheld(_) => FailureKind::LeaderChanged,
            Self::NotLeading { .. } | Self::NotFollowing { .. } => FailureKind::WrongRole,
            Self::ReplicaDiverged { .. } => FailureKind::ReplicaDiverged,
            error @ Self::CannotFollow { .. } if !mirror::is_disk_full(error) => {
                FailureKind::CannotFollow
            }
            Self::Reference(mirror::RefError::Locked { .. }) => FailureKind::RepoLocked,
            Self::Load(error) if error.is_of_memory() => FailureKind::MemoryShort,
            Self::Load(LoadError::TooCostly { .. }) | Self::LeftAlone { .. } => {
                FailureKind::ContentRejected
            }
            error if mirror::is_disk_full(error) => FailureKind::DiskFull,
            error if mirror::has_too_many_paths(error) => FailureKind::ContentRejected,
            _ => FailureKind::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CommitId;
    use crate::mirror::ObjectError;

    #[test]
    fn only_what_a_clone_would_mend_is_damage() {
        let commit = CommitId::ZERO;
        let missing = ObjectError::Missing { id: commit.to_string(), promised: false };
        let table = [
            (missing, true),
            (ObjectError::TooManyPaths { limit: 1 }, false),
            (ObjectError::PathsTooLong { limit: 1 }, false),
            (ObjectError::TooManyClaims { limit: 1 }, false),
        ];
        for (source, expected) in table {
            let text = source.to_string();
            let source = Box::new(LoadError::Diff { old: commit, new: commit, source });
            let error = OpenError::Load { branch: "main".to_owned(), source };
            assert_eq!(error.is_damage(), expected, "{text}");
        }
    }
}
