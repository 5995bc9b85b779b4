//! Which trees are complete: whether all their folders and files exist.
//!
//! Commits can share folders that stand for millions of paths. A folder that was found complete is not
//! opened again in the same check, so each costs what it has, however many commits and folders have it.

use std::collections::HashSet;

use gix::objs::Kind;

use super::cost::{CheckError, Spent};
use super::lookup::check_kind;
use crate::id::{BlobId, TreeId};
use crate::mirror::diff::{Side, compare};
use crate::mirror::tree::{EntryMode, RawEntry};
use crate::mirror::{ObjectError, Objects};

/// The most files that are remembered. The same few under millions of names are looked for once.
const REMEMBERED: usize = 1 << 20;

/// The folders and files that a check has found to exist.
pub(super) struct Completeness<'a> {
    received: &'a Objects,
    spent: Spent<'a>,
    /// The folders that exist with all that is below them.
    folders: HashSet<TreeId>,
    /// Files that exist.
    files: HashSet<BlobId>,
}

/// The folders of one tree that are compared.
#[derive(Default)]
struct Walk {
    /// Those that were entered: they are complete once all of them were compared.
    folders: HashSet<TreeId>,
    /// Those yet to be compared. A list rather than recursion, because the remote chooses the depth.
    pending: Vec<Pair>,
}

/// A folder that is compared with the one at the same path.
struct Pair {
    old: Option<TreeId>,
    new: TreeId,
}

impl<'a> Completeness<'a> {
    pub(super) fn of(received: &'a Objects, spent: Spent<'a>) -> Self {
        Self { received, spent, folders: HashSet::new(), files: HashSet::new() }
    }

    /// Checks the tree of the tip, as far as it is not the same in `base`. It is going to be read as a
    /// whole, so it may not expand to more paths than a difference may have.
    pub(super) fn check_tip(
        &mut self,
        base: Option<TreeId>,
        tree: TreeId,
    ) -> Result<(), CheckError> {
        let changes = match self.received.diff(base, Some(tree)) {
            // The fault may lie in the base, which is not being checked here.
            Err(_) if base.is_some() => self.received.diff(None, Some(tree)),
            changes => changes,
        }?;
        self.spent.in_time()?;
        let files = changes.iter().filter_map(|change| change.new);
        for file in files.filter(|file| file.mode != EntryMode::Submodule) {
            self.check_file(file.id)?;
        }
        self.folders.insert(tree);
        Ok(())
    }

    /// Checks a tree as far as it is not the same in `base`, which is complete.
    pub(super) fn check_tree(
        &mut self,
        base: Option<TreeId>,
        tree: TreeId,
    ) -> Result<(), CheckError> {
        match self.compare_trees(base, tree) {
            // The fault may lie in the base, which is not being checked here.
            Err(CheckError::Object(_)) if base.is_some() => self.compare_trees(None, tree),
            outcome => outcome,
        }
    }

    fn compare_trees(&mut self, base: Option<TreeId>, tree: TreeId) -> Result<(), CheckError> {
        let mut walk = Walk::default();
        self.enter(base, tree, &mut walk);
        while let Some(Pair { old, new }) = walk.pending.pop() {
            let read = |tree| self.received.tree_bytes(tree);
            let (old_bytes, new_bytes) = (old.map(read).transpose()?, read(new)?);
            let old_bytes = old_bytes.as_ref().map_or(&[][..], |bytes| bytes);
            self.spent.folders(old_bytes.len() + new_bytes.len())?;
            let (old, new) = (Side::open(old, old_bytes)?, Side::open(Some(new), &new_bytes)?);
            compare(old, new, |old, new| self.check_entry(old, new, &mut walk))?;
        }
        self.folders.extend(walk.folders);
        Ok(())
    }

    /// Leaves a folder to `walk` if it is not known to be complete.
    fn enter(&self, old: Option<TreeId>, new: TreeId, walk: &mut Walk) {
        if old != Some(new) && !self.folders.contains(&new) && walk.folders.insert(new) {
            walk.pending.push(Pair { old, new });
        }
    }

    /// Checks an entry that is new, or leaves that to `walk` if it is a folder.
    fn check_entry(
        &mut self,
        old: Option<RawEntry<'_>>,
        new: Option<RawEntry<'_>>,
        walk: &mut Walk,
    ) -> Result<(), CheckError> {
        self.spent.path()?;
        match new {
            Some(RawEntry { mode: EntryMode::Folder, id, .. }) => {
                let old = old.map(|entry| TreeId::from_bytes(entry.id));
                self.enter(old, TreeId::from_bytes(id), walk);
                Ok(())
            }
            None | Some(RawEntry { mode: EntryMode::Submodule, .. }) => Ok(()),
            Some(RawEntry { id, .. }) => self.check_file(BlobId::from_bytes(id)),
        }
    }

    fn check_file(&mut self, file: BlobId) -> Result<(), CheckError> {
        self.spent.step()?;
        if self.files.contains(&file) {
            return Ok(());
        }
        self.look_for(file)?;
        if self.files.len() < REMEMBERED {
            self.files.insert(file);
        }
        Ok(())
    }

    fn look_for(&self, file: BlobId) -> Result<(), ObjectError> {
        check_kind(self.received, gix::ObjectId::Sha1(*file.as_bytes()), Kind::Blob)
    }
}
