//! The query language: words, phrases, exclusions, prefixes and typos, and nothing that nests.
//!
//! `rust "state engine" -java dat* goverment~` wants every word and phrase, without the excluded
//! ones, in any field. Everything else is punctuation. A word that the analyzer cuts in pieces
//! (`rust-lang`) is a phrase. There is no grammar to recurse into, so the cost is bounded by the
//! limits below.

use crate::search::analyzer;

/// The longest query in bytes.
pub const MAX_QUERY_BYTES: usize = 512;
/// The most words and phrases of one query.
pub const MAX_CLAUSES: usize = 64;
/// The most phrases of one query, words that the analyzer cuts in pieces among them. The places of
/// their words are read in each document that holds them all.
pub const MAX_PHRASES: usize = 8;
/// The most words of one query that stand for others: those that end in `*` or `~`. Each is read
/// through whole, so they cost more than words.
pub const MAX_OPEN_WORDS: usize = 4;
/// The most words that those of a query may stand for together.
pub const MAX_EXPANSIONS: usize = 1_000;
/// The fewest letters of a word that may have one letter wrong, and two.
pub const MIN_TYPO_LETTERS: [usize; 2] = [3, 5];

/// A parsed query with at least one word that must occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub(crate) clauses: Vec<Clause>,
}

/// A word or phrase that a document must, or must not, hold in one of its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) excluded: bool,
    /// Whether it was given in quotation marks.
    pub(crate) quoted: bool,
    /// At least one; more than one is a phrase.
    pub(crate) words: Vec<Word>,
}

impl Clause {
    fn is_phrase(&self) -> bool {
        self.words.len() > 1
    }

    fn is_open(&self) -> bool {
        self.words.iter().any(|word| word.ending != Ending::Whole)
    }
}

/// One word of a clause as it is written, and its distance from the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) offset: u32,
    pub(crate) text: Box<str>,
    pub(crate) ending: Ending,
}

/// What stands behind a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing.
    Whole,
    /// `*`: it is the beginning of a word.
    Prefix,
    /// `~`: so many letters may be wrong.
    Typo(u8),
}

/// Why a query cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nothing is asked for: no word at all, or only excluded ones.
    #[error("the query has no word to search for")]
    Empty,
    /// The query exceeds [`MAX_QUERY_BYTES`].
    #[error("the query is longer than {MAX_QUERY_BYTES} bytes")]
    TooLong,
    /// The query exceeds [`MAX_CLAUSES`].
    #[error("the query has more than {MAX_CLAUSES} words and phrases")]
    TooManyClauses,
    /// The query exceeds [`MAX_PHRASES`].
    #[error("the query has more than {MAX_PHRASES} phrases and words with punctuation inside")]
    TooManyPhrases,
    /// The query exceeds [`MAX_OPEN_WORDS`].
    #[error("the query has more than {MAX_OPEN_WORDS} words that end in `*` or `~`")]
    TooManyOpenWords,
    /// A word is longer than any that is indexed.
    #[error("a word of the query has {} bytes or more", analyzer::WORD_BYTES)]
    WordTooLong,
    /// A word is too short for its typos, see [`MIN_TYPO_LETTERS`].
    #[error(
        "a word before `~` has fewer than {} letters, or one before `~2` fewer than {}",
        MIN_TYPO_LETTERS[0],
        MIN_TYPO_LETTERS[1]
    )]
    TypoTooShort,
    /// The prefixes and typos stand for more than [`MAX_EXPANSIONS`] words of the index.
    #[error("words with `*` or `~` expand to more than {MAX_EXPANSIONS} words")]
    TooOpen,
}

impl Query {
    /// Parses `text`. Linear in its length.
    ///
    /// # Errors
    ///
    /// See [`QueryError`]; [`QueryError::TooOpen`] is only found out by searching.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_QUERY_BYTES {
            return Err(QueryError::TooLong);
        }
        let mut clauses = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (excluded, unsigned) = match rest.strip_prefix('-') {
                Some(unsigned) => (true, unsigned),
                None => (false, rest),
            };
            let quoted = unsigned.strip_prefix('"');
            let (words, behind) = match quoted {
                Some(quoted) => phrase(quoted)?,
                None => word(unsigned)?,
            };
            let clause = Clause { excluded, quoted: quoted.is_some(), words };
            if !clause.words.is_empty() && !clauses.contains(&clause) {
                clauses.push(clause);
            }
            if clauses.len() > MAX_CLAUSES {
                return Err(QueryError::TooManyClauses);
            }
            if clauses.iter().filter(|clause| clause.is_phrase()).count() > MAX_PHRASES {
                return Err(QueryError::TooManyPhrases);
            }
            if clauses.iter().filter(|clause| clause.is_open()).count() > MAX_OPEN_WORDS {
                return Err(QueryError::TooManyOpenWords);
            }
            rest = behind.trim_start();
        }
        if clauses.iter().all(|clause| clause.excluded) {
            return Err(QueryError::Empty);
        }
        Ok(Self { clauses })
    }
}

