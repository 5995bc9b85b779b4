//! The entries of a pack, as `gitformat-pack` describes them (version 2).

use std::io::{self, Write as _};

use gix::objs::Kind;
use gix_zlib::Compression;
use gix_zlib::stream::deflate;

/// The size in bytes from which an object is stored uncompressed. A folder of ten thousand records
/// would take longer to compress than to write, and the next repack stores it as a small delta.
const LARGE: usize = 256 << 10;

/// What an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mirror) enum EntryKind {
    /// An object as it is.
    Whole(Kind),
    /// The delta to an entry that begins so many bytes before this one.
    DeltaTo(u64),
    /// The delta to an object of this id.
    DeltaOf(gix::ObjectId),
}

/// Appends an entry to `pack`.
///
/// # Errors
///
/// If the content cannot be compressed.
pub(in crate::mirror) fn append(
    pack: &mut Vec<u8>,
    kind: EntryKind,
    content: &[u8],
) -> io::Result<()> {
    match kind {
        EntryKind::Whole(kind) => header(pack, number_of(kind), content.len()),
        EntryKind::DeltaTo(back) => {
            header(pack, 6, content.len());
            distance(pack, back);
        }
        EntryKind::DeltaOf(base) => {
            header(pack, 7, content.len());
            pack.extend(base.as_slice());
        }
    }
    compress(pack, content)
}

/// Returns the first bytes of a pack of so many entries.
pub(in crate::mirror) fn pack_header(count: u32) -> [u8; 12] {
    let mut header = *b"PACK\0\0\0\x02\0\0\0\0";
    header[8..].copy_from_slice(&count.to_be_bytes());
    header
}

/// Returns the checksum that ends a pack or an index.
pub(in crate::mirror) fn checksum(bytes: &[u8]) -> io::Result<gix::ObjectId> {
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(bytes);
    hasher.try_finalize().map_err(io::Error::other)
}

fn number_of(kind: Kind) -> u8 {
    match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    }
}

/// Writes the type and the size of an entry: four bits, then seven at a time.
fn header(pack: &mut Vec<u8>, kind: u8, size: usize) {
    let (mut byte, mut rest) = (kind << 4 | (size & 0xf) as u8, size >> 4);
    while rest > 0 {
        pack.push(byte | 0x80);
        (byte, rest) = ((rest & 0x7f) as u8, rest >> 7);
    }
    pack.push(byte);
}

/// Writes the distance back to the base of a delta. Each further byte counts from one.
fn distance(pack: &mut Vec<u8>, back: u64) {
    let mut bytes = vec![(back & 0x7f) as u8];
    let mut rest = back >> 7;
    while rest > 0 {
        rest -= 1;
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    pack.extend(bytes.iter().rev());
}

fn compress(pack: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    let level = if bytes.len() < LARGE { Compression::BEST_SPEED } else { Compression::NONE };
    let mut writer = deflate::Write::new(pack, level);
    writer.write_all(bytes)?;
    writer.flush()
}
