//! An automaton over the bytes of words, for words that differ from a given one by a letter or two.

use std::sync::LazyLock;

use levenshtein_automata::{DFA, Distance, LevenshteinAutomatonBuilder, SINK_STATE};
use tantivy_fst::Automaton;

use crate::search::language_mark;

/// Matches the words within the given number of edits of a stem. An edit adds, removes or replaces
/// a letter, or swaps two adjacent letters.
///
/// With two edits, the first letter must match. Otherwise most words of a dictionary would match by
/// their first three letters, and nearly all of it would have to be read.
pub(crate) struct Pattern {
    /// The prefix of every match: the mark of the language and, for two edits, the first letter.
    head: Box<[u8]>,
    /// The number of bytes of the mark, which the automaton does not see.
    mark: usize,
    dfa: DFA,
}

/// How far a word has been read.
#[derive(Clone, Copy)]
pub(crate) enum PatternState {
    /// So many bytes of the head, and the state of the automaton behind them.
    Head(u32, u32),
    Tail(u32),
    Lost,
}

impl Pattern {
    /// Returns the pattern of a stem, with or without a mark, for one or two edits.
    pub(crate) fn new(stem: &str, edits: u8) -> Self {
        static BUILDERS: LazyLock<[LevenshteinAutomatonBuilder; 2]> =
            LazyLock::new(|| [1, 2].map(|edits| LevenshteinAutomatonBuilder::new(edits, true)));
        let word = language_mark::unmarked(stem);
        let mark = stem.len() - word.len();
        let kept = if edits > 1 { word.chars().next().map_or(0, char::len_utf8) } else { 0 };
        let head = stem.as_bytes()[..mark + kept].into();
        let builder = &BUILDERS[usize::from(edits.clamp(1, 2)) - 1];
        Self { head, mark, dfa: builder.build_dfa(word) }
    }

    /// Returns the edits of the words that end in this state, if they match.
    pub(crate) fn edits(&self, state: &PatternState) -> Option<u8> {
        let PatternState::Tail(state) = state else { return None };
        match self.dfa.distance(*state) {
            Distance::Exact(edits) => Some(edits),
            Distance::AtLeast(_) => None,
        }
    }
}

impl Automaton for Pattern {
    type State = PatternState;

    fn start(&self) -> PatternState {
        let start = self.dfa.initial_state();
        if self.head.is_empty() { PatternState::Tail(start) } else { PatternState::Head(0, start) }
    }

    fn is_match(&self, state: &PatternState) -> bool {
        self.edits(state).is_some()
    }

    fn can_match(&self, state: &PatternState) -> bool {
        !matches!(state, PatternState::Lost | PatternState::Tail(SINK_STATE))
    }

    fn accept(&self, state: &PatternState, byte: u8) -> PatternState {
        match *state {
            PatternState::Head(at, _) if self.head[at as usize] != byte => PatternState::Lost,
            PatternState::Head(at, dfa) => {
                let dfa =
                    if (at as usize) < self.mark { dfa } else { self.dfa.transition(dfa, byte) };
                let at = at + 1;
                if at as usize == self.head.len() {
                    PatternState::Tail(dfa)
                } else {
                    PatternState::Head(at, dfa)
                }
            }
            // The sink has states behind it, for the bytes of a letter, which all lead back.
            PatternState::Tail(SINK_STATE) => PatternState::Lost,
            // The mark of another language.
            PatternState::Tail(_) if byte < b' ' => PatternState::Lost,
            PatternState::Tail(dfa) => PatternState::Tail(self.dfa.transition(dfa, byte)),
            PatternState::Lost => PatternState::Lost,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the edit distance between two words, computed with the usual table.
    pub(crate) fn distance(a: &str, b: &str) -> usize {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                table[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut least = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        least = least.min(table[i - 2][j - 2] + 1);
                    }
                    least
                };
            }
        }
        table[a.len()][b.len()]
    }

    /// Returns the edits of a word that matches. Once it is ruled out, it stays so.
    fn edits_of(pattern: &Pattern, word: &str) -> Option<u8> {
        let mut state = pattern.start();
        let mut is_lost = false;
        for byte in word.bytes() {
            state = pattern.accept(&state, byte);
            assert!(!(is_lost && pattern.can_match(&state)), "{word:?} was ruled out");
            is_lost = !pattern.can_match(&state);
        }
        pattern.edits(&state)
    }

    #[test]
    fn typos_are_letters_more_less_other_and_exchanged() {
        for (stem, edits, word, expected) in [
            ("river", 1, "river", Some(0)),
            ("river", 1, "rivr", Some(1)),
            ("river", 1, "rivver", Some(1)),
            ("river", 1, "rover", Some(1)),
            ("river", 1, "rievr", Some(1)),
            ("river", 1, "iver", Some(1)),
            ("river", 1, "rvr", None),
            ("river", 2, "rvr", Some(2)),
            ("river", 2, "iver", None),
            ("river", 1, "\u{3}river", None),
            ("\u{3}river", 1, "\u{3}rivr", Some(1)),
            ("\u{3}river", 1, "rivr", None),
            ("\u{3}river", 1, "\u{4}rivr", None),
            ("\u{3}river", 2, "\u{3}rvr", Some(2)),
            ("été", 1, "ete", None),
            ("été", 1, "eté", Some(1)),
            ("été", 2, "éte", Some(1)),
        ] {
            assert_eq!(
                edits_of(&Pattern::new(stem, edits), word),
                expected,
                "{word:?} for {stem:?} with {edits}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_automaton_counts_as_the_table_does(
            stem in "[abcé]{1,8}",
            words in prop::collection::vec("[abcé]{0,9}", 1..40),
            edits in 1..=2_u8,
        ) {
            let pattern = Pattern::new(&stem, edits);
            for word in words {
                let counted = distance(&stem, &word);
                let keeps = edits == 1 || stem.chars().next() == word.chars().next();
                let expected = (counted <= usize::from(edits) && keeps).then_some(counted as u8);
                let found = edits_of(&pattern, &word);
                prop_assert_eq!(found, expected, "{} for {} with {}", word, stem, edits);
            }
        }
    }
}
