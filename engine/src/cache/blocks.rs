//! A file as a list of blocks, each with its length and a checksum, which also covers its number
//! and the first block. The last block is empty.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

use super::CacheError;
use crate::fault;
use crate::mirror::UNFINISHED;
use crate::workers;

/// The number of bytes from which a block of entries is complete.
pub(super) const BLOCK: usize = 1 << 20;
/// The size of the header of each block: its length and its checksum.
pub(super) const FRAME: usize = 4 + 32;

/// Writes a file, replacing the old one, which exists until the new one is on disk.
pub(super) fn write(
    path: &Path,
    fill: impl FnOnce(&mut BlockWriter) -> io::Result<()>,
) -> io::Result<()> {
    fault::point("tidy.cache")?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    sweep(folder);
    let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
    let mut blocks = BlockWriter { out: BufWriter::new(file), seed: Seed::default(), number: 0 };
    fill(&mut blocks)?;
    blocks.write(&[])?;
    let file = blocks.out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    fault::point("tidy.cache_written")?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()?;
    fault::point("tidy.cached")
}

/// Removes the unfinished files of a killed process.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // What cannot be removed stays for next time.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What the checksums of all blocks of a file but the first depend on: the hash of the first one.
#[derive(Debug, Clone, Copy, Default)]
struct Seed([u8; 32]);

impl Seed {
    /// Returns the checksum of the block with this number, whose contents are `bytes`.
    fn checksum(&self, number: u64, bytes: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        *hasher.update(&number.to_le_bytes()).update(bytes).finalize().as_bytes()
    }

    /// Returns whether the block that was read holds `bytes`, as it was written.
    fn verifies(&self, frame: &BlockFrame, bytes: &[u8]) -> bool {
        frame.is_whole && self.checksum(frame.number, bytes) == frame.checksum
    }
}

/// A file being written.
pub(super) struct BlockWriter {
    out: BufWriter<NamedTempFile>,
    seed: Seed,
    /// The number of the next block.
    number: u64,
}

impl BlockWriter {
    /// Adds a block of less than 4 GiB.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a block is 4 GiB or more"));
        }
        let checksum = self.seed.checksum(self.number, bytes);
        if self.number == 0 {
            self.seed = Seed(checksum);
        }
        self.number += 1;
        self.out.write_all(&length(bytes))?;
        self.out.write_all(&checksum)?;
        self.out.write_all(bytes)
    }
}

/// A file being read.
pub(super) struct BlockReader {
    path: PathBuf,
    file: BufReader<File>,
    seed: Seed,
    /// The number of the next block.
    number: u64,
    /// The number of bytes still to be read.
    left: u64,
}

/// What comes before the contents of a block.
#[derive(Debug, Clone, Copy)]
struct BlockFrame {
    number: u64,
    checksum: [u8; 32],
    /// Whether the file has as many bytes as the block, and more only if it is not empty.
    is_whole: bool,
}

impl BlockReader {
    /// Opens a file. Returns `None` if it does not exist.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, CacheError> {
        let unreadable = |source| CacheError::Unreadable { path: path.to_owned(), source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let left = file.metadata().map_err(unreadable)?.len();
        let file = BufReader::with_capacity(BLOCK, file);
        Ok(Some(Self { path: path.to_owned(), file, seed: Seed::default(), number: 0, left }))
    }

    /// Reads the next block into `block`; the last block of a file is empty.
    ///
    /// A block is returned only after its checksum is verified: an altered block is an error.
    pub(super) fn read(&mut self, block: &mut Vec<u8>) -> Result<(), CacheError> {
        let frame = self.take_next(block)?;
        if !self.seed.verifies(&frame, block) {
            return Err(self.damaged());
        }
        if frame.number == 0 {
            self.seed = Seed(frame.checksum);
        }
        Ok(())
    }

