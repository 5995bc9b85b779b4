//! Why an earlier state cannot be read.

use crate::changes::TooCostly;
use crate::history::HistoryError;
use crate::id::CommitId;
use crate::load::LoadError;
use crate::mirror::{Cause, FetchError, has_too_many_paths, lacks_object};

/// Why there is no readable state of a commit.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// Nothing in the branch's history has this name.
    #[error("{name:?} does not name a commit in the history of the branch")]
    Unknown {
        /// The name.
        name: String,
    },
    /// Its records cannot be loaded, or there is no memory for them.
    #[error("the state of commit {commit} cannot be loaded")]
    Load {
        /// The commit.
        commit: CommitId,
        /// The cause.
        #[source]
        source: Box<LoadError>,
    },
    /// Its state cost too much to build a while ago, and is not tried again yet.
    #[error("the state of commit {commit} cost too much a while ago, and is not tried again yet")]
    LeftAlone {
        /// The commit.
        commit: CommitId,
    },
    /// The remote does not report the head of a branch.
    #[error("the remote does not report the branch {branch:?}")]
    Remote {
        /// The branch.
        branch: String,
        /// The cause; `None` if the remote recently did not answer.
        #[source]
        source: Option<Box<FetchError>>,
    },
    /// The remote has the branch, and it cannot be fetched: its content is refused or takes too long.
    /// Other branches are not concerned.
    #[error("the branch {branch:?} cannot be fetched from the remote")]
    BranchRefused {
        /// The branch.
        branch: String,
        /// The cause; `None` if the same head was refused recently.
        #[source]
        source: Option<Box<FetchError>>,
    },
    /// The versions of a record cannot be read.
    #[error(transparent)]
    History(Box<HistoryError>),
    /// The repository cannot be read.
    #[error("the history of the branch cannot be read for commit {commit}")]
    Repository {
        /// The commit.
        commit: CommitId,
        /// The error from git.
        #[source]
        source: Cause,
    },
}

impl PastError {
    /// Returns whether the repository lacks something of the history that decides the answer.
    pub fn lacks_object(&self) -> bool {
        let of_git = match self {
            Self::History(error) => error.lacks_object(),
            _ => false,
        };
        of_git || lacks_object(self)
    }

    /// Returns whether the trees hold more paths than the limits allow, or decoding their files takes
    /// too long, so that no retry helps.
    pub fn is_too_costly(&self) -> bool {
        use TooCostly::Time;
        let is_slow =
            |error: &LoadError| matches!(error, LoadError::TooCostly { source: Time { .. }, .. });
        match self {
            Self::LeftAlone { .. } => true,
            Self::Load { source, .. } if is_slow(source) => true,
            error => has_too_many_paths(error),
        }
    }

    /// Returns whether the same request may succeed later: memory is short.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Load { source, .. } if source.is_of_memory())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_takes_too_long_is_too_costly_and_what_lacks_memory_may_pass() {
        let commit = CommitId::ZERO;
        for (source, is_too_costly, is_passing) in [
            (TooCostly::Time { limit: Duration::ZERO }, true, false),
            (TooCostly::Memory { available: 1 }, false, true),
        ] {
            let source = Box::new(LoadError::TooCostly { commit, source });
            let error = PastError::Load { commit, source };
            assert_eq!((error.is_too_costly(), error.is_passing()), (is_too_costly, is_passing));
        }
    }
}
