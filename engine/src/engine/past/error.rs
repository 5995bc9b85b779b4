//! Why an earlier state cannot be read.

use crate::history::HistoryError;
use crate::id::CommitId;
use crate::load::LoadError;
use crate::mirror::{Cause, FetchError};

/// Why there is no state of a commit to read.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// Nothing in the branch's history goes by this name.
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
        /// Why.
        #[source]
        source: Box<LoadError>,
    },
    /// The remote does not tell where a branch is.
    #[error("the remote does not report the branch {branch:?}")]
    Remote {
        /// The branch.
        branch: String,
        /// Why; `None` where it did not answer just before.
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
        /// What git says.
        #[source]
        source: Cause,
    },
}

impl PastError {
    /// Says whether the same request may be answered later: memory is short.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Load { source, .. } if matches!(**source, LoadError::Memory { .. }))
    }
}
