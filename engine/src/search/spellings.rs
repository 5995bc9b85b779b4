//! An automaton over the bytes of words, for the words spelled similarly to a given one.

use std::collections::BTreeSet;

use tantivy_fst::Automaton;

use crate::language::Language;
use crate::search::analyzer;
use crate::search::language_mark;
use crate::search::levenshtein::{Pattern, PatternState};
use crate::search::one_of::{OneOf, OneOfState};

/// Matches the stems of words that are one letter away from a word, and stems that differ from the word or its stem
/// by at most the permitted number of letters, its own stem among them.
///
/// One automaton for all of them walks a dictionary once.
pub(crate) struct Spellings {
    /// Stems of words that are one letter away, in order, without that of the word itself.
    near: Vec<Box<str>>,
    /// Those that differ in letters from the stem.
    stem: Pattern,
    /// Those that differ from the word, unless it is its own stem.
    word: Option<Pattern>,
}

/// How far a word has been read, by each.
#[derive(Clone)]
pub(crate) struct SpellingsState {
    near: OneOfState,
    stem: PatternState,
    word: PatternState,
}

/// Longer words are not tried for neighbours.
const MAX_NEIGHBOUR_LETTERS: usize = 24;

impl Spellings {
    pub(crate) fn new(language: Language, typed: &str, stem: &str, edits: u8) -> Self {
        let mut word: String = language_mark::mark(language).into_iter().collect();
        word.push_str(&analyzer::analyzed(&mut analyzer::word_folding(), typed));
        let word = (word != stem).then(|| Pattern::new(&word, edits));
        let mut near = Vec::new();
        if language != Language::None {
            let mut stemming = analyzer::distinct_word_stemming(language);
            each_neighbour(&typed.to_lowercase(), |word| {
                near.push(analyzer::analyzed(&mut stemming, word));
            });
            near.sort_unstable();
            near.dedup();
            near.retain(|near| **near != *stem);
        }
        Self { near, stem: Pattern::new(stem, edits), word }
    }

    /// Returns the number of stems that are looked up.
    pub(crate) fn tried(&self) -> usize {
        self.near.len()
    }

    /// Returns the edits of a word that matches. The stem of another word is at least one away.
    pub(crate) fn edits(&self, word: &str) -> u8 {
        let state = word.bytes().fold(self.start(), |state, byte| self.accept(&state, byte));
        let near = self.near().is_match(&state.near).then_some(1);
        let stem = self.stem.edits(&state.stem);
        let whole = self.word.as_ref().and_then(|word| word.edits(&state.word));
        near.into_iter().chain(stem).chain(whole).min().map_or(1, |edits| edits.max(1))
    }

    fn near(&self) -> OneOf<'_> {
        OneOf::new(&self.near)
    }
}

impl Automaton for Spellings {
    type State = SpellingsState;

    fn start(&self) -> SpellingsState {
        SpellingsState {
            near: self.near().start(),
            stem: self.stem.start(),
            word: self.word.as_ref().map_or(PatternState::Lost, Automaton::start),
        }
    }

    fn is_match(&self, state: &SpellingsState) -> bool {
        self.near().is_match(&state.near)
            || self.stem.is_match(&state.stem)
            || self.word.as_ref().is_some_and(|word| word.is_match(&state.word))
    }

    fn can_match(&self, state: &SpellingsState) -> bool {
        self.near().can_match(&state.near)
            || self.stem.can_match(&state.stem)
            || self.word.as_ref().is_some_and(|word| word.can_match(&state.word))
    }

    fn accept(&self, state: &SpellingsState, byte: u8) -> SpellingsState {
        SpellingsState {
            near: self.near().accept(&state.near, byte),
            stem: self.stem.accept(&state.stem, byte),
            word: match &self.word {
                Some(word) => word.accept(&state.word, byte),
                None => PatternState::Lost,
            },
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::levenshtein::tests::distance;

    proptest! {
        #[test]
        fn a_stem_matches_if_it_is_that_of_a_neighbour_or_differs_in_letters_and_has_the_fewest_edits(
            typed in "[abs]{1,5}(ing|ed|s|y)?",
            stems in prop::collection::vec("[abs]{0,6}(i|y)?", 1..40),
            edits in 1..=2_u8,
        ) {
            let language = Language::English;
            let stemmed =
                |word: &str| analyzer::analyzed(&mut analyzer::word_stemming(language), word);
            let own = stemmed(&typed);
            let bare = language_mark::unmarked(&own);
            let mut neighbours = BTreeSet::new();
            each_neighbour(&typed, |word| neighbours.extend([stemmed(word)]));
            let spellings = Spellings::new(language, &typed, &own, edits);
            for stem in stems {
                let marked: String =
                    language_mark::mark(language).into_iter().chain(stem.chars()).collect();
                let differs = |word: &str| {
                    let counted = distance(word, &stem);
                    let keeps = edits == 1 || word.chars().next() == stem.chars().next();
                    (counted <= usize::from(edits) && keeps).then_some(counted.max(1))
                };
                let near = (*marked != *own && neighbours.contains(&*marked)).then_some(1);
                let expected = [near, differs(bare), differs(&typed)].into_iter().flatten().min();
                let bytes = marked.bytes();
                let state = bytes.fold(spellings.start(), |state, byte| spellings.accept(&state, byte));
                prop_assert_eq!(spellings.is_match(&state), expected.is_some(), "{}", &stem);
                if let Some(expected) = expected {
                    prop_assert!(spellings.can_match(&state));
                    prop_assert_eq!(usize::from(spellings.edits(&marked)), expected, "{}", &stem);
                }
            }
        }
    }

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
