//! The words of a language that carry no meaning of their own.

use tantivy::tokenizer::{LowerCaser, RawTokenizer, StopWordFilter, TextAnalyzer};

use crate::language::Language;
use crate::search::minimum_match::Matching;
use crate::search::stem;

/// Words that form a question or sentence in English without saying what it is about.
const ENGLISH: &[&str] = &[
    "a",
    "about",
    "above",
    "after",
    "again",
    "against",
    "all",
    "am",
    "an",
    "and",
    "any",
    "are",
    "as",
    "at",
    "be",
    "because",
    "been",
    "before",
    "being",
    "below",
    "between",
    "both",
    "but",
    "by",
    "can",
    "could",
    "did",
    "do",
    "does",
    "doing",
    "down",
    "during",
    "each",
    "few",
    "for",
    "from",
    "further",
    "had",
    "has",
    "have",
    "having",
    "he",
    "her",
    "here",
    "hers",
    "herself",
    "him",
    "himself",
    "his",
    "how",
    "i",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "itself",
    "me",
    "more",
    "most",
    "my",
    "myself",
    "no",
    "nor",
    "not",
    "of",
    "off",
    "on",
    "once",
    "only",
    "or",
    "other",
    "ought",
    "our",
    "ours",
    "ourselves",
    "out",
    "over",
    "own",
    "same",
    "she",
    "should",
    "so",
    "some",
    "such",
    "than",
    "that",
    "the",
    "their",
    "theirs",
    "them",
    "themselves",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "through",
    "to",
    "too",
    "under",
    "until",
    "up",
    "very",
    "was",
    "we",
    "were",
    "what",
    "when",
    "where",
    "which",
    "while",
    "who",
    "whom",
    "why",
    "will",
    "with",
    "would",
    "you",
    "your",
    "yours",
    "yourself",
    "yourselves",
];

/// The stop words of a language, if it has a list.
pub(crate) enum StopWords {
    None,
    English,
    Listed(TextAnalyzer),
}

impl StopWords {
    /// Returns the words that a search ignores. If no language is declared, every word counts when
    /// all are required; otherwise the English stop words are ignored.
    pub(crate) fn of(language: Language, matching: Matching) -> Self {
        match (language, matching) {
            (Language::Unsaid, Matching::All) => Self::None,
            (Language::Unsaid | Language::English, _) => Self::English,
            (said, _) => {
                let filter = stem::tantivy_language(said).and_then(StopWordFilter::new);
                filter.map_or(Self::None, |filter| {
                    let word = TextAnalyzer::builder(RawTokenizer::default());
                    Self::Listed(word.filter(LowerCaser).filter(filter).build())
                })
            }
        }
    }

    /// Returns whether a word, as written, is a stop word.
    pub(crate) fn contains(&mut self, word: &str) -> bool {
        match self {
            Self::None => false,
            Self::English => ENGLISH.binary_search(&&*word.to_lowercase()).is_ok(),
            Self::Listed(analyzer) => !analyzer.token_stream(word).advance(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_are_those_of_the_language() {
        let mut english = StopWords::of(Language::English, Matching::All);
        assert!(english.contains("the") && english.contains("The") && !english.contains("der"));
        let mut german = StopWords::of(Language::German, Matching::All);
        assert!(german.contains("der") && german.contains("über") && !german.contains("the"));
        assert!(!StopWords::of(Language::None, Matching::Any).contains("the"));
        for (matching, expected) in
            [(Matching::All, false), (Matching::Any, true), (Matching::Auto, true)]
        {
            assert_eq!(StopWords::of(Language::Unsaid, matching).contains("What"), expected);
        }
        assert!(ENGLISH.is_sorted());
    }
}
