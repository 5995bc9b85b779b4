//! What the operations of a batch know of the folders whose files they have looked at, one by one.

use std::collections::{HashMap, HashSet};

use crate::id::{SheetName, TreeId};

/// The folders that the operations of a batch have walked. What they found holds for the whole batch: the
/// rules are those of its beginning, and a tree never changes.
#[derive(Debug, Default)]
pub(super) struct WalkedFolders {
    /// What it costs to look at all files of a folder.
    pub(super) costs: HashMap<TreeId, usize>,
    /// Where an operation may touch all files of a folder.
    pub(super) allowed: HashSet<PlacedFolder>,
}

/// A folder at a path, as an operation on a sheet touches its files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PlacedFolder {
    pub(super) folder: TreeId,
    pub(super) sheet: SheetName,
    pub(super) path: String,
}
