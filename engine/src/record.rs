//! A record: one file of a sheet or a part of one, decoded, immutable and shared between snapshots.

use std::sync::Arc;

use crate::id::{BlobId, Key};
use crate::value::Value;

/// One decoded file, or one element of a file of many. Snapshots share it by `Arc`, so it is never copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// The key in its sheet.
    pub key: Key,
    /// What its path has around the key.
    pub frame: Arc<Frame>,
    /// The blob it was decoded from. Of an element it is a hash of the value, so that it is the same
    /// whatever else is in the file.
    pub blob: BlobId,
    /// The value as it is served.
    pub value: Value,
}

impl Record {
    /// Returns the path in the tree: of the file that it is, or that it is in.
    pub fn path(&self) -> String {
        match &*self.frame {
            Frame::Around { before, behind } => [before, self.key.as_str(), behind].concat(),
            Frame::Within { path } => path.to_string(),
        }
    }

    /// Says whether the file at `path` is the record, or holds it. Takes no memory.
    pub fn is_at(&self, path: &str) -> bool {
        self.frame.fits(self.key.as_str(), path)
    }

    /// Says whether the file holds other records beside it, or may.
    pub fn is_in_list(&self) -> bool {
        matches!(*self.frame, Frame::Within { .. })
    }
}

/// What a path has to do with a key. The records of a sheet have one between them for each
/// extension, where a path of its own would take most records fifty bytes; those of one file share
/// its path.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// The path is the key with something before and behind it.
    Around {
        /// What is before it.
        before: Box<str>,
        /// What is behind it.
        behind: Box<str>,
    },
    /// The record is one of several in a file.
    Within {
        /// The path of the file.
        path: Box<str>,
    },
}

impl Frame {
    /// Makes the frame of the keys whose paths begin and end so.
    pub fn new(before: &str, behind: &str) -> Self {
        Self::Around { before: before.into(), behind: behind.into() }
    }

    /// Makes the frame of the records in the file at `path`.
    pub fn within(path: &str) -> Self {
        Self::Within { path: path.into() }
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

    /// Says whether `path` is that of the key `key`.
    pub fn fits(&self, key: &str, path: &str) -> bool {
        match self {
            Self::Around { before, behind } => {
                let inside = path.strip_prefix(&**before);
                inside.and_then(|inside| inside.strip_suffix(&**behind)) == Some(key)
            }
            Self::Within { path: file } => **file == *path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_knows_the_path_of_its_file() {
        let (blob, value) = (BlobId::ZERO, Value::new(&serde_json::json!({})));
        let frame = Arc::new(Frame::within("data/x.csv"));
        let record = Record { key: Key::new("x/1"), frame, blob, value };
        assert_eq!(record.path(), "data/x.csv");
        assert!(record.is_at("data/x.csv") && !record.is_at("data/x/1.csv"));
        assert!(std::mem::size_of::<Record>() <= 64, "it takes no more than a record by itself");
    }

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
