//! Totals over all live documents of a language, which ranking needs.

use std::ops::Range;

use smallvec::SmallVec;
use tantivy::DocId;

use crate::language::Language;
use crate::search::boosts::MAX_SLOTS;
use crate::search::words::Words;

/// The number of documents, and their lengths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) documents: u64,
    /// For each slot, the sum of the lengths of all its texts, as rounded for ranking.
    pub(crate) tokens: [u64; MAX_SLOTS],
}

impl Totals {
    /// Returns the totals of some documents of a segment with these slots.
    pub(crate) fn of_documents(slots: &[Option<Words>], docs: Range<DocId>) -> Self {
        let mut totals = Self { documents: u64::from(docs.end - docs.start), ..Self::default() };
        for (tokens, words) in totals.tokens.iter_mut().zip(slots) {
            let Some(words) = words else { continue };
            *tokens = docs.clone().map(|doc| u64::from(words.length(doc))).sum();
        }
        totals
    }

    /// Adds those of other documents.
    fn add(&mut self, other: &Self) {
        self.documents += other.documents;
        for (tokens, other) in self.tokens.iter_mut().zip(other.tokens) {
            *tokens += other;
        }
    }

    /// Subtracts those of some of the documents.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.documents -= other.documents;
        for (tokens, other) in self.tokens.iter_mut().zip(other.tokens) {
            *tokens -= other;
        }
    }
}

/// The totals of each language that has documents, in order. Usually there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TotalsByLanguage(SmallVec<[(Language, Totals); 1]>);

impl TotalsByLanguage {
    pub(crate) fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for part in parts {
            for (language, totals) in &part.0 {
                sum.add(*language, totals);
            }
        }
        sum
    }

    /// Returns the totals of one language.
    pub(crate) fn get(&self, language: Language) -> Totals {
        self.place(language).map_or_else(|_| Totals::default(), |at| self.0[at].1)
    }

    /// Returns the number of documents in all languages.
    pub(crate) fn documents(&self) -> u64 {
        self.0.iter().map(|(_, totals)| totals.documents).sum()
    }

    pub(crate) fn add(&mut self, language: Language, other: &Totals) {
        let at = self.place(language).unwrap_or_else(|at| {
            self.0.insert(at, (language, Totals::default()));
            at
        });
        self.0[at].1.add(other);
    }

    fn place(&self, language: Language) -> Result<usize, usize> {
        self.0.binary_search_by_key(&language, |(other, _)| *other)
    }
}
