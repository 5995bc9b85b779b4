//! The cache beside the mirror: decoded records, so that a start need not decode them again.
//!
//! An entry says which value a blob has under a path of a sheet. That is a fact, whatever the
//! commit: a cache is never out of date, it only lacks what is new since it was written. So it is
//! no second way to a state. A load that has one walks the same tree and applies the same changes,
//! and only takes those values from it that it would have decoded to the same.
//!
//! The file is a list of blocks, each with its length and a checksum that also covers its number
//! and the header; the first is the header, the last is empty. Nothing of a block is looked at
//! before its checksum is. That guards against damage, not against whoever may write to the
//! mirror.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::fault;
use crate::id::{BlobId, SheetName};
use crate::mirror::Mirror;
use crate::record::Record;
use crate::sheet::Sheet;

/// What every cache of this layout begins with. The number is raised when the layout changes, or
/// what some file decodes to without a new version of Headwater.
const FORMAT: &str = "headwater cache 1, of version ";
/// From how many bytes on a block is complete.
const BLOCK: usize = 1 << 20;
/// How the name begins of a file that is still being written.
const UNFINISHED: &str = "cache-";

/// A reason why a cache is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The file cannot be read.
    #[error("cannot read the cache {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is not what was written.
    #[error("the cache {path} is damaged at block {block}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number of the block, from 0.
        block: u64,
    },
    /// It was written by another version of Headwater, or for another limit of records.
    #[error("the cache {path} was written for other settings or by another version")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

/// The file beside a mirror that keeps decoded records. It need not be there.
#[derive(Debug, Clone)]
pub struct Cache {
    file: PathBuf,
    record_limit: u64,
}

/// Which value a file has.
pub(crate) struct Entry<'c> {
    /// The sheet that claims it.
    pub(crate) sheet: &'c SheetName,
    /// Its path.
    pub(crate) path: &'c str,
    /// Its blob.
    pub(crate) blob: BlobId,
    /// The text of the value.
    pub(crate) text: &'c str,
}

impl Cache {
    /// Returns the cache of `mirror` for records of at most `record_limit` bytes.
    pub fn beside(mirror: &Mirror, record_limit: u64) -> Self {
        Self { file: mirror.own_folder().join("cache"), record_limit }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Removes the file, if there is one.
    pub fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.file)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.file.display(), %error, "the cache cannot be removed");
        }
    }

    /// Writes what the files of `sheets` decode to, in place of what was there. Broken files are
    /// left out: they are few.
    ///
    /// The old file is there until the new one is on the disk. Costs a copy of all values; one
    /// block at a time is in memory.
    ///
    /// # Errors
    ///
    /// Fails when the system refuses to write; the old file is left then.
    pub fn save(&self, sheets: &[&Sheet]) -> io::Result<()> {
        fault::point("tidy.cache")?;
        let folder = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        self.sweep(folder);
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
        let mut blocks = Blocks::new(BufWriter::new(file));
        let mut block = self.header();
        block.extend(sheets.iter().flat_map(|sheet| {
            let spec = sheet.spec();
            [&spec.id[..], &sized(spec.name.as_str().as_bytes())].concat()
        }));
        blocks.write(&block)?;
        block.clear();
        for (number, sheet) in (0_u32..).zip(sheets) {
            for record in sheet.decoded() {
                add(&mut block, number, record);
                if block.len() >= BLOCK {
                    blocks.write(&block)?;
                    block.clear();
                }
            }
        }
        if !block.is_empty() {
            blocks.write(&block)?;
        }
        blocks.write(&[])?;
        let file = blocks.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        fault::point("tidy.cache_written")?;
        file.persist(&self.file).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()?;
        fault::point("tidy.cached")
    }

    /// Calls `found` with each entry of a sheet that one of `sheets` reads alike: one of the same
    /// name and id. Returns without a call where there is no file.
    ///
    /// # Errors
    ///
    /// Fails when the file is not whole, or not for us. What was found before that is right, and
    /// best forgotten with the rest.
    pub(crate) fn read(
        &self,
        sheets: &BTreeMap<&SheetName, [u8; 32]>,
        found: &mut dyn FnMut(Entry<'_>),
    ) -> Result<(), CacheError> {
        let unreadable = |source| CacheError::Unreadable { path: self.file.clone(), source };
        let file = match File::open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unreadable(error)),
        };
        let left = file.metadata().map_err(unreadable)?.len();
        let mut blocks = Blocks { left, ..Blocks::new(BufReader::with_capacity(BLOCK, file)) };
        let damaged = |number| CacheError::Damaged { path: self.file.clone(), block: number };
        let mut block = Vec::new();
        let mut known: Vec<Option<&SheetName>> = Vec::new();
        loop {
            let number = blocks.number;
            if !blocks.read(&mut block).map_err(unreadable)? {
                return Err(damaged(number));
            }
            let mut rest = &block[..];
            if number == 0 {
                let Some(listed) = block.strip_prefix(&self.header()[..]) else {
                    return Err(CacheError::Foreign { path: self.file.clone() });
                };
                rest = listed;
                while !rest.is_empty() {
                    let (id, name) = spec(&mut rest).ok_or_else(|| damaged(number))?;
                    let ours = sheets.get_key_value(&SheetName::new(name));
                    known.push(ours.filter(|(_, ours)| **ours == id).map(|(name, _)| *name));
                }
            } else if block.is_empty() {
                return if blocks.left == 0 { Ok(()) } else { Err(damaged(number)) };
            }
            while !rest.is_empty() {
                let (sheet, blob, path, text) = entry(&mut rest).ok_or_else(|| damaged(number))?;
                match known.get(sheet as usize) {
                    Some(Some(sheet)) => found(Entry { sheet, path, blob, text }),
                    Some(None) => {}
                    None => return Err(damaged(number)),
                }
            }
        }
    }

    /// Returns what must be alike for an entry to be used.
    fn header(&self) -> Vec<u8> {
        let format = [FORMAT, env!("CARGO_PKG_VERSION")].concat();
        [&sized(format.as_bytes())[..], &self.record_limit.to_le_bytes()].concat()
    }

    /// Removes what a killed process did not finish.
    fn sweep(&self, folder: &Path) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                // What cannot be removed stays for the next time.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Returns `bytes` with their length before them.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [&length(bytes), bytes].concat()
}

