//! A file as a list of blocks, each with its length and a checksum that also covers its number and
//! the first block; the last is empty.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::CacheError;
use crate::fault;
use crate::mirror::UNFINISHED;

/// From how many bytes on a block of entries is complete.
pub(super) const BLOCK: usize = 1 << 20;
/// The bytes before each block: its length and its checksum.
pub(super) const FRAME: usize = 4 + 32;

/// Writes a file in place of the old one, which is there until the new one is on the disk.
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

/// Removes what a killed process did not finish.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // What cannot be removed stays for the next time.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Computes the checksums of blocks, one after another.
#[derive(Default)]
struct Checksums {
    /// The number of the next block.
    number: u64,
    /// The hash of the first block, with which all others are hashed.
    seed: [u8; 32],
}

impl Checksums {
    /// Returns the checksum of the next block, which holds `bytes`.
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

/// A file that is being written.
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

/// A file that is being read.
pub(super) struct BlockReader {
    path: PathBuf,
    file: BufReader<File>,
    checksums: Checksums,
    /// How many bytes are still to be read.
    left: u64,
}

impl BlockReader {
    /// Opens a file. Returns `None` where there is none.
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

    /// Reads the next block into `block`; an empty one is the last of the file.
    ///
    /// Nothing of a block is seen before its checksum is: one that is not what was written is an
    /// error.
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
        // A length that is damaged may say anything; no more is taken than there can be.
        let left = left.and_then(|left| left.checked_sub(length.into()));
        if let Some(left) = left {
            self.left = left;
            block.resize(length as usize, 0);
            self.file.read_exact(block)?;
        }
        Ok(self.checksums.next(block) == checksum && left.is_some())
    }

    /// Returns what there is to say of the block that was read last.
    pub(super) fn damaged(&self) -> CacheError {
        CacheError::Damaged { path: self.path.clone(), block: self.checksums.number - 1 }
    }
}

/// Returns the length as four bytes. No part of a block is longer than a block may be.
pub(super) fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// Adds `bytes` with their length before them to `block`.
pub(super) fn add(block: &mut Vec<u8>, bytes: &[u8]) {
    block.extend_from_slice(&length(bytes));
    block.extend_from_slice(bytes);
}

/// Takes so many bytes from the front of `rest`.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}

/// Takes a number from the front of `rest`.
pub(super) fn number(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_le_bytes)
}

/// Takes bytes behind their length from the front of `rest`.
pub(super) fn sized<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = number(rest)?;
    let (taken, behind) = rest.split_at_checked(length as usize)?;
    *rest = behind;
    Some(taken)
}

/// Takes a text behind its length from the front of `rest`.
pub(super) fn text<'b>(rest: &mut &'b [u8]) -> Option<&'b str> {
    std::str::from_utf8(sized(rest)?).ok()
}
