//! Words that match despite typos: where the query asks for it, and where a word occurs nowhere.

use std::ops::Range;

use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet as _};

use crate::budget::{Budget, STEP};
use crate::language::Language;
use crate::search::analyzer;
use crate::search::correction::{Correction, Spelling};
use crate::search::error::SearchError;
use crate::search::fuzzy::{FuzzyTerm, fuzzy_terms, live};
use crate::search::index::TextIndex;
use crate::search::language_mark;
use crate::search::minimum_match::Matching;
use crate::search::query::Query;
use crate::search::reading::{Clause, Reading, Variant, Word, beginning};
use crate::search::scope::Scope;
use crate::search::segment::Segment;
use crate::search::words::{Term, Words};

/// The maximum number of words that a word with `~` matches, in each language.
pub const MAX_ALIKE: usize = 32;
/// The maximum number of replacements for a word that occurs nowhere.
pub const MAX_CORRECTIONS: usize = 8;
/// The maximum number of words that occur nowhere in a query that is corrected. A query with more
/// is not misspelled: it is about something else, or in another language.
pub const MAX_CORRECTED: usize = 4;
/// The minimum number of letters of a word that is corrected by one letter, and by two.
pub const MIN_CORRECTED_LETTERS: [usize; 2] = [4, 8];

/// Reads `query` in every language that documents in scope have.
pub(crate) fn read(
    index: &TextIndex,
    query: &Query,
    scope: Scope<'_>,
    budget: &Budget,
) -> Result<Vec<Reading>, SearchError> {
    let languages = index.shape.languages.in_scope(scope).into_iter();
    let spoken = languages.filter(|language| index.totals.get(*language).documents > 0);
    let mut readings: Vec<Reading> = spoken.map(|it| Reading::of(query, it)).collect();
    for Reading { language, clauses, .. } in &mut readings {
        for clause in clauses {
            let Some(stem) = clause.misspelled() else { continue };
            let typed = clause.typed.last().map_or(stem, |typed| typed);
            let mut fuzzy =
                fuzzy_terms(index, *language, scope, typed, stem, clause.edits, budget)?;
            fuzzy.truncate(MAX_ALIKE);
            add_variants(clause, fuzzy);
        }
    }
    Ok(readings)
}

/// Adds a variant for each number of wrong letters.
fn add_variants(clause: &mut Clause, fuzzy: Vec<FuzzyTerm>) {
    let exact = clause.variants[0].elements.clone();
    for fuzzy in fuzzy.chunk_by(|a, b| a.edits == b.edits) {
        let mut elements = exact.clone();
        if let Some(last) = elements.last_mut() {
            last.word = Word::Fuzzy(fuzzy.iter().map(|fuzzy| fuzzy.stem.clone()).collect());
        }
        clause.variants.push(Variant { edits: fuzzy[0].edits, elements });
    }
}

/// Replaces words that occur nowhere in scope by the nearest words. If all words are required and
/// one of them has no replacement, returns nothing and leaves the readings unchanged.
pub(crate) fn correct(
    index: &TextIndex,
    matching: Matching,
    readings: &mut [Reading],
    scope: Scope<'_>,
    budget: &Budget,
) -> Result<Vec<Correction>, SearchError> {
    let missing = missing(index, readings, scope, budget)?;
    if missing.len() > MAX_CORRECTED {
        return Ok(Vec::new());
    }
    let mut corrections = Vec::new();
    for typed in missing {
        let nearest = nearest(index, readings, &typed, scope, budget)?;
        if !nearest.is_empty() {
            corrections.push((typed, nearest));
        } else if matching == Matching::All {
            return Ok(Vec::new());
        }
    }
    for reading in readings {
        for (typed, nearest) in &corrections {
            replace(reading, typed, nearest);
        }
    }
    let correction = |(typed, nearest): (Box<str>, Vec<(Language, FuzzyTerm)>)| {
        let spelling = |(language, fuzzy): (Language, FuzzyTerm)| Spelling {
            language,
            stem: fuzzy.stem,
            document: fuzzy.document,
        };
        Correction { typed, used: nearest.into_iter().map(spelling).collect() }
    };
    Ok(corrections.into_iter().map(correction).collect())
}

/// Returns the required words, as typed, that occur in no language.
fn missing(
    index: &TextIndex,
    readings: &[Reading],
    scope: Scope<'_>,
    budget: &Budget,
) -> Result<Vec<Box<str>>, SearchError> {
    let mut missing: Vec<Box<str>> = Vec::new();
    for (typed, _) in readings.first().into_iter().flat_map(wanted) {
        if missing.iter().any(|other| **other == *typed) {
            continue;
        }
        let mut is_missing = true;
        for reading in readings {
            // A word that a language ignores is not missing in it.
            let Some(stem) = stem_of(reading, typed) else {
                is_missing = false;
                break;
            };
            let language = reading.language;
            if occurs(index, language, scope, stem, budget)?
                || begins_one(index, language, scope, typed, budget)?
            {
                is_missing = false;
                break;
            }
        }
        if is_missing {
            missing.push(typed.into());
        }
    }
    Ok(missing)
}

