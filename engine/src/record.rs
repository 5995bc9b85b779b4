//! A record: one file of a sheet, decoded, immutable and shared between snapshots.

use crate::id::{BlobId, Key};
use crate::value::Value;

/// One decoded file. Snapshots share it by `Arc`, so it is never copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// The key in its sheet.
    pub key: Key,
    /// The path in the tree.
    pub path: Box<str>,
    /// The blob it was decoded from.
    pub blob: BlobId,
    /// The value as it is served.
    pub value: Value,
}
