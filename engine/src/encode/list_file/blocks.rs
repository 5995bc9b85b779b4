//! Records that are blocks of lines, each with the blank lines and comments above it.
//!
//! The comments directly above a record belong to it and move with it. Comments above the first
//! record belong to the file.

use std::ops::Range;

use super::splice::Splice;

/// The lines of a record.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// Its name in the file, if it has one.
    pub(super) name: Option<String>,
    /// Blank lines and comments above it.
    pub(super) lead: Range<usize>,
    /// Its own lines.
    pub(super) lines: Range<usize>,
}

/// The lines of a text, each with its end.
pub(super) struct TextLines<'t> {
    pub(super) all: Vec<&'t str>,
    /// Where each begins, and the text ends.
    begins: Vec<usize>,
    /// The end of a line.
    pub(super) newline: &'static str,
}

impl<'t> TextLines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let all: Vec<&str> = text.split_inclusive('\n').collect();
        let ends = all.iter().scan(0, |at, line| {
            *at += line.len();
            Some(*at)
        });
        let begins = [0].into_iter().chain(ends).collect();
        Self { all, begins, newline: if text.contains("\r\n") { "\r\n" } else { "\n" } }
    }

    /// Puts other lines in a place.
    pub(super) fn replaced(&self, range: Range<usize>, new: &str) -> Splice {
        let (mut start, end) = (self.begins[range.start], self.begins[range.end]);
        let before = range.start.checked_sub(1).map_or("", |last| self.all[last]);
        let mut new = new.to_owned();
        // A file whose last line had no end has none then.
        let is_open = self.all.last().is_some_and(|last| !last.ends_with('\n'));
        if is_open && range.end == self.all.len() {
            match new.is_empty() {
                true => start -= before.len() - without_end(before).len(),
                false => new.truncate(without_end(&new).len()),
            }
        }
        if !new.is_empty() && !before.is_empty() && !before.ends_with('\n') {
            new.insert_str(0, self.newline);
        }
        Splice::new(start..end, new)
    }
}

fn without_end(line: &str) -> &str {
    let content = line.strip_suffix('\n').unwrap_or(line);
    content.strip_suffix('\r').unwrap_or(content)
}

/// A file of blocks.
pub(super) struct Blocks<'t> {
    pub(super) lines: &'t TextLines<'t>,
    pub(super) blocks: &'t [Block],
}

impl Blocks<'_> {
    /// Inserts a new block before the one at `at`, or after the last.
    pub(super) fn inserted(&self, at: usize, fresh: &str) -> Splice {
        let count = self.blocks.len();
        // The spacing between blocks is copied from their neighbours.
        let apart = match at.clamp(1, count.max(2) - 1) {
            next if next < count => {
                let about = self.about(next);
                self.lines.all[self.blank_above(next, about)..about].concat()
            }
            _ => String::new(),
        };
        match self.blocks.get(at) {
            Some(next) => {
                let place = if at == 0 { next.lines.start } else { self.about(at) };
                self.lines.replaced(place..place, &(fresh.to_owned() + &apart))
            }
            None => {
                let end = self.blocks[count - 1].lines.end;
                self.lines.replaced(end..end, &(apart + fresh))
            }
        }
    }

    /// Removes a block that is not the only one.
    pub(super) fn removed(&self, at: usize) -> Splice {
        let block = &self.blocks[at];
        let range = match at {
            0 => {
                let next = &self.blocks[1].lead;
                let blank = self.lines.all[next.clone()].iter().take_while(|line| is_blank(line));
                block.lines.start..block.lines.end + blank.count()
            }
            _ => {
                let about = self.about(at);
                self.blank_above(at, about)..block.lines.end
            }
        };
        self.lines.replaced(range, "")
    }

    /// Returns where the comments that belong to a block begin.
    fn about(&self, at: usize) -> usize {
        let Block { lead, lines, .. } = &self.blocks[at];
        let above = lead.clone().rev().take_while(|line| !is_blank(self.lines.all[*line]));
        lines.start - above.count()
    }

    /// Returns where the blank lines above line `line` in the lead of a block begin.
    fn blank_above(&self, at: usize, line: usize) -> usize {
        let lead = self.blocks[at].lead.start..line;
        line - lead.rev().take_while(|line| is_blank(self.lines.all[*line])).count()
    }
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}
