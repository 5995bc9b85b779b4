//! Why a fetch did not go through, told apart as far as callers act on it.

use std::time::Duration;

use crate::mirror::system::{is_disk_full, is_of_our_side};
use crate::mirror::{Cause, ObjectError, OpenError, Phase, RefError, Remote, Untrusted};

/// The rule that a pack breaks which costs too much to take apart.
const TOO_MUCH_WORK: &str = "too_much_work";

/// A fetch that did not go through. The mirror is as it was.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The name cannot be that of a branch.
    #[error("{branch:?} cannot be the name of a branch")]
    InvalidBranch {
        /// The name.
        branch: String,
    },
    /// The remote cannot be reached, is not there, or the line broke.
    #[error("{remote} cannot be fetched from{}", said(message))]
    Unreachable {
        /// The address, without secrets.
        remote: String,
        /// What the remote or the program that talks to it said, if anything.
        message: String,
        /// How long the remote wants to be left alone, if it said so.
        retry_after: Option<Duration>,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The remote wants other credentials.
    #[error("{remote} refuses our credentials{}", said(message))]
    Auth {
        /// The address, without secrets.
        remote: String,
        /// What the remote or the program that talks to it said, if anything.
        message: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The remote is not asked: it is a folder of another user, or another host than we know.
    #[error("{remote} is not trusted")]
    Untrusted {
        /// The address, without secrets.
        remote: String,
        /// Why.
        #[source]
        source: Untrusted,
    },
    /// What the remote sent is not what it should be. Nothing of it was kept.
    #[error("the content of {remote} is refused: {rule}")]
    ContentRejected {
        /// The address, without secrets.
        remote: String,
        /// The object, if it is known which.
        object: Option<String>,
        /// Which rule it breaks.
        rule: &'static str,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The remote took longer than the time of the fetch, or was silent for too long.
    #[error("{remote} took too long {phase}")]
    TimedOut {
        /// The address, without secrets.
        remote: String,
        /// What was waited for.
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
    /// The remote told more references, or of more commits that it knows, than are kept.
    #[error("{remote} sends too much before its pack")]
    TooTalkative {
        /// The address, without secrets.
        remote: String,
    },
    /// There is no space left.
    #[error("no space is left to fetch into the mirror")]
    DiskFull(#[source] Cause),
    /// A ref of the mirror is locked by somebody else.
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
    /// Somebody has to look at the credentials.
    Auth,
    /// Somebody has to look whether the remote is the one that is meant.
    Untrusted,
    /// Somebody has to look at the content; it will be the same next time.
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

    /// Returns how long the remote wants to be left alone, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unreachable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// An error of our own side.
    pub(in crate::mirror) fn ours(cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        if is_disk_full(cause.as_ref()) { Self::DiskFull(cause) } else { Self::Mirror(cause) }
    }

    /// A pack that cost more than it may.
    pub(in crate::mirror) fn too_much_work(remote: &Remote) -> Self {
        Self::ContentRejected {
            remote: remote.to_string(),
            object: None,
            rule: TOO_MUCH_WORK,
            source: "its deltas expand to too many bytes; it is not requested again".into(),
        }
    }

    /// Says whether the pack cost more than it may, as it would the next time.
    pub(super) fn is_too_much_work(&self) -> bool {
        matches!(self, Self::ContentRejected { rule: TOO_MUCH_WORK, .. })
    }

    pub(super) fn content(remote: &Remote, error: ObjectError) -> Self {
        if is_of_our_side(&error) {
            return Self::ours(error);
        }
        let (object, rule) = match &error {
            ObjectError::Missing { id, .. } => (Some(id), "missing_object"),
            ObjectError::WrongKind { id, .. } => (Some(id), "wrong_kind"),
            ObjectError::BadTree { id, .. } => (Some(id), "malformed_tree"),
            ObjectError::Unreadable { id, .. } => (Some(id), "unreadable_object"),
            ObjectError::TooManyPaths { .. } => (None, "too_many_paths"),
        };
        let (remote, object) = (remote.to_string(), object.cloned());
        Self::ContentRejected { remote, object, rule, source: error.into() }
    }
}

impl From<OpenError> for FetchError {
    fn from(error: OpenError) -> Self {
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
