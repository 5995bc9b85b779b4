//! Which documents a query matches, and how well.
//!
//! A clause scores BM25F over the slots it occurs in; a document scores the sum over clauses. All
//! statistics cover the live documents in the same language, and the sum is taken in the order of
//! the query and of the slots. So a score does not depend on how documents are spread over segments,
//! to the last bit. tantivy's own scorers add up in order
//! of rarity within a segment, which is why they are not used here.
//!
//! A clause may match in several variants, such as a word and its typos. Each wrong letter lowers
//! the score, and a document with the exact word ranks before all documents without it.

use std::collections::BTreeSet;

use tantivy::{DocId, TERMINATED};

use crate::budget::{Budget, STEP};
use crate::search::bm25::{bm25, tf_norms};
use crate::search::clause_scan::{Tally, pays_off};
use crate::search::error::SearchError;
use crate::search::hits::Collector;
use crate::search::index::TextIndex;
use crate::search::minimum_match::Demand;
use crate::search::occurrences::{Found, Occurrences};
use crate::search::reading::Reading;
use crate::search::scope::Source;
use crate::search::segment::Segment;
use crate::search::term_scan::TermScan;
use crate::search::terms::Terms;
use crate::search::weights::{Weights, weights};
use crate::search::words::Words;

/// Counts the live documents in the scope of `source` that match one of `readings` as `demand`
/// requires. Passes them with their scores to `collector`: by language, then by segment, then in
/// document order.
pub(crate) fn evaluate<'a>(
    index: &'a TextIndex,
    readings: &[Reading],
    demand: Demand,
    source: Source<'_>,
    collector: &mut impl Collector<'a>,
    budget: &Budget,
) -> Result<u64, SearchError> {
    let mut expansions = BTreeSet::new();
    let prepared =
        readings.iter().map(|reading| Prepared::new(index, reading, &mut expansions, budget));
    let mut prepared = prepared.collect::<Result<Vec<_>, _>>()?;
    // Matches in all languages share one order.
    let ceiling = prepared.iter().map(Prepared::ceiling).fold(0.0, f32::max);
    prepared.iter_mut().for_each(|reading| reading.weights.exact = ceiling);
    prepared.iter().map(|reading| reading.evaluate(index, demand, source, collector, budget)).sum()
}

/// A reading with everything needed to walk a segment.
struct Prepared<'r> {
    reading: &'r Reading,
    /// As [`Terms::found`].
    found: Vec<Option<Vec<Found>>>,
    weights: Weights,
    /// For each slot and length class, how much one occurrence counts.
    tf_norms: Vec<[f32; 256]>,
}

impl<'r> Prepared<'r> {
    fn new(
        index: &TextIndex,
        reading: &'r Reading,
        expansions: &mut BTreeSet<Box<[u8]>>,
        budget: &Budget,
    ) -> Result<Self, SearchError> {
        let totals = index.totals.get(reading.language);
        let Terms { found, frequencies } = Terms::find(index, reading, expansions, budget)?;
        let (mut variants, mut rest) = (Vec::with_capacity(frequencies.len()), &frequencies[..]);
        for clause in &reading.clauses {
            let (here, behind) = rest.split_at(clause.variants.len());
            rest = behind;
            variants.extend(weights(totals.documents, clause, here));
        }
        let weights = Weights { variants, exact: 0.0 };
        let boosts = index.slots().boosts().iter().enumerate();
        let tf_norms = boosts.map(|(slot, boost)| tf_norms(&totals, slot, *boost)).collect();
        Ok(Self { reading, found, weights, tf_norms })
    }

    /// Returns a score that no document exceeds.
    fn ceiling(&self) -> f32 {
        self.weights.variants.iter().sum()
    }

    fn evaluate<'a>(
        &self,
        index: &'a TextIndex,
        demand: Demand,
        source: Source<'_>,
        collector: &mut impl Collector<'a>,
        budget: &Budget,
    ) -> Result<u64, SearchError> {
        let (slots, mut total) = (self.tf_norms.len(), 0);
        for (segment, found) in index.segments.iter().zip(&self.found) {
            let Some(found) = found else { continue };
            let ranges = segment.ranges(self.reading.language, source.scope);
            let is_plain = demand == Demand::All && self.reading.is_plain();
            // A scan handles one word, which has one variant.
            if is_plain && let Some(scan) = TermScan::of(segment, self.reading, found) {
                for docs in ranges {
                    total += scan.run(
                        docs,
                        self.weights.variants[0],
                        &self.tf_norms,
                        collector,
                        budget,
                    )?;
                }
                continue;
            }
            if !is_plain || pays_off(segment, self.reading, found, slots) {
                let worth = (&self.weights, &self.tf_norms[..]);
                let tally = Tally::of(segment, self.reading, ranges, found, worth, source, budget)?;
                total += tally.run(demand, self.weights.exact, collector, budget);
                continue;
            }
            let matcher = Matcher::open(segment, self.reading, found, slots, budget)?;
            let Some(mut matcher) = matcher else { continue };
            for docs in ranges {
                let mut doc = matcher.seek(docs.start);
                while doc < docs.end && budget.spend(matcher.cost) {
                    if segment.is_alive(doc) && !matcher.is_excluded(doc) {
                        total += 1;
                        let score = matcher.score(doc, &self.weights, &self.tf_norms);
                        if score >= collector.floor() {
                            collector.collect(segment, doc, score);
                        }
                    }
                    doc = matcher.seek(doc + 1);
                }
            }
        }
        Ok(total)
    }
}

