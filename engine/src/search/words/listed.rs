//! Words as a sorted list, for segments with few documents.

use std::collections::HashMap;
use std::ops::Range;

use tantivy::DocId;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::tokenizer::{BoxTokenStream, TokenStream as _};
use tantivy_fst::Automaton;

/// The gap that tantivy leaves between two texts of a document, so that no phrase spans them.
const GAP: u32 = 1;

/// Every word with its occurrences, in order.
pub(crate) struct Listed {
    /// The words in order, each with the end of its occurrences, which begin where those of the
    /// preceding word end.
    words: Box<[(Box<[u8]>, u32)]>,
    /// The document and position of each occurrence, word by word.
    occurrences: Box<[(DocId, u32)]>,
    /// The length class of each text.
    norms: Box<[u8]>,
}

impl Listed {
    pub(super) fn norm(&self, doc: DocId) -> u8 {
        self.norms.get(doc as usize).copied().unwrap_or_default()
    }

    pub(super) fn find(&self, word: &[u8]) -> Option<Range<u32>> {
        let at = self.words.binary_search_by(|(other, _)| (**other).cmp(word)).ok()?;
        Some(self.places(at))
    }

    /// Returns the words from `start` on, in order.
    pub(super) fn from(&self, start: &[u8]) -> impl Iterator<Item = (&[u8], Range<u32>)> {
        let first = self.words.partition_point(|(word, _)| **word < *start);
        (first..self.words.len()).map(|at| (&*self.words[at].0, self.places(at)))
    }

    /// Returns the words that the automaton matches, in order. Skips words that share a beginning that it rules out.
    pub(super) fn matching<A: Automaton>(
        &self,
        automaton: &A,
    ) -> impl Iterator<Item = (&[u8], Range<u32>)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            loop {
                let (word, _) = self.words.get(at)?;
                match compare(automaton, word) {
                    Comparison::Match => {
                        at += 1;
                        return Some((&**word, self.places(at - 1)));
                    }
                    Comparison::Other => at += 1,
                    Comparison::Lost(bytes) => {
                        let begin = &word[..bytes];
                        at += self.words[at..].partition_point(|(word, _)| word.starts_with(begin));
                    }
                }
            }
        })
    }

    pub(super) fn occurrences(&self, places: &Range<u32>) -> &[(DocId, u32)] {
        &self.occurrences[places.start as usize..places.end as usize]
    }

    fn places(&self, at: usize) -> Range<u32> {
        let start = if at == 0 { 0 } else { self.words[at - 1].1 };
        start..self.words[at].1
    }
}

/// What an automaton says of a word.
enum Comparison {
    Match,
    Other,
    /// No word that begins with this many of its bytes matches.
    Lost(usize),
}

fn compare<A: Automaton>(automaton: &A, word: &[u8]) -> Comparison {
    let mut state = automaton.start();
    for (at, byte) in word.iter().enumerate() {
        state = automaton.accept(&state, *byte);
        if !automaton.can_match(&state) {
            return Comparison::Lost(at + 1);
        }
    }
    if automaton.is_match(&state) { Comparison::Match } else { Comparison::Other }
}

/// Collects the words of documents, one document after another, counting as tantivy does.
#[derive(Default)]
pub(crate) struct Lister {
    words: HashMap<Box<str>, Vec<(DocId, u32)>>,
    norms: Vec<u8>,
    /// The position where the next text of the document begins, and the number of its words so far.
    next: u32,
    length: u32,
}

impl Lister {
    /// Adds the words of a text of the current document.
    pub(crate) fn add(&mut self, mut tokens: BoxTokenStream<'_>) {
        let (doc, begin) = (self.norms.len() as DocId, self.next);
        let mut end = begin;
        while let Some(token) = tokens.next() {
            let position = begin + token.position as u32;
            end = end.max(position + token.position_length as u32);
            self.length += 1;
            match self.words.get_mut(token.text.as_str()) {
                Some(occurrences) => occurrences.push((doc, position)),
                None => {
                    self.words.insert(token.text.as_str().into(), vec![(doc, position)]);
                }
            }
        }
        self.next = end + GAP;
    }

    /// Ends the current document, which may have had no text here.
    pub(crate) fn end_document(&mut self) {
        self.norms.push(FieldNormReader::fieldnorm_to_id(self.length));
        (self.next, self.length) = (0, 0);
    }

    /// Returns the list, or `None` if there are no words.
    pub(crate) fn finish(self) -> Option<Listed> {
        let mut all: Vec<_> = self.words.into_iter().collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut occurrences = Vec::new();
        let words = all.into_iter().map(|(word, places)| {
            occurrences.extend(places);
            (word.into_boxed_bytes(), occurrences.len() as u32)
        });
        let words: Box<[_]> = words.collect();
        let listed = Listed { words, occurrences: occurrences.into(), norms: self.norms.into() };
        (!listed.words.is_empty()).then_some(listed)
    }
}
