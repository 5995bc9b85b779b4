//! The clause-at-a-time walk: scores all documents of a segment, one clause after another, and
//! keeps a bit for each document that holds the clause. So it answers any tree of clauses, and
//! finds documents that hold only some of them, in one pass over their postings.
//!
//! A document's sum has the same terms in the same order as in a walk over all clauses side by
//! side, so the sums are equal to the last bit.

use std::io;
use std::ops::Range;

use tantivy::{DocId, TERMINATED};

use crate::budget::{Budget, STEP};
use crate::search::bm25::bm25;
use crate::search::field_reader::FieldReader;
use crate::search::hits::Collector;
use crate::search::minimum_match::Demand;
use crate::search::occurrences::{Found, Occurrences};
use crate::search::reading::{Clause, Reading};
use crate::search::scope::Source;
use crate::search::score_table::ScoreTable;
use crate::search::segment::Segment;
use crate::search::weights::Weights;
use crate::search::words::{Term, Words};

/// How many documents are processed together.
const BITS: usize = 64;

/// The most documents of the segment for each of the rarest required clause at which a table of all documents costs
/// less than a walk over the clauses side by side; also the most postings for each of these documents.
const SPARSE: usize = 32;

/// One bit for each document of a stretch.
type Bits = Vec<u64>;

/// Returns whether a tally of the clauses of a plain reading costs less than a walk over them side by side, which
/// skips what the rarest of them does not hold. `found` is as in [`Tally::of`].
pub(crate) fn pays_off(
    segment: &Segment,
    reading: &Reading,
    found: &[Found],
    slots: usize,
) -> bool {
    let (mut rest, mut postings, mut rarest) = (found, 0, None);
    for clause in &reading.clauses {
        let mut documents = 0;
        for variant in &clause.variants {
            // A phrase is only looked for where the other words are.
            if variant.elements.len() != 1 {
                return false;
            }
            let (here, behind) = rest.split_at(slots);
            rest = behind;
            documents += here.iter().map(Found::documents).sum::<usize>();
        }
        postings += documents;
        if !clause.excluded && !clause.is_optional {
            rarest = Some(rarest.unwrap_or(documents).min(documents));
        }
    }
    rarest.is_some_and(|rarest| {
        let worth = rarest * SPARSE;
        worth >= segment.len() as usize && worth >= postings
    })
}

/// The scores of a stretch of documents in a segment, and the clauses that they hold.
pub(crate) struct Tally<'a, 'r> {
    segment: &'a Segment,
    reading: &'r Reading,
    /// The documents to check, in order, all within the stretch.
    ranges: Vec<Range<DocId>>,
    /// The first document of the stretch.
    first: DocId,
    scores: ScoreTable<f32>,
    /// The occurrences of the variant being added, in all slots.
    counted: ScoreTable<f32>,
    /// Those of several terms in one slot, before they are counted.
    merged: Option<ScoreTable<u32>>,
    /// For each clause, the documents that hold it.
    held: Vec<Bits>,
    /// For each clause that may match other words, the documents that hold the exact word.
    exact: Vec<Bits>,
}

impl<'a, 'r> Tally<'a, 'r> {
    /// Adds up the postings of all clauses in `ranges`; `found` has the terms of each variant, slot
    /// and element, as in [`Terms`](crate::search::terms::Terms).
    pub(crate) fn of(
        segment: &'a Segment,
        reading: &'r Reading,
        ranges: Vec<Range<DocId>>,
        found: &[Found],
        (weights, norms): (&Weights, &[[f32; 256]]),
        source: Source<'_>,
        budget: &Budget,
    ) -> io::Result<Self> {
        let first = ranges.first().map_or(0, |docs| docs.start);
        let length = ranges.last().map_or(0, |docs| docs.end - first) as usize;
        let (scores, counted) = (ScoreTable::new(length, 0.0), ScoreTable::new(length, 0.0));
        let (held, exact) = (Vec::new(), Vec::new());
        let merged = None;
        let mut tally =
            Self { segment, reading, ranges, first, scores, counted, merged, held, exact };
        let (mut rest, mut variants) = (found, 0);
        for clause in &reading.clauses {
            let places = clause.variants.iter().map(|one| norms.len() * one.elements.len()).sum();
            let (here, behind) = rest.split_at(places);
            rest = behind;
            let weights = &weights.variants[variants..variants + clause.variants.len()];
            variants += clause.variants.len();
            tally.add(clause, here, (weights, norms), source, budget)?;
        }
        Ok(tally)
    }