/// Returns the length as four bytes. Nothing that git stores and we accept is longer.
fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// Adds the entry of a record of the sheet with this number to `block`.
fn add(block: &mut Vec<u8>, sheet: u32, record: &Record) {
    let (path, text) = (record.path.as_bytes(), record.value.as_str().as_bytes());
    block.extend_from_slice(&sheet.to_le_bytes());
    block.extend_from_slice(record.blob.as_bytes());
    for part in [path, text] {
        block.extend_from_slice(&length(part));
        block.extend_from_slice(part);
    }
}

/// Takes so many bytes from the front of `rest`.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}

/// Takes a text behind its length from the front of `rest`.
fn text<'b>(rest: &mut &'b [u8]) -> Option<&'b str> {
    let length = u32::from_le_bytes(take(rest)?);
    let (taken, behind) = rest.split_at_checked(length as usize)?;
    *rest = behind;
    std::str::from_utf8(taken).ok()
}

fn spec<'b>(rest: &mut &'b [u8]) -> Option<([u8; 32], &'b str)> {
    Some((take(rest)?, text(rest)?))
}

fn entry<'b>(rest: &mut &'b [u8]) -> Option<(u32, BlobId, &'b str, &'b str)> {
    let (sheet, blob) = (u32::from_le_bytes(take(rest)?), BlobId::from_bytes(take(rest)?));
    Some((sheet, blob, text(rest)?, text(rest)?))
}

/// The blocks of a file, one after another.
struct Blocks<F> {
    out: F,
    /// The number of the next block.
    number: u64,
    /// The hash of the header, with which all other blocks are hashed.
    seed: [u8; 32],
    /// How many bytes are still to be read.
    left: u64,
}

/// The bytes before each block: its length and its checksum.
const FRAME: usize = 4 + 32;

impl<F> Blocks<F> {
    fn new(out: F) -> Self {
        Self { out, number: 0, seed: [0; 32], left: 0 }
    }

    /// Returns the checksum of the next block, which holds `bytes`.
    fn checksum(&mut self, bytes: &[u8]) -> [u8; 32] {
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

impl<F: Write> Blocks<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let checksum = self.checksum(bytes);
        self.out.write_all(&length(bytes))?;
        self.out.write_all(&checksum)?;
        self.out.write_all(bytes)
    }
}

impl<F: Read> Blocks<F> {
    /// Reads the next block; false says that there is none, or that it is not what was written.
    fn read(&mut self, block: &mut Vec<u8>) -> io::Result<bool> {
        let Some(left) = self.left.checked_sub(FRAME as u64) else { return Ok(false) };
        let (mut length, mut checksum) = ([0; 4], [0; 32]);
        self.out.read_exact(&mut length)?;
        self.out.read_exact(&mut checksum)?;
        let length = u32::from_le_bytes(length);
        // A length that is damaged may say anything; no more is taken than there can be.
        let Some(left) = left.checked_sub(length.into()) else { return Ok(false) };
        self.left = left;
        block.resize(length as usize, 0);
        self.out.read_exact(block)?;
        Ok(self.checksum(block) == checksum)
    }
}

#[cfg(test)]
mod tests;
