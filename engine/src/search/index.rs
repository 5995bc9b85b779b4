//! The index as a value: its segments, and how one index is derived from another.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::fault;
use crate::id::{CommitId, SheetName};
use crate::language::Language;
use crate::search::boosts::Slots;
use crate::search::collection_statistics::TotalsByLanguage;
use crate::search::doc_name::{DocName, Texts};
use crate::search::error::SearchError;
use crate::search::scope::Restriction;
use crate::search::segment::Segment;
use crate::search::shape::{Languages, Shape};

/// The full-text index of one commit. Cloning it is cheap.
#[derive(Clone)]
pub struct TextIndex {
    pub(super) shape: Arc<Shape>,
    pub(super) segments: Arc<[Segment]>,
    pub(super) totals: TotalsByLanguage,
    stamp: CommitId,
}

impl TextIndex {
    /// Returns an empty index, stamped [`CommitId::ZERO`]. `languages` lists the sheets that
    /// declare a language.
    pub fn new(slots: Slots, languages: impl IntoIterator<Item = (SheetName, Language)>) -> Self {
        let shape = Shape { slots, languages: Languages::new(languages) };
        Self {
            shape: Arc::new(shape),
            segments: Arc::default(),
            totals: TotalsByLanguage::default(),
            stamp: CommitId::ZERO,
        }
    }

    /// Returns this index for sheets in `languages`. Before it is searched, the documents of sheets
    /// whose language differs must be passed to a change.
    #[must_use]
    pub fn with_languages(
        &self,
        languages: impl IntoIterator<Item = (SheetName, Language)>,
    ) -> Self {
        let (slots, languages) = (self.shape.slots.clone(), Languages::new(languages));
        Self { shape: Arc::new(Shape { slots, languages }), ..self.clone() }
    }

    /// Returns the slots that the index was created with.
    pub fn slots(&self) -> &Slots {
        &self.shape.slots
    }

    /// Returns the commit that the index represents.
    pub fn stamp(&self) -> CommitId {
        self.stamp
    }

    /// Returns this index stamped with another commit that has the same texts.
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

    /// Returns the index of `stamp`. Documents in `changed`, whether new, known or removed, have
    /// the texts that `texts` reports; all others are unchanged.
    ///
    /// Costs some 20 µs for each document, more for long texts; large changes are built on several
    /// threads. A full build is a change of all documents, applied to [`TextIndex::new`].
    ///
    /// # Errors
    ///
    /// [`SearchError::Build`] if tantivy refuses, which in memory means a defect.
    pub fn apply(
        &self,
        stamp: CommitId,
        changed: Vec<DocName>,
        texts: &Texts<'_>,
    ) -> Result<Self, SearchError> {
        self.apply_listing(stamp, changed, texts, FEW)
    }

    /// Does the same with a different limit for listed segments, so that tests can choose the kind
    /// of segment.
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

    /// Returns whether a live document has this name. Logarithmic in each segment.
    pub(crate) fn contains(&self, name: &DocName) -> bool {
        self.segments.iter().any(|segment| segment.find(name).is_some())
    }

    /// Returns an empty index of the same shape.
    pub(crate) fn empty(&self) -> Self {
        self.with_segments(Vec::new())
    }

    /// Returns the documents of both indexes, which have the same shape and no document in common.
    pub(crate) fn joined(&self, other: &Self) -> Self {
        self.with_segments(self.segments.iter().chain(&*other.segments).cloned().collect())
    }

    /// Returns this index with those documents dead that their sheet does not let pass. Visits the
    /// sheets of each segment, and those documents that alone are excepted from their sheet.
    pub(crate) fn restricted<'a>(
        &self,
        restriction: &dyn Fn(&SheetName) -> Restriction<'a>,
    ) -> Self {
        let left = self.segments.iter().map(|segment| segment.restricted(restriction));
        self.with_segments(left.filter(|segment| segment.living() > 0).collect())
    }

    /// Returns about how many bytes it takes besides what its segments share with other indexes.
    pub(crate) fn own_bytes(&self) -> usize {
        self.segments.iter().map(Segment::own_bytes).sum()
    }

    pub(super) fn with_segments(&self, segments: Vec<Segment>) -> Self {
        let totals = TotalsByLanguage::sum(segments.iter().map(Segment::live));
        Self { totals, segments: segments.into(), ..self.clone() }
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

/// Returns the segments with the documents in `names` dead, dropping segments that are all dead.
pub(super) fn without(segments: &[Segment], names: &[DocName]) -> Vec<Segment> {
    let mut rest: Vec<&DocName> = names.iter().collect();
    let mut left = Vec::with_capacity(segments.len() + 1);
    for segment in segments {
        let mut docs = Vec::new();
        // A document lives in at most one segment, so once found it is not searched for again.
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

/// The fewest documents worth a thread, and the most that are built as one segment: a segment under
/// construction takes several times the memory of a finished one.
const CHUNK: RangeInclusive<usize> = 10_000..=100_000;

/// The same limits for segments whose words are listed.
const LISTED_CHUNK: RangeInclusive<usize> = 256..=FEW;

/// The most documents for which a segment lists its words instead of having tantivy write them.
pub(super) const FEW: usize = 1_024;

/// Builds segments of the documents that have texts, on at most the given number of threads.
/// `names` is sorted.
pub(super) fn build(
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
