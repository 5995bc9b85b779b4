//! The cursor of a comparison. It names both commits, so that a walk over all parts compares the
//! same two whatever is pushed meanwhile.

use std::fmt;

use headwater_engine::cursor::Cursor;
use headwater_engine::delta::{Delta, PublicChange};
use headwater_engine::id::{CommitId, Key, SheetName};
use serde_json::json;

/// A place after a record, in the differences between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffCursor {
    /// The earlier commit.
    pub from: CommitId,
    /// The later one.
    pub to: CommitId,
    /// The sheet of the record.
    pub sheet: SheetName,
    /// Its key.
    pub key: Key,
}

impl DiffCursor {
    /// Returns the place after `change`, which is in `delta`.
    pub fn behind(delta: &Delta, change: &PublicChange) -> Self {
        let (sheet, key) = (change.sheet.clone(), change.key.clone());
        Self { from: delta.from, to: delta.to, sheet, key }
    }

    /// Parses a cursor. Returns `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let Cursor { commit: to, place } = Cursor::parse(text)?;
        let [from, sheet, key]: [String; 3] = serde_json::from_value(place).ok()?;
        let (sheet, key) = (SheetName::new(sheet), Key::new(key));
        Some(Self { from: from.parse().ok()?, to, sheet, key })
    }
}

impl fmt::Display for DiffCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = json!([self.from.to_string(), self.sheet.as_str(), self.key.as_str()]);
        Cursor { commit: self.to, place }.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_was_written() {
        let [from, to] = [1, 2].map(|digit| CommitId::from_bytes([digit; 20]));
        let (sheet, key) = (SheetName::new("bücher"), Key::new("2024/a.b?c".to_owned()));
        let cursor = DiffCursor { from, to, sheet, key };
        assert_eq!(DiffCursor::parse(&cursor.to_string()), Some(cursor.clone()));
        let with = |place| Cursor { commit: to, place }.to_string();
        let (short, other) =
            (with(json!([from.to_string(), "people"])), with(json!(["x", "a", "b"])));
        for text in ["", "x", "..", &short, &other, &with(json!([1, "people", "ada"]))] {
            assert_eq!(DiffCursor::parse(text), None, "{text}");
        }
    }
}
