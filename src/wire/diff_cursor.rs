//! Where a part of a comparison ends. It names both commits, so that a walk over all parts is about
//! the same two whatever is pushed meanwhile.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use headwater_engine::delta::{Delta, PublicChange};
use headwater_engine::id::{CommitId, Key, SheetName};

/// A place behind a record, in what differs between two commits.
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
    /// Returns the place behind `change`, which is of `delta`.
    pub fn behind(delta: &Delta, change: &PublicChange) -> Self {
        let (sheet, key) = (change.sheet.clone(), change.key.clone());
        Self { from: delta.from, to: delta.to, sheet, key }
    }

    /// Reads a cursor, or returns `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (from, to) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let name = BASE64URL_NOPAD.decode(parts.next()?.as_bytes()).ok()?;
        let name = String::from_utf8(name).ok().filter(|_| parts.next().is_none())?;
        // A path in git holds no NUL, and neither does what is made of it.
        let (sheet, key) = name.split_once('\0')?;
        Some(Self { from, to, sheet: SheetName::new(sheet), key: Key::new(key.to_owned()) })
    }
}

impl fmt::Display for DiffCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{}\0{}", self.sheet.as_str(), self.key.as_str());
        write!(f, "{}.{}.{}", self.from, self.to, BASE64URL_NOPAD.encode(name.as_bytes()))
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
        let twice = format!("{cursor}.");
        let short = format!("{from}.{to}");
        let no_key = format!("{from}.{to}.{}", BASE64URL_NOPAD.encode(b"people"));
        for text in ["", "x", "..", &short, &twice, &no_key, &format!("{from}.x.AA")] {
            assert_eq!(DiffCursor::parse(text), None, "{text}");
        }
    }
}
