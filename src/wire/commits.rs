//! The commits of the branch as everybody may see them, and where a page of them ends.

use std::collections::BTreeMap;
use std::fmt;

use headwater_engine::commits::{Line, Log, LogEntry};
use headwater_engine::cursor::Cursor;
use headwater_engine::history::Note;
use headwater_engine::id::CommitId;
use serde::Serialize;
use serde_json::json;

use super::reload::CountsView;
use super::timestamp::time_of;

/// A page of commits, newest first.
#[derive(Debug, Serialize)]
pub struct CommitsView {
    items: Vec<CommitView>,
    next: Option<String>,
}

/// One commit, and what it changed.
#[derive(Debug, Serialize)]
pub struct CommitView {
    commit: String,
    time: String,
    author: String,
    summary: String,
    changed: BTreeMap<String, CountsView>,
}

/// The rest of a range of commits, after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitsCursor(pub Line);

impl CommitsView {
    /// Returns the view of a part of `line`.
    pub fn of(log: Log, line: Line) -> Self {
        let Log { entries, next } = log;
        let next = next.map(|from| CommitsCursor(Line { from, ..line }).to_string());
        Self { items: entries.into_iter().map(CommitView::of).collect(), next }
    }
}

impl CommitView {
    /// Returns the view of one commit.
    pub fn of(entry: LogEntry) -> Self {
        let LogEntry { commit, note: Note { seconds, author, summary }, changed } = entry;
        let changed =
            changed.iter().map(|(sheet, counts)| (sheet.to_string(), CountsView::of(counts)));
        let (commit, time) = (commit.to_string(), time_of(seconds));
        Self { commit, time, author, summary, changed: changed.collect() }
    }
}

impl CommitsCursor {
    /// Parses a cursor; `None` if the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let Cursor { commit: from, place } = Cursor::parse(text)?;
        let [above]: [Option<String>; 1] = serde_json::from_value(place).ok()?;
        let above: Option<CommitId> = above.map(|above| above.parse()).transpose().ok()?;
        (!from.is_zero()).then_some(Self(Line { from, above }))
    }
}

impl fmt::Display for CommitsCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { from, above } = self.0;
        let place = json!([above.map(|above| above.to_string())]);
        Cursor { commit: from, place }.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_was_written() {
        let [from, above] = [1, 2].map(|digit| CommitId::from_bytes([digit; 20]));
        for above in [None, Some(above)] {
            let cursor = CommitsCursor(Line { from, above });
            assert_eq!(CommitsCursor::parse(&cursor.to_string()), Some(cursor));
        }
        for place in [json!([]), json!([7]), json!(["x"]), json!([null, null]), json!(null)] {
            let cursor = Cursor { commit: from, place };
            assert_eq!(CommitsCursor::parse(&cursor.to_string()), None, "{cursor:?}");
        }
        let nothing = Cursor { commit: CommitId::ZERO, place: json!([null]) };
        assert_eq!(CommitsCursor::parse(&nothing.to_string()), None);
    }
}
