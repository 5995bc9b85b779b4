//! A segment as the files that tantivy wrote: they can be kept, and opened again.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tantivy::directory::{Directory as _, OwnedBytes, RamDirectory, TerminatingWrite as _};
use tantivy::{DocId, Index, SegmentReader, TantivyError};

use crate::search::segment::Segment;
use crate::search::shape::Shape;
use crate::search::words::{SlotWords, Words};
use crate::search::{DocName, SearchError, TextIndex};

/// What the texts of a document were made of: they are alike wherever the name and this are.
pub(crate) type Origin = [u8; 32];

/// The files of an index of tantivy's, in memory. They share their bytes with what is opened of
/// them.
#[derive(Default)]
pub(crate) struct Files {
    directory: RamDirectory,
    names: Vec<PathBuf>,
}

/// The segments of an index that were kept.
#[derive(Default)]
pub(crate) struct KeptIndex {
    /// What [`TextIndex::shape_bytes`] was.
    pub(crate) shape: Box<[u8]>,
    pub(crate) segments: Vec<Kept>,
}

/// A segment that was kept: its documents in order, dead ones included, and its files.
pub(crate) struct Kept {
    pub(crate) docs: Vec<(DocName, Origin)>,
    pub(crate) files: Files,
}

impl Files {
    /// Returns those that `index` consists of, which was written to `directory`.
    pub(crate) fn of(index: &Index, directory: RamDirectory) -> Self {
        let managed = index.directory().list_managed_files().into_iter();
        let exists = |name: &PathBuf| directory.exists(name).unwrap_or(false);
        let mut names: Vec<PathBuf> = managed.filter(exists).collect();
        names.sort_unstable();
        Self { directory, names }
    }

    /// Adds one.
    pub(crate) fn add(&mut self, name: PathBuf, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.directory.open_write(&name).map_err(io::Error::other)?;
        file.write_all(bytes)?;
        file.terminate()?;
        self.names.push(name);
        Ok(())
    }

    /// Returns their names, in order.
    pub(crate) fn names(&self) -> &[PathBuf] {
        &self.names
    }

    /// Returns a name that no other segment has: that which tantivy gave it by chance.
    pub(crate) fn id(&self) -> &str {
        let name =
            self.names.iter().find_map(|name| name.file_name()?.to_str()?.strip_suffix(".idx"));
        name.unwrap_or_default()
    }

    /// Returns what is in a file.
    pub(crate) fn read(&self, name: &Path) -> io::Result<OwnedBytes> {
        self.directory.open_read(name).map_err(io::Error::other)?.read_bytes()
    }

    fn open(&self) -> Result<(DocId, SlotWords), TantivyError> {
        open(&Index::open(self.directory.clone())?)
    }
}

/// Opens what searching needs of an index with one segment: the number of its documents, and the
/// words of each slot.
pub(crate) fn open(index: &Index) -> Result<(DocId, SlotWords), TantivyError> {
    let segments = index.searchable_segments()?;
    let segment = segments
        .first()
        .ok_or_else(|| TantivyError::InternalError("the index has no segment".into()))?;
    let reader = SegmentReader::open(segment)?;
    let words = |field| {
        let postings = reader.inverted_index(field)?;
        let norms = reader.fieldnorms_readers().get_field(field)?;
        Ok(norms
            .filter(|_| postings.terms().num_terms() > 0)
            .map(|norms| Words::Stored { postings, norms }))
    };
    let schema = index.schema();
    let slots = schema.fields().map(|(field, _)| words(field));
    Ok((reader.max_doc(), slots.collect::<Result<_, TantivyError>>()?))
}

impl Segment {
    /// Opens a segment that was kept, with the documents in `dead` dead.
    fn open(shape: &Shape, kept: Kept, dead: &[DocId]) -> Result<Self, SearchError> {
        let Kept { docs, files } = kept;
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

    /// Returns bytes that are alike for indexes of the same slots and languages.
    pub(crate) fn shape_bytes(&self) -> Vec<u8> {
        self.shape.bytes()
    }

    /// Returns this index with segments that were kept beside its own, each with its dead documents.
    /// None that lives is in another.
    ///
    /// # Errors
    ///
    /// Fails where a segment was not made for an index like this.
    pub(crate) fn recalling(&self, kept: Vec<(Kept, Vec<DocId>)>) -> Result<Self, SearchError> {
        let mut segments = self.segments.to_vec();
        for (kept, dead) in kept {
            if dead.len() < kept.docs.len() {
                segments.push(Segment::open(&self.shape, kept, &dead)?);
            }
        }
        Ok(self.with_segments(segments))
    }
}
