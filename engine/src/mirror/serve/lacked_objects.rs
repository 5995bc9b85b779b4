//! The folders and files of a commit that its parent lacks.
//!
//! The two trees are walked side by side, as [`diff`](Objects::diff) does. But the folders count here, not
//! the files: a folder can differ although no file does, by a mode that git writes in another way or by an
//! empty folder.

use crate::id::TreeId;
use crate::mirror::diff::{Side, compare};
use crate::mirror::pack::writer::{PackWriter, Tree};
use crate::mirror::tree::RawEntry;
use crate::mirror::{EntryMode, ObjectError, Objects};

/// What an answer may cost. A commit that costs more is left to git, which sends it piece by piece and
/// ends when its caller does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// The most files and folders that all commits of an answer have and their parents lack.
    pub(super) entries: usize,
    /// The most bytes of folders that are compared for an answer.
    pub(super) folder_bytes: usize,
    /// The most bytes of the pack.
    pub(super) pack: usize,
}

/// Why a walk ends early.
enum Ended {
    TooCostly,
    Failed(ObjectError),
}

impl From<ObjectError> for Ended {
    fn from(error: ObjectError) -> Self {
        Self::Failed(error)
    }
}

/// A folder that is other than before, or new.
struct Folder {
    old: Option<TreeId>,
    new: TreeId,
}

/// Adds to `pack` what `new` has and `old` lacks, and takes it from `left`. Returns whether that sufficed; if
/// not, the pack lacks something.
///
/// # Errors
///
/// If an object is missing or invalid.
pub(super) fn add(
    objects: &Objects,
    pack: &mut PackWriter,
    left: &mut Cost,
    old: TreeId,
    new: TreeId,
) -> Result<bool, ObjectError> {
    match (Walk { objects, pack, left }).run(old, new) {
        Ok(()) => Ok(true),
        Err(Ended::TooCostly) => Ok(false),
        Err(Ended::Failed(error)) => Err(error),
    }
}

struct Walk<'a> {
    objects: &'a Objects,
    pack: &'a mut PackWriter,
    left: &'a mut Cost,
}

impl Walk<'_> {
    fn run(mut self, old: TreeId, new: TreeId) -> Result<(), Ended> {
        let mut pending: Vec<Folder> = Vec::new();
        pending.extend((old != new).then_some(Folder { old: Some(old), new }));
        while let Some(Folder { old, new }) = pending.pop() {
            let id = |tree: TreeId| gix::ObjectId::Sha1(*tree.as_bytes());
            let before = old.map(|old| self.objects.tree_bytes(old)).transpose()?;
            let after = self.objects.tree_bytes(new)?;
            let before = before.as_ref().map_or(&[][..], |tree| tree);
            take(&mut self.left.folder_bytes, before.len() + after.len())?;
            let base = old.map(|old| Tree { id: id(old), bytes: before });
            self.pack.add_tree(Tree { id: id(new), bytes: &after }, base)?;
            compare(Side::open(old, before)?, Side::open(Some(new), &after)?, |old, new| {
                self.entry(&mut pending, old, new)
            })?;
            if self.pack.len() > self.left.pack {
                return Err(Ended::TooCostly);
            }
        }
        Ok(())
    }

    /// Looks at an entry that one side has, or that the two have differently.
    fn entry(
        &mut self,
        pending: &mut Vec<Folder>,
        old: Option<RawEntry<'_>>,
        new: Option<RawEntry<'_>>,
    ) -> Result<(), Ended> {
        let Some(new) = new else { return Ok(()) };
        let old = old.filter(|old| old.mode != EntryMode::Submodule);
        if old.is_some_and(|old| old.id == new.id) || new.mode == EntryMode::Submodule {
            return Ok(());
        }
        take(&mut self.left.entries, 1)?;
        if new.is_folder() {
            let tree = |entry: RawEntry<'_>| TreeId::from_bytes(entry.id);
            pending.push(Folder { old: old.filter(RawEntry::is_folder).map(tree), new: tree(new) });
            return Ok(());
        }
        let id = gix::ObjectId::Sha1(new.id);
        // Git sends a large one piece by piece.
        if self.objects.header(id)?.size() > self.left.pack as u64 {
            return Err(Ended::TooCostly);
        }
        Ok(self.pack.add(self.objects, id)?)
    }
}

/// Takes `count` from what is left.
fn take(left: &mut usize, count: usize) -> Result<(), Ended> {
    *left = left.checked_sub(count).ok_or(Ended::TooCostly)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;

    #[test]
    fn what_costs_more_than_it_may_is_left_to_git() {
        let repository = TestRepository::bare();
        let path = format!("{}file", "folder/".repeat(30));
        let text = "a text that is not short ".repeat(4);
        let before = repository.commit_files("main", &[("other", "0")]);
        let after = repository.commit_files("main", &[("other", "0"), (&path, &text)]);
        let [before, after] = [before, after].map(|commit| repository.tree_of(&commit.to_string()));
        let objects = repository.objects();
        let suffices = |mut left: Cost| {
            let mut pack = PackWriter::default();
            add(&objects, &mut pack, &mut left, before, after).unwrap()
        };
        let ample = Cost { entries: 31, folder_bytes: 4 << 10, pack: 4 << 10 };
        assert!(suffices(ample));
        assert!(!suffices(Cost { entries: 30, ..ample }));
        assert!(!suffices(Cost { folder_bytes: 1 << 10, ..ample }));
        assert!(!suffices(Cost { pack: 1 << 10, ..ample }));
        assert!(!suffices(Cost { pack: 50, ..ample }), "the file is larger");
    }
}
