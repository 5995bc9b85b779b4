//! Packs objects of the mirror for somebody who has most of them.

use std::collections::{HashMap, HashSet};

use gix::objs::Find as _;

use super::entry::{self, EntryKind};
use crate::mirror::stage::delta;
use crate::mirror::{ObjectError, Objects};

/// A folder with its bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::mirror) struct Tree<'a> {
    pub(in crate::mirror) id: gix::ObjectId,
    pub(in crate::mirror) bytes: &'a [u8],
}

/// A pack in memory. Each object is in it once, and none that another is a delta of from outside: git
/// refuses a pack that has the base of a delta and does not name its place.
#[derive(Default)]
pub(in crate::mirror) struct PackWriter {
    /// The entries, without the header of the pack.
    entries: Vec<u8>,
    offsets: HashMap<gix::ObjectId, u64>,
    /// What others are deltas of, and the pack does not have because whoever gets it does.
    assumed: HashSet<gix::ObjectId>,
}

impl PackWriter {
    /// Returns the number of bytes so far.
    pub(in crate::mirror) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an object whole.
    ///
    /// # Errors
    ///
    /// If it is missing or invalid.
    pub(in crate::mirror) fn add(
        &mut self,
        objects: &Objects,
        id: gix::ObjectId,
    ) -> Result<(), ObjectError> {
        if self.is_known(&id) {
            return Ok(());
        }
        let mut buffer = Vec::new();
        let found = objects.repo.objects.try_find(&id, &mut buffer);
        let found = found.map_err(|error| ObjectError::unreadable(&id, error))?;
        let found = found.ok_or_else(|| ObjectError::missing(&objects.repo, &id))?;
        self.append(id, |entries, _| {
            entry::append(entries, EntryKind::Whole(found.kind), found.data)
        })
    }

    /// Adds a folder, as a delta if it resembles `base`. The base is in the pack, or whoever gets the pack
    /// has it.
    ///
    /// # Errors
    ///
    /// If it cannot be compressed.
    pub(in crate::mirror) fn add_tree(
        &mut self,
        tree: Tree<'_>,
        base: Option<Tree<'_>>,
    ) -> Result<(), ObjectError> {
        if self.is_known(&tree.id) {
            return Ok(());
        }
        let delta = base.and_then(|base| Some((base.id, delta::between(base.bytes, tree.bytes)?)));
        let known = delta.as_ref().and_then(|(base, _)| self.offsets.get(base).copied());
        if let Some((base, _)) = delta.as_ref().filter(|_| known.is_none()) {
            self.assumed.insert(*base);
        }
        self.append(tree.id, |entries, offset| match &delta {
            Some((base, delta)) => {
                let kind =
                    known.map_or(EntryKind::DeltaOf(*base), |at| EntryKind::DeltaTo(offset - at));
                entry::append(entries, kind, delta)
            }
            None => entry::append(entries, EntryKind::Whole(gix::objs::Kind::Tree), tree.bytes),
        })
    }

    /// Returns whether whoever gets the pack has the object then.
    fn is_known(&self, id: &gix::ObjectId) -> bool {
        self.offsets.contains_key(id) || self.assumed.contains(id)
    }

    fn append(
        &mut self,
        id: gix::ObjectId,
        write: impl FnOnce(&mut Vec<u8>, u64) -> std::io::Result<()>,
    ) -> Result<(), ObjectError> {
        let offset = self.entries.len() as u64;
        let written = write(&mut self.entries, offset);
        written.map_err(|error| ObjectError::unreadable(&id, error))?;
        self.offsets.insert(id, offset);
        Ok(())
    }

    /// Returns the whole pack.
    ///
    /// # Errors
    ///
    /// If it has too many objects for a pack.
    pub(in crate::mirror) fn finish(self) -> std::io::Result<Vec<u8>> {
        let count = u32::try_from(self.offsets.len()).map_err(std::io::Error::other)?;
        let mut pack = [&entry::pack_header(count)[..], &self.entries].concat();
        let checksum = entry::checksum(&pack)?;
        pack.extend(checksum.as_slice());
        Ok(pack)
    }
}
