//! Which documents a query matches, and how well.
//!
//! A clause scores BM25 in each slot it occurs in, times the boost of the slot; a document scores
//! the sum over clauses and slots. All statistics are of live documents, and the sum is taken in
//! the order of the query and of the slots, so a score does not depend on how documents are spread
//! over segments, to the last bit. That is why tantivy's own scorers are not used here: they add
//! up in the order of what is rarest in a segment.

use std::collections::BTreeSet;
use std::ops::Range;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, TERMINATED};

use crate::search::cursor::{Found, Occurrences};
use crate::search::query::{Clause, MAX_EXPANSIONS, Query, QueryError, Word};
use crate::search::segment::{Segment, Totals};
use crate::search::words::{Term, Words};
use crate::search::{Scope, SearchError, TextIndex};

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// Calls `matched` with each live document in `scope` that `query` matches, and its score, segment
/// by segment and there in the order of documents.
pub(crate) fn evaluate<'a>(
    index: &'a TextIndex,
    query: &Query,
    scope: Scope<'_>,
    mut matched: impl FnMut(&'a Segment, DocId, f32),
) -> Result<(), SearchError> {
    let slots = index.slots.boosts().len();
    let terms = find_terms(index, query, slots)?;
    let weights: Vec<Vec<f32>> = query
        .clauses
        .iter()
        .zip(&terms.frequencies)
        .map(|(clause, frequencies)| weights(index, clause, frequencies))
        .collect();
    let norms: Vec<[f32; 256]> = (0..slots).map(|slot| norms(&index.totals, slot)).collect();
    for (segment, found) in index.segments.iter().zip(&terms.found) {
        let Some(mut matcher) = Matcher::open(segment, query, found, slots)? else { continue };
        for docs in ranges(segment, scope) {
            let mut doc = matcher.seek(docs.start);
            while doc < docs.end {
                if segment.is_alive(doc) && !matcher.is_excluded(doc) {
                    matched(segment, doc, matcher.score(doc, &weights, &norms));
                }
                doc = matcher.seek(doc + 1);
            }
        }
    }
    Ok(())
}

/// Returns the documents of a segment that are in scope, as few ranges as possible.
fn ranges(segment: &Segment, scope: Scope<'_>) -> Vec<Range<DocId>> {
    let mut ranges: Vec<Range<DocId>> = Vec::new();
    for (_, docs) in segment.sheets().iter().filter(|(sheet, _)| scope.contains(sheet)) {
        match ranges.last_mut() {
            Some(last) if last.end == docs.start => last.end = docs.end,
            _ => ranges.push(docs.clone()),
        }
    }
    ranges
}

/// The terms of a query, in every segment.
struct Terms {
    /// For each segment, what stands for each clause, slot and element, in this order.
    found: Vec<Vec<Found>>,
    /// For each clause, and there for each slot and element, the live documents with that term.
    frequencies: Vec<Vec<u64>>,
}

fn find_terms(index: &TextIndex, query: &Query, slots: usize) -> Result<Terms, SearchError> {
    let places = |clause: &Clause| slots * clause.elements.len();
    let mut frequencies: Vec<Vec<u64>> =
        query.clauses.iter().map(|clause| vec![0; places(clause)]).collect();
    let mut expansions = BTreeSet::new();
    let mut found = Vec::with_capacity(index.segments.len());
    for segment in index.segments.iter() {
        let mut here = Vec::with_capacity(query.clauses.iter().map(places).sum());
        for (at, clause) in query.clauses.iter().enumerate() {
            for (place, frequency) in frequencies[at].iter_mut().enumerate() {
                let (slot, element) =
                    (place / clause.elements.len(), place % clause.elements.len());
                let word = &clause.elements[element].word;
                let found = find_word(segment, slot, word, &mut expansions)?;
                // An excluded word has no score, so its frequency is not needed.
                if let (Found::Term(term), Some(words), false) =
                    (&found, segment.slot(slot), clause.excluded)
                {
                    *frequency += live_frequency(segment, words, term)?;
                }
                here.push(found);
            }
        }
        found.push(here);
    }
    Ok(Terms { found, frequencies })
}

/// Returns what stands for a word in one slot of a segment; `expansions` collects what the
/// prefixes of the query stand for anywhere.
fn find_word(
    segment: &Segment,
    slot: usize,
    word: &Word,
    expansions: &mut BTreeSet<Box<[u8]>>,
) -> Result<Found, SearchError> {
    let Some(words) = segment.slot(slot) else { return Ok(Found::Nothing) };
    Ok(match word {
        Word::Stem(stem) => words.find(stem.as_bytes())?.map_or(Found::Nothing, Found::Term),
        Word::Prefix { start, stem } => {
            Found::Terms(expand(segment, words, start, stem, expansions)?)
        }
    })
}

/// Returns the terms that a prefix stands for, and adds them to `words`.
///
/// Terms that only dead documents hold are passed over: whether a prefix stands for too many words
/// must not depend on the past.
fn expand(
    segment: &Segment,
    words: &Words,
    start: &str,
    stem: &str,
    expansions: &mut BTreeSet<Box<[u8]>>,
) -> Result<Vec<Term>, SearchError> {
    let mut terms = Vec::new();
    let mut add = |word: &[u8], term: Term| {
        if live_frequency(segment, words, &term)? > 0 {
            if !expansions.contains(word) {
                expansions.insert(word.into());
            }
            terms.push(term);
        }
        if expansions.len() > MAX_EXPANSIONS {
            return Err(SearchError::Query(QueryError::PrefixesTooShort));
        }
        Ok(())
    };
    words.walk(start.as_bytes(), |word, term| {
        let goes_on = word.starts_with(start.as_bytes());
        if goes_on {
            add(word, term)?;
        }
        Ok::<_, SearchError>(goes_on)
    })?;
    if !stem.starts_with(start)
        && let Some(term) = words.find(stem.as_bytes())?
    {
        add(stem.as_bytes(), term)?;
    }
    Ok(terms)
}

