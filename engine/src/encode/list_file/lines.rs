//! Records that are lines of their file: rows of cells, and JSON Lines.

use std::ops::Range;

use serde_json::Value as Json;

use super::super::error::EncodeError;
use super::super::json;
use super::change::{Change, ListPosition};
use super::splice::Splice;
use crate::split::Splitter;

/// A text that is cut into lines. Its pieces begin at `begins`, the last of which is where they end.
pub(super) struct File<'t> {
    pub(super) text: &'t str,
    pub(super) splitter: Splitter,
    pub(super) begins: Vec<usize>,
}

impl File<'_> {
    /// Returns what a change of one line makes of the text.
    pub(super) fn splice(
        &self,
        place: ListPosition<'_>,
        change: Change<'_>,
    ) -> Result<Splice, EncodeError> {
        let (text, begins) = (self.text, &self.begins);
        let count = begins.len() - 1;
        let missing = || EncodeError::NotFoundInList;
        match change {
            Change::Replace { is, .. } => {
                let body = self.body(place.at).ok_or_else(missing)?;
                let line = self.line(is, Some(&text[body.clone()]), None)?;
                Ok(Splice::new(body, line))
            }
            Change::Insert(is) => {
                let near = place.at.saturating_sub(1);
                let near = self.body(near).filter(|_| count > 0);
                let like = near.clone().map(|near| &text[near]);
                let line = self.line(is, None, like)?;
                Ok(match near {
                    Some(_) if place.at < count => {
                        let end = self.line_end(begins[place.at]);
                        Splice::new(begins[place.at]..begins[place.at], line + end)
                    }
                    near => self.behind(near.map_or(begins[0], |near| near.end), &line),
                })
            }
            Change::Remove => {
                let body = self.body(place.at).ok_or_else(missing)?;
                Ok(Splice::new(self.whole(body), ""))
            }
        }
    }

    /// Returns where the value of a piece is.
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
        match (&self.splitter, record) {
            (Splitter::Rows(header), Json::Object(members)) => {
                Ok(header.written(members, before, like)?)
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

    /// Adds a line after the one that contains byte `at`. If the last line of the file had no line
    /// end, it has none afterwards.
    fn behind(&self, at: usize, line: &str) -> Splice {
        let end = self.line_end(at);
        match self.text[at..].find('\n').map(|newline| at + newline + 1) {
            Some(next) => Splice::new(next..next, format!("{line}{end}")),
            // Below a header, or in an empty file, this is the beginning of a line.
            None if self.text[..at].is_empty() || self.text[..at].ends_with('\n') => {
                Splice::new(at..at, format!("{line}{end}"))
            }
            None => Splice::new(self.text.len()..self.text.len(), format!("{end}{line}")),
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
