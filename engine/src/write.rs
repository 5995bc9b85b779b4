//! Writes: what a caller wants changed, as one commit or none.
//!
//! A [`Batch`] is applied to a snapshot beside a [`Stage`](crate::mirror::Stage): each operation
//! becomes files by the rules of its sheet, the files become a tree and a commit, and the records
//! that come of it are read back by the very path that a push takes. Nothing is stored here.

mod batch;
mod cost;
mod error;
mod files;
mod holder;
mod lists;
mod open_list;
mod scope;
mod weight;
mod writers;

pub use batch::{BatchResult, CommitState, commit, repeat_of};
pub use error::{Broken, HEAVIEST, StoreError, WriteError, WritesClosed};
pub use scope::Scope;
pub use weight::{MOST_WRITTEN, weight, weight_of_text};

use std::sync::Arc;

use serde_json::Value as Json;

use crate::id::{BlobId, CommitId, Key, SheetName};
use crate::mirror::{Identity, Trailer};
use crate::value::Value;

/// Stands for the bytes that a record is served as: equal versions, equal bytes.
pub type Version = [u8; 16];

/// Returns the version of the bytes that a record is served as.
pub fn version(served: &[u8]) -> Version {
    let mut version = Version::default();
    version.copy_from_slice(&blake3::hash(served).as_bytes()[..16]);
    version
}

/// Stands for the content of an attachment: the first half of what git knows it by.
pub fn attachment_version(blob: BlobId) -> Version {
    let mut version = Version::default();
    version.copy_from_slice(&blob.as_bytes()[..16]);
    version
}

/// Several operations that become one commit, or none of them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// In the order in which they happen; each sees those before it.
    pub operations: Vec<Operation>,
    /// Who asks, such as the name of a token: by it turns are taken, and the queue is shared.
    pub actor: String,
    /// Who makes the change.
    pub author: Identity,
    /// What the author may change.
    pub scope: Scope,
    /// The message of the commit without trailers.
    pub message: String,
    /// The trailers, in their order.
    pub trailers: Vec<Trailer>,
    /// What tells the same request apart from others when it comes again.
    pub repeat: Option<Repeat>,
    /// How many bytes of files the operations may read and write in all: [`MOST_WRITTEN`] for
    /// somebody else's. Files that a later operation replaces count, too. All files but the costliest
    /// one may cost the writer as much, too.
    pub limit: usize,
}

/// How a request is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// Who asks: the value of the trailer `Actor-Slug`. Each has keys of their own.
    pub actor: String,
    /// The key that the caller chose.
    pub key: String,
    /// Stands for what is asked for, and under which condition.
    pub digest: String,
}

/// One change of one record.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The sheet.
    pub sheet: SheetName,
    /// What is to happen.
    pub action: Action,
    /// Under which condition.
    pub condition: Condition,
}

/// What is to happen to a record.
#[derive(Debug, Clone)]
pub enum Action {
    /// It is this, whatever it was. Where a field of its path differs, it moves.
    Put(Key, Json),
    /// It is new; its key follows from its fields.
    Create(Json),
    /// It is changed by RFC 7396.
    Patch(Key, Json),
    /// It is gone, with its attachments.
    Delete(Key),
    /// It has a file of this name beside it.
    Attach(Key, String, Arc<[u8]>),
    /// It has no file of this name beside it.
    Detach(Key, String),
}

/// What a record, or the file beside it, must be for a change of it to happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// Whatever it is.
    #[default]
    Any,
    /// It must not be there.
    Absent,
    /// It must be there.
    Present,
    /// It must be there in one of these versions.
    Is(Vec<Version>),
}

impl Condition {
    /// Says whether it is met by what is there now.
    pub(crate) fn is_met(&self, now: Option<Version>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => now.is_none(),
            Self::Present => now.is_some(),
            Self::Is(versions) => now.is_some_and(|now| versions.contains(&now)),
        }
    }
}

/// What became of one record, or of a file beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its sheet.
    pub sheet: SheetName,
    /// Its key now.
    pub key: Key,
    /// The key it had, where it moved.
    pub moved_from: Option<Key>,
    /// Whether it was there before.
    pub existed: bool,
    /// What it is now; `None` where it was deleted, and for a file beside it.
    pub value: Option<Value>,
    /// The version of the file beside it that was written.
    pub attachment: Option<Version>,
}

/// A batch that is done: durable in the mirror, and published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The commit that holds it: its own, or where it changed nothing the one it found.
    pub commit: CommitId,
    /// Whether it made a commit.
    pub changed: bool,
    /// Whether an earlier request with the same key had this outcome. Nothing is told of the records
    /// then.
    pub repeated: bool,
    /// What became of each operation's record.
    pub written: Vec<Written>,
}
