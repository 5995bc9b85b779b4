//! An automaton over the bytes of words, for a list of words: a dictionary is walked once for all of them.

use std::ops::Range;

use tantivy_fst::Automaton;

/// Matches the words of a sorted list.
pub(crate) struct OneOf<'w>(&'w [Box<str>]);

/// The words of the list that begin with what was read, and how long that is. Small, because a walk copies it at
/// each node.
#[derive(Debug, Clone)]
pub(crate) struct OneOfState {
    words: Range<u32>,
    read: u32,
}

impl OneOfState {
    fn list<'w>(&self, words: &'w [Box<str>]) -> &'w [Box<str>] {
        &words[self.words.start as usize..self.words.end as usize]
    }
}

impl<'w> OneOf<'w> {
    /// Returns the automaton of `words`, which are sorted and have no doubles.
    pub(crate) fn new(words: &'w [Box<str>]) -> Self {
        Self(words)
    }
}

impl Automaton for OneOf<'_> {
    type State = OneOfState;

    fn start(&self) -> OneOfState {
        OneOfState { words: 0..self.0.len() as u32, read: 0 }
    }

    fn is_match(&self, state: &OneOfState) -> bool {
        // The shortest comes first.
        state.list(self.0).first().is_some_and(|word| word.len() == state.read as usize)
    }

    fn can_match(&self, state: &OneOfState) -> bool {
        !state.words.is_empty()
    }

    fn accept(&self, state: &OneOfState, byte: u8) -> OneOfState {
        let OneOfState { words, read } = state;
        if words.is_empty() {
            return state.clone();
        }
        let list = state.list(self.0);
        // A word that ends here comes before those that go on.
        let next = |word: &str| word.as_bytes().get(*read as usize).copied();
        let begin = list.partition_point(|word| next(word) < Some(byte));
        let end = begin + list[begin..].partition_point(|word| next(word) == Some(byte));
        let words = words.start + begin as u32..words.start + end as u32;
        OneOfState { words, read: read + 1 }
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
