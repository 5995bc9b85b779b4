//! The results of a search, and their order.

use std::collections::BinaryHeap;

use tantivy::DocId;

use crate::id::{Key, SheetName};
use crate::search::doc_name::DocName;
use crate::search::reading::Readings;
use crate::search::segment::Segment;

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Hits {
    /// The total number of matching documents.
    pub total: u64,
    /// Whether documents that hold only some of the words are included.
    pub relaxed: bool,
    /// The requested page: best match first, ties by sheet and key.
    pub hits: Vec<Hit>,
    /// How the query was read.
    pub readings: Readings,
}

/// The matching documents of one sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct Matches<'a> {
    /// All matching documents in key order, each with its score.
    pub documents: Vec<(&'a Key, f32)>,
    /// Whether documents that hold only some of the words are included.
    pub relaxed: bool,
    /// How the query was read.
    pub readings: Readings,
}

/// A document that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The document.
    pub name: DocName,
    /// How well it matches. Higher is better; only the order is meaningful.
    pub score: f32,
}

/// Receives the matches of a query one by one.
pub(crate) trait Collector<'a> {
    /// Returns the lowest score that is wanted. It is never negative and may rise from match to
    /// match.
    fn floor(&self) -> f32;

    /// Accepts a match whose score is wanted.
    fn collect(&mut self, segment: &'a Segment, doc: DocId, score: f32);

    /// Discards all matches, since the query is evaluated again.
    fn clear(&mut self);
}

/// The best matches, up to the number wanted.
pub(crate) struct Best<'a> {
    wanted: usize,
    /// The worst of them on top.
    heap: BinaryHeap<Ranked<'a>>,
}

impl<'a> Best<'a> {
    pub(crate) fn new(wanted: usize) -> Self {
        Self { wanted, heap: BinaryHeap::new() }
    }

    /// Returns the matches after the first `offset`, best first.
    pub(crate) fn page(self, offset: usize) -> Vec<Hit> {
        self.heap.into_sorted_vec().into_iter().skip(offset).map(Ranked::hit).collect()
    }
}

impl<'a> Collector<'a> for Best<'a> {
    fn floor(&self) -> f32 {
        let is_full = self.heap.len() >= self.wanted;
        self.heap.peek().filter(|_| is_full).map_or(0.0, |worst| worst.score)
    }

    fn collect(&mut self, segment: &'a Segment, doc: DocId, score: f32) {
        let ranked = Ranked { score, segment, doc };
        if self.heap.len() < self.wanted {
            self.heap.push(ranked);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && ranked < *worst
        {
            *worst = ranked;
        }
    }

    fn clear(&mut self) {
        self.heap.clear();
    }
}

/// The keys of all matches with their scores.
pub(crate) struct All<'a>(pub(crate) Vec<(&'a Key, f32)>);

impl<'a> Collector<'a> for All<'a> {
    fn floor(&self) -> f32 {
        0.0
    }

    fn collect(&mut self, segment: &'a Segment, doc: DocId, score: f32) {
        self.0.push((segment.key(doc), score));
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// A match in result order: the best one is the least.
struct Ranked<'a> {
    score: f32,
    segment: &'a Segment,
    doc: DocId,
}

impl Ranked<'_> {
    fn name(&self) -> (&SheetName, &Key) {
        (self.segment.sheet(self.doc), self.segment.key(self.doc))
    }

    fn hit(self) -> Hit {
        Hit { name: self.segment.name(self.doc), score: self.score }
    }
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.score.total_cmp(&self.score).then_with(|| {
            if std::ptr::eq(self.segment, other.segment) {
                // Documents of a segment are ordered by name.
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
