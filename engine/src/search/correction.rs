//! Replacements for words that occur nowhere.

use crate::language::Language;
use crate::search::doc_name::DocName;
use crate::search::{analyzer, language_mark};

/// A word of a query that occurs nowhere in the scope, and the words used instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The word as it was typed.
    pub typed: Box<str>,
    /// The words used instead, nearest first and then most frequent first; at least one.
    pub used: Vec<Spelling>,
}

/// A word by its stem, with a document that shows how it is spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelling {
    pub(crate) language: Language,
    pub(crate) stem: Box<str>,
    /// The first document in scope that holds it.
    pub(crate) document: DocName,
}

impl Spelling {
    /// Returns the document to look the word up in.
    pub fn document(&self) -> &DocName {
        &self.document
    }

    /// Returns the word as spelled in `text`, a text of that document, or `None` if the word is in
    /// another text.
    pub fn written_in(&self, text: &str) -> Option<String> {
        analyzer::spelled(self.language, text, &self.stem)
    }

    /// Returns the stem, to use where the word is not found.
    pub fn stem(&self) -> &str {
        language_mark::unmarked(&self.stem)
    }
}
