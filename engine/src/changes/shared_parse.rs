//! Which of the files to read are the same file, which is then parsed once.

use std::sync::Arc;

use crate::split::ParsedFile;

/// The files to read, by their index.
pub(super) struct SharedParses(Vec<Option<Arc<ParsedFile>>>);

impl SharedParses {
    /// Returns those of the files at these paths, where all claims of one path are neighbours.
    pub(super) fn of<'p>(paths: impl Iterator<Item = &'p str>) -> Self {
        let paths: Vec<&str> = paths.collect();
        let of_path = |same: &[&str]| {
            let file = (same.len() > 1).then(|| Arc::new(ParsedFile::for_readers(same.len())));
            vec![file; same.len()]
        };
        Self(paths.chunk_by(|a, b| a == b).flat_map(of_path).collect())
    }

    /// Calls `read` with the file at this index. The last call for a file drops what it holds.
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
    fn claims_of_one_path_share_a_file_and_others_do_not() {
        let parses = SharedParses::of(["a", "b", "b", "c"].into_iter());
        let address = |at: usize| parses.0[at].as_ref().map(Arc::as_ptr);
        assert_eq!([address(0), address(3)], [None, None]);
        assert!(address(1).is_some());
        assert_eq!(address(1), address(2));
    }
}
