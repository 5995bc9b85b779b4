//! Which of the files to read have the same content, which is then parsed once.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use crate::id::BlobId;
use crate::split::ParsedFile;

/// The files to read, by their index.
pub(super) struct SharedParses(Vec<Option<Arc<ParsedFile>>>);

impl SharedParses {
    /// Returns those of the files with these contents; `None` is a file that is not parsed whole.
    pub(super) fn of(contents: impl Iterator<Item = Option<BlobId>> + Clone) -> Self {
        let mut readers: HashMap<BlobId, usize> = HashMap::new();
        for blob in contents.clone().flatten() {
            *readers.entry(blob).or_default() += 1;
        }
        readers.retain(|_, readers| *readers > 1);
        let file = |(blob, readers)| (blob, Arc::new(ParsedFile::for_readers(readers)));
        let files: HashMap<BlobId, Arc<ParsedFile>> = readers.into_iter().map(file).collect();
        Self(contents.map(|blob| files.get(&blob?).cloned()).collect())
    }

    /// Calls `read` with the file at this index. The last call for a content drops what it holds.
    pub(super) fn read<T>(&self, at: usize, read: impl FnOnce(&ParsedFile) -> T) -> T {
        match &self.0[at] {
            Some(file) => {
                let found = read(file);
                file.finish();
                found
            }
            None => read(&ParsedFile::for_readers(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_content_share_a_parse_and_others_do_not() {
        let [a, b, c] = [1, 2, 3].map(|n| Some(BlobId::from_bytes([n; 20])));
        let parses = SharedParses::of([a, b, None, c, b, None].into_iter());
        let address = |at: usize| parses.0[at].as_ref().map(Arc::as_ptr);
        assert_eq!([0, 2, 3, 5].map(address), [None; 4]);
        assert!(address(1).is_some());
        assert_eq!(address(1), address(4));
    }
}
