//! What a reload says when it is done: plain data for the caller, the log and the API.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::digest::Digest;
use crate::id::{CommitId, SheetName};
use crate::plan::RebuildReason;

/// The name of a reload: when this process began, and a number within it.
///
/// Ids of two processes differ, so a stale `Location` never answers for another reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReloadId {
    /// Milliseconds since the Unix epoch at which the process began.
    pub(crate) epoch: u64,
    /// Counted from 1.
    pub(crate) number: u64,
}

impl fmt::Display for ReloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.epoch, self.number)
    }
}

impl FromStr for ReloadId {
    type Err = ReloadIdError;

    fn from_str(text: &str) -> Result<Self, ReloadIdError> {
        let (epoch, number) = text.split_once('-').ok_or(ReloadIdError)?;
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| ReloadIdError)?;
        let number = number.parse().map_err(|_| ReloadIdError)?;
        Ok(Self { epoch, number })
    }
}

/// A text that is not the id of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a reload")]
pub struct ReloadIdError;

/// Who asked for a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The first load of the process.
    Boot,
    /// A webhook call.
    Webhook,
    /// The poll that heals lost webhooks.
    Poll,
    /// The audit that comes by itself.
    Audit,
    /// The operator.
    Operator,
    /// A push of ours that the remote did not take, because it has moved on.
    Push,
    /// A write that found the branch moved by somebody else.
    Write,
    /// The local branch was seen to move.
    Watch,
}

impl Trigger {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Webhook => "webhook",
            Self::Poll => "poll",
            Self::Audit => "audit",
            Self::Operator => "operator",
            Self::Push => "push",
            Self::Write => "write",
            Self::Watch => "watch",
        }
    }
}

/// What a reload came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// The published commit is the remote's head, or the remote has nothing new.
    Unchanged,
    /// The difference was applied.
    Applied,
    /// The state was built anew from the new commit.
    Rebuilt,
    /// The head was fetched and is held back on purpose.
    Held,
}

impl OutcomeKind {
    /// Returns the stable name that the API shows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Applied => "applied",
            Self::Rebuilt => "rebuilt",
            Self::Held => "held",
        }
    }
}

/// How many served records of a sheet differ before and after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Served now and not before.
    pub added: u64,
    /// Served before and now, with another value.
    pub modified: u64,
    /// Served before and not now.
    pub removed: u64,
}

impl Counts {
    /// Says whether nothing changed.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the sum of the three.
    pub fn total(&self) -> u64 {
        self.added + self.modified + self.removed
    }
}

/// Where the time of a reload went. A stage that did not run is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Fetching and checking what arrived.
    pub fetch: Duration,
    /// Reading the layout and walking the two trees.
    pub diff: Duration,
    /// Reading and decoding the changed blobs.
    pub decode: Duration,
    /// Changing the maps and indexes, and deciding on admission.
    pub apply: Duration,
    /// Building the new text index.
    pub text: Duration,
    /// Moving the reference and swapping the pointer.
    pub swap: Duration,
}

impl Timings {
    /// Returns the stages by their stable names, in order.
    pub fn stages(&self) -> [(&'static str, Duration); 6] {
        let Self { fetch, diff, decode, apply, text, swap } = *self;
        [
            ("fetch", fetch),
            ("diff", diff),
            ("decode", decode),
            ("apply", apply),
            ("text", text),
            ("swap", swap),
        ]
    }
}

/// What a reload that did not fail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadOutcome {
    /// What it came to.
    pub kind: OutcomeKind,
    /// Why the state was built anew; `None` unless it was.
    pub reason: Option<RebuildReason>,
    /// The commit that was served before.
    pub old: CommitId,
    /// The commit that is served now.
    pub new: CommitId,
    /// Where the time went.
    pub timings: Timings,
    /// The sheets in which something changed.
    pub changed: BTreeMap<SheetName, Counts>,
    /// The same as far as the public sees it: neither hidden records nor sheets that are not public
    /// are counted.
    pub shown: BTreeMap<SheetName, Counts>,
    /// The sheets that are defined otherwise than before and were built anew, by name; empty where
    /// the whole state was.
    pub redefined: Vec<SheetName>,
    /// The digest of the state that is served now.
    pub digest: Digest,
    /// How many commits the local branch is ahead of the remote.
    pub ahead: u64,
    /// Whether the remote was asked; a rebuild goes on without it.
    pub fetched: bool,
    /// The remote's head as far as it is known.
    pub remote_head: Option<CommitId>,
    /// Whether this is the stored answer for a head that was held before.
    pub repeated: bool,
    /// The id of the push that is held because another commit is pinned.
    pub held: Option<ReloadId>,
    /// What became of commits of ours where both sides had moved on.
    pub replayed: Option<Replayed>,
}

/// What became of commits of ours that the remote did not have, and that did not fit on its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// How many are on top of the remote's head now.
    pub commits: u64,
    /// The branch that keeps them where they could not be put there.
    pub kept: Option<Kept>,
}

/// Commits of ours that are not in the branch any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The full name of the branch that has them now.
    pub reference: String,
    /// The last of them.
    pub commit: CommitId,
    /// What of them the branch does not have because the remote changed it too.
    pub lost: Vec<LostField>,
}

/// A field that both sides changed, each in its own way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LostField {
    /// The file.
    pub path: String,
    /// The field as a JSON Pointer, which begins with the key of the record in a file of many; empty for
    /// the file as a whole.
    pub pointer: String,
}

impl ReloadOutcome {
    /// Returns the outcome of a reload that found nothing to do at `commit`.
    pub(crate) fn staying(commit: CommitId, digest: Digest) -> Self {
        Self {
            kind: OutcomeKind::Unchanged,
            reason: None,
            old: commit,
            new: commit,
            timings: Timings::default(),
            changed: BTreeMap::new(),
            shown: BTreeMap::new(),
            redefined: Vec::new(),
            digest,
            ahead: 0,
            fetched: true,
            remote_head: None,
            repeated: false,
            held: None,
            replayed: None,
        }
    }
}
