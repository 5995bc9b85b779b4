//! The index as a value: its segments, and how one comes from another.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::fault;
use crate::id::{CommitId, SheetName};
use crate::language::Language;
use crate::search::doc_name::{DocName, Texts};
use crate::search::error::SearchError;
use crate::search::segment::Segment;
use crate::search::shape::{Languages, Shape};
use crate::search::slots::Slots;
use crate::search::totals::TotalsByLanguage;

/// The full-text index of one commit. Cloning it is cheap.
#[derive(Clone)]
pub struct TextIndex {
    pub(super) shape: Arc<Shape>,
    pub(super) segments: Arc<[Segment]>,
    pub(super) totals: TotalsByLanguage,
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

    /// Returns this index for sheets in `languages`. The documents of those that had another one
    /// are to be changed before it is searched.
    #[must_use]
    pub fn with_languages(
        &self,
        languages: impl IntoIterator<Item = (SheetName, Language)>,
    ) -> Self {
        let (slots, languages) = (self.shape.slots.clone(), Languages::new(languages));
        Self { shape: Arc::new(Shape { slots, languages }), ..self.clone() }
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

/// Returns the segments with the documents in `names` dead, and without segments that are all
/// dead.
pub(super) fn without(segments: &[Segment], names: &[DocName]) -> Vec<Segment> {
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
pub(super) const FEW: usize = 1_024;

/// Builds segments of those documents that have texts, on so many threads at most. `names` is
/// sorted.
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
