//! What stood for a word that occurs nowhere.

use crate::language::Language;
use crate::search::doc_name::DocName;
use crate::search::{analyzer, mark};

/// A word of a query that occurs nowhere in the scope, and the words that stood for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The word as it was typed.
    pub typed: Box<str>,
    /// What stood for it, the nearest and then the most frequent first; at least one.
    pub used: Vec<Spelling>,
}

/// A word by its stem, with a document that tells how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelling {
    pub(crate) language: Language,
    pub(crate) stem: Box<str>,
    /// The first document in scope that has it.
    pub(crate) document: DocName,
}

impl Spelling {
    /// Returns the document in which the word is to be looked up.
    pub fn document(&self) -> &DocName {
        &self.document
    }

    /// Returns the word as a text of that document has it, or `None` where it is in another.
    pub fn written_in(&self, text: &str) -> Option<String> {
        analyzer::spelled(self.language, text, &self.stem)
    }

    /// Returns the stem, for the case that the word is not found.
    pub fn stem(&self) -> &str {
        mark::unmarked(&self.stem)
    }
}
