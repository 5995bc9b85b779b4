//! The words of one slot of one segment, and their positions.
//!
//! tantivy writes the words of large segments. It prepares tables for each field of each segment,
//! which for a few documents costs far more than the documents, so small segments use a sorted list
//! instead. A search cannot tell the two apart.

mod listed;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::InvertedIndexReader;
use tantivy::postings::{BlockSegmentPostings, Postings as _, SegmentPostings, TermInfo};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet as _, TERMINATED};
use tantivy_fst::Automaton;

pub(crate) use listed::{Listed, Lister};

/// The words, their postings, and the lengths of the texts.
pub(crate) enum Words {
    /// Words written by tantivy.
    Stored {
        /// The dictionary with its postings.
        postings: Arc<InvertedIndexReader>,
        /// The lengths.
        norms: FieldNormReader,
    },
    /// Words in a sorted list.
    Listed(Listed),
}

/// The words of each slot of a segment, or `None` if no document has text there.
pub(crate) type SlotWords = Box<[Option<Words>]>;

/// One word of a slot. It belongs to the [`Words`] that it was found in.
#[derive(Debug, Clone)]
pub(crate) enum Term {
    Stored(TermInfo),
    /// The indices of its occurrences.
    Listed(Range<u32>),
}

impl Term {
    /// Returns the number of documents that hold the word, dead ones included, or slightly more.
    pub(crate) fn documents(&self) -> usize {
        match self {
            Self::Stored(term) => term.doc_freq as usize,
            Self::Listed(occurrences) => occurrences.len(),
        }
    }
}

impl Words {
    /// Returns the rounded length of a text, as one of 256 classes.
    pub(crate) fn norm(&self, doc: DocId) -> u8 {
        match self {
            Self::Stored { norms, .. } => norms.fieldnorm_id(doc),
            Self::Listed(listed) => listed.norm(doc),
        }
    }

    /// Returns the rounded length of a text.
    pub(crate) fn length(&self, doc: DocId) -> u32 {
        FieldNormReader::id_to_fieldnorm(self.norm(doc))
    }

    /// Returns the word, if any document holds it. Logarithmic.
    pub(crate) fn find(&self, word: &[u8]) -> io::Result<Option<Term>> {
        Ok(match self {
            Self::Stored { postings, .. } => postings.terms().get(word)?.map(Term::Stored),
            Self::Listed(listed) => listed.find(word).map(Term::Listed),
        })
    }

    /// Calls `found` with each word from `start` on, in order, until it returns `false`.
    pub(crate) fn walk<E: From<io::Error>>(
        &self,
        start: &[u8],
        mut found: impl FnMut(&[u8], Term) -> Result<bool, E>,
    ) -> Result<(), E> {
        match self {
            Self::Stored { postings, .. } => {
                let mut stream = postings.terms().range().ge(start).into_stream()?;
                while let Some((word, term)) = stream.next() {
                    if !found(word, Term::Stored(term.clone()))? {
                        break;
                    }
                }
            }
            Self::Listed(listed) => {
                for (word, occurrences) in listed.from(start) {
                    if !found(word, Term::Listed(occurrences))? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Calls `found` with each word that the automaton matches, in order. Does not read words whose beginning it
    /// rules out.
    pub(crate) fn matching<A: Automaton, E: From<io::Error>>(
        &self,
        automaton: &A,
        mut found: impl FnMut(&[u8], Term) -> Result<(), E>,
    ) -> Result<(), E>
    where
        A::State: Clone,
    {
        match self {
            Self::Stored { postings, .. } => {
                let mut stream = postings.terms().search(automaton).into_stream()?;
                while let Some((word, term)) = stream.next() {
                    found(word, Term::Stored(term.clone()))?;
                }
            }
            Self::Listed(listed) => {
                for (word, occurrences) in listed.matching(automaton) {
                    found(word, Term::Listed(occurrences))?;
                }
            }
        }
        Ok(())
    }

    /// Returns tantivy's own cursor over a word, which can skip, or `None` for a listed word.
    pub(crate) fn cursor(
        &self,
        term: &Term,
        option: IndexRecordOption,
    ) -> io::Result<Option<SegmentPostings>> {
        match (self, term) {
            (Self::Stored { postings, .. }, Term::Stored(term)) => {
                postings.read_postings_from_terminfo(term, option).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Returns the postings of a word in blocks, with frequencies, or `None` if words are listed.
    pub(crate) fn blocks(&self, term: &TermInfo) -> io::Result<Option<BlockSegmentPostings>> {
        let Self::Stored { postings, .. } = self else { return Ok(None) };
        let option = IndexRecordOption::WithFreqs;
        postings.read_block_postings_from_terminfo(term, option).map(Some)
    }

    /// Calls `found` with each document that holds the word, in order, and the number of
    /// occurrences.
    pub(crate) fn frequencies(
        &self,
        term: &Term,
        mut found: impl FnMut(DocId, u32),
    ) -> io::Result<()> {
        if let Some(mut postings) = self.cursor(term, IndexRecordOption::WithFreqs)? {
            while postings.doc() != TERMINATED {
                found(postings.doc(), postings.term_freq());
                postings.advance();
            }
            return Ok(());
        }
        let same_document = |a: &(DocId, u32), b: &(DocId, u32)| a.0 == b.0;
        let documents = self.listed(term).chunk_by(same_document);
        documents.for_each(|places| found(places[0].0, places.len() as u32));
        Ok(())
    }

    /// Calls `found` with each document that holds the word, in order, once for each position.
    pub(crate) fn positions(
        &self,
        term: &Term,
        mut found: impl FnMut(DocId, u32),
    ) -> io::Result<()> {
        if let Some(mut postings) = self.cursor(term, IndexRecordOption::WithFreqsAndPositions)? {
            let mut positions = Vec::new();
            while postings.doc() != TERMINATED {
                postings.positions(&mut positions);
                positions.iter().for_each(|position| found(postings.doc(), *position));
                postings.advance();
            }
            return Ok(());
        }
        self.listed(term).iter().for_each(|(doc, position)| found(*doc, *position));
        Ok(())
    }

    fn listed(&self, term: &Term) -> &[(DocId, u32)] {
        match (self, term) {
            (Self::Listed(listed), Term::Listed(occurrences)) => listed.occurrences(occurrences),
            _ => &[],
        }
    }
}
