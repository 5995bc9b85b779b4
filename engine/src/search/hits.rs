//! What a search answers, and in which order.

use std::collections::BinaryHeap;

use tantivy::DocId;

use crate::id::{Key, SheetName};
use crate::search::doc_name::DocName;
use crate::search::reading::Readings;
use crate::search::segment::Segment;

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hits {
    /// How many documents match in all.
    pub total: u64,
    /// Whether those that hold only some of the words are among them.
    pub relaxed: bool,
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
    /// Whether those that hold only some of the words are among them.
    pub relaxed: bool,
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

/// Takes the matches of a query one after another.
pub(crate) trait Collector<'a> {
    /// Returns the least score that is wanted. Never negative; it may grow from match to match.
    fn floor(&self) -> f32;

    /// Takes a match whose score is wanted.
    fn collect(&mut self, segment: &'a Segment, doc: DocId, score: f32);

    /// Forgets all matches, since the query is read anew.
    fn clear(&mut self);
}

/// The best of all matches, so many as are wanted.
pub(crate) struct Best<'a> {
    wanted: usize,
    /// The worst of them on top.
    heap: BinaryHeap<Ranked<'a>>,
}

impl<'a> Best<'a> {
    pub(crate) fn new(wanted: usize) -> Self {
        Self { wanted, heap: BinaryHeap::new() }
    }

    /// Returns them without the first `offset`, best first.
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

/// A match in the order of the answer: the best is the least.
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
