//! The files that tantivy writes a segment to, in memory.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tantivy::directory::{Directory as _, OwnedBytes, RamDirectory, TerminatingWrite as _};
use tantivy::{DocId, Index, SegmentReader, TantivyError};

use crate::search::words::{SlotWords, Words};

/// The files of an index of tantivy's, in memory. They share their bytes with what is opened of
/// them.
#[derive(Default)]
pub(crate) struct Files {
    directory: RamDirectory,
    names: Vec<PathBuf>,
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

    /// Opens them; see [`open`].
    pub(super) fn open(&self) -> Result<(DocId, SlotWords), TantivyError> {
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
