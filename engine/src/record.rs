//! A record: one file of a sheet, decoded, immutable and shared between snapshots.

use std::sync::Arc;

use crate::id::{BlobId, Key};
use crate::value::Value;

/// One decoded file. Snapshots share it by `Arc`, so it is never copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// The key in its sheet.
    pub key: Key,
    /// What its path has around the key.
    pub frame: Arc<Frame>,
    /// The blob it was decoded from.
    pub blob: BlobId,
    /// The value as it is served.
    pub value: Value,
}

impl Record {
    /// Returns the path in the tree.
    pub fn path(&self) -> String {
        let Frame { before, behind } = &*self.frame;
        [before, self.key.as_str(), behind].concat()
    }

    /// Says whether it is the record of the file at `path`. Takes no memory.
    pub fn is_at(&self, path: &str) -> bool {
        self.frame.fits(self.key.as_str(), path)
    }
}

/// What a path has before and behind a key. The records of a sheet have one between them for each
/// extension, where a path of its own would take most records fifty bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    before: Box<str>,
    behind: Box<str>,
}

impl Frame {
    /// Makes the frame of the keys whose paths begin and end so.
    pub fn new(before: &str, behind: &str) -> Self {
        Self { before: before.into(), behind: behind.into() }
    }

    /// Returns what `path` has around `key`, which is a part of it as [claims] are.
    ///
    /// [claims]: crate::layout::Layout::claims
    pub fn around(key: &str, path: &str) -> Self {
        let (before, behind) = path
            .rfind('.')
            .and_then(|dot| path.split_at_checked(dot))
            .and_then(|(below, behind)| Some((below.strip_suffix(key)?, behind)))
            .or_else(|| path.split_once(key))
            .unwrap_or_default();
        Self::new(before, behind)
    }

    /// Says whether `path` is `key` within this frame.
    pub fn fits(&self, key: &str, path: &str) -> bool {
        let inside = path.strip_prefix(&*self.before);
        inside.and_then(|inside| inside.strip_suffix(&*self.behind)) == Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_knows_its_path_by_its_key() {
        for (key, path) in [
            ("jane", "people/jane.toml"),
            ("a/b", "docs/a/b.md"),
            ("toml", "toml/toml.toml"),
            ("a.b", "a.b.json"),
            ("é", "x/é.yaml"),
        ] {
            let frame = Arc::new(Frame::around(key, path));
            let (blob, value) = (BlobId::ZERO, Value::new(&serde_json::json!({})));
            let record = Record { key: Key::new(key), frame, blob, value };
            assert_eq!(record.path(), path);
            assert!(record.is_at(path));
            for other in ["", key, "people/jane.json", "people/jane/x.toml", "a.b"] {
                assert!(!record.is_at(other) || other == path, "{path} is not {other}");
            }
        }
    }
}
