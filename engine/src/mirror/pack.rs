//! Receives a pack: writes it with its index, unless that would take too much memory.
//!
//! gix reads all entries of a pack before it applies the first delta. In between, the sizes of all
//! objects are known, and so is the memory that its deltas will need ([`Chains`]).

mod chains;
pub(super) mod entry;
pub(super) mod writer;

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use gix::objs::Find;
use gix::odb::pack::{data, index};
use gix::progress::DynNestedProgress;

use self::chains::Chains;
use crate::id::CommitId;

/// The threads that apply the deltas of a pack. Each of them may hold the bases of one chain.
const THREADS: usize = 2;

/// What compression may add to an object, in addition to a part in 256.
const OVERHEAD: u64 = 64 << 10;

/// The kind of ids in a pack.
const SHA1: gix::hash::Kind = gix::hash::Kind::Sha1;

/// The most objects of a pack. Each takes some 150 bytes while the pack is received.
const OBJECTS: usize = 4_000_000;

/// The memory that receiving a pack may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackLimits {
    /// The largest object, in bytes.
    pub(super) object: u64,
    /// The most bytes of bases that the longest chain of deltas may hold.
    pub(super) held: u64,
}

/// A pack that was written with its index.
#[derive(Debug, Default)]
pub(super) struct WrittenPack {
    /// The number of its objects. If there are none, no file was written.
    pub(super) objects: u32,
    /// Its commits. Where the kind of a base is not known, some of these may be other objects.
    pub(super) commits: Vec<CommitId>,
}

/// Why a pack was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackError {
    /// Its deltas would hold too much.
    #[error("applying the deltas would hold {0} bytes at once")]
    Held(u64),
    /// One of its objects is larger than the largest may be.
    #[error("an object is too large")]
    ObjectTooLarge,
    /// It has more objects than any fetch may bring.
    #[error("it has {0} objects, more than {OBJECTS}")]
    TooManyObjects(usize),
    /// It is damaged, or cannot be read or written.
    #[error("the pack cannot be written")]
    Pack(#[source] gix::Error),
}

impl From<gix::Error> for PackError {
    fn from(error: gix::Error) -> Self {
        Self::Pack(error)
    }
}

/// Reads a pack, writes it and its index into `folder`, and takes the bases of a thin pack from
/// `bases`. On an error, nothing stays in the folder.
pub(super) fn receive(
    pack: &mut dyn BufRead,
    folder: &Path,
    bases: impl Find,
    limits: PackLimits,
    progress: &mut dyn DynNestedProgress,
    interrupt: &AtomicBool,
) -> Result<WrittenPack, PackError> {
    let (since, is_too_long) = (Cell::new(0), Cell::new(false));
    let longest = limits.object.saturating_add(limits.object / 256 + OVERHEAD);
    let gate = Gate { pack, since: &since, longest, is_too_long: &is_too_long, interrupt };
    let read = data::input::BytesToEntriesIter::new_from_header(
        BufReader::new(gate),
        data::input::Mode::Verify,
        data::input::EntryDataMode::KeepAndCrc32,
        SHA1,
    )?;
    let version = read.version();
    // gix reserves memory for as many as the pack says that it has.
    let objects = read.size_hint().0;
    if objects > OBJECTS {
        return Err(PackError::TooManyObjects(objects));
    }
    let read = read.inspect(|_| since.set(0));
    let level = gix_zlib::Compression::BEST_SPEED;
    let whole = data::input::LookupRefDeltaObjectsIter::new(read, bases, level);
    let written = tempfile::NamedTempFile::new_in(folder).map_err(ours)?;
    let output = PackFile(BufWriter::with_capacity(64 << 10, written.reopen().map_err(ours)?));
    let entries = data::input::EntriesToBytesIter::new(whole, output, version, SHA1);
    let mut checked =
        Checked { entries, chains: Chains::default(), limits, held: None, is_too_large: false };
    let mut index = tempfile::NamedTempFile::new_in(folder).map_err(ours)?;
    let outcome = index::write_data_iter_to_stream(
        index::Version::default(),
        || {
            let pack = data::File::at(written.path(), SHA1).map_err(io::Error::other)?;
            Ok((entry_bytes as fn(data::EntryRange, &data::File) -> Option<&[u8]>, pack))
        },
        &mut checked,
        Some(THREADS),
        progress,
        &mut index,
        interrupt,
        SHA1,
        // It would also bound the number of objects. Their sizes are checked before.
        None,
        version,
    );
    let outcome = match (outcome, checked.held) {
        (Ok(outcome), _) => outcome,
        (Err(_), Some(held)) => return Err(PackError::Held(held)),
        (Err(_), None) if is_too_long.get() || checked.is_too_large => {
            return Err(PackError::ObjectTooLarge);
        }
        (Err(error), None) => return Err(error.into()),
    };
    let offsets = checked.chains.commits();
    drop(checked.entries);
    if outcome.num_objects == 0 {
        return Ok(WrittenPack { objects: 0, commits: Vec::new() });
    }
    let path = folder.join(format!("pack-{}.pack", outcome.data_hash.to_hex()));
    let index_path = path.with_extension("idx");
    written.persist(&path).map_err(|error| ours(error.error))?;
    index.persist(&index_path).map_err(|error| ours(error.error))?;
    let index = index::File::at(&index_path, SHA1)?;
    let commits = index
        .iter()
        .filter(|entry| offsets.binary_search(&entry.pack_offset).is_ok())
        .filter_map(|entry| Some(CommitId::from_bytes(entry.oid.as_bytes().try_into().ok()?)))
        .collect();
    Ok(WrittenPack { objects: outcome.num_objects, commits })
}

