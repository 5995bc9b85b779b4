//! What is told of pushes: to whoever observes them, and to the operator.

use std::time::{Duration, SystemTime};

use crate::id::CommitId;
use crate::mirror::{self, ObjectError, PushError, PushErrorKind, RefError};

/// A push that was tried.
#[derive(Debug)]
pub struct PushReport {
    /// The commit that was pushed last, or is not.
    pub commit: CommitId,
    /// How long it took.
    pub duration: Duration,
    /// How many commits the remote does not have now.
    pub unpushed: u64,
    /// Since when it has not had the oldest of them.
    pub since: Option<SystemTime>,
    /// What went wrong, if anything did.
    pub result: Result<(), PushFailure>,
}

/// A push that did not go through.
#[derive(Debug, thiserror::Error)]
pub enum PushFailure {
    /// The remote did not take it.
    #[error("the commits cannot be pushed")]
    Remote(#[source] PushError),
    /// The repository cannot be opened.
    #[error("cannot open the repository")]
    Open(#[source] mirror::OpenError),
    /// The repository cannot be read.
    #[error("cannot read the repository")]
    Repository(#[source] ObjectError),
    /// A reference cannot be read or written.
    #[error("cannot read or record what was pushed")]
    Reference(#[source] RefError),
    /// A step panicked, which is a mistake in Headwater.
    #[error("pushing panicked: {message}")]
    Panic {
        /// What the panic said.
        message: String,
    },
}

impl PushFailure {
    /// Returns the kind.
    pub fn kind(&self) -> PushErrorKind {
        match self {
            Self::Remote(error) => error.kind(),
            _ => PushErrorKind::Ours,
        }
    }
}

/// How the pushes go, as the operator sees it.
#[derive(Debug, Clone, Default)]
pub struct PushStatus {
    /// Whether anything is pushed at all.
    pub active: bool,
    /// Since when the remote has not had the oldest commit that it has not.
    pub unpushed_since: Option<SystemTime>,
    /// The last commit that was pushed, unless the remote was seen elsewhere since.
    pub tip: Option<CommitId>,
    /// When the last push went through.
    pub pushed_at: Option<SystemTime>,
    /// How the last push failed; `None` once one goes through.
    pub failure: Option<(PushErrorKind, String)>,
    /// How many failed in a row.
    pub failures: u32,
    /// When the next one is tried, where one failed.
    pub next: Option<SystemTime>,
}
