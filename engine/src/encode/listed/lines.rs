//! Records that are lines of their file: rows of cells, and JSON Lines.

use std::ops::Range;

use serde_json::Value as Json;

use super::super::error::EncodeError;
use super::super::json;
use super::change::{Change, Place, spliced};
use crate::pointer;
use crate::split::{CellFlaw, Splitter};

/// Returns the text of a file with one line changed. `begins` has the offsets of its pieces, and
/// finally their end.
pub(super) fn rewritten(
    (text, splitter): (&str, &Splitter),
    begins: &[usize],
    place: Place<'_>,
    change: Change<'_>,
) -> Result<String, EncodeError> {
    let count = begins.len() - 1;
    let lines = Lines { text, splitter, begins };
    let missing = || EncodeError::NotFoundInList;
    match change {
        Change::Replace { is, .. } => {
            let body = lines.body(place.at).ok_or_else(missing)?;
            let line = lines.line(is, Some(&text[body.clone()]), None)?;
            Ok(spliced(text, body, &line))
        }
        Change::Insert(is) => {
            let near = place.at.saturating_sub(1);
            let near = lines.body(near).filter(|_| count > 0);
            let like = near.clone().map(|near| &text[near]);
            let line = lines.line(is, None, like)?;
            Ok(match near {
                Some(_) if place.at < count => {
                    let end = lines.line_end(begins[place.at]);
                    spliced(text, begins[place.at]..begins[place.at], &(line + end))
                }
                near => lines.behind(near.map_or(begins[0], |near| near.end), &line),
            })
        }
        Change::Remove => {
            let body = lines.body(place.at).ok_or_else(missing)?;
            Ok(spliced(text, lines.whole(body), ""))
        }
    }
}

struct Lines<'t> {
    text: &'t str,
    splitter: &'t Splitter,
    begins: &'t [usize],
}

impl Lines<'_> {
    /// Returns the range of the value of a piece.
    fn body(&self, at: usize) -> Option<Range<usize>> {
        let begin = *self.begins.get(at)?;
        let cut = self.splitter.piece(self.text, self.begins[0], begin).ok()??;
        Some(cut.body)
    }

    /// Formats a line that replaces `before`, or is in the style of `like`.
    fn line(
        &self,
        record: &Json,
        before: Option<&str>,
        like: Option<&str>,
    ) -> Result<String, EncodeError> {
        match (self.splitter, record) {
            (Splitter::Rows(header), Json::Object(members)) => {
                header.written(members, before, like).map_err(refused)
            }
            _ => {
                let style = before.or(like).filter(|line| line.starts_with('{'));
                Ok(json::written(record, Some(style.unwrap_or("{}"))))
            }
        }
    }

    /// Returns the line ending used around `at`.
    fn line_end(&self, at: usize) -> &'static str {
        let behind = self.text[at..].find('\n').map(|end| at + end);
        let newline = behind.or_else(|| self.text[..at].rfind('\n'));
        match newline {
            Some(newline) if self.text[..newline].ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }

    /// Adds a line after the one that contains byte `at`. If the last line had no line ending, it
    /// stays that way.
    fn behind(&self, at: usize, line: &str) -> String {
        let end = self.line_end(at);
        match self.text[at..].find('\n').map(|newline| at + newline + 1) {
            Some(next) => spliced(self.text, next..next, &format!("{line}{end}")),
            // After a header, or in an empty file, this is the beginning of a line.
            None if self.text[..at].is_empty() || self.text[..at].ends_with('\n') => {
                spliced(self.text, at..at, &format!("{line}{end}"))
            }
            None => spliced(self.text, self.text.len()..self.text.len(), &format!("{end}{line}")),
        }
    }

    /// Returns the whole line of a value with a line ending: its own or, if it is the last line and
    /// has none, that of the previous line.
    fn whole(&self, body: Range<usize>) -> Range<usize> {
        let before = &self.text[..body.start];
        let start = before.trim_end_matches([' ', '\t']).len();
        match self.text[body.end..].find('\n') {
            Some(newline) => start..body.end + newline + 1,
            None => {
                let before = &self.text[..start];
                let before = before.strip_suffix('\n').unwrap_or(before);
                before.strip_suffix('\r').unwrap_or(before).len()..self.text.len()
            }
        }
    }
}

fn refused(flaw: CellFlaw) -> EncodeError {
    match flaw {
        CellFlaw::NoColumn { field, columns } => EncodeError::NoColumn { field, columns },
        CellFlaw::NoCell { field, message } => {
            EncodeError::NoCell { pointer: pointer::of([field]), message }
        }
    }
}