    /// Adds the postings of one clause.
    fn add(
        &mut self,
        clause: &Clause,
        found: &[Found],
        (weights, norms): (&[f32], &[[f32; 256]]),
        source: Source<'_>,
        budget: &Budget,
    ) -> io::Result<()> {
        let blocks = self.scores.len().div_ceil(BITS);
        let none = || vec![0; blocks];
        let (mut held, mut exact) = (none(), none());
        let mut reader = clause
            .field
            .as_deref()
            .map(|field| FieldReader::new(field, self.reading.language, source.fields, budget));
        let mut rest = found;
        for (variant, weight) in clause.variants.iter().zip(weights) {
            let (here, behind) = rest.split_at(norms.len() * variant.elements.len());
            rest = behind;
            let mut matched = none();
            for (slot, found) in here.chunks(variant.elements.len()).enumerate() {
                let Some(words) = self.segment.slot(slot) else { continue };
                let offsets = variant.elements.iter().map(|element| element.offset);
                let elements: Vec<_> = offsets.zip(found).collect();
                let norms = &norms[slot];
                let (first, segment, counted) = (self.first, self.segment, &mut self.counted);
                let mut count = |doc: DocId, frequency: u32| {
                    if let Some(reader) = &mut reader
                        && !(segment.is_alive(doc)
                            && reader.holds(&segment.name(doc), slot, variant))
                    {
                        return;
                    }
                    let at = (doc - first) as usize;
                    matched[at / BITS] |= 1 << (at % BITS);
                    if !clause.excluded {
                        counted[at] += frequency as f32 * norms[usize::from(words.norm(doc))];
                    }
                };
                match &elements[..] {
                    [(_, Found::Terms(terms))] => {
                        let table = || ScoreTable::new(self.scores.len(), 0);
                        let frequencies = self.merged.get_or_insert_with(table);
                        let merged = Dense { first, frequencies };
                        merged.each(words, terms, &self.ranges, budget, &mut count)?;
                    }
                    elements => each(words, elements, &self.ranges, budget, &mut count)?,
                }
            }
            let add =
                |all: &mut Bits| all.iter_mut().zip(&matched).for_each(|(all, it)| *all |= it);
            add(&mut held);
            if variant.edits == 0 {
                add(&mut exact);
            }
            if !clause.excluded {
                self.score(&matched, *weight);
            }
        }
        self.held.push(held);
        if clause.is_open && !clause.excluded {
            self.exact.push(exact);
        }
        Ok(())
    }

    /// Adds the scores of a variant to the documents that hold it, and resets the counts.
    fn score(&mut self, matched: &[u64], weight: f32) {
        let documents = self.scores.chunks_mut(BITS).zip(self.counted.chunks_mut(BITS));
        for ((scores, counted), _) in documents.zip(matched).filter(|(_, bits)| **bits != 0) {
            // A document that does not hold it gains zero, so that no branch depends on a document.
            for (score, frequency) in scores.iter_mut().zip(counted) {
                *score += bm25(weight, std::mem::take(frequency));
            }
        }
    }

    /// Passes the live documents that match to `collector`, in order, and returns their number.
    ///
    /// If all words are required, a document gains `ahead` for each clause whose exact word it
    /// holds; if documents with all words come first, they gain as much again.
    pub(crate) fn run(
        &self,
        demand: Demand,
        ahead: f32,
        collector: &mut impl Collector<'a>,
        budget: &Budget,
    ) -> u64 {
        let mut total = 0;
        for docs in &self.ranges {
            let (mut block, last) =
                ((docs.start - self.first) as usize / BITS, (docs.end - self.first) as usize);
            while block * BITS < last && budget.spend(BITS / 2 + self.held.len()) {
                let held = |clause: usize| self.held[clause][block];
                let start = self.first + (block * BITS) as DocId;
                let here = self.segment.alive_bits(start) & within(docs, start);
                let all = match demand {
                    Demand::Some => 0,
                    _ => self.reading.root.matches(Demand::All, &held) & here,
                };
                let mut wanted = match demand {
                    Demand::All => all,
                    _ => self.reading.root.matches(Demand::Some, &held) & here | all,
                };
                total += u64::from(wanted.count_ones());
                while wanted != 0 {
                    let bit = wanted.trailing_zeros();
                    wanted &= wanted - 1;
                    let mut score = self.scores[block * BITS + bit as usize];
                    if all >> bit & 1 == 1 {
                        let exact =
                            self.exact.iter().filter(|exact| exact[block] >> bit & 1 == 1).count();
                        let more = exact + usize::from(demand == Demand::AllFirst);
                        score += ahead * more as f32;
                    }
                    if score >= collector.floor() {
                        collector.collect(self.segment, start + bit, score);
                    }
                }
                block += 1;
            }
        }
        total
    }
}

