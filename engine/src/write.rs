//! Writes: the changes that a caller requests, made as one commit or not at all.
//!
//! A [`Batch`] is applied to a snapshot and a [`Stage`](crate::mirror::Stage). The rules of its
//! sheet turn each operation into files, the files become a tree and a commit, and the resulting
//! records are read back by the same code as those of a push. Nothing is stored here.

mod batch;
mod cost;
mod error;
mod files;
mod folders;
mod record_location;
mod lists;
mod open_list;
mod scope;
mod memory_cost;
mod blame;
mod walked_folders;

pub(crate) use batch::request_of;
pub use batch::{BatchResult, CommitState, commit, repeat_of};
pub use error::{Broken, HEAVIEST, StoreError, WriteError, WritesClosed};
pub use memory_cost::{MOST_WRITTEN, weight, weight_of_text};
pub use scope::Scope;

use std::sync::Arc;

use serde_json::Value as Json;

use crate::id::{BlobId, CommitId, Key, SheetName};
use crate::mirror::{Identity, Trailer};
use crate::value::Value;
use crate::view::View;

/// Identifies the bytes that a record is served as: equal versions mean equal bytes.
pub type Version = [u8; 16];

/// Returns the version of the bytes that a record is served as.
pub fn version(served: &[u8]) -> Version {
    let mut version = Version::default();
    version.copy_from_slice(&blake3::hash(served).as_bytes()[..16]);
    version
}

/// Identifies the content of an attachment: the first half of its git object id.
pub fn attachment_version(blob: BlobId) -> Version {
    let mut version = Version::default();
    version.copy_from_slice(&blob.as_bytes()[..16]);
    version
}

/// Operations that become one commit, or none of them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The operations in order; each sees the effects of those before it.
    pub operations: Vec<Operation>,
    /// The requester, such as the name of a token. Requesters take turns and share the queue.
    pub actor: String,
    /// The author of the change.
    pub author: Identity,
    /// What the author may change.
    pub scope: Scope,
    /// What the author may see. A refusal tells it of no problem elsewhere.
    pub view: View,
    /// The message of the commit without trailers.
    pub message: String,
    /// The trailers, in their order.
    pub trailers: Vec<Trailer>,
    /// Identifies the request if it is sent again.
    pub repeat: Option<Repeat>,
    /// How many bytes of files the operations may read and write in all: [`MOST_WRITTEN`] for
    /// somebody else's. Files that a later operation replaces count, too. All files but the costliest
    /// one may cost the writer as much, too, together with the folders beside records that move or go; that
    /// one may cost four times as much.
    pub limit: usize,
}

impl Batch {
    /// Returns the batch of somebody who may see and change everything, such as the program that
    /// embeds the engine. It has no named requester, no trailers and no key for repeats.
    pub fn new(author: Identity, message: String, operations: Vec<Operation>) -> Self {
        Self {
            operations,
            actor: String::new(),
            author,
            scope: Scope::Every,
            view: View::EVERYTHING,
            message,
            trailers: Vec::new(),
            repeat: None,
            limit: MOST_WRITTEN,
        }
    }
}

/// Identifies a repeated request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repeat {
    /// The requester, as [`Repeat::actor_id`] says. Each requester has separate keys.
    pub actor: String,
    /// The key that the caller chose.
    pub key: String,
    /// Identifies the content of the request and its conditions.
    pub digest: String,
}

impl Repeat {
    /// The most bytes of an actor. All three are visible ASCII; a commit whose trailers have
    /// anything else is not recognized as that of a request.
    pub const ACTOR_LENGTH: usize = 64;
    /// The most bytes of the trailer `Actor-Slug` of a request: an issuer and a subject can be long.
    pub(crate) const ACTOR_NAME_LENGTH: usize = 4 << 10;
    /// The most bytes of a key.
    pub const KEY_LENGTH: usize = 255;
    /// The most bytes of a digest.
    pub const DIGEST_LENGTH: usize = 32;

    /// Returns what identifies the requester whose trailer `Actor-Slug` is `name`: the name itself, or the
    /// BLAKE3 hash of one that is longer or has other letters. So the memory of requests is bounded by their
    /// number.
    pub fn actor_id(name: &str) -> String {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic());
        match is_plain && name.len() <= Self::ACTOR_LENGTH {
            true => name.to_owned(),
            false => blake3::hash(name.as_bytes()).to_hex().to_string(),
        }
    }
}

/// One change of one record.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The sheet.
    pub sheet: SheetName,
    /// What to do.
    pub action: Action,
    /// The condition for doing it.
    pub condition: Condition,
}

/// What to do with a record.
#[derive(Debug, Clone)]
pub enum Action {
    /// Set it to this value, whether it exists or not. If a field in its path differs, the record
    /// moves.
    Put(Key, Json),
    /// Create it; its key follows from its fields.
    Create(Json),
    /// Change it by RFC 7396.
    Patch(Key, Json),
    /// Delete it, with its attachments.
    Delete(Key),
    /// Attach a file of this name to it.
    Attach(Key, String, Arc<[u8]>),
    /// Remove the attachment of this name.
    Detach(Key, String),
}

/// The state that a record, or its attachment, must be in for a change to happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// Any state.
    #[default]
    Any,
    /// It must not exist.
    Absent,
    /// It must exist.
    Present,
    /// It must exist in one of these versions.
    Is(Vec<Version>),
}

impl Condition {
    /// Returns whether the current state meets the condition.
    pub(crate) fn is_met(&self, now: Option<Version>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => now.is_none(),
            Self::Present => now.is_some(),
            Self::Is(versions) => now.is_some_and(|now| versions.contains(&now)),
        }
    }
}

/// The outcome for one record, or for its attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its sheet.
    pub sheet: SheetName,
    /// Its key now.
    pub key: Key,
    /// The key it had before, if it moved.
    pub moved_from: Option<Key>,
    /// The version that it, or its attachment, had before; `None` if it did not exist.
    pub before: Option<Version>,
    /// Its value now; `None` if it was deleted, or if an attachment was changed.
    pub value: Option<Value>,
    /// The version of the attachment that was written.
    pub attachment: Option<Version>,
}

impl Written {
    /// Returns whether it existed before.
    pub fn existed(&self) -> bool {
        self.before.is_some()
    }
}

/// A finished batch: durable in the mirror, and published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The commit that contains it: its own, or the previous one if nothing changed.
    pub commit: CommitId,
    /// Whether it made a commit.
    pub changed: bool,
    /// Whether an earlier request with the same key had this outcome. In that case the records are
    /// not reported.
    pub repeated: bool,
    /// The outcome for the record of each operation.
    pub written: Vec<Written>,
}

/// What a batch would do, if it were written now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRun {
    /// The published commit, on which it would be written.
    pub commit: CommitId,
    /// Whether it would make a commit.
    pub changes: bool,
    /// The outcome for the record of each operation.
    pub written: Vec<Written>,
}
