//! Segments as the files that tantivy wrote, which can be stored and opened again.

use tantivy::DocId;

use crate::search::doc_name::DocName;
use crate::search::error::SearchError;
use crate::search::index::TextIndex;
use crate::search::memory_directory::Files;
use crate::search::segment::Segment;
use crate::search::shape::Shape;

/// Identifies what the texts of a document were made from: equal names and origins mean equal
/// texts.
pub(crate) type Origin = [u8; 32];

/// The stored segments of an index.
#[derive(Default)]
pub(crate) struct StoredIndex {
    /// What [`TextIndex::shape_bytes`] was.
    pub(crate) shape: Box<[u8]>,
    pub(crate) segments: Vec<StoredSegment>,
}

/// A segment that was kept: its documents in order, dead ones included, and its files.
pub(crate) struct StoredSegment {
    pub(crate) docs: Vec<(DocName, Origin)>,
    pub(crate) files: Files,
}

impl Segment {
    /// Opens a segment that was kept, with the documents in `dead` dead.
    fn open(shape: &Shape, kept: StoredSegment, dead: &[DocId]) -> Result<Self, SearchError> {
        let StoredSegment { docs, files } = kept;
        let (count, slots) = files.open().map_err(SearchError::Build)?;
        if count as usize != docs.len() || slots.len() != shape.slots.boosts().len() {
            return Err(SearchError::OutOfStep);
        }
        let whole = Self::new(shape, docs.iter().map(|(name, _)| name), slots, Some(files));
        Ok(if dead.is_empty() { whole } else { whole.without(dead) })
    }
}

impl TextIndex {
    /// Returns the segments that tantivy wrote.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.files().is_some())
    }

    /// Returns bytes that are equal for indexes with equal slots and languages.
    pub(crate) fn shape_bytes(&self) -> Vec<u8> {
        self.shape.bytes()
    }

    /// Returns this index with stored segments added, each with its dead documents. Their live
    /// documents must be in no other segment.
    ///
    /// # Errors
    ///
    /// Fails where a segment was not made for an index like this.
    pub(crate) fn recalling(
        &self,
        kept: Vec<(StoredSegment, Vec<DocId>)>,
    ) -> Result<Self, SearchError> {
        let mut segments = self.segments.to_vec();
        for (kept, dead) in kept {
            if dead.len() < kept.docs.len() {
                segments.push(Segment::open(&self.shape, kept, &dead)?);
            }
        }
        Ok(self.with_segments(segments))
    }
}