/// Returns the words that must occur exactly, each as typed and as its stem.
fn wanted(reading: &Reading) -> impl Iterator<Item = (&str, &str)> {
    let is_wanted = |clause: &&Clause| !(clause.excluded || clause.is_open || clause.is_optional);
    let clauses = reading.clauses.iter().filter(is_wanted);
    clauses.flat_map(|clause| {
        let elements = clause.variants[0].elements.iter().zip(&clause.typed);
        elements.filter_map(|(element, typed)| match &element.word {
            Word::Stem(stem) => Some((&**typed, &**stem)),
            Word::Prefix { .. } | Word::Fuzzy(_) => None,
        })
    })
}

fn stem_of<'a>(reading: &'a Reading, typed: &str) -> Option<&'a str> {
    wanted(reading).find(|(other, _)| *other == typed).map(|(_, stem)| stem)
}

/// Returns the words nearest to a missing one, in all languages.
fn nearest(
    index: &TextIndex,
    readings: &[Reading],
    typed: &str,
    scope: Scope<'_>,
    budget: &Budget,
) -> Result<Vec<(Language, FuzzyTerm)>, SearchError> {
    // A number is never a typo of another number.
    let is_word = typed.chars().all(char::is_alphabetic);
    let letters = if is_word { typed.chars().count() } else { 0 };
    let most = MIN_CORRECTED_LETTERS.iter().filter(|fewest| letters >= **fewest).count() as u8;
    let mut nearest = Vec::new();
    for edits in 1..=most {
        for reading in readings {
            let Some(stem) = stem_of(reading, typed) else { continue };
            let fuzzy = fuzzy_terms(index, reading.language, scope, typed, stem, edits, budget)?;
            nearest.extend(fuzzy.into_iter().map(|fuzzy| (reading.language, fuzzy)));
        }
        if !nearest.is_empty() {
            break;
        }
    }
    nearest.sort_by(|(a_language, a), (b_language, b)| {
        let bare = |fuzzy: &FuzzyTerm| language_mark::unmarked(&fuzzy.stem).to_owned();
        let by_frequency = b.frequency.cmp(&a.frequency);
        by_frequency.then_with(|| bare(a).cmp(&bare(b))).then_with(|| a_language.cmp(b_language))
    });
    nearest.truncate(MAX_CORRECTIONS);
    Ok(nearest)
}

/// Replaces a missing word by the nearest ones.
fn replace(reading: &mut Reading, typed: &str, nearest: &[(Language, FuzzyTerm)]) {
    let language = reading.language;
    let here = nearest.iter().filter(|(other, _)| *other == language).map(|(_, fuzzy)| fuzzy);
    let stems: Vec<Box<str>> = here.map(|fuzzy| fuzzy.stem.clone()).collect();
    for clause in reading.clauses.iter_mut().filter(|clause| !clause.excluded) {
        if clause.is_open {
            continue;
        }
        let variant = &mut clause.variants[0];
        for (element, other) in variant.elements.iter_mut().zip(&clause.typed) {
            if **other == *typed && matches!(element.word, Word::Stem(_)) {
                element.word = Word::Fuzzy(stems.clone());
                variant.edits =
                    variant.edits.max(nearest.first().map_or(0, |(_, fuzzy)| fuzzy.edits));
            }
        }
    }
}

/// Returns whether a live document in scope holds a word of a language.
fn occurs(
    index: &TextIndex,
    language: Language,
    scope: Scope<'_>,
    stem: &str,
    budget: &Budget,
) -> Result<bool, SearchError> {
    for segment in index.segments.iter() {
        let docs = segment.ranges(language, scope);
        if docs.is_empty() {
            continue;
        }
        for words in (0..index.slots().boosts().len()).filter_map(|slot| segment.slot(slot)) {
            if let Some(term) = words.find(stem.as_bytes())?
                && holds_any(segment, words, &term, &docs, budget)?
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Returns whether a live document in scope holds a word of a language that begins with the typed
/// one.
fn begins_one(
    index: &TextIndex,
    language: Language,
    scope: Scope<'_>,
    typed: &str,
    budget: &Budget,
) -> Result<bool, SearchError> {
    let start = beginning(language, &mut analyzer::word_folding(), typed);
    let mut is_there = false;
    for segment in index.segments.iter() {
        let docs = segment.ranges(language, scope);
        if docs.is_empty() {
            continue;
        }
        for words in (0..index.slots().boosts().len()).filter_map(|slot| segment.slot(slot)) {
            words.walk(start.as_bytes(), |word, term| {
                if !word.starts_with(start.as_bytes()) || !budget.spend(STEP) {
                    return Ok::<_, SearchError>(false);
                }
                is_there = holds_any(segment, words, &term, &docs, budget)?;
                Ok(!is_there)
            })?;
            if is_there {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Returns whether any live document in `docs` holds the term.
fn holds_any(
    segment: &Segment,
    words: &Words,
    term: &Term,
    docs: &[Range<DocId>],
    budget: &Budget,
) -> Result<bool, SearchError> {
    let Some(mut postings) = words.cursor(term, IndexRecordOption::Basic)? else {
        return Ok(live(segment, words, term, docs)?.is_some());
    };
    for docs in docs {
        // tantivy does not allow seeking backwards.
        if postings.doc() < docs.start {
            postings.seek(docs.start);
        }
        while postings.doc() < docs.end && budget.spend(STEP) {
            if segment.is_alive(postings.doc()) {
                return Ok(true);
            }
            postings.advance();
        }
    }
    Ok(false)
}
