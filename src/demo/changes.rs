//! The changes that the demonstration pushes. Four repeat, so that one sees a record modified, one
//! added, several modified at once, and one removed.

use super::records::embedded;

/// The record that the first change modifies.
pub(super) const CHANGED: &str = "projects/tree-census.toml";

/// The record that one change adds and another removes.
const ROLE: &str = "help-wanted-roles/tree-census/01a1f3c2-7b40-7d8e-9a61-5c0de4f0b717.toml";

const ROLE_TEXT: &str = r#"commitmentHoursPerWeek = 2
createdAt = "2026-04-07T22:30:00Z"
description = "Check what the block captains wrote down against the photographs, one evening a week."
id = "01a1f3c2-7b40-7d8e-9a61-5c0de4f0b717"
postedById = "016d6583-12ec-7058-b94b-fb052d752a6a"
projectId = "019322ba-ff09-7cc9-b852-0b71e06b6ca7"
projectSlug = "tree-census"
status = "open"
title = "Second pair of eyes"
updatedAt = "2026-04-07T22:30:00Z"
"#;

/// The projects whose stage one change moves, forth and back.
const MOVED: [(&str, [&str; 2]); 3] = [
    ("projects/budget-reader.toml", ["maintaining", "testing"]),
    ("projects/harbor-air.toml", ["bootstrapping", "commenting"]),
    ("projects/repair-tracker.toml", ["testing", "prototyping"]),
];

/// A commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Its message.
    pub(super) message: String,
    /// Its files; one without bytes is deleted.
    pub(super) files: Vec<(&'static str, Option<Vec<u8>>)>,
}

impl Change {
    /// Returns change number `number`, counted from 0. Each differs from the state that the earlier
    /// ones leave.
    pub(super) fn nth(number: u64) -> Self {
        let round = number / 4;
        match number % 4 {
            0 => {
                let blocks = round + 1;
                let done = if blocks == 1 { "block is" } else { "blocks are" };
                let summary =
                    format!("Counting street trees block by block; {blocks} {done} done.");
                let file = with_line(CHANGED, "summary", &summary);
                Self::of("Count another block", vec![(CHANGED, Some(file))])
            }
            1 => Self::of("Post a role", vec![(ROLE, Some(ROLE_TEXT.into()))]),
            2 => {
                let there = usize::from(round % 2 == 1);
                let file = |(path, stages): (_, [&str; 2])| {
                    (path, Some(with_line(path, "stage", stages[there])))
                };
                Self::of("Move three projects on", MOVED.map(file).into())
            }
            _ => Self::of("Fill the role", vec![(ROLE, None)]),
        }
    }

    fn of(message: &str, files: Vec<(&'static str, Option<Vec<u8>>)>) -> Self {
        Self { message: message.to_owned(), files }
    }
}

/// Returns the embedded record with another text in one field.
fn with_line(path: &str, field: &str, text: &str) -> Vec<u8> {
    let record = String::from_utf8_lossy(embedded(path));
    let (begin, line) = (format!("{field} = "), format!("{field} = {}", toml::Value::from(text)));
    let lines = record.lines().map(|old| if old.starts_with(&begin) { line.as_str() } else { old });
    let lines: Vec<_> = lines.collect();
    (lines.join("\n") + "\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_change_differs_from_what_was_there_before() {
        let mut state: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for number in 0..20 {
            for (path, bytes) in Change::nth(number).files {
                let before = state.get(path).cloned();
                let before = before.unwrap_or_else(|| embedded(path).to_vec());
                let after = bytes.unwrap_or_default();
                assert_ne!(before, after, "{path} in change {number}");
                state.insert(path, after);
            }
        }
    }
}