/// The frequencies of several terms together, for each document of a stretch; all zero between uses.
struct Dense<'m> {
    first: DocId,
    frequencies: &'m mut [u32],
}

impl Dense<'_> {
    /// Calls `found` with each document of `ranges` that holds any of the terms, in order, and the number of
    /// occurrences. Sorts nothing: linear in the postings, and in the stretch by blocks.
    fn each(
        self,
        words: &Words,
        terms: &[Term],
        ranges: &[Range<DocId>],
        budget: &Budget,
        found: &mut impl FnMut(DocId, u32),
    ) -> io::Result<()> {
        let Self { first, frequencies } = self;
        let mut held: Bits = vec![0; frequencies.len().div_ceil(BITS)];
        for term in terms.iter().take_while(|term| budget.spend(STEP * term.documents())) {
            words.frequencies(term, |doc, frequency| {
                let at = doc.wrapping_sub(first) as usize;
                if let Some(sum) = frequencies.get_mut(at) {
                    *sum += frequency;
                    held[at / BITS] |= 1 << (at % BITS);
                }
            })?;
        }
        for (block, mut bits) in held.into_iter().enumerate() {
            while bits != 0 {
                let at = block * BITS + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let (doc, frequency) = (first + at as DocId, std::mem::take(&mut frequencies[at]));
                // Between two ranges are documents of other sheets.
                if ranges.iter().any(|docs| docs.contains(&doc)) {
                    found(doc, frequency);
                }
            }
        }
        Ok(())
    }
}

/// Returns one bit for each of the 64 documents from `start` on, set if the document is in `docs`.
fn within(docs: &Range<DocId>, start: DocId) -> u64 {
    let below = |end: DocId| match end.saturating_sub(start) {
        0 => 0,
        count @ 1..64 => (1_u64 << count) - 1,
        _ => u64::MAX,
    };
    below(docs.end) & !below(docs.start)
}

/// Calls `found` with each document of `ranges` that holds the elements, in order, and the number
/// of occurrences.
fn each(
    words: &Words,
    elements: &[(u32, &Found)],
    ranges: &[Range<DocId>],
    budget: &Budget,
    mut found: impl FnMut(DocId, u32),
) -> io::Result<()> {
    if let [(_, Found::Term(Term::Stored(term)))] = elements
        && let Some(mut blocks) = words.blocks(term)?
    {
        for docs in ranges {
            blocks.seek(docs.start);
            while blocks.block_len() > 0
                && blocks.doc(0) < docs.end
                && budget.spend(STEP * blocks.block_len())
            {
                for (doc, frequency) in blocks.docs().iter().zip(blocks.freqs()) {
                    // The first and the last block may extend beyond the range.
                    if docs.contains(doc) {
                        found(*doc, *frequency);
                    }
                }
                // The block may extend into the next range.
                if blocks.doc(blocks.block_len() - 1) >= docs.end {
                    break;
                }
                blocks.advance();
            }
        }
        return Ok(());
    }
    let Some(mut occurrences) = Occurrences::open(words, elements, budget)? else { return Ok(()) };
    for docs in ranges {
        let mut doc = occurrences.seek(docs.start);
        while doc < docs.end && doc != TERMINATED && budget.spend(STEP) {
            found(doc, occurrences.frequency());
            doc = occurrences.seek(doc + 1);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_cut_at_the_ends_of_a_range() {
        for (docs, start, expected) in [
            (0..64, 0, u64::MAX),
            (3..5, 0, 0b1_1000),
            (3..5, 64, 0),
            (60..70, 64, 0b11_1111),
            (60..70, 0, 0b1111 << 60),
            (0..1, 0, 1),
        ] {
            assert_eq!(within(&docs, start), expected, "{docs:?} from {start}");
        }
    }
}
