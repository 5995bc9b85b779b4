//! The commits that a rebase leaves out: those that do not fit, and those that share files with them.
//!
//! What is left out must not be missed by what is not: a commit is made on top of those before it that
//! changed the same files, and those after it are made on top of it.

use std::collections::BTreeSet;

use super::touched::paths_of;
use crate::mirror::PathChange;
use crate::report::LostField;

/// The files of commits that are not put on top of the others, and what of them does not fit.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    paths: BTreeSet<Vec<u8>>,
    lost: BTreeSet<LostField>,
}

impl LeftOut {
    /// Returns whether no commit is left out.
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Returns the paths of all files that they change. No commit that is put changes one of these.
    pub(crate) fn paths(&self) -> &BTreeSet<Vec<u8>> {
        &self.paths
    }

    /// Returns what does not fit.
    pub(crate) fn lost(&self) -> Vec<LostField> {
        self.lost.iter().cloned().collect()
    }

    /// Returns whether a commit with these changes shares a file with one of them.
    pub(super) fn shares(&self, changes: &[PathChange]) -> bool {
        paths_of(changes).any(|path| self.paths.contains(&path))
    }

    pub(super) fn add(
        &mut self,
        paths: BTreeSet<Vec<u8>>,
        lost: impl IntoIterator<Item = LostField>,
    ) {
        self.paths.extend(paths);
        self.lost.extend(lost);
    }
}