fn ours(error: io::Error) -> gix::Error {
    gix::Error::from_error(error)
}

fn entry_bytes(range: data::EntryRange, pack: &data::File) -> Option<&[u8]> {
    pack.entry_slice(range)
}

/// A pack on its way in. It ends at an interrupt, and at an object that is too large: gix keeps the
/// compressed bytes of one object in memory.
struct Gate<'a> {
    pack: &'a mut dyn BufRead,
    /// The bytes that were read since the last object was complete.
    since: &'a Cell<u64>,
    longest: u64,
    /// Whether an object was longer.
    is_too_long: &'a Cell<bool>,
    interrupt: &'a AtomicBool,
}

impl Read for Gate<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        let read = self.pack.read(buffer)?;
        self.since.set(self.since.get() + read as u64);
        if self.since.get() > self.longest {
            self.is_too_long.set(true);
            return Err(io::Error::other("an object is too large"));
        }
        Ok(read)
    }
}

/// The file that a pack is written into, and read again for its hash.
struct PackFile(BufWriter<File>);

impl Write for PackFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Read for PackFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.flush()?;
        self.0.get_mut().read(buffer)
    }
}

impl Seek for PackFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// The entries of a pack, which end with an error at an object that is too large, or if their deltas
/// would hold too much.
struct Checked<I> {
    entries: I,
    chains: Chains,
    limits: PackLimits,
    /// What the deltas would hold, if that is too much.
    held: Option<u64>,
    is_too_large: bool,
}

impl<I: Iterator<Item = gix::Result<data::input::Entry>>> Iterator for Checked<I> {
    type Item = gix::Result<data::input::Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.entries.next() {
            Some(Ok(entry)) => Some(self.chains.add(&entry).and_then(|largest| {
                self.is_too_large = largest > self.limits.object;
                if self.is_too_large {
                    return Err(ours(io::Error::other("an object is too large")));
                }
                Ok(entry)
            })),
            None if self.held.is_none() => {
                self.held = Some(self.chains.held()).filter(|held| *held > self.limits.held);
                self.held.map(|_| Err(ours(io::Error::other("the deltas would hold too much"))))
            }
            end => end,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

#[cfg(test)]
mod tests;
