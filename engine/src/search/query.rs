//! The query language: words, phrases, exclusions, prefixes and typos, alternatives and groups.
//!
//! `rust "state engine" -java dat* goverment~` wants words and phrases, without the excluded ones, in
//! any field; `(rust OR zig) AND NOT java` says how they hang together. Everything else is
//! punctuation. A word that the analyzer cuts in pieces (`rust-lang`) is a phrase. The cost is bounded
//! by the limits below.

use crate::search::analyzer;
use crate::search::matching::Matching;
use crate::search::node::Node;

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
/// A longer phrase is not taken apart.
const MAX_PARTS: usize = 16;
/// How deep groups may lie in one another.
pub const MAX_DEPTH: usize = 16;
/// The fewest letters of a word that may have one letter wrong, and two.
pub const MIN_TYPO_LETTERS: [usize; 2] = [3, 5];

/// A parsed query with at least one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub(crate) clauses: Vec<Clause>,
    pub(crate) root: Node,
    /// The clause that was written last.
    pub(crate) last: Option<usize>,
    pub(crate) matching: Matching,
    /// Whether the last word also stands for words that begin with it.
    pub(crate) goes_on: bool,
}

/// A word or phrase that a document must, or must not, hold in one of its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    /// Whether it may not occur, so that it has no score.
    pub(crate) excluded: bool,
    /// Whether it was given in quotation marks.
    pub(crate) quoted: bool,
    /// The field in which it must, or must not, occur; `None` where any will do.
    pub(crate) field: Option<Box<str>>,
    /// At least one; more than one is a phrase.
    pub(crate) words: Vec<Word>,
}

impl Clause {
    /// Says whether it has several words.
    pub(crate) fn is_phrase(&self) -> bool {
        self.words.len() > 1
    }

    /// Returns the words of a phrase that nobody put in quotation marks, as clauses of their own: it
    /// is written without spaces, and who demands less than all means them, too.
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

    /// Says whether a word of it stands for others.
    pub(crate) fn is_open(&self) -> bool {
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
    /// Nothing is asked for: there is no word at all.
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
    #[error("the query has more than {MAX_DEPTH} groups in one another")]
    TooDeep,
    /// An operator has nothing on one of its sides.
    #[error("`{0}` has no word beside it to go with; `\"{0}\"` is a word like any other")]
    Dangling(&'static str),
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
    /// Returns this query with so many of its words demanded.
    #[must_use]
    pub fn matching(self, matching: Matching) -> Self {
        Self { matching, ..self }
    }

    /// Returns this query with its last word standing for words that begin with it, too, or not.
    #[must_use]
    pub fn going_on(self, goes_on: bool) -> Self {
        Self { goes_on, ..self }
    }

    /// Returns the fields that words are looked for in, as the query names them.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.clauses.iter().filter_map(|clause| clause.field.as_deref())
    }

    /// Reads what a request gives for [`Self::matching`].
    ///
    /// # Errors
    ///
    /// Says what would be understood.
    pub fn matching_of(text: &str) -> Result<Matching, String> {
        let told =
            || format!("must be one of {}", Matching::names().collect::<Vec<_>>().join(", "));
        Matching::of_name(text).ok_or_else(told)
    }

    /// Reads what a request gives for [`Self::going_on`].
    ///
    /// # Errors
    ///
    /// Says what would be understood.
    pub fn goes_on_of(text: &str) -> Result<bool, String> {
        match text {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err("must be `on` or `off`".to_owned()),
        }
    }
}
