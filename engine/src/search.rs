//! The full-text index: an immutable value, like the maps of a snapshot.
//!
//! It is a list of small segments that are never written to again. A change adds a segment and
//! marks documents of others as dead, in a new value that shares everything else with the old one;
//! so it is published with the snapshot it belongs to, and there is nothing to roll back. What a
//! search finds, and how it ranks, depends on the live documents alone.

mod alike;
mod analyzer;
mod compaction;
mod contents;
mod cursor;
mod highlight;
mod hits;
mod pattern;
mod query;
mod ranking;
mod reading;
mod segment;
mod shape;
mod slots;
mod stem;
mod stored;
mod sweep;
mod terms;
mod totals;
mod typos;
mod words;
mod writer;

use std::ops::RangeInclusive;
use std::sync::Arc;

pub use crate::search::compaction::{Compacted, Compaction};
pub use crate::search::highlight::Highlighter;
pub use crate::search::hits::{Hit, Hits, Matches};
pub use crate::search::query::{
    MAX_CLAUSES, MAX_EXPANSIONS, MAX_OPEN_WORDS, MAX_PHRASES, MAX_QUERY_BYTES, MIN_TYPO_LETTERS,
    Query, QueryError,
};
pub use crate::search::reading::Readings;
pub use crate::search::slots::{Slot, Slots};
pub use crate::search::typos::{
    Correction, MAX_ALIKE, MAX_CORRECTED, MAX_CORRECTIONS, MIN_CORRECTED_LETTERS, Spelling,
};

pub(crate) use crate::search::analyzer::words_are_of;
pub(crate) use crate::search::segment::Segment;
pub(crate) use crate::search::stored::{Files, Kept, KeptIndex, Origin};

use crate::budget::{Budget, TooCostly};
use crate::fault;
use crate::id::{CommitId, Key, SheetName};
use crate::language::Language;
use crate::search::hits::{All, Best, Collector};
use crate::search::shape::{Languages, Shape};
use crate::search::totals::TotalsByLanguage;

/// The name of a document: the sheet and key of its record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocName {
    /// The sheet.
    pub sheet: SheetName,
    /// The key in the sheet.
    pub key: Key,
}

/// Reports the texts of a document to the function it is given, each with its slot.
///
/// A document that has none is not in the index; so a removed record is one without texts. It may
/// be called on several threads.
pub type Texts<'a> = dyn Fn(&DocName, &mut dyn FnMut(Slot, &str)) + Sync + 'a;

/// The sheets that a search looks into.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// Every sheet.
    All,
    /// These sheets.
    Sheets(&'a [SheetName]),
}

impl Scope<'_> {
    fn contains(self, sheet: &SheetName) -> bool {
        match self {
            Self::All => true,
            Self::Sheets(sheets) => sheets.contains(sheet),
        }
    }
}

