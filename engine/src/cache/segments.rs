//! The text index in the cache: the files of those segments that tantivy wrote.
//!
//! Each document is stored with the [`Origin`] of its texts. A segment is right about it wherever a
//! record of its name has that origin, whatever else has changed.

use std::io;
use std::path::PathBuf;

use super::blocks::{self, BlockReader, add, number, sized, take, text};
use super::{Cache, CacheError, format};
use crate::id::{Key, SheetName};
use crate::search::{
    DocName, Files, Origin, SearchError, Segment, StoredIndex, StoredSegment, TextIndex,
};

impl Cache {
    /// Writes the segments of `index` that have files, replacing the old cache. `origin` is called
    /// for each live document.
    ///
    /// Segments never change. So if the file already has the same ones, nothing is done: documents
    /// that have died since do no harm.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses to write; the old file then remains.
    pub(crate) fn save_segments(
        &self,
        index: &TextIndex,
        origin: &dyn Fn(&DocName) -> Option<Origin>,
    ) -> io::Result<()> {
        let stored = || index.stored().filter_map(|one| Some((one, one.files()?)));
        let mut header = header(index);
        stored().for_each(|(_, files)| add(&mut header, files.id().as_bytes()));
        let mut there = Vec::new();
        if let Ok(Some(mut blocks)) = BlockReader::open(&self.segments)
            && blocks.read(&mut there).is_ok()
            && there == header
        {
            return Ok(());
        }
        blocks::write(&self.segments, |blocks| {
            blocks.write(&header)?;
            for (segment, files) in stored() {
                blocks.write(&contents(segment, files, origin))?;
                for name in files.names() {
                    blocks.write(&files.read(name)?)?;
                }
            }
            Ok(())
        })
    }

    /// Returns the stored segments, or none if there is no file. One file of a segment at a time is
    /// in memory twice.
    ///
    /// # Errors
    ///
    /// Fails if the file is not intact, or was written for other settings.
    pub(crate) fn read_segments(&self) -> Result<StoredIndex, CacheError> {
        let mut kept = StoredIndex::default();
        let Some(mut blocks) = BlockReader::open(&self.segments)? else { return Ok(kept) };
        let mut block = Vec::new();
        blocks.read(&mut block)?;
        let mut rest = &block[..];
        if text(&mut rest) != Some(&*format()) {
            return Err(CacheError::Foreign { path: self.segments.clone() });
        }
        kept.shape = sized(&mut rest).ok_or_else(|| blocks.damaged())?.into();
        loop {
            blocks.read(&mut block)?;
            if block.is_empty() {
                return Ok(kept);
            }
            let (names, docs) = listed(&block).ok_or_else(|| blocks.damaged())?;
            let mut files = Files::default();
            for name in names {
                blocks.read(&mut block)?;
                files.add(name, &block).map_err(|source| self.unopened(source.into()))?;
            }
            kept.segments.push(StoredSegment { docs, files });
        }
    }

    /// Returns the error for segments that were read but cannot be opened.
    pub(crate) fn unopened(&self, source: SearchError) -> CacheError {
        CacheError::Unopened { path: self.segments.clone(), source }
    }
}

/// Returns the part that must be equal for a segment to be used, which precedes the names of the
/// segments.
fn header(index: &TextIndex) -> Vec<u8> {
    let mut header = Vec::new();
    add(&mut header, format().as_bytes());
    add(&mut header, &index.shape_bytes());
    header
}

/// Returns the list of files and documents that precedes the files. A dead document has no origin.
fn contents(
    segment: &Segment,
    files: &Files,
    origin: &dyn Fn(&DocName) -> Option<Origin>,
) -> Vec<u8> {
    let mut block = Vec::new();
    let count = |block: &mut Vec<u8>, count: usize| {
        block.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    };
    count(&mut block, files.names().len());
    files.names().iter().for_each(|name| add(&mut block, name.as_os_str().as_encoded_bytes()));
    for part in segment.sheets() {
        add(&mut block, part.sheet.as_str().as_bytes());
        count(&mut block, part.docs.len());
        for doc in part.docs.clone() {
            let living = segment.is_alive(doc).then(|| segment.name(doc));
            block.extend_from_slice(&living.and_then(|name| origin(&name)).unwrap_or_default());
            add(&mut block, segment.key(doc).as_str().as_bytes());
        }
    }
    block
}

/// The names of the files of a segment, and its documents.
type Contents = (Vec<PathBuf>, Vec<(DocName, Origin)>);

