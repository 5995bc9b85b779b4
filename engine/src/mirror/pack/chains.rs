//! The memory that the deltas of a pack will hold.
//!
//! gix makes the objects of a pack depth first and keeps a base until all deltas on it are applied.
//! So a thread holds at most the bases with several deltas on the way down to the object that it
//! makes. A few kilobytes can describe a long chain of large ones. The size of what a delta makes is
//! in its first bytes, so the sum along each chain is known before one is applied.

use gix::hash::ObjectId;
use gix::objs::Kind;
use gix::odb::pack::data::entry::Header;
use gix::odb::pack::data::input::Entry;

use foldhash::HashMap;

/// The bytes of a delta that tell its sizes.
const SIZES: usize = 20;

/// The objects of a pack, in the order of their offsets. A base is before its deltas.
#[derive(Default)]
pub(super) struct Chains {
    links: Vec<Link>,
    /// The sizes of the bases that are named by their ids. Where they are is not known yet.
    named: HashMap<ObjectId, u64>,
    inflate: gix_zlib::Inflate,
}

struct Link {
    offset: u64,
    /// The size of the object, at most `u32::MAX`: a larger one is refused anyway.
    size: u32,
    base: Option<u32>,
    /// `None` if it is that of a base that is not known yet.
    kind: Option<Kind>,
    /// Whether there are several deltas on it.
    is_shared: bool,
    is_base: bool,
}

impl Chains {
    /// Adds the next object of the pack. Returns the largest size, in bytes, that making it takes: of
    /// the object, its delta or its base.
    ///
    /// # Errors
    ///
    /// Fails if it is a delta that does not tell its sizes, or whose base is not before it.
    pub(super) fn add(&mut self, entry: &Entry) -> gix::Result<u64> {
        let offset = entry.pack_offset;
        let mut largest = entry.decompressed_size;
        let mut link = Link {
            offset,
            size: u32::try_from(entry.decompressed_size).unwrap_or(u32::MAX),
            base: None,
            kind: entry.header.as_kind(),
            is_shared: false,
            is_base: false,
        };
        match entry.header {
            Header::OfsDelta { base_distance } => {
                let base = Header::verified_base_pack_offset(offset, base_distance);
                let base = base.and_then(|base| self.at(base)).ok_or_else(damaged)?;
                let (base_size, size) = self.sizes(entry)?;
                largest = largest.max(base_size).max(size);
                link.size = u32::try_from(size).unwrap_or(u32::MAX);
                link.base = u32::try_from(base).ok();
                let base = &mut self.links[base];
                link.kind = base.kind;
                base.is_shared = base.is_base;
                base.is_base = true;
            }
            Header::RefDelta { base_id } => {
                let (base_size, size) = self.sizes(entry)?;
                largest = largest.max(base_size).max(size);
                link.size = u32::try_from(size).unwrap_or(u32::MAX);
                let known = self.named.entry(base_id).or_default();
                *known = base_size.max(*known);
            }
            Header::Commit | Header::Tree | Header::Blob | Header::Tag => {}
        }
        self.links.push(link);
        Ok(largest)
    }

    /// Returns the most bytes of bases that one thread will hold at once.
    ///
    /// A base that is named by its id could be anywhere in the pack, so it counts for every chain.
    /// That is rare: git names bases by their offsets.
    pub(super) fn held(&self) -> u64 {
        let mut above: Vec<u64> = Vec::with_capacity(self.links.len());
        for link in &self.links {
            let held = link.base.map_or(0, |base| {
                let base = base as usize;
                let own = if self.links[base].is_shared { self.links[base].size } else { 0 };
                above[base] + u64::from(own)
            });
            above.push(held);
        }
        let deepest = above.iter().max().copied().unwrap_or(0);
        let joined = deepest.saturating_mul(1 + self.named.len() as u64);
        self.named.values().fold(joined, |sum, size| sum.saturating_add(*size))
    }

    /// Returns the offsets of the commits, and of the objects that may be commits, in order.
    pub(super) fn commits(&self) -> Vec<u64> {
        let may_be = |link: &&Link| link.kind.is_none_or(|kind| kind == Kind::Commit);
        self.links.iter().filter(may_be).map(|link| link.offset).collect()
    }

    fn at(&self, offset: u64) -> Option<usize> {
        self.links.binary_search_by_key(&offset, |link| link.offset).ok()
    }

    /// Returns the sizes of the base of a delta and of what it makes.
    fn sizes(&mut self, entry: &Entry) -> gix::Result<(u64, u64)> {
        let mut start = [0; SIZES];
        self.inflate.reset();
        let compressed = entry.compressed.as_deref().unwrap_or_default();
        let (_, _, read) = self.inflate.once(compressed, &mut start)?;
        let mut start = &start[..read];
        let mut size = || varint(&mut start).ok_or_else(damaged);
        Ok((size()?, size()?))
    }
}

/// Takes a number off the start of a delta: seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn damaged() -> gix::Error {
    gix::Error::from_error(std::io::Error::other("a delta is damaged"))
}
