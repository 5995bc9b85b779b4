//! Walks, in order, the documents of one segment that match a clause.

use std::io;

use tantivy::postings::{Postings, SegmentPostings};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, TERMINATED};

use crate::budget::{Budget, STEP};
use crate::search::words::{Term, Words};

/// What one word of a clause stands for in one slot of one segment: nothing, one term, or several
/// terms.
#[derive(Debug, Clone, Default)]
pub(crate) enum Found {
    /// No document holds the word.
    #[default]
    Nothing,
    /// One term.
    Term(Term),
    /// The terms of a prefix, or of words with similar spelling.
    Terms(Vec<Term>),
}

impl Found {
    /// Returns whether no document holds the word.
    pub(crate) fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Term(_) => false,
            Self::Terms(terms) => terms.is_empty(),
        }
    }

    /// Returns the number of documents that hold the word, or more.
    pub(crate) fn documents(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Term(term) => term.documents(),
            Self::Terms(terms) => terms.iter().map(Term::documents).sum(),
        }
    }
}

/// The documents that hold a word, prefix or phrase in one slot, and how often.
pub(crate) enum Occurrences<'b> {
    Term(Box<SegmentPostings>),
    Terms(Merged),
    Phrase(Phrase<'b>),
}

impl<'b> Occurrences<'b> {
    /// Opens the postings of a clause whose elements are at `offsets`. Returns `None` if an element
    /// occurs nowhere in the slot.
    pub(crate) fn open(
        words: &Words,
        elements: &[(u32, &Found)],
        budget: &'b Budget,
    ) -> io::Result<Option<Self>> {
        if elements.iter().any(|(_, found)| found.is_nothing()) {
            return Ok(None);
        }
        Ok(match elements {
            [] | [(_, Found::Nothing)] => None,
            [(_, Found::Term(term))] => {
                Some(match words.cursor(term, IndexRecordOption::WithFreqs)? {
                    Some(postings) => Self::Term(Box::new(postings)),
                    None => {
                        let terms = std::slice::from_ref(term);
                        Self::Terms(Merged::frequencies(words, terms, budget)?)
                    }
                })
            }
            [(_, Found::Terms(terms))] => {
                Some(Self::Terms(Merged::frequencies(words, terms, budget)?))
            }
            _ => Some(Self::Phrase(Phrase::open(words, elements, budget)?)),
        })
    }

    /// Moves to the first document at or after `target`, and returns it.
    pub(crate) fn seek(&mut self, target: DocId) -> DocId {
        match self {
            Self::Term(postings) => seek(postings, target),
            Self::Terms(merged) => merged.seek(target),
            Self::Phrase(phrase) => phrase.seek(target),
        }
    }

    /// Returns the number of occurrences in the current document.
    pub(crate) fn frequency(&self) -> u32 {
        match self {
            Self::Term(postings) => postings.term_freq(),
            Self::Terms(merged) => merged.values().iter().map(|(_, frequency)| frequency).sum(),
            Self::Phrase(phrase) => phrase.frequency,
        }
    }

    /// Returns an upper bound on the number of documents.
    pub(crate) fn cost(&self) -> u32 {
        match self {
            Self::Term(postings) => postings.doc_freq(),
            Self::Terms(merged) => merged.entries.len() as u32,
            Self::Phrase(phrase) => phrase.cost(),
        }
    }
}

fn seek(postings: &mut SegmentPostings, target: DocId) -> DocId {
    // tantivy does not allow seeking backwards.
    if postings.doc() >= target { postings.doc() } else { postings.seek(target) }
}

/// The postings of many terms as one sorted list of documents, each with a number: a frequency or a
/// position.
pub(crate) struct Merged {
    entries: Vec<(DocId, u32)>,
    at: usize,
}

impl Merged {
    fn frequencies(words: &Words, terms: &[Term], budget: &Budget) -> io::Result<Self> {
        let mut entries = Vec::new();
        for term in terms.iter().take_while(|term| budget.spend(STEP * term.documents())) {
            words.frequencies(term, |doc, frequency| entries.push((doc, frequency)))?;
        }
        Ok(Self { entries: sorted(entries), at: 0 })
    }

    fn positions(words: &Words, terms: &[Term], budget: &Budget) -> io::Result<Self> {
        let mut entries = Vec::new();
        for term in terms.iter().take_while(|term| budget.spend(STEP * term.documents())) {
            words.positions(term, |doc, position| entries.push((doc, position)))?;
        }
        Ok(Self { entries: sorted(entries), at: 0 })
    }

    fn doc(&self) -> DocId {
        self.entries.get(self.at).map_or(TERMINATED, |(doc, _)| *doc)
    }

    fn seek(&mut self, target: DocId) -> DocId {
        // Most steps are short, so the search doubles its stride rather than bisecting the rest.
        let mut stride = 1;
        while self.entries.get(self.at + stride).is_some_and(|(doc, _)| *doc < target) {
            self.at += stride;
            stride *= 2;
        }
        let end = self.entries.len().min(self.at + stride + 1);
        self.at += self.entries[self.at..end].partition_point(|(doc, _)| *doc < target);
        self.doc()
    }

    /// Returns the entries of the current document.
    fn values(&self) -> &[(DocId, u32)] {
        let (rest, doc) = (&self.entries[self.at..], self.doc());
        &rest[..rest.partition_point(|(other, _)| *other == doc)]
    }
}

