//! Writes: what a caller wants changed, as one commit or none.
//!
//! A [`Batch`] is applied to a snapshot beside a [`Stage`](crate::mirror::Stage): each operation
//! becomes files by the rules of its sheet, the files become a tree and a commit, and the records
//! that come of it are read back by the very path that a push takes. Nothing is stored here.

mod batch;
mod error;
mod files;

pub use batch::{Change, State, commit, repeat_of};
pub use error::{Gate, StoreError, WriteError};

use serde_json::Value as Json;

use crate::id::{CommitId, Key, SheetName};
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

/// Several operations that become one commit, or none of them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// In the order in which they happen; each sees those before it.
    pub operations: Vec<Operation>,
    /// Who makes the change.
    pub author: Identity,
    /// The message of the commit without trailers.
    pub message: String,
    /// The trailers, in their order.
    pub trailers: Vec<Trailer>,
    /// What tells the same request apart from others when it comes again.
    pub repeat: Option<Repeat>,
}

/// How a request is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The key that the caller chose.
    pub key: String,
    /// Stands for who asks and for what.
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
}

/// What a record must be for a change of it to happen.
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

/// What became of one record.
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
    /// What it is now; `None` where it was deleted.
    pub value: Option<Value>,
}

/// A batch that is done: durable in the mirror, and published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The commit that holds it: its own, or where it changed nothing the one it found.
    pub commit: CommitId,
    /// Whether it made a commit.
    pub changed: bool,
    /// Whether the commit was made by an earlier request with the same key. Nothing is told of the
    /// records then.
    pub repeated: bool,
    /// What became of each operation's record.
    pub written: Vec<Written>,
}
