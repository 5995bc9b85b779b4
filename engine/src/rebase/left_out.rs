//! The commits that a rebase leaves out: those that do not fit, and those that share with them a file, or a row
//! of a file of many records.
//!
//! What is left out must not be missed by what is not: a commit is made on top of those before it that
//! changed the same, and those after it are made on top of it.

use std::collections::BTreeSet;

use super::touched::{TouchedFiles, TouchedPart};
use crate::id::{Key, SheetName};
use crate::report::LostField;

/// What commits changed that are not put on top of the others, and what of it does not fit.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    files: TouchedFiles,
    lost: BTreeSet<LostField>,
}

impl LeftOut {
    /// Returns whether no commit is left out.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns whether the file at `path` is among what they changed, and not only some of its records.
    pub(super) fn has_file(&self, path: &[u8]) -> bool {
        self.files.part(path) == Some(&TouchedPart::Whole)
    }

    /// Returns whether a record is among what they changed. No commit that is put changes it, then.
    pub(super) fn has_record(&self, path: &[u8], sheet: &SheetName, key: &Key) -> bool {
        self.files.part(path).is_some_and(|part| part.has_record(sheet, key))
    }

    /// Returns the records of the file at `path` that they changed, unless that is perhaps all of it.
    pub(super) fn records(&self, path: &[u8]) -> impl Iterator<Item = (&SheetName, &Key)> {
        self.files.part(path).into_iter().flat_map(TouchedPart::records)
    }

    /// Returns what does not fit.
    pub(crate) fn lost(&self) -> Vec<LostField> {
        self.lost.iter().cloned().collect()
    }

    pub(super) fn files(&self) -> &TouchedFiles {
        &self.files
    }

    pub(super) fn add(&mut self, files: TouchedFiles, lost: impl IntoIterator<Item = LostField>) {
        self.files.extend(files);
        self.lost.extend(lost);
    }
}
