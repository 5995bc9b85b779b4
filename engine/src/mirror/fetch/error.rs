//! Why a fetch failed, in as much detail as callers act on.

use std::time::Duration;

use crate::mirror::check::CheckError;
use crate::mirror::system::{is_disk_full, is_of_our_side};
use crate::mirror::{Cause, ObjectError, Phase, RefError, Remote, RepositoryError, Untrusted};

/// The rule that is broken by a pack that is too expensive to unpack or to check.
pub(super) const TOO_MUCH_WORK: &str = "too_much_work";

/// A failed fetch. The mirror is as it was.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The name is not valid for a branch.
    #[error("{branch:?} cannot be the name of a branch")]
    InvalidBranch {
        /// The name.
        branch: String,
    },
    /// The remote cannot be reached or does not exist, or the line broke.
    #[error("{remote} cannot be fetched from{}", said(message))]
    Unreachable {
        /// The address, without secrets.
        remote: String,
        /// What the remote, or the program that talks to it, reported, if anything.
        message: String,
        /// How long the remote asks to be left alone, if it said so.
        retry_after: Option<Duration>,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// The remote requires other credentials.
    #[error("{remote} refuses our credentials{}", said(message))]
    Auth {
        /// The address, without secrets.
        remote: String,
        /// What the remote, or the program that talks to it, reported, if anything.
        message: String,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// The remote is not contacted: it is a folder of another user, or its host key is unknown.
    #[error("{remote} is not trusted")]
    Untrusted {
        /// The address, without secrets.
        remote: String,
        /// The cause.
        #[source]
        source: Untrusted,
    },
    /// The remote sent invalid content. None of it was kept.
    #[error("the content of {remote} is refused: {rule}")]
    ContentRejected {
        /// The address, without secrets.
        remote: String,
        /// The object, if known.
        object: Option<String>,
        /// The rule that it breaks.
        rule: &'static str,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// The fetch exceeded its time limit, or the remote was silent for too long.
    #[error("{remote} took too long {phase}")]
    TimedOut {
        /// The address, without secrets.
        remote: String,
        /// What the fetch was waiting for.
        phase: Phase,
    },
    /// The remote sent more than the limit of the fetch.
    #[error("{remote} sent more than {limit} bytes")]
    TooLarge {
        /// The address, without secrets.
        remote: String,
        /// The limit.
        limit: u64,
    },
    /// The remote sent more references, or acknowledged more commits, than are kept.
    #[error("{remote} sends too much before its pack")]
    TooTalkative {
        /// The address, without secrets.
        remote: String,
    },
    /// The disk is full.
    #[error("no space is left to fetch into the mirror")]
    DiskFull(#[source] Cause),
    /// Another process holds the lock of a ref of the mirror.
    #[error("the mirror is locked")]
    RepoLocked(#[source] Cause),
    /// The mirror itself cannot be read or written.
    #[error("the mirror cannot be read or written")]
    Mirror(#[source] Cause),
}

/// The kinds of failed fetches that callers treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FetchErrorKind {
    /// Try again later.
    Unreachable,
    /// Somebody must check the credentials.
    Auth,
    /// Somebody must check that the remote is the intended one.
    Untrusted,
    /// Somebody must check the content; it will be the same next time.
    ContentRejected,
    /// Try again later, or allow more time.
    TimedOut,
    /// Allow more bytes.
    TooLarge,
    /// Make room.
    DiskFull,
    /// Try again soon.
    RepoLocked,
    /// Anything else.
    Other,
}

impl FetchError {
    /// Returns the kind.
    pub fn kind(&self) -> FetchErrorKind {
        match self {
            Self::Unreachable { .. } => FetchErrorKind::Unreachable,
            Self::Auth { .. } => FetchErrorKind::Auth,
            Self::Untrusted { .. } => FetchErrorKind::Untrusted,
            Self::ContentRejected { .. } | Self::TooTalkative { .. } => {
                FetchErrorKind::ContentRejected
            }
            Self::TimedOut { .. } => FetchErrorKind::TimedOut,
            Self::TooLarge { .. } => FetchErrorKind::TooLarge,
            Self::DiskFull(_) => FetchErrorKind::DiskFull,
            Self::RepoLocked(_) => FetchErrorKind::RepoLocked,
            Self::InvalidBranch { .. } | Self::Mirror(_) => FetchErrorKind::Other,
        }
    }

    /// Returns how long the remote asks to be left alone, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unreachable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Returns an error of the local side.
    pub(in crate::mirror) fn ours(cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        if is_disk_full(cause.as_ref()) { Self::DiskFull(cause) } else { Self::Mirror(cause) }
    }

    /// Returns the error for a pack that exceeded its limit, or whose commits did.
    pub(in crate::mirror) fn too_much_work(remote: &Remote) -> Self {
        Self::ContentRejected {
            remote: remote.to_string(),
            object: None,
            rule: TOO_MUCH_WORK,
            source: "it costs too much to unpack or to check; it is not requested again for a day"
                .into(),
        }
    }

    /// Returns whether the pack exceeded a limit on work, as it would again next time.
    pub(super) fn is_too_much_work(&self) -> bool {
        matches!(self, Self::ContentRejected { rule: TOO_MUCH_WORK, .. })
    }

    /// Returns the error for what did not pass its check.
    pub(super) fn unsound(remote: &Remote, error: CheckError) -> Self {
        match error {
            CheckError::Object(error) => Self::content(remote, error),
            CheckError::TooManyPaths { .. } => Self::ContentRejected {
                remote: remote.to_string(),
                object: None,
                rule: TOO_MUCH_WORK,
                source: error.into(),
            },
            CheckError::TimedOut => {
                Self::TimedOut { remote: remote.to_string(), phase: Phase::Check }
            }
        }
    }

    fn content(remote: &Remote, error: ObjectError) -> Self {
        if is_of_our_side(&error) {
            return Self::ours(error);
        }
        let (object, rule) = match &error {
            ObjectError::Missing { id, .. } => (Some(id), "missing_object"),
            ObjectError::WrongKind { id, .. } => (Some(id), "wrong_kind"),
            ObjectError::BadTree { id, .. } => (Some(id), "malformed_tree"),
            ObjectError::Unreadable { id, .. } => (Some(id), "unreadable_object"),
            ObjectError::TooManyPaths { .. }
            | ObjectError::PathsTooLong { .. }
            | ObjectError::TooManyClaims { .. } => (None, "too_many_paths"),
            ObjectError::CommitTooLarge { id, .. } => (Some(id), "commit_too_large"),
            ObjectError::TooManyParents { id, .. } => (Some(id), "too_many_parents"),
            ObjectError::DenseHistory { tip, .. } => (Some(tip), "too_many_parents"),
        };
        let (remote, object) = (remote.to_string(), object.cloned());
        Self::ContentRejected { remote, object, rule, source: error.into() }
    }
}

impl From<RepositoryError> for FetchError {
    fn from(error: RepositoryError) -> Self {
        Self::ours(error)
    }
}

impl From<RefError> for FetchError {
    fn from(error: RefError) -> Self {
        match error {
            RefError::Locked { .. } => Self::RepoLocked(error.into()),
            other => Self::ours(other),
        }
    }
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}
