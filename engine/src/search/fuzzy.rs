//! Words spelled similarly to a given word.
//!
//! The index holds stems. A stem matches a word if it is the stem of a word one letter away, or if
//! it differs from the word or its stem by at most the permitted number of letters. Only stems of
//! live documents in the scope of the search count, so the result depends neither on the past nor
//! on sheets outside the search.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tantivy::DocId;

use crate::budget::{Budget, STEP};
use crate::language::Language;
use crate::search::analyzer;
use crate::search::doc_name::DocName;
use crate::search::error::SearchError;
use crate::search::index::TextIndex;
use crate::search::language_mark;
use crate::search::levenshtein::Pattern;
use crate::search::scope::Scope;
use crate::search::segment::Segment;
use crate::search::words::{Term, Words};

/// A word spelled similarly to another.
pub(crate) struct FuzzyTerm {
    pub(crate) stem: Box<str>,
    pub(crate) edits: u8,
    /// The number of documents that hold it, summed over slots.
    pub(crate) frequency: u64,
    /// The first of these documents.
    pub(crate) document: DocName,
}

/// Returns the words of a language spelled similarly to the typed one, without its own stem: the
/// nearest first, then the most frequent, then in alphabetical order.
pub(crate) fn fuzzy_terms(
    index: &TextIndex,
    language: Language,
    scope: Scope<'_>,
    typed: &str,
    stem: &str,
    edits: u8,
    budget: &Budget,
) -> Result<Vec<FuzzyTerm>, SearchError> {
    let spellings = Spellings::new(language, typed, stem, edits);
    let mut found: BTreeMap<Box<[u8]>, FuzzyTerm> = BTreeMap::new();
    for segment in index.segments.iter() {
        let docs = segment.ranges(language, scope);
        if docs.is_empty() {
            continue;
        }
        for words in (0..index.slots().boosts().len()).filter_map(|slot| segment.slot(slot)) {
            for (word, (edits, term)) in spellings.among(words, budget)? {
                // This counts dead documents too, so it is an upper bound on the cost of reading.
                if !budget.spend(STEP * term.documents()) {
                    return Ok(Vec::new());
                }
                let live = live(segment, words, &term, &docs)?;
                let (Some((frequency, first)), Ok(text)) = (live, std::str::from_utf8(&word))
                else {
                    continue;
                };
                let document = segment.name(first);
                match found.get_mut(&word) {
                    Some(fuzzy) => {
                        fuzzy.frequency += frequency;
                        if document < fuzzy.document {
                            fuzzy.document = document;
                        }
                    }
                    None => {
                        let fuzzy = FuzzyTerm { stem: text.into(), edits, frequency, document };
                        found.insert(word, fuzzy);
                    }
                }
            }
        }
    }
    let mut fuzzy: Vec<FuzzyTerm> = found.into_values().collect();
    fuzzy.sort_by_key(|fuzzy| (fuzzy.edits, std::cmp::Reverse(fuzzy.frequency)));
    Ok(fuzzy)
}

/// The spellings that match a word.
struct Spellings<'a> {
    /// The stem of the word itself, which is excluded.
    stem: &'a str,
    /// Stems of words that are one letter away, in order.
    near: Vec<Box<str>>,
    /// Patterns for stems that differ in letters.
    patterns: Vec<Pattern>,
}

/// Words that match some spelling, each with its edits.
type Spelled = BTreeMap<Box<[u8]>, (u8, Term)>;

/// The cost of looking up a word.
const LOOK: usize = 16 * STEP;

/// Longer words are not tried for neighbours.
const MAX_NEIGHBOUR_LETTERS: usize = 24;

