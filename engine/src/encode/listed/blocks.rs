//! Records that are blocks of lines, each with the blank lines and comments above it.
//!
//! The comments directly above a record belong to it and move with it. Comments above the first
//! record belong to the file.

use std::ops::Range;

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

/// A file of blocks.
pub(super) struct Blocks<'t> {
    pub(super) lines: &'t [&'t str],
    pub(super) blocks: &'t [Block],
    /// The line ending.
    pub(super) newline: &'t str,
}

impl Blocks<'_> {
    /// Returns the file with a range of lines replaced.
    pub(super) fn replaced(&self, range: Range<usize>, new: &str) -> String {
        let mut before = self.lines[..range.start].concat();
        let after = self.lines[range.end..].concat();
        let mut new = new.to_owned();
        if !before.is_empty() && !before.ends_with('\n') {
            before += self.newline;
        }
        // If the last line had no line ending, it stays that way.
        let is_open = self.lines.last().is_some_and(|last| !last.ends_with('\n'));
        if is_open && range.end == self.lines.len() {
            let last = if new.is_empty() { &mut before } else { &mut new };
            let content = last.strip_suffix('\n').unwrap_or(last);
            last.truncate(content.strip_suffix('\r').unwrap_or(content).len());
        }
        before + &new + &after
    }

    /// Returns the file with a new block before the one at `at`, or after the last.
    pub(super) fn inserted(&self, at: usize, fresh: &str) -> String {
        let count = self.blocks.len();
        // The spacing between blocks is copied from their neighbours.
        let apart = match at.clamp(1, count.max(2) - 1) {
            next if next < count => {
                let about = self.about(next);
                self.lines[self.blank_above(next, about)..about].concat()
            }
            _ => String::new(),
        };
        match self.blocks.get(at) {
            Some(next) => {
                let place = if at == 0 { next.lines.start } else { self.about(at) };
                self.replaced(place..place, &(fresh.to_owned() + &apart))
            }
            None => {
                let end = self.blocks[count - 1].lines.end;
                self.replaced(end..end, &(apart + fresh))
            }
        }
    }

    /// Returns the file without a block, which must not be the only one.
    pub(super) fn removed(&self, at: usize) -> String {
        let block = &self.blocks[at];
        let range = match at {
            0 => {
                let next = &self.blocks[1].lead;
                let blank = self.lines[next.clone()].iter().take_while(|line| is_blank(line));
                block.lines.start..block.lines.end + blank.count()
            }
            _ => {
                let about = self.about(at);
                self.blank_above(at, about)..block.lines.end
            }
        };
        self.replaced(range, "")
    }

    /// Returns where the comments that belong to a block begin.
    fn about(&self, at: usize) -> usize {
        let Block { lead, lines, .. } = &self.blocks[at];
        let above = lead.clone().rev().take_while(|line| !is_blank(self.lines[*line]));
        lines.start - above.count()
    }

    /// Returns where the blank lines above line `line` in the lead of a block begin.
    fn blank_above(&self, at: usize, line: usize) -> usize {
        let lead = self.blocks[at].lead.start..line;
        line - lead.rev().take_while(|line| is_blank(self.lines[*line])).count()
    }
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}
