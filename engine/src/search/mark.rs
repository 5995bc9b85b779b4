//! The mark in front of a stem that says of which language it is.

use crate::language::Language;

/// The first mark; the others follow it. All of them come before any letter.
const FIRST_MARK: u8 = 1;

/// Returns the mark of a language, if it has one.
pub(crate) fn mark(language: Language) -> Option<char> {
    // The first of the languages is the one that is not said.
    (language as u8).checked_sub(1).map(|place| char::from(FIRST_MARK + place))
}

/// Returns a word without the mark of its language.
pub(crate) fn unmarked(word: &str) -> &str {
    word.strip_prefix(|symbol: char| symbol.is_control()).unwrap_or(word)
}
