//! Why the history of a record cannot be returned.

use crate::budget::TooCostly;
use crate::definitions::DefinitionError;
use crate::id::CommitId;
use crate::mirror::{GitError, ObjectError};

/// Why the history of a record cannot be returned.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The history cannot be walked, or its versions cannot be read.
    #[error("the history of {key} in {sheet} cannot be read from commit {commit} on")]
    Git {
        /// The sheet.
        sheet: String,
        /// The key.
        key: String,
        /// The start of the walk.
        commit: CommitId,
        /// The error from git.
        #[source]
        source: GitError,
    },
    /// A commit cannot be read.
    #[error("commit {commit} cannot be read")]
    Commit {
        /// The commit.
        commit: CommitId,
        /// The error from git.
        #[source]
        source: ObjectError,
    },
    /// A version of the files is missing.
    #[error("a file of commit {commit} is missing")]
    Missing {
        /// The commit.
        commit: CommitId,
        /// The error from git.
        #[source]
        source: ObjectError,
    },
    /// The definitions by which a commit shows a version cannot be read.
    #[error("cannot read the sheet definitions of commit {commit}")]
    Definitions {
        /// The commit, or a child of it.
        commit: CommitId,
        /// The error from git.
        #[source]
        source: DefinitionError,
    },
    /// Nobody waits for the answer any more.
    #[error("nobody waits for the history any more")]
    Unawaited(#[from] TooCostly),
}

impl HistoryError {
    /// Returns whether the walk was given up because it took too long. Another try may succeed,
    /// when the machine has less to do.
    pub fn took_too_long(&self) -> bool {
        matches!(self, Self::Git { source: GitError::Killed { .. }, .. })
    }

    /// Returns whether git found that an object is missing.
    pub fn lacks_object(&self) -> bool {
        matches!(self, Self::Git { source: GitError::Lacking { .. }, .. })
    }
}