/// Parses the result of [`contents`].
fn listed(mut rest: &[u8]) -> Option<Contents> {
    let rest = &mut rest;
    let files = (0..number(rest)?).map(|_| text(rest).map(PathBuf::from)).collect::<Option<_>>()?;
    let mut docs = Vec::new();
    while !rest.is_empty() {
        let sheet = SheetName::new(text(rest)?);
        for _ in 0..number(rest)? {
            let origin = take(rest)?;
            docs.push((DocName { sheet: sheet.clone(), key: Key::new(text(rest)?) }, origin));
        }
    }
    Some((files, docs))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::id::CommitId;
    use crate::search::Slots;

    /// Returns an index of these documents, as tantivy writes it.
    fn index(texts: &[(&str, &str)]) -> TextIndex {
        let name = |key: &str| DocName { sheet: SheetName::new("s"), key: Key::new(key) };
        let names = texts.iter().map(|(key, _)| name(key)).collect();
        let slots = Slots::new([1.0]);
        TextIndex::new(slots.clone(), [])
            .apply_listing(
                CommitId::ZERO,
                names,
                &|wanted, emit| {
                    let found = texts.iter().find(|(key, _)| name(key) == *wanted);
                    found.into_iter().for_each(|(_, text)| emit(slots.slot(1.0), text));
                },
                0,
            )
            .unwrap()
    }

    /// Returns an origin made from the first letter of the key.
    fn origin(name: &DocName) -> Option<Origin> {
        name.key.as_str().bytes().next().map(|byte| [byte; 32])
    }

    fn saved(index: &TextIndex) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::within(folder.path(), 7);
        cache.save_segments(index, &origin).unwrap();
        (folder, cache)
    }

    const TEXTS: [(&str, &str); 3] = [("ann", "a river"), ("bob", "two rivers"), ("cy", "a stone")];

    #[test]
    fn an_index_that_was_kept_holds_the_same() {
        let index = index(&TEXTS);
        let (_folder, cache) = saved(&index);
        let kept = cache.read_segments().unwrap();
        assert_eq!(*kept.shape, *index.shape_bytes());
        let docs: Vec<_> =
            kept.segments[0].docs.iter().map(|(name, from)| (name, from[0])).collect();
        let name = |key| DocName { sheet: SheetName::new("s"), key: Key::new(key) };
        assert_eq!(docs, [(&name("ann"), b'a'), (&name("bob"), b'b'), (&name("cy"), b'c')]);
        let open = |dead: Vec<u32>| {
            let kept = cache.read_segments().unwrap().segments.into_iter();
            TextIndex::new(Slots::new([1.0]), [])
                .recalling(kept.map(|one| (one, dead.clone())).collect())
        };
        assert_eq!(open(vec![]).unwrap().digest().unwrap(), index.digest().unwrap());
        let without = index_without_bob().digest().unwrap();
        assert_eq!(open(vec![1]).unwrap().digest().unwrap(), without);
        assert_eq!(open(vec![0, 1, 2]).unwrap().segments(), 0);
    }

    fn index_without_bob() -> TextIndex {
        index(&[TEXTS[0], TEXTS[2]])
    }

    #[test]
    fn an_index_of_another_shape_does_not_open_it() {
        let (_folder, cache) = saved(&index(&TEXTS));
        let kept = cache.read_segments().unwrap().segments.into_iter().map(|one| (one, Vec::new()));
        let other = TextIndex::new(Slots::new([1.0, 2.0]), []);
        assert!(matches!(other.recalling(kept.collect()), Err(SearchError::OutOfStep)));
        assert_ne!(other.shape_bytes(), index(&TEXTS).shape_bytes());
    }

    #[test]
    fn the_same_segments_are_not_written_twice() {
        let index = index(&TEXTS);
        let (_folder, cache) = saved(&index);
        let file = || fs::metadata(&cache.segments).unwrap().ino();
        let first = file();
        cache.save_segments(&index, &origin).unwrap();
        assert_eq!(file(), first);
        cache.save_segments(&index_without_bob(), &origin).unwrap();
        assert_ne!(file(), first);
        assert_eq!(cache.read_segments().unwrap().segments[0].docs.len(), 2);
    }

    #[test]
    fn no_damage_goes_unnoticed_wherever_it_is() {
        let (_folder, cache) = saved(&index(&TEXTS));
        let whole = fs::read(&cache.segments).unwrap();
        let is_noticed = |bytes: &[u8], what: String| {
            fs::write(&cache.segments, bytes).unwrap();
            assert!(cache.read_segments().is_err(), "{what}");
        };
        for at in 0..whole.len() {
            is_noticed(&whole[..at], format!("cut off at {at}"));
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            is_noticed(&bytes, format!("byte {at}"));
        }
        is_noticed(&[&whole[..], b"x"].concat(), "a byte more".into());
        cache.remove();
        assert!(cache.read_segments().unwrap().segments.is_empty());
    }
}
