//! The result of a reload: plain data for the caller, the log and the API.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::digest::Digest;
use crate::id::{CommitId, Key, SheetName};
use crate::plan::RebuildReason;
use crate::pointer::Pointer;

/// The id of a reload: the start time of this process, and a number within it.
///
/// Ids of two processes differ, so a stale `Location` never refers to another reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReloadId {
    /// The start time of the process, in milliseconds since the Unix epoch.
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

/// The origin of a reload request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The first load of the process.
    Boot,
    /// A webhook call.
    Webhook,
    /// The poll, which makes up for lost webhooks.
    Poll,
    /// The scheduled audit.
    Audit,
    /// The operator.
    Operator,
    /// A local push that the remote did not accept because it has moved on.
    Push,
    /// A write that found the branch moved by somebody else.
    Write,
    /// The local branch was seen to move.
    Watch,
    /// The leader has published.
    Follow,
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
            Self::Follow => "follow",
        }
    }
}

/// The kind of result of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// The published commit is the remote's head, or the remote has nothing new.
    Unchanged,
    /// The difference was applied.
    Applied,
    /// The state was rebuilt from the new commit.
    Rebuilt,
    /// The head was fetched and is held on purpose.
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

/// The numbers of served records of a sheet that differ before and after.
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
    /// Returns whether nothing changed.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the sum of the three.
    pub fn total(&self) -> u64 {
        self.added + self.modified + self.removed
    }
}

/// The times of the stages of a reload. A stage that did not run is zero.
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

/// The result of a successful reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadOutcome {
    /// Its kind.
    pub kind: OutcomeKind,
    /// Why the state was rebuilt; `None` unless it was.
    pub reason: Option<RebuildReason>,
    /// The commit that was served before.
    pub old: CommitId,
    /// The commit that is served now.
    pub new: CommitId,
    /// The times of the stages.
    pub timings: Timings,
    /// The sheets in which something changed.
    pub changed: BTreeMap<SheetName, Counts>,
    /// The same for the public: neither hidden records nor private sheets are counted.
    pub shown: BTreeMap<SheetName, Counts>,
    /// The sheets that were redefined and rebuilt, by name; empty if the whole state was rebuilt.
    pub redefined: Vec<SheetName>,
    /// The digest of the served state.
    pub digest: Digest,
    /// The number of commits by which the local branch is ahead of the remote.
    pub ahead: u64,
    /// Whether the remote was asked; a rebuild goes on without it.
    pub fetched: bool,
    /// The remote's head, if known.
    pub remote_head: Option<CommitId>,
    /// Whether this is the stored answer for a head that was held before.
    pub repeated: bool,
    /// The id of the push that is held because another commit is pinned.
    pub held: Option<ReloadId>,
    /// What became of local commits after both sides had moved.
    pub replayed: Option<Replayed>,
}

/// What became of local commits that the remote did not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The number that are now on top of the remote's head.
    pub commits: u64,
    /// The branch that keeps all of them if some could not be put there.
    pub kept: Option<KeptCommits>,
}

/// Local commits of which some are no longer in the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCommits {
    /// The full name of the branch that now has them.
    pub reference: String,
    /// The last of them.
    pub commit: CommitId,
    /// Their changes that the branch lacks because the remote changed the same fields.
    pub lost: Vec<LostField>,
}

/// A field that both sides changed differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LostField {
    /// The file.
    pub path: String,
    /// The field as a JSON Pointer, which begins with the key of the record in a file of many
    /// records; empty for the file as a whole.
    pub pointer: Pointer,
}

impl LostField {
    /// Returns the same field of the record with this key, in a file of many records.
    pub(crate) fn at_key(&self, key: &Key) -> Self {
        let pointer = Pointer::of([key.as_str()]).joined(&self.pointer);
        Self { path: self.path.clone(), pointer }
    }
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
