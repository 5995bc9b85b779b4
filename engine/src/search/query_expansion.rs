//! Widens a query that few documents match: the last word also matches its continuations, and words
//! also match when split or joined differently.

use std::collections::BTreeSet;

use tantivy::TERMINATED;

use crate::budget::{Budget, STEP};
use crate::language::Language;
use crate::search::analyzer::{self, analyzed};
use crate::search::error::SearchError;
use crate::search::index::TextIndex;
use crate::search::occurrences::{Found, Occurrences};
use crate::search::query::{self, Ending, Query};
use crate::search::reading::{Element, Reading, Variant, Word, beginning};
use crate::search::terms::live_frequency;

/// The maximum number of words that the last one may match. If more begin with it, it matches only
/// itself.
pub const MAX_CONTINUED: usize = 500;

/// The minimum number of letters of a last word that matches its continuations.
const MIN_BEGINNING: usize = 2;

/// The minimum number of letters in each part of a word that is split in two.
const MIN_PART: usize = 3;

/// Longer words are not split.
const MAX_PARTED: usize = 24;

/// The cost of looking up a word.
const LOOK: usize = 16 * STEP;

/// Adds variants to the clauses. Returns whether there were any to add.
///
/// A word with `*` or `~` already states what it matches, as do quoted phrases.
pub(crate) fn widen(
    index: &TextIndex,
    query: &Query,
    readings: &mut [Reading],
    budget: &Budget,
) -> Result<bool, SearchError> {
    let says_all = query.clauses.iter().any(query::Clause::is_open);
    let mut opened = BTreeSet::new();
    let mut add = |reading: &mut Reading, at: usize, elements: Vec<Element>| {
        if let Some(place) = reading.places[at] {
            reading.clauses[place].variants.push(Variant { edits: 1, elements });
            opened.insert(at);
        }
    };
    for reading in readings.iter_mut() {
        let dictionary = Dictionary { index, language: reading.language, budget };
        if index.totals.get(reading.language).documents == 0 {
            continue;
        }
        for (at, clause) in query.clauses.iter().enumerate().filter(|(_, one)| one.is_loose()) {
            if let [word] = &clause.words[..] {
                for parts in dictionary.parts(&word.text)? {
                    add(reading, at, parts);
                }
                if let Some(next) = query
                    .clauses
                    .get(at + 1)
                    .filter(|next| next.is_loose() && next.field == clause.field)
                    && let [other] = &next.words[..]
                    && let Some(joined) = dictionary.joined(&[&word.text, &other.text])?
                {
                    add(reading, at, vec![joined.clone()]);
                    add(reading, at + 1, vec![joined]);
                }
            } else {
                let words: Vec<&str> = clause.words.iter().map(|word| &*word.text).collect();
                if let Some(joined) = dictionary.joined(&words)? {
                    add(reading, at, vec![joined]);
                }
            }
        }
        let last = query.last.filter(|_| query.goes_on && !says_all);
        if let Some(at) = last
            && let Some(place) = reading.places[at]
        {
            let clause = &reading.clauses[place];
            let mut elements = clause.variants[0].elements.clone();
            if query.clauses[at].is_loose()
                && let (Some(last), Some(typed)) = (elements.last_mut(), clause.typed.last())
                && let Word::Stem(stem) = &last.word
                && let Some(words) = dictionary.continued(typed, stem)?
            {
                last.word = Word::Fuzzy(words);
                add(reading, at, elements);
            }
        }
    }
    // Documents in all languages share one order.
    for reading in readings.iter_mut() {
        for place in opened.iter().filter_map(|at| reading.places[*at]) {
            reading.clauses[place].is_open = true;
        }
    }
    Ok(!opened.is_empty())
}

impl query::Clause {
    /// Returns whether other words may match instead of its own.
    fn is_loose(&self) -> bool {
        !self.quoted && !self.excluded && self.words.iter().all(|word| word.ending == Ending::Whole)
    }
}

/// The words of one language that live documents hold.
struct Dictionary<'i> {
    index: &'i TextIndex,
    language: Language,
    budget: &'i Budget,
}