    /// Reads all blocks after the first on all cores, and returns what `parse` makes of them, in no
    /// order. `parse` returns `None` if what it gets was not written as a block.
    pub(super) fn read_rest<T: Send>(
        self,
        parse: &(dyn Fn(&[u8]) -> Option<T> + Sync),
    ) -> Result<Vec<T>, CacheError> {
        let (seed, path) = (self.seed, self.path.clone());
        let reader = Mutex::new(Some(self));
        let parsed = Mutex::new(Ok(Vec::new()));
        let take_next = |block: &mut Vec<u8>| {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let frame = reader.as_mut()?.take_next(block);
            if block.is_empty() || !frame.as_ref().is_ok_and(|frame| frame.is_whole) {
                *reader = None;
            }
            Some(frame)
        };
        let verified = |frame: BlockFrame, block: &[u8]| {
            let is_right = seed.verifies(&frame, block);
            let found = (is_right && !block.is_empty()).then(|| parse(block)).flatten();
            let is_read = found.is_some() || is_right && block.is_empty();
            let damaged = || CacheError::Damaged { path: path.clone(), block: frame.number };
            is_read.then_some(found).ok_or_else(damaged)
        };
        let work = || {
            let mut block = Vec::new();
            while let Some(frame) = take_next(&mut block) {
                let found = frame.and_then(|frame| verified(frame, &block));
                let mut parsed = parsed.lock().unwrap_or_else(PoisonError::into_inner);
                match (found, &mut *parsed) {
                    (Ok(found), Ok(all)) => all.extend(found),
                    (Ok(_), Err(_)) => {}
                    (Err(error), parsed) => *parsed = Err(error),
                }
                if parsed.is_err() {
                    return;
                }
            }
        };
        workers::run_on_all_cores(&work);
        parsed.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the next block into `block` without verifying it.
    fn take_next(&mut self, block: &mut Vec<u8>) -> Result<BlockFrame, CacheError> {
        self.number += 1;
        self.read_next(block)
            .map_err(|source| CacheError::Unreadable { path: self.path.clone(), source })
    }

    fn read_next(&mut self, block: &mut Vec<u8>) -> io::Result<BlockFrame> {
        block.clear();
        let left = self.left.checked_sub(FRAME as u64);
        let (mut length, mut checksum) = ([0; 4], [0; 32]);
        if left.is_some() {
            self.file.read_exact(&mut length)?;
            self.file.read_exact(&mut checksum)?;
        }
        let length = u32::from_le_bytes(length);
        // A damaged length can have any value; no more is read than there can be.
        let left = left.and_then(|left| left.checked_sub(length.into()));
        if let Some(left) = left {
            self.left = left;
            block.resize(length as usize, 0);
            self.file.read_exact(block)?;
        }
        let is_whole = left.is_some_and(|left| left == 0 || length > 0);
        Ok(BlockFrame { number: self.number - 1, checksum, is_whole })
    }

    /// Returns the error for the last block read.
    pub(super) fn damaged(&self) -> CacheError {
        CacheError::Damaged { path: self.path.clone(), block: self.number - 1 }
    }
}

/// Returns the length as four bytes. No part of a block is longer than the limit of a block.
pub(super) fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// Appends `bytes` to `block`, preceded by their length.
pub(super) fn add(block: &mut Vec<u8>, bytes: &[u8]) {
    block.extend_from_slice(&length(bytes));
    block.extend_from_slice(bytes);
}

/// Takes `N` bytes from the front of `rest`.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}

/// Takes a number from the front of `rest`.
pub(super) fn number(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_le_bytes)
}

/// Takes bytes preceded by their length from the front of `rest`.
pub(super) fn sized<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = number(rest)?;
    let (taken, behind) = rest.split_at_checked(length as usize)?;
    *rest = behind;
    Some(taken)
}

/// Takes a text preceded by its length from the front of `rest`.
pub(super) fn text<'b>(rest: &mut &'b [u8]) -> Option<&'b str> {
    std::str::from_utf8(sized(rest)?).ok()
}