/// Reads up to the closing quote, or to the end where there is none.
fn phrase(quoted: &str) -> Result<(Vec<Word>, &str), QueryError> {
    let (inside, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
    Ok((words(inside)?, behind))
}

/// Reads up to the next white space.
fn word(text: &str) -> Result<(Vec<Word>, &str), QueryError> {
    let (word, behind) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (stem, ending) = ending(word);
    let mut words = words(stem)?;
    if stem.ends_with(char::is_alphanumeric)
        && let Some(last) = words.last_mut()
    {
        last.ending = ending;
        if let Ending::Typo(edits) = ending
            && last.text.chars().count() < MIN_TYPO_LETTERS[usize::from(edits) - 1]
        {
            return Err(QueryError::TypoTooShort);
        }
    }
    Ok((words, behind))
}

/// Splits off what stands behind a word.
fn ending(word: &str) -> (&str, Ending) {
    for (end, edits) in [("~2", 2), ("~1", 1), ("~", 1)] {
        if let Some(word) = word.strip_suffix(end) {
            return (word, Ending::Typo(edits));
        }
    }
    let without = word.trim_end_matches('*');
    (without, if without.len() < word.len() { Ending::Prefix } else { Ending::Whole })
}

fn words(text: &str) -> Result<Vec<Word>, QueryError> {
    if analyzer::has_overlong_word(text) {
        return Err(QueryError::WordTooLong);
    }
    let words = analyzer::written(text);
    let first = words.first().map_or(0, |(position, _)| *position);
    let word = |(position, text)| Word { offset: position - first, text, ending: Ending::Whole };
    Ok(words.into_iter().map(word).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a query back in a normal form: `+`/`-`, phrases in brackets, `=` what was quoted.
    fn normal(text: &str) -> Result<String, QueryError> {
        let clause = |clause: &Clause| {
            let words = clause.words.iter().map(|word| {
                let ending = match word.ending {
                    Ending::Whole => String::new(),
                    Ending::Prefix => "*".to_owned(),
                    Ending::Typo(edits) => format!("~{edits}"),
                };
                format!("{}{ending}@{}", word.text, word.offset)
            });
            let words: Vec<_> = words.collect();
            let quoted = if clause.quoted { "=" } else { "" };
            format!("{}{quoted}[{}]", if clause.excluded { "-" } else { "+" }, words.join(" "))
        };
        Ok(Query::parse(text)?.clauses.iter().map(clause).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn words_phrases_exclusions_prefixes_and_typos_are_read() {
        for (text, expected) in [
            ("Rust", "+[Rust@0]"),
            ("  rust   engines ", "+[rust@0] +[engines@0]"),
            ("rust rust", "+[rust@0]"),
            ("rust -java", "+[rust@0] -[java@0]"),
            ("\"state engine\"", "+=[state@0 engine@1]"),
            ("a -\"b c\"", "+[a@0] -=[b@0 c@1]"),
            ("\"never closed", "+=[never@0 closed@1]"),
            ("\"a\"b", "+=[a@0] +[b@0]"),
            ("rust-lang", "+[rust@0 lang@1]"),
            ("communit*", "+[communit*@0]"),
            ("rust-la*", "+[rust@0 la*@1]"),
            ("ru*st", "+[ru@0 st@1]"),
            ("rust**", "+[rust*@0]"),
            ("a *", "+[a@0]"),
            ("c++*", "+[c@0]"),
            ("goverment~", "+[goverment~1@0]"),
            ("goverment~1 -goverment~2", "+[goverment~1@0] -[goverment~2@0]"),
            ("rust-lagn~", "+[rust@0 lagn~1@1]"),
            ("a ~ c+~ d~3", "+[a@0] +[c@0] +[d@0 3@1]"),
            ("rust*~ rust~~ rust~*", "+[rust@0]"),
            ("\"state~ engine~\"", "+=[state@0 engine@1]"),
            ("a - b", "+[a@0] +[b@0]"),
            ("a --b", "+[a@0] -[b@0]"),
            ("(a OR b) AND title:c", "+[a@0] +[OR@0] +[b@0] +[AND@0] +[title@0 c@1]"),
            ("Ångström", "+[Ångström@0]"),
            ("a\u{a0}b", "+[a@0] +[b@0]"),
        ] {
            assert_eq!(normal(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_told() {
        let words = |count: usize| (0..count).map(|n| format!("{n} ")).collect::<String>();
        let phrases = |count: usize| (0..count).map(|n| format!("-\"{n} a\" ")).collect::<String>();
        for (text, expected) in [
            (String::new(), QueryError::Empty),
            ("-a -\"b c\"".to_owned(), QueryError::Empty),
            ("!!! * ~ \"\" -".to_owned(), QueryError::Empty),
            ("a".repeat(513), QueryError::TooLong),
            ("(".repeat(513), QueryError::TooLong),
            ("a".repeat(64), QueryError::WordTooLong),
            (words(65), QueryError::TooManyClauses),
            ("a* b* c* d* e*".to_owned(), QueryError::TooManyOpenWords),
            ("a* bcd~ c* d* -efg~".to_owned(), QueryError::TooManyOpenWords),
            ("ab~".to_owned(), QueryError::TypoTooShort),
            ("abcd~2".to_owned(), QueryError::TypoTooShort),
            ("a-b ".to_owned() + &phrases(8), QueryError::TooManyPhrases),
        ] {
            assert_eq!(Query::parse(&text), Err(expected), "{text}");
        }
        assert!(Query::parse(&words(64)).is_ok());
        assert!(Query::parse(&format!("a \"b\" {}", phrases(8))).is_ok());
        assert!(Query::parse("a* b* c* -d* d*ello e a*").is_ok());
        assert!(Query::parse("éàü~ abcde~2").is_ok());
    }
}