impl<'a> Spellings<'a> {
    fn new(language: Language, typed: &str, stem: &'a str, edits: u8) -> Self {
        let mut patterns = vec![Pattern::new(stem, edits)];
        let mut whole: String = language_mark::mark(language).into_iter().collect();
        whole.push_str(&analyzer::analyzed(&mut analyzer::word_folding(), typed));
        if whole != stem {
            patterns.push(Pattern::new(&whole, edits));
        }
        let mut near = Vec::new();
        if language != Language::None {
            let mut stemming = analyzer::word_stemming(language);
            each_neighbour(&typed.to_lowercase(), |word| {
                near.push(analyzer::analyzed(&mut stemming, word));
            });
            near.sort_unstable();
            near.dedup();
            near.retain(|near| **near != *stem);
        }
        Self { stem, near, patterns }
    }

    /// Returns the words of a slot that match, each with its edits.
    fn among(&self, words: &Words, budget: &Budget) -> Result<Spelled, SearchError> {
        let mut found = Spelled::new();
        if !budget.spend(LOOK * self.near.len()) {
            return Ok(found);
        }
        words.each_of(&self.near, |word, term| {
            found.insert(word.into(), (1, term));
            Ok::<_, SearchError>(())
        })?;
        for pattern in &self.patterns {
            words.fuzzy(pattern, |word, edits, term| {
                budget.spend(LOOK);
                if word != self.stem.as_bytes() {
                    // A stem may equal the typed word, which differs from its own stem.
                    let edits = edits.max(1);
                    let known = found.entry(word.into()).or_insert((edits, term));
                    known.0 = known.0.min(edits);
                }
                Ok::<_, SearchError>(())
            })?;
        }
        Ok(found)
    }
}

/// Calls `found` with the words one edit away: a letter removed, a letter added or replaced (by a Latin letter
/// or one from the word), or two adjacent letters swapped.
fn each_neighbour(word: &str, mut found: impl FnMut(&str)) {
    let letters: Vec<char> = word.chars().collect();
    if letters.len() > MAX_NEIGHBOUR_LETTERS {
        return;
    }
    let alphabet: BTreeSet<char> = ('a'..='z').chain(letters.iter().copied()).collect();
    let mut joined = String::new();
    let mut join = |before: &[char], between: &[char], behind: &[char]| {
        joined.clear();
        joined.extend(before.iter().chain(between).chain(behind));
        found(&joined);
    };
    for at in 0..=letters.len() {
        let (before, behind) = letters.split_at(at);
        alphabet.iter().for_each(|letter| join(before, &[*letter], behind));
        if let [_, behind @ ..] = behind {
            join(before, &[], behind);
            alphabet.iter().for_each(|letter| join(before, &[*letter], behind));
        }
        if let [first, second, behind @ ..] = behind {
            join(before, &[*second, *first], behind);
        }
    }
}

/// Returns how many live documents in `docs` hold the term, and the first of them.
pub(crate) fn live(
    segment: &Segment,
    words: &Words,
    term: &Term,
    docs: &[Range<DocId>],
) -> Result<Option<(u64, DocId)>, SearchError> {
    let (mut count, mut first) = (0, None);
    words.frequencies(term, |doc, _| {
        if docs.iter().any(|docs| docs.contains(&doc)) && segment.is_alive(doc) {
            count += 1;
            first.get_or_insert(doc);
        }
    })?;
    Ok(first.map(|first| (count, first)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::levenshtein::tests::distance;

    #[test]
    fn the_neighbours_of_a_word_are_those_one_letter_away() {
        let neighbours = |word: &str| {
            let mut found = BTreeSet::new();
            each_neighbour(word, |word| found.extend([word.to_owned()]));
            found
        };
        let found = neighbours("aéb");
        for word in ["ab", "aéxb", "aéé", "xéb", "éab", "abé", "aéb"] {
            assert!(found.contains(word), "{word}");
        }
        assert!(found.iter().all(|word| distance("aéb", word) <= 1));
        assert!(neighbours(&"a".repeat(MAX_NEIGHBOUR_LETTERS + 1)).is_empty());
    }
}
