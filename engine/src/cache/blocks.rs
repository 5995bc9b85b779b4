//! A file as a list of blocks, each with its length and a checksum, which also covers its number
//! and the first block. The last block is empty.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::CacheError;
use crate::fault;
use crate::mirror::UNFINISHED;

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
    let mut blocks = BlockWriter { out: BufWriter::new(file), checksums: Checksums::default() };
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

/// Computes the checksums of consecutive blocks.
#[derive(Default)]
struct Checksums {
    /// The number of the next block.
    number: u64,
    /// The hash of the first block, which is the key for all others.
    seed: [u8; 32],
}

impl Checksums {
    /// Returns the checksum of the next block, whose contents are `bytes`.
    fn next(&mut self, bytes: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(&self.number.to_le_bytes()).update(bytes);
        let checksum = *hasher.finalize().as_bytes();
        if self.number == 0 {
            self.seed = checksum;
        }
        self.number += 1;
        checksum
    }
}

/// A file being written.
pub(super) struct BlockWriter {
    out: BufWriter<NamedTempFile>,
    checksums: Checksums,
}

impl BlockWriter {
    /// Adds a block of less than 4 GiB.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a block is 4 GiB or more"));
        }
        let checksum = self.checksums.next(bytes);
        self.out.write_all(&length(bytes))?;
        self.out.write_all(&checksum)?;
        self.out.write_all(bytes)
    }
}

/// A file being read.
pub(super) struct BlockReader {
    path: PathBuf,
    file: BufReader<File>,
    checksums: Checksums,
    /// The number of bytes still to be read.
    left: u64,
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
        Ok(Some(Self { path: path.to_owned(), file, checksums: Checksums::default(), left }))
    }

    /// Reads the next block into `block`; the last block of a file is empty.
    ///
    /// A block is returned only after its checksum is verified: an altered block is an error.
    pub(super) fn read(&mut self, block: &mut Vec<u8>) -> Result<(), CacheError> {
        let is_whole = self
            .read_next(block)
            .map_err(|source| CacheError::Unreadable { path: self.path.clone(), source })?;
        if is_whole && (self.left == 0 || !block.is_empty()) { Ok(()) } else { Err(self.damaged()) }
    }

    fn read_next(&mut self, block: &mut Vec<u8>) -> io::Result<bool> {
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
        Ok(self.checksums.next(block) == checksum && left.is_some())
    }

    /// Returns the error for the last block read.
    pub(super) fn damaged(&self) -> CacheError {
        CacheError::Damaged { path: self.path.clone(), block: self.checksums.number - 1 }
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
