//! Reports of pushes, for observers and for the operator.

use std::time::{Duration, SystemTime};

use crate::id::CommitId;
use crate::mirror::{self, ObjectError, PushError, PushErrorKind, RefError};

/// An attempted push.
#[derive(Debug)]
pub struct PushReport {
    /// The last commit that was pushed, or that failed.
    pub commit: CommitId,
    /// How long it took.
    pub duration: Duration,
    /// The number of commits that the remote does not have now.
    pub unpushed: u64,
    /// Since when it has lacked the oldest of them.
    pub since: Option<SystemTime>,
    /// What went wrong, if anything did.
    pub result: Result<(), PushFailure>,
}

/// A failed push.
#[derive(Debug, thiserror::Error)]
pub enum PushFailure {
    /// The remote did not accept it.
    #[error("the commits cannot be pushed")]
    Remote(#[source] PushError),
    /// The repository cannot be opened.
    #[error("cannot open the repository")]
    Open(#[source] mirror::RepositoryError),
    /// The repository cannot be read.
    #[error("cannot read the repository")]
    Repository(#[source] ObjectError),
    /// A reference cannot be read or written.
    #[error("cannot read or record what was pushed")]
    Reference(#[source] RefError),
    /// A step panicked, which is a bug in Headwater.
    #[error("pushing panicked: {message}")]
    Panic {
        /// The message of the panic.
        message: String,
    },
}

impl PushFailure {
    /// Returns the kind.
    pub fn kind(&self) -> PushErrorKind {
        match self {
            Self::Remote(error) => error.kind(),
            _ if mirror::is_disk_full(self) => PushErrorKind::DiskFull,
            _ => PushErrorKind::Ours,
        }
    }
}

/// The state of the pushes for the operator.
#[derive(Debug, Clone, Default)]
pub struct PushStatus {
    /// Whether anything is pushed at all.
    pub active: bool,
    /// Since when the remote has lacked the oldest unpushed commit.
    pub unpushed_since: Option<SystemTime>,
    /// The last pushed commit, unless the remote has been seen elsewhere since.
    pub tip: Option<CommitId>,
    /// When the last push succeeded.
    pub pushed_at: Option<SystemTime>,
    /// How the last push failed; `None` once one succeeds.
    pub failure: Option<(PushErrorKind, String)>,
    /// How many failed in a row.
    pub failures: u32,
    /// When the next one may be tried, if it has to wait: because one failed, or because pushes are
    /// to be so far apart.
    pub next: Option<SystemTime>,
}
