//! Words spelled similarly to a given word.
//!
//! The index holds stems. A stem matches a word if it is the stem of a word one letter away, or if
//! it differs from the word or its stem by at most the permitted number of letters. Only stems of
//! live documents in the scope of the search count, so the result depends neither on the past nor
//! on sheets outside the search.

use std::collections::BTreeMap;
use std::ops::Range;

use tantivy::DocId;

use crate::budget::{Budget, STEP};
use crate::language::Language;
use crate::search::doc_name::DocName;
use crate::search::error::SearchError;
use crate::search::index::TextIndex;
use crate::search::scope::Scope;
use crate::search::segment::Segment;
use crate::search::spellings::Spellings;
use crate::search::words::{Term, Words};

/// The cost of looking up a word.
const LOOK: usize = 16 * STEP;

/// A word spelled similarly to another.
pub(crate) struct FuzzyTerm {
    pub(crate) stem: Box<str>,
    pub(crate) edits: u8,
    /// The number of documents that hold it, summed over slots.
    pub(crate) frequency: u64,
    /// The first of these documents.
    pub(crate) document: DocName,
}

/// Returns the words of a language spelled similarly to the typed one, without its own stem: the
/// nearest first, then the most frequent, then in alphabetical order.
pub(crate) fn fuzzy_terms(
    index: &TextIndex,
    language: Language,
    scope: Scope<'_>,
    typed: &str,
    stem: &str,
    edits: u8,
    budget: &Budget,
) -> Result<Vec<FuzzyTerm>, SearchError> {
    let spellings = Spellings::new(language, typed, stem, edits);
    let mut found: BTreeMap<Box<str>, FuzzyTerm> = BTreeMap::new();
    for segment in index.segments.iter() {
        let docs = segment.ranges(language, scope);
        if docs.is_empty() {
            continue;
        }
        for words in (0..index.slots().boosts().len()).filter_map(|slot| segment.slot(slot)) {
            if !budget.spend(LOOK * spellings.tried()) {
                return Ok(Vec::new());
            }
            words.matching(&spellings, |word, term| {
                // This counts dead documents too, so it is an upper bound on the cost of reading.
                let is_paid = budget.spend(LOOK + STEP * term.documents());
                let Ok(word) = std::str::from_utf8(word) else { return Ok(()) };
                if word == stem || !is_paid {
                    return Ok(());
                }
                let Some((frequency, first)) = live(segment, words, &term, &docs)? else {
                    return Ok(());
                };
                let document = segment.name(first);
                match found.get_mut(word) {
                    Some(fuzzy) => {
                        fuzzy.frequency += frequency;
                        if document < fuzzy.document {
                            fuzzy.document = document;
                        }
                    }
                    None => {
                        let edits = spellings.edits(word);
                        let fuzzy = FuzzyTerm { stem: word.into(), edits, frequency, document };
                        found.insert(word.into(), fuzzy);
                    }
                }
                Ok::<_, SearchError>(())
            })?;
        }
    }
    let mut fuzzy: Vec<FuzzyTerm> = found.into_values().collect();
    fuzzy.sort_by_key(|fuzzy| (fuzzy.edits, std::cmp::Reverse(fuzzy.frequency)));
    Ok(fuzzy)
}

/// Returns how many live documents in `docs` hold the term, and the first of them.
pub(crate) fn live(
    segment: &Segment,
    words: &Words,
    term: &Term,
    docs: &[Range<DocId>],
) -> Result<Option<(u64, DocId)>, SearchError> {
    let (mut count, mut first) = (0, None);
    words.frequencies(term, |doc, _| {
        if docs.iter().any(|docs| docs.contains(&doc)) && segment.is_alive(doc) {
            count += 1;
            first.get_or_insert(doc);
        }
    })?;
    Ok(first.map(|first| (count, first)))
}