/// Sorts the concatenated postings of many terms by document and number. Large inputs are sorted by
/// counting documents rather than comparing them, since document numbers are small and dense.
fn sorted(mut entries: Vec<(DocId, u32)>) -> Vec<(DocId, u32)> {
    let documents = entries.iter().map(|(doc, _)| *doc as usize + 1).max().unwrap_or(0);
    if entries.len() < documents / 4 || entries.is_sorted() {
        entries.sort_unstable();
        return entries;
    }
    let mut ends = vec![0_usize; documents + 1];
    entries.iter().for_each(|(doc, _)| ends[*doc as usize + 1] += 1);
    (1..ends.len()).for_each(|doc| ends[doc] += ends[doc - 1]);
    let mut by_document = vec![(0, 0); entries.len()];
    for entry in entries {
        let end = &mut ends[entry.0 as usize];
        by_document[*end] = entry;
        *end += 1;
    }
    by_document.chunk_by_mut(|(a, _), (b, _)| a == b).for_each(<[_]>::sort_unstable);
    by_document
}

/// The documents that hold several words at fixed distances from one another.
pub(crate) struct Phrase<'b> {
    budget: &'b Budget,
    /// Rarest first.
    elements: Vec<PhraseElement>,
    doc: DocId,
    frequency: u32,
}

struct PhraseElement {
    offset: u32,
    postings: PositionedPostings,
    /// The positions in the current document, each minus `offset`.
    starts: Vec<u32>,
}

enum PositionedPostings {
    Term(Box<SegmentPostings>),
    Terms(Merged),
}

impl<'b> Phrase<'b> {
    fn open(words: &Words, elements: &[(u32, &Found)], budget: &'b Budget) -> io::Result<Self> {
        let open = |(offset, found): &(u32, &Found)| {
            let terms = match found {
                Found::Nothing => &[][..],
                Found::Term(term) => std::slice::from_ref(term),
                Found::Terms(terms) => terms,
            };
            let cursor = match found {
                Found::Term(term) => {
                    words.cursor(term, IndexRecordOption::WithFreqsAndPositions)?
                }
                Found::Nothing | Found::Terms(_) => None,
            };
            let postings = match cursor {
                Some(postings) => PositionedPostings::Term(Box::new(postings)),
                None => PositionedPostings::Terms(Merged::positions(words, terms, budget)?),
            };
            Ok(PhraseElement { offset: *offset, postings, starts: Vec::new() })
        };
        let mut elements = elements.iter().map(open).collect::<io::Result<Vec<_>>>()?;
        elements.sort_by_key(PhraseElement::cost);
        let mut phrase = Self { budget, elements, doc: 0, frequency: 0 };
        phrase.move_to(0);
        Ok(phrase)
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc < target {
            self.move_to(target);
        }
        self.doc
    }

    /// Moves to the first document at or after `target` that holds the phrase, or to the end if the
    /// budget is used up.
    fn move_to(&mut self, mut target: DocId) {
        'candidate: while target != TERMINATED {
            if !self.budget.spend(STEP * self.elements.len()) {
                target = TERMINATED;
                break;
            }
            for element in &mut self.elements {
                let doc = element.seek(target);
                if doc > target {
                    target = doc;
                    continue 'candidate;
                }
            }
            self.frequency = self.count();
            if self.frequency > 0 {
                break;
            }
            target += 1;
        }
        self.doc = target;
    }

    /// Counts the phrase in the document that all elements are positioned on.
    fn count(&mut self) -> u32 {
        let Some((first, others)) = self.elements.split_first_mut() else { return 0 };
        first.read_starts();
        for element in others {
            // Reading positions is most of the work, and in few documents are those of all words
            // needed.
            if first.starts.is_empty() {
                break;
            }
            element.read_starts();
            first.starts.retain(|start| element.starts.binary_search(start).is_ok());
        }
        first.starts.len() as u32
    }

    fn cost(&self) -> u32 {
        self.elements.first().map_or(0, PhraseElement::cost)
    }
}

impl PhraseElement {
    fn seek(&mut self, target: DocId) -> DocId {
        match &mut self.postings {
            PositionedPostings::Term(postings) => seek(postings, target),
            PositionedPostings::Terms(merged) => merged.seek(target),
        }
    }

    fn cost(&self) -> u32 {
        match &self.postings {
            PositionedPostings::Term(postings) => postings.doc_freq(),
            PositionedPostings::Terms(merged) => merged.entries.len() as u32,
        }
    }

    fn read_starts(&mut self) {
        match &mut self.postings {
            PositionedPostings::Term(postings) => postings.positions(&mut self.starts),
            PositionedPostings::Terms(merged) => {
                self.starts.clear();
                self.starts.extend(merged.values().iter().map(|(_, position)| *position));
            }
        }
        // A word this near the beginning cannot be that far into a phrase.
        self.starts.retain(|position| *position >= self.offset);
        self.starts.iter_mut().for_each(|position| *position -= self.offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_entries_and_few_are_sorted_alike() {
        for (entries, documents) in [(0, 1), (1, 1), (40, 1_000), (900, 300), (5_000, 20)] {
            let number = |n: u32| n.wrapping_mul(2_654_435_761) >> 7;
            let entry = |n| (number(n) % documents, number(n + 9_999) % 50);
            let given: Vec<(DocId, u32)> = (0..entries).map(entry).collect();
            let mut expected = given.clone();
            expected.sort_unstable();
            assert_eq!(sorted(given), expected);
        }
    }
}
