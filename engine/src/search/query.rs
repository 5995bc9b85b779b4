//! The query language: words, phrases, exclusions and prefixes, and nothing that nests.
//!
//! `rust "state engine" -java dat*` wants every word and phrase, without the excluded ones, in any
//! field. Everything else is punctuation. A word that the analyzer cuts in pieces (`rust-lang`) is
//! a phrase. There is no grammar to recurse into, so the cost is bounded by the limits below.

use crate::search::analyzer;

/// The longest query in bytes.
pub const MAX_QUERY_BYTES: usize = 512;
/// The most words and phrases of one query.
pub const MAX_CLAUSES: usize = 64;
/// The most phrases of one query, words that the analyzer cuts in pieces among them. The places of
/// their words are read in each document that holds them all.
pub const MAX_PHRASES: usize = 8;
/// The most prefixes of one query. Each is read through whole, so they cost more than words.
pub const MAX_PREFIXES: usize = 4;
/// The most words that the prefixes of a query may stand for together.
pub const MAX_EXPANSIONS: usize = 1_000;

/// A parsed query with at least one word that must occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub(crate) clauses: Vec<Clause>,
}

/// A word or phrase that a document must, or must not, hold in one of its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) excluded: bool,
    /// At least one; more than one is a phrase.
    pub(crate) elements: Vec<Element>,
}

impl Clause {
    fn is_phrase(&self) -> bool {
        self.elements.len() > 1
    }

    fn has_prefix(&self) -> bool {
        self.elements.iter().any(|element| matches!(element.word, Word::Prefix { .. }))
    }
}

/// One word of a clause and its distance from the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) offset: u32,
    pub(crate) word: Word,
}

/// What one word of a text is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// A stem.
    Stem(Box<str>),
    /// The beginning of a stem, or the stem of the word typed so far: `community*` must find
    /// "communities", whose stem is `communiti`.
    Prefix { start: Box<str>, stem: Box<str> },
}

impl Word {
    /// Says whether a word that is not stemmed yet may be meant.
    pub(crate) fn may_match(&self, unstemmed: &str) -> bool {
        let (Self::Stem(start) | Self::Prefix { start, .. }) = self;
        start.as_bytes().first() == unstemmed.as_bytes().first()
    }

    /// Says whether a word with this stem is meant.
    pub(crate) fn matches(&self, other: &str) -> bool {
        match self {
            Self::Stem(stem) => **stem == *other,
            Self::Prefix { start, stem } => other.starts_with(&**start) || **stem == *other,
        }
    }
}

/// Why a query cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nothing is asked for: no word at all, or only excluded ones.
    #[error("the query names no word to search for")]
    Empty,
    /// The query exceeds [`MAX_QUERY_BYTES`].
    #[error("the query is longer than {MAX_QUERY_BYTES} bytes")]
    TooLong,
    /// The query exceeds [`MAX_CLAUSES`].
    #[error("the query has more than {MAX_CLAUSES} words and phrases")]
    TooManyClauses,
    /// The query exceeds [`MAX_PHRASES`].
    #[error("the query has more than {MAX_PHRASES} phrases and words with signs inside")]
    TooManyPhrases,
    /// The query exceeds [`MAX_PREFIXES`].
    #[error("the query has more than {MAX_PREFIXES} words that end in `*`")]
    TooManyPrefixes,
    /// A word is longer than any that is indexed.
    #[error("a word of the query has {} bytes or more", analyzer::WORD_BYTES)]
    WordTooLong,
    /// The prefixes stand for more than [`MAX_EXPANSIONS`] words of the index.
    #[error("what ends in `*` stands for more than {MAX_EXPANSIONS} words")]
    PrefixesTooShort,
}