/// Walks the documents of one segment that hold all required clauses.
struct Matcher<'a> {
    /// The clauses that score, in order.
    scored: Vec<ClauseCursor<'a>>,
    /// The indices of the required clauses in `scored`, the rarest clause first.
    order: Vec<usize>,
    excluded: Vec<ClauseCursor<'a>>,
    /// The cost of checking a document.
    cost: usize,
}

/// One clause in the variants and slots where it occurs.
struct ClauseCursor<'a> {
    is_optional: bool,
    places: Vec<VariantPostings<'a>>,
    /// Whether letters of it may be wrong.
    is_open: bool,
}

/// One variant of a clause in one slot.
struct VariantPostings<'a> {
    /// The place of the variant among all of the reading.
    variant: usize,
    is_exact: bool,
    slot: usize,
    words: &'a Words,
    occurrences: Occurrences<'a>,
}

impl<'a> Matcher<'a> {
    /// Returns `None` if no document of the segment can match.
    fn open(
        segment: &'a Segment,
        reading: &Reading,
        found: &[Found],
        slots: usize,
        budget: &'a Budget,
    ) -> Result<Option<Self>, SearchError> {
        // Opening a prefix reads all words it matches, so check first that each clause occurs.
        let mut rest = found;
        for clause in &reading.clauses {
            let places: usize =
                clause.variants.iter().map(|variant| slots * variant.elements.len()).sum();
            let (mut here, behind) = rest.split_at(places);
            rest = behind;
            let mut is_there = clause.excluded || clause.is_optional;
            for variant in &clause.variants {
                let (places, others) = here.split_at(slots * variant.elements.len());
                here = others;
                let mut slots = places.chunks(variant.elements.len());
                is_there |= slots.any(|found| !found.iter().any(Found::is_nothing));
            }
            if !is_there {
                return Ok(None);
            }
        }
        let (mut scored, mut excluded) = (Vec::new(), Vec::new());
        let (mut rest, mut variants) = (found, 0);
        for clause in &reading.clauses {
            let mut cursor = ClauseCursor {
                is_optional: clause.is_optional,
                places: Vec::new(),
                is_open: clause.is_open,
            };
            for variant in &clause.variants {
                let (here, behind) = rest.split_at(slots * variant.elements.len());
                rest = behind;
                for (slot, found) in here.chunks(variant.elements.len()).enumerate() {
                    let Some(words) = segment.slot(slot) else { continue };
                    let offsets = variant.elements.iter().map(|element| element.offset);
                    let elements: Vec<_> = offsets.zip(found).collect();
                    if let Some(occurrences) = Occurrences::open(words, &elements, budget)? {
                        let is_exact = variant.edits == 0;
                        cursor.places.push(VariantPostings {
                            variant: variants,
                            is_exact,
                            slot,
                            words,
                            occurrences,
                        });
                    }
                }
                variants += 1;
            }
            if clause.excluded {
                excluded.push(cursor);
            } else {
                scored.push(cursor);
            }
        }
        let mut order: Vec<usize> =
            (0..scored.len()).filter(|at| !scored[*at].is_optional).collect();
        order.sort_by_key(|at| scored[*at].cost());
        let places = scored.iter().chain(&excluded).map(|cursor| cursor.places.len());
        let cost = STEP * (1 + places.sum::<usize>());
        Ok(Some(Self { scored, order, excluded, cost }))
    }

    /// Returns the first document at or after `target` that holds every required clause.
    fn seek(&mut self, mut target: DocId) -> DocId {
        'candidate: while target != TERMINATED {
            for &at in &self.order {
                let doc = self.scored[at].seek(target);
                if doc > target {
                    target = doc;
                    continue 'candidate;
                }
            }
            break;
        }
        target
    }

    fn is_excluded(&mut self, doc: DocId) -> bool {
        self.excluded.iter_mut().any(|clause| clause.seek(doc) == doc)
    }

    /// Returns the score of `doc`. All required clauses are positioned on it, though some of their
    /// places may still be before it.
    fn score(&mut self, doc: DocId, weights: &Weights, tf_norms: &[[f32; 256]]) -> f32 {
        let (mut score, mut exact) = (0.0, 0);
        for cursor in &mut self.scored {
            let mut is_exact = false;
            for places in cursor.places.chunk_by_mut(|a, b| a.variant == b.variant) {
                let mut frequency = 0.0;
                for place in &mut *places {
                    if place.occurrences.seek(doc) == doc {
                        let norm = tf_norms[place.slot][usize::from(place.words.norm(doc))];
                        frequency += place.occurrences.frequency() as f32 * norm;
                        is_exact |= place.is_exact;
                    }
                }
                score += bm25(weights.variants[places[0].variant], frequency);
            }
            exact += u16::from(cursor.is_open && is_exact);
        }
        // The last to be added, as in a tally.
        score + weights.exact * f32::from(exact)
    }
}

impl ClauseCursor<'_> {
    fn seek(&mut self, target: DocId) -> DocId {
        let docs = self.places.iter_mut().map(|place| place.occurrences.seek(target));
        docs.min().unwrap_or(TERMINATED)
    }

    fn cost(&self) -> u64 {
        self.places.iter().map(|place| u64::from(place.occurrences.cost())).sum()
    }
}