impl Dictionary<'_> {
    /// Returns the words that begin with the typed one, in order, without its own stem; `None` if
    /// there are none, or too many.
    fn continued(&self, typed: &str, stem: &str) -> Result<Option<Vec<Box<str>>>, SearchError> {
        if typed.chars().count() < MIN_BEGINNING {
            return Ok(None);
        }
        let start = beginning(self.language, &mut analyzer::word_folding(), typed);
        let mut words = BTreeSet::new();
        for segment in self.index.segments.iter() {
            for slot in 0..self.index.slots().boosts().len() {
                let Some(terms) = segment.slot(slot) else { continue };
                terms.walk(start.as_bytes(), |word, term| {
                    let Ok(word) = std::str::from_utf8(word) else { return Ok(true) };
                    if !word.starts_with(&*start) || !self.budget.spend(LOOK) {
                        return Ok::<_, SearchError>(false);
                    }
                    if word != stem
                        && !words.contains(word)
                        && live_frequency(segment, terms, &term, self.budget)? > 0
                    {
                        words.insert(word.into());
                    }
                    Ok(words.len() <= MAX_CONTINUED)
                })?;
                if words.len() > MAX_CONTINUED {
                    return Ok(None);
                }
            }
        }
        Ok((!words.is_empty()).then(|| words.into_iter().collect()))
    }

    /// Returns the word formed by joining some words, if it occurs.
    fn joined(&self, words: &[&str]) -> Result<Option<Element>, SearchError> {
        let whole = words.concat();
        if whole.len() >= analyzer::WORD_BYTES {
            return Ok(None);
        }
        let stem = self.stem(&whole);
        let occurs = self.occurs(&stem)?;
        Ok(occurs.then_some(Element { offset: 0, word: Word::Stem(stem) }))
    }

    /// Returns each pair of occurring words that form this one when joined.
    fn parts(&self, word: &str) -> Result<Vec<Vec<Element>>, SearchError> {
        let mut pairs = Vec::new();
        let letters = word.chars().count();
        if !(2 * MIN_PART..=MAX_PARTED).contains(&letters) || !word.chars().all(char::is_alphabetic)
        {
            return Ok(pairs);
        }
        let cuts = word.char_indices().map(|(at, _)| at);
        for cut in cuts.take(letters - MIN_PART + 1).skip(MIN_PART) {
            let (first, second) = word.split_at(cut);
            let (first, second) = (self.stem(first), self.stem(second));
            if self.occurs(&first)? && self.stand_together(&first, &second)? {
                let element = |(offset, stem)| Element { offset, word: Word::Stem(stem) };
                pairs.push([(0, first), (1, second)].map(element).into());
            }
        }
        Ok(pairs)
    }

    /// Returns whether two words are adjacent in any live document.
    fn stand_together(&self, first: &str, second: &str) -> Result<bool, SearchError> {
        for segment in self.index.segments.iter() {
            for terms in (0..self.index.slots().boosts().len()).filter_map(|at| segment.slot(at)) {
                self.budget.spend(LOOK);
                let Some(second) = terms.find(second.as_bytes())? else { continue };
                let Some(first) = terms.find(first.as_bytes())? else { continue };
                let (first, second) = (Found::Term(first), Found::Term(second));
                let elements = [(0, &first), (1, &second)];
                let Some(mut both) = Occurrences::open(terms, &elements, self.budget)? else {
                    continue;
                };
                let mut doc = both.seek(0);
                while doc != TERMINATED && self.budget.spend(STEP) {
                    if segment.is_alive(doc) {
                        return Ok(true);
                    }
                    doc = both.seek(doc + 1);
                }
            }
        }
        Ok(false)
    }

    fn stem(&self, word: &str) -> Box<str> {
        analyzed(&mut analyzer::word_stemming(self.language), word)
    }

    fn occurs(&self, stem: &str) -> Result<bool, SearchError> {
        for segment in self.index.segments.iter() {
            for terms in (0..self.index.slots().boosts().len()).filter_map(|at| segment.slot(at)) {
                self.budget.spend(LOOK);
                if let Some(term) = terms.find(stem.as_bytes())?
                    && live_frequency(segment, terms, &term, self.budget)? > 0
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
