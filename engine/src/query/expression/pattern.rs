//! Patterns that texts are searched for.

use regex::{Regex, RegexBuilder};
use regex_automata::Input;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Config, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};

use super::cost_meter::Meter;
use super::flaw::Fault;
use super::limits::MAX_PATTERN;
use crate::budget::STEP;

/// So many steps are made without asking the budget: bytes of a text times states of a pattern.
const AT_ONCE: usize = 1 << 21;

/// So many steps are made at most where the budget cannot be asked on the way.
const UNASKED: usize = 1 << 25;

/// How many bytes are read before the budget is asked.
const PIECE: usize = 256;

/// How many times the states of a pattern are in memory, about: here, in the regex forwards and backwards,
/// and in what is remembered of the searches.
const COPIES: usize = 4;

/// A pattern, read once. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    /// The same, as an automaton that can be left on the way.
    automaton: DFA,
    states: usize,
}

impl Pattern {
    /// Reads a pattern. Costs up to a millisecond.
    ///
    /// # Errors
    ///
    /// Fails if it is not valid, or if it would take more than 256 KiB.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let regex: Result<Regex, _> =
            RegexBuilder::new(pattern).size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN).build();
        let regex = regex.map_err(|error| last_line(&error.to_string()))?;
        let config = thompson::Config::new()
            .nfa_size_limit(Some(MAX_PATTERN))
            .which_captures(WhichCaptures::None);
        let nfa = thompson::Compiler::new().configure(config).build(pattern);
        let nfa = nfa.map_err(|error| last_line(&error.to_string()))?;
        let states = nfa.states().len();
        let config = Config::new()
            .unicode_word_boundary(true)
            .skip_cache_capacity_check(true)
            .cache_capacity(2 * MAX_PATTERN);
        let automaton = DFA::builder().configure(config).build_from_nfa(nfa);
        let automaton = automaton.map_err(|error| last_line(&error.to_string()))?;
        Ok(Self { regex, automaton, states })
    }

    /// Returns its approximate size in bytes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + COPIES * self.automaton.get_nfa().memory_usage()
    }

    /// Returns whether a text has a part as the pattern says. Linear in the text, and where the
    /// automaton grows at each byte, in the pattern, too.
    ///
    /// # Errors
    ///
    /// Fails if the budget is used up. Also fails if both are large and the pattern looks for the ends
    /// of words in a text that is not ASCII, for which there is no such automaton.
    pub(super) fn is_match(&self, text: &str, meter: &Meter<'_>) -> Result<bool, Fault> {
        meter.spend(text.len().saturating_mul(STEP))?;
        let steps = text.len().saturating_mul(self.states);
        if steps <= AT_ONCE {
            return Ok(self.regex.is_match(text));
        }
        match self.search(text, meter)? {
            Some(is_match) => Ok(is_match),
            None if steps <= UNASKED => Ok(self.regex.is_match(text)),
            None => Err(Fault::LONG),
        }
    }

    /// Searches a text piece by piece; `None` if that gives no result.
    fn search(&self, text: &str, meter: &Meter<'_>) -> Result<Option<bool>, Fault> {
        let mut cache = self.automaton.create_cache();
        let start = self.automaton.start_state_forward(&mut cache, &Input::new(text));
        let Ok(mut state) = start else { return Ok(None) };
        for piece in text.as_bytes().chunks(PIECE) {
            let before = cache.memory_usage();
            for byte in piece {
                let next = self.automaton.next_state(&mut cache, state, *byte);
                let Ok(next) = next else { return Ok(None) };
                if let Some(is_match) = decided(next) {
                    return Ok(is_match);
                }
                state = next;
            }
            // A new state is built from the states of the pattern.
            if cache.memory_usage() != before {
                meter.spend(piece.len() * self.states)?;
            }
        }
        let last = self.automaton.next_eoi_state(&mut cache, state);
        Ok(last.ok().map(|last| last.is_match()))
    }
}

/// Returns what a state decides before the end of a text: whether there is a match, or that there can
/// be no result.
fn decided(state: LazyStateID) -> Option<Option<bool>> {
    match () {
        () if !state.is_tagged() => None,
        () if state.is_match() => Some(Some(true)),
        () if state.is_dead() => Some(Some(false)),
        () if state.is_quit() => Some(None),
        () => None,
    }
}

/// Returns what a message says at its end, without what it quotes of the pattern.
fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;
    use crate::budget::Budget;

    #[test]
    fn a_long_search_for_a_large_pattern_ends_with_the_budget() {
        let pattern = Pattern::new("[ab]*a[ab]{1000}c").unwrap();
        // Each position leads to another set of states of the pattern.
        let mut seed = 7_u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if seed >> 31 == 0 { 'a' } else { 'b' }
        };
        let text: String = (0..200_000).map(|_| next()).collect();
        let asked = Rc::new(Cell::new(0));
        let counted = asked.clone();
        // Once for the length of the text, before it is read.
        let budget = Budget::while_true(move || {
            counted.set(counted.get() + 1);
            counted.get() < 5
        });
        assert_eq!(pattern.is_match(&text, &Meter::new(&budget)), Err(Fault::SPENT));
        assert_eq!(asked.get(), 5);
    }

    #[test]
    fn the_end_of_a_word_is_found_in_any_text_that_is_not_too_long() {
        let any = Budget::unlimited();
        let meter = Meter::new(&any);
        let words = Pattern::new(r"\b\w{4}c\b").unwrap();
        let text = format!("{} bbbbc é", "ä ".repeat(1_000));
        assert!(text.len() * words.states > AT_ONCE);
        assert_eq!(words.is_match(&text, &meter), Ok(true));
        assert_eq!(words.is_match(&"ä ".repeat(1_000), &meter), Ok(false));
        assert_eq!(words.is_match(&"ä ".repeat(100_000), &meter), Err(Fault::LONG));
    }

    proptest! {
        #[test]
        fn a_text_is_searched_alike_at_once_and_piece_by_piece(
            pattern in prop::sample::select(vec![
                "", "a", "^a", "a$", "^b?$", "ab|ba", "(?m)^b$", "(?s)a.b", "[^a]b", r"\bab\b",
                r"\Bb", "é", r"\w\d", "(?i)AB", "a{3}b", r"(a|b)*c",
            ]),
            text in "[ab\né1c ]{0,12}",
            repeated in 1..60_usize,
        ) {
            let text = text.repeat(repeated);
            let (pattern, any) = (Pattern::new(pattern).unwrap(), Budget::unlimited());
            let meter = Meter::new(&any);
            let found = pattern.search(&text, &meter).unwrap();
            prop_assert!(found.is_none_or(|found| found == pattern.regex.is_match(&text)));
            // Only the ends of words need more than the automaton.
            prop_assert!(found.is_some() || text.contains('é'));
        }
    }
}
