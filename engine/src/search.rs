//! The full-text index: an immutable value, like the maps of a snapshot.
//!
//! It is a list of small segments that never change once written. A change adds a segment and marks
//! documents in others as dead. The result is a new value that shares everything else with the old
//! one, so it is published together with its snapshot, and there is nothing to roll back. What a
//! search finds, and how it ranks, depends only on the live documents.

mod fuzzy;
mod analyzer;
mod bm25;
mod compaction;
mod index_digest;
mod correction;
mod occurrences;
mod diacritics;
mod doc_name;
mod error;
mod field_reader;
mod memory_directory;
mod grammar;
mod highlight;
mod hits;
mod index;
mod language_mark;
mod minimum_match;
mod node;
mod levenshtein;
mod one_of;
mod spellings;
mod query;
mod ranking;
mod reading;
mod scope;
mod searching;
mod segment;
mod segmentation;
mod shape;
mod boosts;
mod stem;
mod stop_words;
mod stored_segment;
mod clause_scan;
mod term_scan;
mod score_table;
mod terms;
mod collection_statistics;
mod typos;
mod weights;
mod query_expansion;
mod words;
mod writer;

pub use crate::search::boosts::{Slot, Slots};
pub use crate::search::compaction::{Compacted, Compaction};
pub use crate::search::correction::{Correction, Spelling};
pub use crate::search::doc_name::{DocName, Texts};
pub use crate::search::error::SearchError;
pub use crate::search::highlight::Highlighter;
pub use crate::search::hits::{Hit, Hits, Matches};
pub use crate::search::index::TextIndex;
pub use crate::search::minimum_match::{ENOUGH, Matching};
pub use crate::search::query::{
    MAX_CLAUSES, MAX_DEPTH, MAX_EXPANSIONS, MAX_OPEN_WORDS, MAX_PHRASES, MAX_QUERY_BYTES,
    MIN_TYPO_LETTERS, Query, QueryError,
};
pub use crate::search::query_expansion::MAX_CONTINUED;
pub use crate::search::reading::Readings;
pub use crate::search::scope::{FieldTexts, Restriction, Scope, Source};
pub use crate::search::typos::{MAX_ALIKE, MAX_CORRECTED, MAX_CORRECTIONS, MIN_CORRECTED_LETTERS};

pub(crate) use crate::search::analyzer::words_are_of;
pub(crate) use crate::search::memory_directory::Files;
pub(crate) use crate::search::segment::Segment;
pub(crate) use crate::search::stored_segment::{Origin, StoredIndex, StoredSegment};

#[cfg(test)]
mod tests;
