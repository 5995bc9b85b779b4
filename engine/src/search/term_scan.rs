//! The term-at-a-time scan: scores all documents of a one-word query, slot by slot.
//!
//! A cursor asks each slot about each document, as several clauses that must meet require. For one
//! word that many documents hold, it is several times faster to add whole blocks of postings to a
//! table of scores. A document's sum has the same terms in the same order, so it is equal to the
//! last bit.

use std::io;
use std::ops::Range;

use tantivy::DocId;
use tantivy::postings::TermInfo;

use crate::budget::{Budget, STEP};
use crate::search::bm25::bm25;
use crate::search::hits::Collector;
use crate::search::occurrences::Found;
use crate::search::reading::Reading;
use crate::search::score_table::ScoreTable;
use crate::search::segment::Segment;
use crate::search::words::{Term, Words};

/// The most documents of the segment per posting at which a table of all documents pays off.
const SPARSE: usize = 8;

/// How many documents are processed together.
const BITS: usize = 64;

/// Marks the absence of a score: scores are never negative, since neither boosts nor idfs are.
const NONE: f32 = -1.0;

/// The postings of one word in the slots of a segment.
pub(crate) struct TermScan<'a, 't> {
    segment: &'a Segment,
    places: Vec<SlotPostings<'a, 't>>,
}

struct SlotPostings<'a, 't> {
    slot: usize,
    words: &'a Words,
    term: &'t TermInfo,
}

impl<'a, 't> TermScan<'a, 't> {
    /// Returns `None` if the query has more than one word, or the word is rare. `found` has the
    /// terms of the word in each slot.
    pub(crate) fn of(segment: &'a Segment, reading: &Reading, found: &'t [Found]) -> Option<Self> {
        let [clause] = &reading.clauses[..] else { return None };
        let [variant] = &clause.variants[..] else { return None };
        if clause.excluded || clause.is_open || variant.elements.len() > 1 {
            return None;
        }
        let (mut places, mut postings) = (Vec::new(), 0);
        for (slot, found) in found.iter().enumerate() {
            match (found, segment.slot(slot)) {
                (Found::Term(Term::Stored(term)), Some(words)) => {
                    postings += term.doc_freq as usize;
                    places.push(SlotPostings { slot, words, term });
                }
                _ if found.is_nothing() => {}
                _ => return None,
            }
        }
        (postings * SPARSE >= segment.len() as usize).then_some(Self { segment, places })
    }

    /// Passes the live documents in `docs` that hold the word to `collector`, in order, and returns
    /// their number; `weights` and `norms` are those of each slot.
    pub(crate) fn run(
        &self,
        docs: Range<DocId>,
        weight: f32,
        norms: &[[f32; 256]],
        collector: &mut impl Collector<'a>,
        budget: &Budget,
    ) -> io::Result<u64> {
        let mut scores = ScoreTable::new(docs.len(), NONE);
        for SlotPostings { slot, words, term } in &self.places {
            let Some(mut blocks) = words.blocks(term)? else { continue };
            let norms = &norms[*slot];
            blocks.seek(docs.start);
            while blocks.block_len() > 0
                && blocks.doc(0) < docs.end
                && budget.spend(STEP * blocks.block_len())
            {
                for (doc, frequency) in blocks.docs().iter().zip(blocks.freqs()) {
                    // The first and the last block may extend beyond the range.
                    let at = doc.wrapping_sub(docs.start) as usize;
                    if let Some(score) = scores.get_mut(at) {
                        let norm = norms[usize::from(words.norm(*doc))];
                        *score = score.max(0.0) + *frequency as f32 * norm;
                    }
                }
                blocks.advance();
            }
        }
        for score in &mut *scores {
            *score = if *score < 0.0 { NONE } else { bm25(weight, *score) };
        }
        let mut total = 0;
        for (first, scores) in docs.step_by(BITS).zip(scores.chunks(BITS)) {
            // Which documents match is as good as random, so no branch depends on a single
            // document.
            let alive = self.segment.alive_bits(first);
            total += u64::from((at_least(0.0, scores) & alive).count_ones());
            let mut wanted = at_least(collector.floor(), scores) & alive;
            while wanted != 0 {
                let at = wanted.trailing_zeros();
                wanted &= wanted - 1;
                if scores[at as usize] >= collector.floor() {
                    collector.collect(self.segment, first + at, scores[at as usize]);
                }
            }
        }
        Ok(total)
    }
}

/// Returns one bit for each of up to 64 scores, set if the score is at least `floor`.
fn at_least(floor: f32, scores: &[f32]) -> u64 {
    scores.iter().rev().fold(0, |bits, score| bits << 1 | u64::from(*score >= floor))
}
