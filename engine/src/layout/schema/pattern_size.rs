//! How much memory a pattern takes once it is compiled.
//!
//! A few characters can stand for a megabyte: a class of Unicode, so many times. The pattern is
//! therefore compiled once to measure it, in the form in which the validator compiles it.

use jsonschema_regex::Search;
use regex_automata::meta::{Config, Regex};

/// What each pattern takes besides its automata: its text, its caches and the searches around them.
const BASE: usize = 8 << 10;

/// What a pattern takes of its automata: these, and about as much again once a text was matched.
const COPIES: usize = 2;

/// What each byte of a pattern takes that looks around or refers back: its parts are compiled one
/// by one, and `(?=[ab])` is one.
const HARD_BYTE: usize = 1 << 10;

/// What each byte of a pattern may take that cannot be measured: it may belong to a class of
/// Unicode, such as `\p{L}`.
const UNMEASURED_BYTE: usize = 40 << 10;

/// A pattern that takes more than it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Returns the memory that a pattern takes, in bytes; its automaton may have `limit`. Costs as
/// much as compiling it.
pub(super) fn size_of_pattern(pattern: &str, limit: usize) -> Result<usize, TooLarge> {
    // The validator says what is wrong with a pattern that is none.
    let Ok(translated) = jsonschema_regex::to_rust_regex(pattern) else { return Ok(BASE) };
    let measured = match jsonschema_regex::search_form(pattern, &translated) {
        Some(Search::RepeatedClass(_)) => return Ok(BASE),
        Some(Search::Collapsed(collapsed)) => automata(&collapsed, limit),
        None => automata(&translated, limit),
    };
    match measured {
        Ok(bytes) => Ok(BASE + COPIES * bytes),
        Err(Unmeasured::TooLarge) => Err(TooLarge),
        Err(Unmeasured::NoAutomaton) => {
            let each = HARD_BYTE * pattern.len();
            match automata(&without_looking_around(pattern), limit) {
                Ok(bytes) => Ok(BASE + each + COPIES * bytes),
                Err(Unmeasured::TooLarge) => Err(TooLarge),
                Err(Unmeasured::NoAutomaton) => Ok(unmeasured(pattern)),
            }
        }
    }
}

/// Why a pattern could not be measured.
enum Unmeasured {
    TooLarge,
    /// Only backtracking can match it.
    NoAutomaton,
}

/// Returns what the automata of a pattern take.
fn automata(pattern: &str, limit: usize) -> Result<usize, Unmeasured> {
    let config = Config::new().nfa_size_limit(Some(limit));
    match Regex::builder().configure(config).build(pattern) {
        Ok(regex) => Ok(regex.memory_usage()),
        Err(error) if error.size_limit().is_some() => Err(Unmeasured::TooLarge),
        Err(_) => Err(Unmeasured::NoAutomaton),
    }
}

/// Estimates a pattern by its length and by the largest of its counts.
fn unmeasured(pattern: &str) -> usize {
    let numbers = pattern.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let times = numbers.map(|digits| digits.parse().unwrap_or(usize::MAX)).max().unwrap_or(1);
    BASE.saturating_add(UNMEASURED_BYTE.saturating_mul(pattern.len()).saturating_mul(times.max(1)))
}

/// Returns a pattern that has the same parts, and takes what the look-arounds look at and nothing
/// where it refers back.
fn without_looking_around(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let next = after.chars().next();
        rest = match (first, next) {
            ('\\', Some('1'..='9')) => {
                plain.push_str("(?:)");
                after.trim_start_matches(|c: char| c.is_ascii_digit())
            }
            ('\\', Some('k')) => {
                plain.push_str("(?:)");
                after.split_once('>').map_or("", |(_, after)| after)
            }
            ('\\', Some(escaped)) => {
                plain.extend([first, escaped]);
                &after[escaped.len_utf8()..]
            }
            ('(', _) => {
                let starts = ["?=", "?!", "?<=", "?<!", "?>"];
                let inside = starts.iter().find_map(|start| after.strip_prefix(start));
                plain.push_str(if inside.is_some() { "(?:" } else { "(" });
                inside.unwrap_or(after)
            }
            _ => {
                plain.push(first);
                after
            }
        };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_what_its_compiled_form_takes() {
        let size = |pattern: &str| size_of_pattern(pattern, 1 << 20).unwrap();
        // As measured of the validator's patterns, each after a match: at least this many.
        for (pattern, held) in [
            ("^[a-z]+$", 7_854),
            (r"^\d{4}-\d\d$", 8_686),
            (r"^\w+@\w+$", 9_010),
            (r"^\p{L}{1,22}$|N", 1_625_135),
            (r"^(\p{L})$", 363_188),
            (r"^(?:\p{L}x){1,20}$", 1_476_273),
            (r"^(?!-)[a-z-]+$", 17_421),
            (r"(?!a)\p{L}{20}", 977_417),
            (&"(?=a)".repeat(1_000), 366_090),
            (&r"(?=\p{L}{2}x)".repeat(10), 62_400),
        ] {
            let told = size(pattern);
            assert!(told >= held && told <= 40 * held, "{pattern:.40}: {told}, {held}");
        }
        for usual in ["^[a-z0-9]+(?:-[a-z0-9]+)*$", "^.{1,2000}$", "^(?!-)[a-z-]+$", r"^\d+$"] {
            assert!(size(usual) < 32 << 10, "{usual}: {}", size(usual));
        }
        assert_eq!(size_of_pattern(r"(?:\p{L}{60}x){20}y", 1 << 20), Err(TooLarge));
        assert_eq!(size_of_pattern(r"(?!a)(?:\p{L}{60}x){20}y", 1 << 20), Err(TooLarge));
        assert!(size(r"(?!a)(?(1)\p{L}{900}|b)") > 64 << 20, "it is not known how large it is");
    }

    #[test]
    fn what_looks_around_has_the_same_parts_as_what_does_not() {
        for (pattern, plain) in [
            (r"^(?!a)(?=b)c", "^(?:a)(?:b)c"),
            (r"(a)\12(?<=x)", "(a)(?:)(?:x)"),
            (r"(?<n>a)\k<n>+", "(?<n>a)(?:)+"),
            (r"\(?=\\(?>a)", r"\(?=\\(?:a)"),
        ] {
            assert_eq!(without_looking_around(pattern), plain);
        }
    }
}
