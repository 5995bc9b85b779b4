//! Replaces several parts of a text at once.

use std::collections::BTreeMap;
use std::ops::Range;

/// A part of a text, and its replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Splice {
    /// In bytes; empty where something is inserted.
    pub(super) range: Range<usize>,
    pub(super) new: String,
}

impl Splice {
    pub(super) fn new(range: Range<usize>, new: impl Into<String>) -> Self {
        Self { range, new: new.into() }
    }

    /// Returns `text` with it in its place.
    pub(super) fn apply(&self, text: &str) -> String {
        [&text[..self.range.start], &self.new, &text[self.range.end..]].concat()
    }
}

/// Parts of one text that do not overlap, by where they begin.
#[derive(Debug, Default)]
pub(super) struct Splices(BTreeMap<usize, Splice>);

impl Splices {
    /// Adds a splice. Returns `false` if it overlaps another one. What is inserted in one place stays
    /// in the order in which it comes.
    #[must_use]
    pub(super) fn add(&mut self, splice: Splice) -> bool {
        let Range { start, end } = splice.range;
        let before = self.0.range(..start).next_back();
        if before.is_some_and(|(_, before)| before.range.end > start) {
            return false;
        }
        match self.0.range_mut(start..).next() {
            Some((at, same)) if *at == start => {
                let are_inserted = same.range.is_empty() && splice.range.is_empty();
                if are_inserted {
                    same.new.push_str(&splice.new);
                }
                are_inserted
            }
            Some((at, _)) if *at < end => false,
            _ => {
                self.0.insert(start, splice);
                true
            }
        }
    }

    /// Returns `text` with all of them in their places.
    pub(super) fn apply(&self, text: &str) -> String {
        let more: usize = self.0.values().map(|splice| splice.new.len()).sum();
        let mut spliced = String::with_capacity(text.len() + more);
        let mut at = 0;
        for Splice { range, new } in self.0.values() {
            spliced.push_str(&text[at..range.start]);
            spliced.push_str(new);
            at = range.end;
        }
        spliced + &text[at..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_do_not_overlap_are_replaced_at_once() {
        let mut splices = Splices::default();
        for (range, new, expected) in [
            (4..6, "x", true),
            (5..7, "y", false),
            (3..5, "y", false),
            (0..9, "y", false),
            (4..4, "y", false),
            (6..6, "1", true),
            (6..6, "2", true),
            (6..8, "y", false),
            (2..4, "", true),
            (9..9, "end", true),
        ] {
            let added = splices.add(Splice::new(range.clone(), new));
            assert_eq!(added, expected, "{range:?} {new}");
        }
        assert_eq!(splices.apply("012345678"), "01x12678end");
        assert_eq!(Splices::default().apply("abc"), "abc");
    }
}
