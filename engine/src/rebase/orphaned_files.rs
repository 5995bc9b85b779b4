//! Finds the files that the other side put beside a record which our commits removed or moved: nobody would find
//! them there.

use super::left_out::LeftOut;
use super::lost_records::ReplayedStates;
use crate::id::TreeId;
use crate::layout::PathClaim;
use crate::mirror::{EntryMode, ObjectError, Objects};
use crate::pointer::Pointer;
use crate::report::LostField;
use crate::snapshot::{RecordChange, Snapshot};

impl ReplayedStates<'_> {
    /// Returns the records that ours removed, and beside which the merged tree has files that it got from
    /// theirs. `records` are those that differ between the base and ours.
    ///
    /// Costs a difference of the folders beside these records.
    pub(crate) fn orphaned(
        &self,
        records: &[RecordChange],
        objects: &Objects,
        base: Option<TreeId>,
        merged: TreeId,
        left_out: &LeftOut,
    ) -> Result<Vec<LostField>, ObjectError> {
        let Some(base) = base else { return Ok(vec![]) };
        let mut orphaned = Vec::new();
        for RecordChange { sheet, key, .. } in records {
            let at =
                |state: &Snapshot| Some(state.sheet(sheet.as_str())?.record(key.as_str())?.path());
            let (before, theirs) = (at(self.base), at(self.theirs));
            let (Some(path), Some(_), None) = (before, theirs, at(self.merged)) else { continue };
            let spec = self.base.layout().sheet(sheet.as_str());
            let folder = spec.and_then(|spec| spec.attachments_of(&path));
            let Some(folder) = folder.filter(|_| !left_out.has_file(path.as_bytes())) else {
                continue;
            };
            let tree = |tree| {
                let entry = objects.entry_at(tree, folder.as_bytes())?;
                let folder = entry.filter(|entry| entry.mode == EntryMode::Folder);
                Ok::<_, ObjectError>(folder.map(|folder| TreeId::from_bytes(folder.id)))
            };
            let new = objects.diff(tree(base)?, tree(merged)?)?.into_iter();
            let is_beside = |name: &[u8]| {
                let path = [folder.as_bytes(), b"/", name].concat();
                let claims = self.merged.layout().beside(&path);
                let is_its = |claim: &PathClaim| claim.sheet.name == *sheet && claim.key == *key;
                claims.iter().any(is_its)
            };
            if new.filter(|change| change.new.is_some()).any(|change| is_beside(&change.path)) {
                orphaned.push(LostField { path, pointer: Pointer::whole() });
            }
        }
        Ok(orphaned)
    }
}