impl Query {
    /// Parses `text`. Linear in its length.
    ///
    /// # Errors
    ///
    /// See [`QueryError`]; [`QueryError::PrefixesTooShort`] is only found out by searching.
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
            let (elements, behind) = match unsigned.strip_prefix('"') {
                Some(quoted) => phrase(quoted)?,
                None => word(unsigned)?,
            };
            let clause = Clause { excluded, elements };
            if !clause.elements.is_empty() && !clauses.contains(&clause) {
                clauses.push(clause);
            }
            if clauses.len() > MAX_CLAUSES {
                return Err(QueryError::TooManyClauses);
            }
            if clauses.iter().filter(|clause| clause.is_phrase()).count() > MAX_PHRASES {
                return Err(QueryError::TooManyPhrases);
            }
            if clauses.iter().filter(|clause| clause.has_prefix()).count() > MAX_PREFIXES {
                return Err(QueryError::TooManyPrefixes);
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
fn phrase(quoted: &str) -> Result<(Vec<Element>, &str), QueryError> {
    let (inside, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
    Ok((stems(inside)?, behind))
}

/// Reads up to the next white space.
fn word(text: &str) -> Result<(Vec<Element>, &str), QueryError> {
    let (word, behind) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let stars = word.trim_end_matches('*');
    let mut elements = stems(stars)?;
    if stars.len() < word.len()
        && stars.ends_with(char::is_alphanumeric)
        && let Some(last) = elements.last_mut()
        && let Word::Stem(stem) = &last.word
        && let Some(start) = analyzer::last_unstemmed(stars)
    {
        last.word = Word::Prefix { start, stem: stem.clone() };
    }
    Ok((elements, behind))
}

fn stems(text: &str) -> Result<Vec<Element>, QueryError> {
    if analyzer::has_overlong_word(text) {
        return Err(QueryError::WordTooLong);
    }
    let words = analyzer::words(text);
    let first = words.first().map_or(0, |(position, _)| *position);
    Ok(words
        .into_iter()
        .map(|(position, stem)| Element { offset: position - first, word: Word::Stem(stem) })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a query back in a normal form: `+`/`-`, phrases in brackets.
    fn normal(text: &str) -> Result<String, QueryError> {
        let clause = |clause: &Clause| {
            let words = clause.elements.iter().map(|element| match &element.word {
                Word::Stem(stem) => format!("{stem}@{}", element.offset),
                Word::Prefix { start, stem } => format!("{start}*|{stem}@{}", element.offset),
            });
            let words: Vec<_> = words.collect();
            format!("{}[{}]", if clause.excluded { "-" } else { "+" }, words.join(" "))
        };
        Ok(Query::parse(text)?.clauses.iter().map(clause).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn words_phrases_exclusions_and_prefixes_are_read() {
        for (text, expected) in [
            ("Rust", "+[rust@0]"),
            ("  rust   engines ", "+[rust@0] +[engin@0]"),
            ("rust rust", "+[rust@0]"),
            ("rust -java", "+[rust@0] -[java@0]"),
            ("\"state engine\"", "+[state@0 engin@1]"),
            ("a -\"b c\"", "+[a@0] -[b@0 c@1]"),
            ("\"never closed", "+[never@0 close@1]"),
            ("\"a\"b", "+[a@0] +[b@0]"),
            ("rust-lang", "+[rust@0 lang@1]"),
            ("communit*", "+[communit*|communit@0]"),
            ("community*", "+[community*|communiti@0]"),
            ("rust-la*", "+[rust@0 la*|la@1]"),
            ("ru*st", "+[ru@0 st@1]"),
            ("rust**", "+[rust*|rust@0]"),
            ("a *", "+[a@0]"),
            ("c++*", "+[c@0]"),
            ("a - b", "+[a@0] +[b@0]"),
            ("a --b", "+[a@0] -[b@0]"),
            ("(a OR b) AND title:c", "+[a@0] +[or@0] +[b@0] +[and@0] +[titl@0 c@1]"),
            ("Ångström", "+[angstrom@0]"),
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
            ("!!! * \"\" -".to_owned(), QueryError::Empty),
            ("a".repeat(513), QueryError::TooLong),
            ("(".repeat(513), QueryError::TooLong),
            ("a".repeat(64), QueryError::WordTooLong),
            (words(65), QueryError::TooManyClauses),
            ("a* b* c* d* e*".to_owned(), QueryError::TooManyPrefixes),
            ("a-b ".to_owned() + &phrases(8), QueryError::TooManyPhrases),
        ] {
            assert_eq!(Query::parse(&text), Err(expected), "{text}");
        }
        assert!(Query::parse(&words(64)).is_ok());
        assert!(Query::parse(&format!("a \"b\" {}", phrases(8))).is_ok());
        assert!(Query::parse("a* b* c* -d* d*ello e a*").is_ok());
    }
}
