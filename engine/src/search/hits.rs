//! What a search answers, and in which order.

use tantivy::DocId;

use crate::id::{Key, SheetName};
use crate::search::segment::Segment;
use crate::search::{DocName, Readings};

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hits {
    /// How many documents match in all.
    pub total: u64,
    /// The asked-for page of them: best first, ties by sheet and key.
    pub hits: Vec<Hit>,
    /// How the query was read.
    pub readings: Readings,
}

/// The documents of one sheet that match.
#[derive(Debug, Clone, PartialEq)]
pub struct Matches<'a> {
    /// All of them, in key order, each with its score.
    pub documents: Vec<(&'a Key, f32)>,
    /// How the query was read.
    pub readings: Readings,
}

/// One document that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The document.
    pub name: DocName,
    /// How well it matches; greater is better, and only the order has a meaning.
    pub score: f32,
}

/// A match in the order of the answer: the best is the least.
pub(crate) struct Ranked<'a> {
    pub(crate) score: f32,
    pub(crate) segment: &'a Segment,
    pub(crate) doc: DocId,
}

impl Ranked<'_> {
    fn name(&self) -> (&SheetName, &Key) {
        (self.segment.sheet(self.doc), self.segment.key(self.doc))
    }

    pub(crate) fn hit(self) -> Hit {
        Hit { name: self.segment.name(self.doc), score: self.score }
    }
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.score.total_cmp(&self.score).then_with(|| {
            if std::ptr::eq(self.segment, other.segment) {
                // Documents of a segment are in the order of their names.
                self.doc.cmp(&other.doc)
            } else {
                self.name().cmp(&other.name())
            }
        })
    }
}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked<'_> {}
