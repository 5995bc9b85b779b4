//! Words that are spelled like another.
//!
//! The index holds stems, so a stem is spelled like a word if it is that of a word one letter away,
//! or differs by the letters that may be wrong from the word or its own stem. Only stems of live
//! documents in the scope of the search count, so what stands for a word depends neither on the
//! past nor on what the search does not look into.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tantivy::DocId;

use crate::budget::{Budget, STEP};
use crate::language::Language;
use crate::search::analyzer;
use crate::search::doc_name::DocName;
use crate::search::error::SearchError;
use crate::search::index::TextIndex;
use crate::search::mark;
use crate::search::pattern::Pattern;
use crate::search::scope::Scope;
use crate::search::segment::Segment;
use crate::search::words::{Term, Words};

/// A word that is spelled much like another.
pub(crate) struct FuzzyTerm {
    pub(crate) stem: Box<str>,
    pub(crate) edits: u8,
    /// In how many documents it is, slot by slot.
    pub(crate) frequency: u64,
    /// The first of them.
    pub(crate) document: DocName,
}

/// Returns the words of a language that are spelled like the one that was typed, its own stem left
/// out: the nearest first, of these the most frequent, of these by the alphabet.
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
                // Dead ones are among them, so that this is what reading them costs at most.
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

/// How a word may be spelled.
struct Spellings<'a> {
    /// The stem of the word itself, which is none of them.
    stem: &'a str,
    /// Stems of words that are one letter away.
    near: BTreeSet<Box<str>>,
    /// Stems that differ in letters.
    patterns: Vec<Pattern>,
}

/// Words that are spelled in some way, each with its edits.
type Spelled = BTreeMap<Box<[u8]>, (u8, Term)>;

/// What it costs to look a word up.
const LOOK: usize = 16 * STEP;

/// Of a longer word no neighbours are tried.
const MAX_NEIGHBOUR_LETTERS: usize = 24;

impl<'a> Spellings<'a> {
    fn new(language: Language, typed: &str, stem: &'a str, edits: u8) -> Self {
        let mut patterns = vec![Pattern::new(stem, edits)];
        let mut whole: String = mark::mark(language).into_iter().collect();
        whole.push_str(&analyzer::analyzed(&mut analyzer::word_folding(), typed));
        if whole != stem {
            patterns.push(Pattern::new(&whole, edits));
        }
        let mut near = BTreeSet::new();
        if language != Language::None {
            let mut stemming = analyzer::word_stemming(language);
            let neighbours = neighbours(&typed.to_lowercase());
            near.extend(neighbours.iter().map(|word| analyzer::analyzed(&mut stemming, word)));
        }
        Self { stem, near, patterns }
    }

    /// Returns the words of a slot that are spelled so, each with its edits.
    fn among(&self, words: &Words, budget: &Budget) -> Result<Spelled, SearchError> {
        let mut found = Spelled::new();
        let near = self.near.iter().filter(|stem| ***stem != *self.stem);
        for stem in near.take_while(|_| budget.spend(LOOK)) {
            if let Some(term) = words.find(stem.as_bytes())? {
                found.insert(stem.as_bytes().into(), (1, term));
            }
        }
        for pattern in &self.patterns {
            words.fuzzy(pattern, |word, edits, term| {
                budget.spend(LOOK);
                if word != self.stem.as_bytes() {
                    // A stem may be the word as it was typed, which is not its own stem.
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

/// Returns the words that differ in one letter: all that lack one, have one more or another, as far
/// as it is a Latin letter or one of the word, or have two neighbours exchanged.
fn neighbours(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let mut neighbours = Vec::new();
    if letters.len() > MAX_NEIGHBOUR_LETTERS {
        return neighbours;
    }
    let alphabet: BTreeSet<char> = ('a'..='z').chain(letters.iter().copied()).collect();
    let joined = |before: &[char], between: &[char], behind: &[char]| -> String {
        [before, between, behind].concat().into_iter().collect()
    };
    for at in 0..=letters.len() {
        let (before, behind) = letters.split_at(at);
        neighbours.extend(alphabet.iter().map(|letter| joined(before, &[*letter], behind)));
        if let [_, behind @ ..] = behind {
            neighbours.push(joined(before, &[], behind));
            neighbours.extend(alphabet.iter().map(|letter| joined(before, &[*letter], behind)));
        }
        if let [first, second, behind @ ..] = behind {
            neighbours.push(joined(before, &[*second, *first], behind));
        }
    }
    neighbours
}

/// Returns how many live documents of these hold the term, and the first of them.
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
    use crate::search::pattern::tests::distance;

    #[test]
    fn the_neighbours_of_a_word_are_those_one_letter_away() {
        let found: BTreeSet<String> = neighbours("aéb").into_iter().collect();
        for word in ["ab", "aéxb", "aéé", "xéb", "éab", "abé", "aéb"] {
            assert!(found.contains(word), "{word}");
        }
        assert!(found.iter().all(|word| distance("aéb", word) <= 1));
        assert_eq!(neighbours(&"a".repeat(MAX_NEIGHBOUR_LETTERS + 1)), [""; 0]);
    }
}
