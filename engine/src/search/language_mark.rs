//! The mark that precedes a stem and identifies its language.

use crate::language::Language;

/// The first mark; the others follow it. All marks sort before any letter.
const FIRST_MARK: u8 = 1;

/// Returns the mark of a language, if it has one.
pub(crate) fn mark(language: Language) -> Option<char> {
    // The first language is the undeclared one, which has no mark.
    (language as u8).checked_sub(1).map(|place| char::from(FIRST_MARK + place))
}

/// Returns a word without its language mark.
pub(crate) fn unmarked(word: &str) -> &str {
    word.strip_prefix(|symbol: char| symbol.is_control()).unwrap_or(word)
}
