//! A pack of new objects and its index, as `gitformat-pack` describes them (version 2 of both).
//!
//! Loose objects would take a sync for each file and each of their folders. A pack takes three,
//! however many commits are in it, and trees of one folder are stored as deltas.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{Durability, Stage, delta};
use crate::fault;
use crate::mirror::folder::{OUR_FOLDER, PREFIX};
use crate::mirror::pack::entry::{self, EntryKind, checksum};
use crate::mirror::refs::sync_folder;

/// The longest chain of deltas before an object is stored whole again, so that reading the last one
/// stays cheap.
const CHAIN: usize = 50;

/// An entry being written.
struct PackEntry {
    id: gix::ObjectId,
    offset: u64,
    crc: u32,
}

impl Stage {
    /// Stores the new objects as one pack and returns its files, or none if there are no new
    /// objects. If syncing is requested, the pack, its index and their folder are synced when it
    /// returns.
    ///
    /// # Errors
    ///
    /// The error of the file system. The mirror then has all of the objects or none.
    pub fn store(&self, durability: Durability) -> io::Result<Vec<PathBuf>> {
        if self.new.is_empty() { Ok(vec![]) } else { write(self, durability) }
    }
}

/// Writes the objects that `stage` has created.
fn write(stage: &Stage, durability: Durability) -> io::Result<Vec<PathBuf>> {
    let (pack, entries) = pack(stage)?;
    let hash = checksum(&pack)?;
    let index = index(entries, &hash)?;
    let git_dir = stage.objects.mirror.git_dir();
    let ours = git_dir.join(OUR_FOLDER);
    fs::create_dir_all(&ours)?;
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(ours)?;
    let target = git_dir.join("objects/pack");
    let name = format!("pack-{hash}");
    let mut parts = vec![];
    for (content, tail, extension) in [(&pack, Some(&hash), "pack"), (&index, None, "idx")] {
        let path = folder.path().join(&name).with_extension(extension);
        write_part(&path, content, tail, durability)?;
        parts.push((path, target.join(&name).with_extension(extension)));
    }
    fault::point("write.pack")?;
    // The pack, then the index that makes it visible.
    for (from, to) in &parts {
        fs::rename(from, to)?;
    }
    fault::point("write.packed")?;
    if durability == Durability::Synced {
        sync_folder(&target)?;
    }
    Ok(parts.into_iter().map(|(_, to)| to).collect())
}

/// Writes a file, and syncs it if requested.
fn write_part(
    path: &Path,
    content: &[u8],
    tail: Option<&gix::ObjectId>,
    durability: Durability,
) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    if let Some(tail) = tail {
        file.write_all(tail.as_slice())?;
    }
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(true);
    file.set_permissions(permissions)?;
    if durability == Durability::Synced { file.sync_all() } else { Ok(()) }
}

/// Returns the pack without its checksum, and its entries in their order.
fn pack(stage: &Stage) -> io::Result<(Vec<u8>, Vec<PackEntry>)> {
    let count = u32::try_from(stage.new.len()).map_err(io::Error::other)?;
    let mut pack = entry::pack_header(count).to_vec();
    let mut entries: Vec<PackEntry> = Vec::with_capacity(stage.new.len());
    let mut depths = Vec::with_capacity(stage.new.len());
    for object in &stage.new {
        let offset = pack.len();
        let bytes = stage.bytes(object)?;
        let (delta, depth) = match object.near {
            Some(near) if depths[near] < CHAIN => {
                let base = stage.bytes(&stage.new[near])?;
                let delta = delta::between(&base, &bytes);
                let depth = if delta.is_some() { depths[near] + 1 } else { 0 };
                (delta.map(|delta| (delta, offset as u64 - entries[near].offset)), depth)
            }
            _ => (None, 0),
        };
        match delta {
            Some((delta, back)) => entry::append(&mut pack, EntryKind::DeltaTo(back), &delta)?,
            None => entry::append(&mut pack, EntryKind::Whole(object.kind), &bytes)?,
        }
        depths.push(depth);
        let crc = crc32fast::hash(&pack[offset..]);
        entries.push(PackEntry { id: object.id, offset: offset as u64, crc });
    }
    Ok((pack, entries))
}

/// Returns the index: the cumulative counts of ids by first byte, the ids, their checksums and
/// offsets, the checksum of the pack and that of the index.
fn index(mut entries: Vec<PackEntry>, pack: &gix::ObjectId) -> io::Result<Vec<u8>> {
    entries.sort_unstable_by_key(|entry| entry.id);
    let mut index = [&b"\xfftOc"[..], &2_u32.to_be_bytes()].concat();
    for first in 0..=u8::MAX {
        let upto = entries.partition_point(|entry| entry.id.as_slice()[0] <= first);
        index.extend((upto as u32).to_be_bytes());
    }
    entries.iter().for_each(|entry| index.extend(entry.id.as_slice()));
    entries.iter().for_each(|entry| index.extend(entry.crc.to_be_bytes()));
    let mut far = Vec::new();
    for entry in &entries {
        match u32::try_from(entry.offset) {
            Ok(offset) if offset < 1 << 31 => index.extend(offset.to_be_bytes()),
            _ => {
                index.extend((1_u32 << 31 | far.len() as u32).to_be_bytes());
                far.push(entry.offset);
            }
        }
    }
    far.iter().for_each(|offset| index.extend(offset.to_be_bytes()));
    index.extend(pack.as_slice());
    let own = checksum(&index)?;
    index.extend(own.as_slice());
    Ok(index)
}