/// Why the text index could not be changed or searched.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The query cannot be answered.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The query costs more work than it may.
    #[error(transparent)]
    TooCostly(#[from] TooCostly),
    /// A segment could not be built.
    #[error("cannot build a segment of the text index")]
    Build(#[source] tantivy::TantivyError),
    /// A segment could not be read.
    #[error("cannot read a segment of the text index")]
    Read(#[from] std::io::Error),
    /// The texts given to a compaction are not those that were indexed.
    #[error("the text index does not match the records")]
    OutOfStep,
}

/// The full-text index of one commit. Cloning it is cheap.
#[derive(Clone)]
pub struct TextIndex {
    shape: Arc<Shape>,
    segments: Arc<[Segment]>,
    totals: TotalsByLanguage,
    stamp: CommitId,
}

impl TextIndex {
    /// Returns the index of nothing, stamped [`CommitId::ZERO`]. `languages` are those of the
    /// sheets; of others nothing is said.
    pub fn new(slots: Slots, languages: impl IntoIterator<Item = (SheetName, Language)>) -> Self {
        let shape = Shape { slots, languages: Languages::new(languages) };
        Self {
            shape: Arc::new(shape),
            segments: Arc::default(),
            totals: TotalsByLanguage::default(),
            stamp: CommitId::ZERO,
        }
    }

    /// Returns the slots it was made with.
    pub fn slots(&self) -> &Slots {
        &self.shape.slots
    }

    /// Returns the commit it stands for.
    pub fn stamp(&self) -> CommitId {
        self.stamp
    }

    /// Returns this index as that of another commit with the same texts.
    #[must_use]
    pub fn restamped(&self, stamp: CommitId) -> Self {
        Self { stamp, ..self.clone() }
    }

    /// Returns the number of live documents.
    pub fn documents(&self) -> u64 {
        self.totals.documents()
    }

    /// Returns the number of segments.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Returns the index of `stamp`, in which the documents in `changed` have what `texts` reports
    /// for them, whether they are new, known or gone, and all others are as they were.
    ///
    /// Costs some 20 µs for each document, more for long texts; large changes are built on several
    /// threads. A full build is a change of all documents against [`TextIndex::new`].
    ///
    /// # Errors
    ///
    /// [`SearchError::Build`] where tantivy refuses, which in memory means a defect.
    pub fn apply(
        &self,
        stamp: CommitId,
        changed: Vec<DocName>,
        texts: &Texts<'_>,
    ) -> Result<Self, SearchError> {
        self.apply_listing(stamp, changed, texts, FEW)
    }

    /// Does the same with so many documents as few: where tests need the other kind of segment.
    pub(crate) fn apply_listing(
        &self,
        stamp: CommitId,
        mut changed: Vec<DocName>,
        texts: &Texts<'_>,
        few: usize,
    ) -> Result<Self, SearchError> {
        fault::point("text.build")?;
        changed.sort_unstable();
        changed.dedup();
        let mut segments = without(&self.segments, &changed);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
        segments.extend(build(&self.shape, &changed, texts, threads, few)?);
        fault::point("text.built")?;
        Ok(self.with_segments(segments).restamped(stamp))
    }

    /// Returns the page of the best matches that begins at `offset`.
    ///
    /// A query is read in every language of the scope. Where nothing matches since some of its words
    /// occur nowhere, those spelled most alike stand for them.
    ///
    /// Linear in the documents that hold the rarest word of the query.
    ///
    /// # Errors
    ///
    /// [`SearchError::Query`] where prefixes and typos stand for too many words;
    /// [`SearchError::TooCostly`] where `budget` is used up.
    pub fn search(
        &self,
        query: &Query,
        scope: Scope<'_>,
        offset: usize,
        limit: usize,
        budget: &Budget,
    ) -> Result<Hits, SearchError> {
        let mut best = Best::new(offset.saturating_add(limit));
        let (total, readings) = self.evaluate(query, scope, &mut best, budget)?;
        Ok(Hits { total, hits: best.page(offset), readings })
    }

    /// Returns every document of `sheet` that matches, in key order, with its score.
    ///
    /// # Errors
    ///
    /// As [`Self::search`].
    pub fn matches(
        &self,
        query: &Query,
        sheet: &SheetName,
        budget: &Budget,
    ) -> Result<Matches<'_>, SearchError> {
        let mut all = All(Vec::new());
        let scope = Scope::Sheets(std::slice::from_ref(sheet));
        let (_, readings) = self.evaluate(query, scope, &mut all, budget)?;
        let All(mut documents) = all;
        documents.sort_by_key(|(key, _)| *key);
        Ok(Matches { documents, readings })
    }

    /// Gives the matches to `collector` and returns how many there are.
    fn evaluate<'a>(
        &'a self,
        query: &Query,
        scope: Scope<'_>,
        collector: &mut impl Collector<'a>,
        budget: &Budget,
    ) -> Result<(u64, Readings), SearchError> {
        let mut by_language = typos::read(self, query, scope, budget)?;
        let mut corrections = Vec::new();
        let mut total = ranking::evaluate(self, &by_language, scope, collector, budget)?;
        budget.check()?;
        // A word that must occur and does not leaves no match, so only then is one looked for.
        if total == 0 {
            corrections = typos::correct(self, &mut by_language, scope, budget)?;
            if !corrections.is_empty() {
                total = ranking::evaluate(self, &by_language, scope, collector, budget)?;
            }
        }
        budget.check()?;
        Ok((total, Readings::new(by_language, corrections)))
    }

    fn with_segments(&self, segments: Vec<Segment>) -> Self {
        Self { totals: TotalsByLanguage::of(&segments), segments: segments.into(), ..self.clone() }
    }
}

impl std::fmt::Debug for TextIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextIndex")
            .field("stamp", &self.stamp)
            .field("documents", &self.documents())
            .field("segments", &self.segments())
            .finish_non_exhaustive()
    }
}

/// Returns the segments with the documents in `names` dead, and without segments that are all
/// dead.
fn without(segments: &[Segment], names: &[DocName]) -> Vec<Segment> {
    let mut rest: Vec<&DocName> = names.iter().collect();
    let mut left = Vec::with_capacity(segments.len() + 1);
    for segment in segments {
        let mut docs = Vec::new();
        // A document lives in one segment at most, so what is found here is not looked for again.
        rest.retain(|name| match segment.find(name) {
            Some(doc) => {
                docs.push(doc);
                false
            }
            None => true,
        });
        if docs.is_empty() {
            left.push(segment.clone());
        } else if (docs.len() as u64) < segment.living() {
            left.push(segment.without(&docs));
        }
    }
    left
}

/// The fewest documents that are worth a thread, and the most that are built as one segment: what
/// is under construction takes several times the room of a finished segment.
const CHUNK: RangeInclusive<usize> = 10_000..=100_000;

/// The same where words are listed.
const LISTED_CHUNK: RangeInclusive<usize> = 256..=FEW;

/// Up to how many documents a segment lists its words instead of having tantivy write them.
const FEW: usize = 1_024;

/// Builds segments of those documents that have texts, on so many threads at most. `names` is
/// sorted.
fn build(
    shape: &Shape,
    names: &[DocName],
    texts: &Texts<'_>,
    threads: usize,
    few: usize,
) -> Result<Vec<Segment>, SearchError> {
    let bounds = if names.len() <= few { LISTED_CHUNK } else { CHUNK };
    let chunk = names.len().div_ceil(threads).clamp(*bounds.start(), *bounds.end());
    let chunks: Vec<&[DocName]> = names.chunks(chunk).collect();
    let one =
        |names: &[DocName]| Segment::build(shape, names, texts, few).map_err(SearchError::Build);
    let built: Result<Vec<Vec<Option<Segment>>>, SearchError> = match &*chunks {
        [] => Ok(Vec::new()),
        [all] => one(all).map(|segment| vec![vec![segment]]),
        _ => std::thread::scope(|scope| {
            let work = |thread: usize| chunks.iter().skip(thread).step_by(threads);
            let start =
                |thread| scope.spawn(move || work(thread).map(|names| one(names)).collect());
            let running: Vec<_> = (0..threads.min(chunks.len())).map(start).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            running.into_iter().map(join).collect()
        }),
    };
    Ok(built?.into_iter().flatten().flatten().collect())
}

#[cfg(test)]
mod tests;
