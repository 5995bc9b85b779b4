//! Cursors: a position in a list at one commit, as an opaque text that needs no escaping in a URL.
//!
//! A cursor is the base64 encoding of the commit hash, followed by JSON that gives the position in
//! the list.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use crate::id::CommitId;

/// Longer texts are not valid cursors.
const MAX_BYTES: usize = 64 * 1024;

/// The length of a commit hash.
const HASH: usize = 20;

/// A position in a list at one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    /// The commit.
    pub commit: CommitId,
    /// Where the list continues, in the form that the list defines.
    pub place: Value,
}

impl Cursor {
    /// Parses the output of [`Display`](fmt::Display), or returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (hash, place) = bytes.split_at_checked(HASH)?;
        let place = serde_json::from_slice(place).ok()?;
        Some(Self { commit: CommitId::from_bytes(hash.try_into().ok()?), place })
    }

    /// Returns the commit of a cursor without reading the rest, or `None` if the text is not a
    /// cursor.
    pub fn commit_of(text: &str) -> Option<CommitId> {
        // Four digits are three bytes, so this is the hash and one more byte.
        let head = text.get(..HASH.div_ceil(3) * 4)?;
        let bytes = BASE64URL_NOPAD.decode(head.as_bytes()).ok()?;
        Some(CommitId::from_bytes(bytes.get(..HASH)?.try_into().ok()?))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.commit.as_bytes().to_vec();
        bytes.extend_from_slice(self.place.to_string().as_bytes());
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_reads_as_it_was_written() {
        for place in [json!([]), json!(["key", 1.5, null]), json!([7]), json!({ "a": "\u{1f600}" })]
        {
            let cursor = Cursor { commit: CommitId::from_bytes([7; 20]), place };
            let text = cursor.to_string();
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            assert_eq!(Cursor::commit_of(&text), Some(cursor.commit));
            assert_eq!(Cursor::parse(&text), Some(cursor));
        }
    }

    proptest! {
        #[test]
        fn whatever_else_is_given_is_refused_or_read(text in "\\PC{0,80}|[A-Za-z0-9_-]{0,80}") {
            let read = Cursor::parse(&text);
            prop_assert!(read.is_none_or(|cursor| Cursor::commit_of(&text) == Some(cursor.commit)));
        }
    }
}