/// Returns how many live documents of the segment hold the term.
fn live_frequency(segment: &Segment, words: &Words, term: &Term) -> Result<u64, SearchError> {
    let mut live = 0;
    if let Term::Stored(term_info) = term {
        let (all, dead) = (u64::from(term_info.doc_freq), segment.dead());
        if dead == 0 {
            return Ok(all);
        }
        // A seek costs about as much as sixteen steps.
        if dead * 16 < all
            && let Some(mut postings) = words.cursor(term, IndexRecordOption::Basic)?
        {
            let mut dead_with_term = 0;
            for doc in segment.dead_docs() {
                if postings.doc() < doc {
                    postings.seek(doc);
                }
                dead_with_term += u64::from(postings.doc() == doc);
            }
            return Ok(all - dead_with_term);
        }
    }
    words.frequencies(term, |doc, _| live += u64::from(segment.is_alive(doc)))?;
    Ok(live)
}

/// Returns for each slot what one saturated occurrence of the clause scores there.
fn weights(index: &TextIndex, clause: &Clause, frequencies: &[u64]) -> Vec<f32> {
    let documents = index.totals.documents;
    let slots = index.slots.boosts().iter().zip(frequencies.chunks(clause.elements.len()));
    let weight = |(boost, frequencies): (&f32, &[u64])| {
        let rarity = |(element, frequency): (usize, &u64)| match clause.elements[element].word {
            Word::Stem(_) => rarity(*frequency, documents),
            // A prefix is a guess at many words: it counts as one that is neither rare nor common.
            Word::Prefix { .. } => 1.0,
        };
        boost * (1.0 + K1) * frequencies.iter().enumerate().map(rarity).sum::<f32>()
    };
    slots.map(weight).collect()
}

/// Returns the inverse document frequency.
fn rarity(frequency: u64, documents: u64) -> f32 {
    let others = documents.saturating_sub(frequency) as f32;
    (1.0 + (others + 0.5) / (frequency as f32 + 0.5)).ln()
}

/// Returns for each class of length what BM25 adds to the frequency in its denominator.
fn norms(totals: &Totals, slot: usize) -> [f32; 256] {
    let average = (totals.tokens[slot].max(1) as f32) / (totals.documents.max(1) as f32);
    std::array::from_fn(|norm| {
        let length = FieldNormReader::id_to_fieldnorm(norm as u8) as f32;
        K1 * (1.0 - B + B * length / average)
    })
}

/// Walks the documents of one segment that hold all required clauses.
struct Matcher<'a> {
    required: Vec<ClauseCursor<'a>>,
    /// The indices of `required`, the rarest clause first.
    order: Vec<usize>,
    excluded: Vec<ClauseCursor<'a>>,
}

/// One clause in the slots where it occurs.
struct ClauseCursor<'a> {
    clause: usize,
    slots: Vec<(usize, &'a Words, Occurrences)>,
}

impl<'a> Matcher<'a> {
    /// Returns `None` where no document of the segment can match.
    fn open(
        segment: &'a Segment,
        query: &Query,
        found: &[Found],
        slots: usize,
    ) -> Result<Option<Self>, SearchError> {
        let (mut required, mut excluded) = (Vec::new(), Vec::new());
        let mut rest = found;
        for (clause, elements) in query.clauses.iter().enumerate() {
            let (here, behind) = rest.split_at(slots * elements.elements.len());
            rest = behind;
            let mut cursor = ClauseCursor { clause, slots: Vec::new() };
            for (slot, found) in here.chunks(elements.elements.len()).enumerate() {
                let Some(words) = segment.slot(slot) else { continue };
                let offsets = elements.elements.iter().map(|element| element.offset);
                let elements: Vec<_> = offsets.zip(found).collect();
                if let Some(occurrences) = Occurrences::open(words, &elements)? {
                    cursor.slots.push((slot, words, occurrences));
                }
            }
            match (elements.excluded, cursor.slots.is_empty()) {
                (false, true) => return Ok(None),
                (false, false) => required.push(cursor),
                (true, _) => excluded.push(cursor),
            }
        }
        let mut order: Vec<usize> = (0..required.len()).collect();
        order.sort_by_key(|at| required[*at].cost());
        Ok(Some(Self { required, order, excluded }))
    }

    /// Returns the first document from `target` on that holds every required clause.
    fn seek(&mut self, mut target: DocId) -> DocId {
        'candidate: while target != TERMINATED {
            for &at in &self.order {
                let doc = self.required[at].seek(target);
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

    /// Returns the score of the document that all required clauses stand at or, in some slots,
    /// have yet to reach.
    fn score(&mut self, doc: DocId, weights: &[Vec<f32>], norms: &[[f32; 256]]) -> f32 {
        let mut score = 0.0;
        for cursor in &mut self.required {
            for (slot, words, occurrences) in &mut cursor.slots {
                if occurrences.seek(doc) == doc {
                    let frequency = occurrences.frequency() as f32;
                    let norm = norms[*slot][usize::from(words.norm(doc))];
                    score += weights[cursor.clause][*slot] * (frequency / (frequency + norm));
                }
            }
        }
        score
    }
}

impl ClauseCursor<'_> {
    fn seek(&mut self, target: DocId) -> DocId {
        let docs = self.slots.iter_mut().map(|(_, _, occurrences)| occurrences.seek(target));
        docs.min().unwrap_or(TERMINATED)
    }

    fn cost(&self) -> u64 {
        self.slots.iter().map(|(_, _, occurrences)| u64::from(occurrences.cost())).sum()
    }
}
