//! The values of records in the cache: the decoded value of each blob under a path of a sheet.

use std::collections::BTreeMap;
use std::io;

use super::blocks::{self, BLOCK, BlockReader, add, number, take, text};
use super::{Cache, CacheError, format};
use crate::id::{BlobId, SheetName};
use crate::record::Record;
use crate::sheet::Sheet;

/// The value of a file.
pub(crate) struct CachedRecord<'c> {
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
    /// Writes the decoded values of the files of `sheets`, replacing the old cache. Broken files
    /// are left out, since they are few.
    ///
    /// The old file exists until the new one is on disk. Copies all values; one block at a time is
    /// in memory.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses to write; the old file then remains.
    pub(crate) fn save_records(&self, sheets: &[&Sheet]) -> io::Result<()> {
        blocks::write(&self.records, |blocks| {
            let mut block = self.header();
            for spec in sheets.iter().map(|sheet| sheet.spec()) {
                block.extend_from_slice(&spec.id);
                add(&mut block, spec.name.as_str().as_bytes());
            }
            blocks.write(&block)?;
            block.clear();
            for (number, sheet) in (0_u32..).zip(sheets) {
                // A file of many records is split and read again: that costs less than an entry for
                // each.
                for record in sheet.decoded().filter(|record| !record.is_in_list()) {
                    add_entry(&mut block, number, record);
                    if block.len() >= BLOCK {
                        blocks.write(&block)?;
                        block.clear();
                    }
                }
            }
            if block.is_empty() { Ok(()) } else { blocks.write(&block) }
        })
    }

    /// Returns what `take` makes of each entry of a sheet that one of `sheets` reads alike: one with
    /// the same name and id. Returns nothing if there is no file.
    ///
    /// `take` is called on all cores. The entries of a block come in their order, and with a number
    /// that is 0 at first and stays what `take` makes it.
    ///
    /// # Errors
    ///
    /// Fails if the file is not intact, or was written for other settings.
    pub(crate) fn read_records<T: Send>(
        &self,
        sheets: &BTreeMap<&SheetName, [u8; 32]>,
        take: &(dyn Fn(&mut usize, CachedRecord<'_>) -> Option<T> + Sync),
    ) -> Result<Vec<T>, CacheError> {
        let Some(mut blocks) = BlockReader::open(&self.records)? else { return Ok(Vec::new()) };
        let mut block = Vec::new();
        blocks.read(&mut block)?;
        let mut known: Vec<Option<&SheetName>> = Vec::new();
        let mut listed = block
            .strip_prefix(&self.header()[..])
            .ok_or_else(|| CacheError::Foreign { path: self.records.clone() })?;
        while !listed.is_empty() {
            let (id, name) = spec(&mut listed).ok_or_else(|| blocks.damaged())?;
            let ours = sheets.get_key_value(&SheetName::new(name));
            known.push(ours.filter(|(_, ours)| **ours == id).map(|(name, _)| *name));
        }
        let parts = blocks.read_rest(&|mut rest| {
            let (mut taken, mut near) = (Vec::new(), 0);
            while !rest.is_empty() {
                let (sheet, blob, path, text) = entry(&mut rest)?;
                if let Some(sheet) = known.get(sheet as usize)? {
                    taken.extend(take(&mut near, CachedRecord { sheet, path, blob, text }));
                }
            }
            Some(taken)
        })?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// Returns the part that must be equal for an entry to be used.
    fn header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        add(&mut header, format().as_bytes());
        header.extend_from_slice(&self.record_limit.to_le_bytes());
        header
    }
}

/// Appends to `block` the entry of a record of the sheet with this number.
fn add_entry(block: &mut Vec<u8>, sheet: u32, record: &Record) {
    block.extend_from_slice(&sheet.to_le_bytes());
    block.extend_from_slice(record.blob.as_bytes());
    add(block, record.path().as_bytes());
    add(block, record.value.stored().as_bytes());
}

fn spec<'b>(rest: &mut &'b [u8]) -> Option<([u8; 32], &'b str)> {
    Some((take(rest)?, text(rest)?))
}

fn entry<'b>(rest: &mut &'b [u8]) -> Option<(u32, BlobId, &'b str, &'b str)> {
    let (sheet, blob) = (number(rest)?, BlobId::from_bytes(take(rest)?));
    Some((sheet, blob, text(rest)?, text(rest)?))
}
