//! An automaton over the bytes of words, for a list of words: a dictionary is walked once for all of them.

use std::ops::Range;

use tantivy_fst::Automaton;

/// Matches the words of a sorted list.
pub(crate) struct OneOf<'w>(&'w [Box<str>]);

/// The words of the list that begin with what was read, and how long that is.
#[derive(Debug, Clone)]
pub(crate) struct OneOfState {
    words: Range<usize>,
    read: usize,
}

impl<'w> OneOf<'w> {
    /// Returns the automaton of `words`, which are sorted and have no doubles.
    pub(crate) fn new(words: &'w [Box<str>]) -> Self {
        debug_assert!(words.is_sorted_by(|a, b| a < b), "the words are not sorted");
        Self(words)
    }
}

impl Automaton for OneOf<'_> {
    type State = OneOfState;

    fn start(&self) -> OneOfState {
        OneOfState { words: 0..self.0.len(), read: 0 }
    }

    fn is_match(&self, state: &OneOfState) -> bool {
        // The shortest comes first.
        self.0[state.words.clone()].first().is_some_and(|word| word.len() == state.read)
    }

    fn can_match(&self, state: &OneOfState) -> bool {
        !state.words.is_empty()
    }

    fn accept(&self, OneOfState { words, read }: &OneOfState, byte: u8) -> OneOfState {
        let list = &self.0[words.clone()];
        // A word that ends here comes before those that go on.
        let next = |word: &str| word.as_bytes().get(*read).copied();
        let begin = list.partition_point(|word| next(word) < Some(byte));
        let end = begin + list[begin..].partition_point(|word| next(word) == Some(byte));
        OneOfState { words: words.start + begin..words.start + end, read: read + 1 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(list: &[Box<str>], word: &str) -> bool {
        let one_of = OneOf::new(list);
        let mut state = one_of.start();
        for byte in word.bytes() {
            state = one_of.accept(&state, byte);
            if !one_of.can_match(&state) {
                return false;
            }
        }
        one_of.is_match(&state)
    }

    proptest! {
        #[test]
        fn a_word_matches_if_the_list_has_it(
            list in prop::collection::btree_set("[abé]{0,3}", 0..12),
            words in prop::collection::vec("[abé]{0,4}", 1..30),
        ) {
            let sorted: Vec<Box<str>> = list.iter().map(|word| word.as_str().into()).collect();
            for word in list.iter().chain(&words) {
                prop_assert_eq!(matches(&sorted, word), list.contains(word), "{}", word);
            }
        }
    }
}
