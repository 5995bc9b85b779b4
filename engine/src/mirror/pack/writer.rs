//! Packs objects of the mirror for somebody who has most of them.

use std::collections::HashMap;

use gix::objs::Find as _;

use super::entry::{self, EntryKind};
use crate::mirror::stage::delta;
use crate::mirror::{ObjectError, Objects};

/// A pack in memory. Each object is in it once.
#[derive(Default)]
pub(in crate::mirror) struct PackWriter {
    /// The entries, without the header of the pack.
    entries: Vec<u8>,
    offsets: HashMap<gix::ObjectId, u64>,
}

impl PackWriter {
    /// Returns the number of bytes so far.
    pub(in crate::mirror) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an object, as a delta if it resembles `base`. The base is in the pack, or whoever gets the pack has it.
    ///
    /// # Errors
    ///
    /// If one of the two is missing or invalid.
    pub(in crate::mirror) fn add(
        &mut self,
        objects: &Objects,
        id: gix::ObjectId,
        base: Option<gix::ObjectId>,
    ) -> Result<(), ObjectError> {
        if self.offsets.contains_key(&id) {
            return Ok(());
        }
        let offset = self.entries.len() as u64;
        let mut buffer = Vec::new();
        let (kind, content) = read(objects, &id, &mut buffer)?;
        let delta = match base {
            Some(base) => {
                let mut buffer = Vec::new();
                let (_, from) = read(objects, &base, &mut buffer)?;
                delta::between(from, content).map(|delta| (base, delta))
            }
            None => None,
        };
        let appended = match delta {
            Some((base, delta)) => {
                let kind = match self.offsets.get(&base) {
                    Some(at) => EntryKind::DeltaTo(offset - at),
                    None => EntryKind::DeltaOf(base),
                };
                entry::append(&mut self.entries, kind, &delta)
            }
            None => entry::append(&mut self.entries, EntryKind::Whole(kind), content),
        };
        appended.map_err(|error| ObjectError::unreadable(&id, error))?;
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

fn read<'a>(
    objects: &Objects,
    id: &gix::oid,
    buffer: &'a mut Vec<u8>,
) -> Result<(gix::objs::Kind, &'a [u8]), ObjectError> {
    let found = objects.repo.objects.try_find(id, buffer);
    let found = found.map_err(|error| ObjectError::unreadable(id, error))?;
    let found = found.ok_or_else(|| ObjectError::missing(&objects.repo, id))?;
    Ok((found.kind, found.data))
}
