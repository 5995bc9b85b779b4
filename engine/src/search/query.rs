//! The query language: words, phrases, exclusions, prefixes and typos, alternatives and groups.
//!
//! `rust "state engine" -java dat* goverment~` requires words and phrases, and excludes some, in
//! any field; `(rust OR zig) AND NOT java` combines them. Everything else is punctuation. A word
//! that the analyzer splits (`rust-lang`) is a phrase. The limits below bound the cost.

use crate::search::analyzer;
use crate::search::minimum_match::Matching;
use crate::search::node::Node;

/// The maximum length of a query in bytes.
pub const MAX_QUERY_BYTES: usize = 512;
/// The maximum number of words and phrases in a query.
pub const MAX_CLAUSES: usize = 64;
/// The maximum number of phrases in a query, including words that the analyzer splits. The
/// positions of their words are read in each document that holds all of them.
pub const MAX_PHRASES: usize = 8;
/// The maximum number of words in a query that end in `*` or `~`. All words that such a word
/// matches are read, so it costs more than a plain one.
pub const MAX_OPEN_WORDS: usize = 4;
/// The maximum number of words that the open words of a query may match together.
pub const MAX_EXPANSIONS: usize = 1_000;
/// Longer phrases are not split into words.
const MAX_PARTS: usize = 16;
/// The maximum nesting depth of groups.
pub const MAX_DEPTH: usize = 16;
/// The minimum number of letters for a word to allow one wrong letter, and two.
pub const MIN_TYPO_LETTERS: [usize; 2] = [3, 5];

/// A parsed query with at least one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub(crate) clauses: Vec<Clause>,
    pub(crate) root: Node,
    /// The last clause in the text.
    pub(crate) last: Option<usize>,
    pub(crate) matching: Matching,
    /// Whether the last word also matches words that begin with it.
    pub(crate) goes_on: bool,
}

/// A word or phrase that a document must, or must not, hold in one of its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    /// Whether it must not occur. An excluded clause has no score.
    pub(crate) excluded: bool,
    /// Whether it was in quotation marks.
    pub(crate) quoted: bool,
    /// The field in which it must, or must not, occur, or `None` for any field.
    pub(crate) field: Option<Box<str>>,
    /// At least one word; several words form a phrase.
    pub(crate) words: Vec<Word>,
}

impl Clause {
    /// Returns whether it has several words.
    pub(crate) fn is_phrase(&self) -> bool {
        self.words.len() > 1
    }

    /// Returns the words of an unquoted phrase as separate clauses. Such a phrase is written
    /// without spaces, and a query that does not require all words should match its parts too.
    pub(crate) fn parts(&self) -> Vec<Self> {
        let is_loose = !self.quoted && !self.excluded && self.is_phrase() && !self.is_open();
        let words = self.words.iter().filter(|_| is_loose && self.words.len() <= MAX_PARTS);
        let part = |word: &Word| Self {
            excluded: false,
            quoted: false,
            field: self.field.clone(),
            words: vec![Word { offset: 0, ..word.clone() }],
        };
        words.map(part).collect()
    }

    /// Returns whether one of its words matches other words.
    pub(crate) fn is_open(&self) -> bool {
        self.words.iter().any(|word| word.ending != Ending::Whole)
    }
}

/// One word of a clause as written, and its distance from the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) offset: u32,
    pub(crate) text: Box<str>,
    pub(crate) ending: Ending,
}

/// What follows a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing.
    Whole,
    /// `*`: the word is a prefix.
    Prefix,
    /// `~`: this many letters may be wrong.
    Typo(u8),
}

/// Why a query cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The query has no words.
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
    /// The groups of the query exceed [`MAX_DEPTH`].
    #[error("the query nests groups more than {MAX_DEPTH} deep")]
    TooDeep,
    /// An operator lacks an operand on one side.
    #[error("`{0}` needs a word to apply to; `\"{0}\"` is an ordinary word")]
    Dangling(&'static str),
    /// A word is longer than any that is indexed.
    #[error("a word of the query has {} bytes or more", analyzer::WORD_BYTES)]
    WordTooLong,
    /// A word is too short to allow typos, see [`MIN_TYPO_LETTERS`].
    #[error(
        "a word before `~` has fewer than {} letters, or one before `~2` fewer than {}",
        MIN_TYPO_LETTERS[0],
        MIN_TYPO_LETTERS[1]
    )]
    TypoTooShort,
    /// The prefixes and typos match more than [`MAX_EXPANSIONS`] words of the index.
    #[error("words with `*` or `~` expand to more than {MAX_EXPANSIONS} words")]
    TooOpen,
}

impl Query {
    /// Returns this query with `matching` deciding how many of its words are required.
    #[must_use]
    pub fn matching(self, matching: Matching) -> Self {
        Self { matching, ..self }
    }

    /// Returns this query with or without its last word matching words that begin with it.
    #[must_use]
    pub fn going_on(self, goes_on: bool) -> Self {
        Self { goes_on, ..self }
    }

    /// Returns the fields that the query restricts words to.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.clauses.iter().filter_map(|clause| clause.field.as_deref())
    }

    /// Parses the parameter of a request for [`Self::matching`].
    ///
    /// # Errors
    ///
    /// Returns the accepted values.
    pub fn matching_of(text: &str) -> Result<Matching, String> {
        let told =
            || format!("must be one of {}", Matching::names().collect::<Vec<_>>().join(", "));
        Matching::of_name(text).ok_or_else(told)
    }

    /// Parses the parameter of a request for [`Self::going_on`].
    ///
    /// # Errors
    ///
    /// Returns the accepted values.
    pub fn goes_on_of(text: &str) -> Result<bool, String> {
        match text {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err("must be `on` or `off`".to_owned()),
        }
    }
}
