//! The files that tantivy writes a segment to, in memory.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tantivy::directory::{Directory as _, OwnedBytes, RamDirectory, TerminatingWrite as _};
use tantivy::{DocId, Index, SegmentReader, TantivyError};

use crate::search::words::{SlotWords, Words};

/// The files of a tantivy index, in memory. Whatever is opened from them shares their bytes.
#[derive(Default)]
pub(crate) struct Files {
    directory: RamDirectory,
    names: Vec<PathBuf>,
}

impl Files {
    /// Returns the files of `index`, which was written to `directory`.
    pub(crate) fn of(index: &Index, directory: RamDirectory) -> Self {
        let managed = index.directory().list_managed_files().into_iter();
        let exists = |name: &PathBuf| directory.exists(name).unwrap_or(false);
        let mut names: Vec<PathBuf> = managed.filter(exists).collect();
        names.sort_unstable();
        Self { directory, names }
    }

    /// Adds a file.
    pub(crate) fn add(&mut self, name: PathBuf, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.directory.open_write(&name).map_err(io::Error::other)?;
        file.write_all(bytes)?;
        file.terminate()?;
        self.names.push(name);
        Ok(())
    }

    /// Returns the names of the files, in order.
    pub(crate) fn names(&self) -> &[PathBuf] {
        &self.names
    }

    /// Returns a name that no other segment has: the random one that tantivy assigned.
    pub(crate) fn id(&self) -> &str {
        let name =
            self.names.iter().find_map(|name| name.file_name()?.to_str()?.strip_suffix(".idx"));
        name.unwrap_or_default()
    }

    /// Returns the contents of a file.
    pub(crate) fn read(&self, name: &Path) -> io::Result<OwnedBytes> {
        self.directory.open_read(name).map_err(io::Error::other)?.read_bytes()
    }

    /// Opens the files; see [`open`].
    pub(super) fn open(&self) -> Result<(DocId, SlotWords), TantivyError> {
        open(&Index::open(self.directory.clone())?)
    }
}

/// Opens the parts of a single-segment index that a search needs: the number of documents and the
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
