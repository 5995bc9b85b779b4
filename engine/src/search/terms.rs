//! The terms that the words of a query match in each segment, and their frequencies.

use std::collections::BTreeSet;

use tantivy::DocSet as _;
use tantivy::schema::IndexRecordOption;

use crate::budget::{Budget, STEP, TooCostly};
use crate::search::error::SearchError;
use crate::search::index::TextIndex;
use crate::search::occurrences::Found;
use crate::search::query::{MAX_EXPANSIONS, QueryError};
use crate::search::reading::{Reading, Variant, Word};
use crate::search::segment::Segment;
use crate::search::words::{Term, Words};

/// The terms of a reading, in every segment.
pub(crate) struct Terms {
    /// For each segment, the terms of each variant, slot and element, in this order; `None` if no
    /// document is in the language.
    pub(crate) found: Vec<Option<Vec<Found>>>,
    /// For each variant, slot and element, the number of live documents with that term.
    pub(crate) frequencies: Vec<Vec<u64>>,
}

impl Terms {
    /// Finds the terms; `expansions` collects all words that the open words match anywhere.
    pub(crate) fn find(
        index: &TextIndex,
        reading: &Reading,
        expansions: &mut BTreeSet<Box<[u8]>>,
        budget: &Budget,
    ) -> Result<Self, SearchError> {
        let slots = index.slots().boosts().len();
        let places = |variant: &Variant| slots * variant.elements.len();
        let mut frequencies: Vec<Vec<u64>> =
            reading.variants().map(|(_, variant)| vec![0; places(variant)]).collect();
        let mut found = Vec::with_capacity(index.segments.len());
        for segment in index.segments.iter() {
            if !segment.sheets().iter().any(|part| part.language == reading.language) {
                found.push(None);
                continue;
            }
            let mut here =
                Vec::with_capacity(reading.variants().map(|(_, variant)| places(variant)).sum());
            for ((clause, variant), frequencies) in reading.variants().zip(&mut frequencies) {
                for (place, frequency) in frequencies.iter_mut().enumerate() {
                    let (slot, element) =
                        (place / variant.elements.len(), place % variant.elements.len());
                    let word = &variant.elements[element].word;
                    let (found, live) =
                        find_word(segment, slot, word, clause.excluded, expansions, budget)?;
                    *frequency += live;
                    here.push(found);
                }
            }
            found.push(Some(here));
        }
        Ok(Self { found, frequencies })
    }
}

/// Returns the terms of a word in one slot of a segment and, where needed, the number of live
/// documents that hold it.
fn find_word(
    segment: &Segment,
    slot: usize,
    word: &Word,
    excluded: bool,
    expansions: &mut BTreeSet<Box<[u8]>>,
    budget: &Budget,
) -> Result<(Found, u64), SearchError> {
    let Some(words) = segment.slot(slot) else { return Ok((Found::Nothing, 0)) };
    Ok(match word {
        Word::Stem(stem) => match words.find(stem.as_bytes())? {
            None => (Found::Nothing, 0),
            // An excluded word has no score, so its frequency is not needed.
            Some(term) if excluded => (Found::Term(term), 0),
            Some(term) => {
                let live = live_frequency(segment, words, &term, budget)?;
                (Found::Term(term), live)
            }
        },
        Word::Prefix { start, stem } => {
            let mut expansion =
                Expansion { segment, words, budget, expansions, terms: Vec::new(), live: 0 };
            expansion.add_prefix(start, stem)?;
            (Found::Terms(expansion.terms), 0)
        }
        Word::Fuzzy(stems) => {
            let mut expansion =
                Expansion { segment, words, budget, expansions, terms: Vec::new(), live: 0 };
            for stem in stems {
                expansion.add_stem(stem)?;
            }
            (Found::Terms(expansion.terms), expansion.live)
        }
    })
}

/// The terms that a word matches in one slot of a segment.
struct Expansion<'a, 'e> {
    segment: &'a Segment,
    words: &'a Words,
    budget: &'e Budget,
    /// All words that the words of the query match anywhere.
    expansions: &'e mut BTreeSet<Box<[u8]>>,
    terms: Vec<Term>,
    /// The live documents of each term, summed up.
    live: u64,
}

impl Expansion<'_, '_> {
    /// Adds a term.
    ///
    /// Skips terms that only dead documents hold: whether a query matches too many words must not
    /// depend on the past.
    fn add(&mut self, word: &[u8], term: Term) -> Result<(), SearchError> {
        let live = live_frequency(self.segment, self.words, &term, self.budget)?;
        if live > 0 {
            if !self.expansions.contains(word) {
                self.expansions.insert(word.into());
            }
            self.terms.push(term);
            self.live += live;
        }
        if self.expansions.len() > MAX_EXPANSIONS {
            return Err(SearchError::Query(QueryError::TooOpen));
        }
        Ok(())
    }

    fn add_stem(&mut self, stem: &str) -> Result<(), SearchError> {
        match self.words.find(stem.as_bytes())? {
            Some(term) => self.add(stem.as_bytes(), term),
            None => Ok(()),
        }
    }

    fn add_prefix(&mut self, start: &str, stem: &str) -> Result<(), SearchError> {
        let words = self.words;
        words.walk(start.as_bytes(), |word, term| {
            let goes_on = word.starts_with(start.as_bytes());
            if goes_on {
                self.add(word, term)?;
            }
            Ok::<_, SearchError>(goes_on)
        })?;
        if stem.starts_with(start) { Ok(()) } else { self.add_stem(stem) }
    }
}

/// Returns the number of live documents of the segment that hold the term.
pub(crate) fn live_frequency(
    segment: &Segment,
    words: &Words,
    term: &Term,
    budget: &Budget,
) -> Result<u64, SearchError> {
    let mut live = 0;
    if let Term::Stored(term_info) = term {
        let (all, dead) = (u64::from(term_info.doc_freq), segment.dead());
        if dead == 0 {
            return Ok(all);
        }
        if !budget.spend(STEP * term.documents()) {
            return Err(TooCostly.into());
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
