//! A record: a file of a sheet or a part of one, decoded, immutable and shared between snapshots.

use std::sync::Arc;

use crate::id::{BlobId, Key};
use crate::value::Value;

/// One decoded file, or one element of a file of many. Snapshots share it by `Arc`, so it is never
/// copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// The key in its sheet.
    pub key: Key,
    /// The parts of its path around the key.
    pub frame: Arc<Frame>,
    /// The blob it was decoded from. For an element, this is a hash of the value, so that it does
    /// not depend on the rest of the file.
    pub blob: BlobId,
    /// The value as served.
    pub value: Value,
}

impl Record {
    /// Returns the path in the tree of the file that is or contains the record.
    pub fn path(&self) -> String {
        match &*self.frame {
            Frame::Around { before, behind } => [before, self.key.as_str(), behind].concat(),
            Frame::Within { path } => path.to_string(),
        }
    }

    /// Returns whether the file at `path` is or contains the record. Does not allocate.
    pub fn is_at(&self, path: &str) -> bool {
        self.frame.fits(self.key.as_str(), path)
    }

    /// Returns whether the file contains other records too, or may.
    pub fn is_in_list(&self) -> bool {
        matches!(*self.frame, Frame::Within { .. })
    }
}

/// How a path relates to a key. The records of a sheet share one frame for each extension, whereas
/// separate paths would cost most records fifty bytes each; the records of one file share its path.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// The path is the key with text before and after it.
    Around {
        /// The text before it.
        before: Box<str>,
        /// The text after it.
        behind: Box<str>,
    },
    /// The record is one of several in a file.
    Within {
        /// The path of the file.
        path: Box<str>,
    },
}

impl Frame {
    /// Returns the frame of the keys whose paths begin and end like this.
    pub fn new(before: &str, behind: &str) -> Self {
        Self::Around { before: before.into(), behind: behind.into() }
    }

    /// Returns the frame of the records in the file at `path`.
    pub fn within(path: &str) -> Self {
        Self::Within { path: path.into() }
    }

    /// Returns the frame that `path` forms around `key`, which is a part of it as [claims] are.
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

    /// Returns whether `path` is the path of the key `key`.
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
