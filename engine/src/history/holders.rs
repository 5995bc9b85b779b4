//! Which files held a record before and after a commit.

use smallvec::SmallVec;

use super::whereabouts::Whereabouts;
use crate::budget::Budget;
use crate::id::{BlobId, CommitId, TreeId};
use crate::layout::{Shape, SheetSpec};
use crate::mirror::{EntryMode, File, ObjectError, Objects, Touch, TreeEntry};

/// The cost of a look for one file in a tree, in units.
const LOOK: usize = 4 << 10;

/// The files that may hold the record, in their order of precedence.
#[derive(Debug)]
pub(super) enum Holders<'a> {
    /// What a commit touched is all that matters.
    Touched,
    /// The first that a commit has decides, because what it holds may be hidden.
    First(&'a SheetSpec, &'a [Whereabouts]),
}

/// The files that held a record before and after a commit, in their order of precedence.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sides {
    /// Those that it touched.
    Touched([SmallVec<[File; 1]>; 2]),
    /// All that may decide what the key had.
    Whole([SmallVec<[File; 1]>; 2]),
}

impl Sides {
    /// Returns the files before, and those after.
    pub(super) fn each(&self) -> [&[File]; 2] {
        let (Self::Touched(sides) | Self::Whole(sides)) = self;
        sides.each_ref().map(SmallVec::as_slice)
    }

    /// Returns the files of both sides.
    pub(super) fn files(&self) -> impl Iterator<Item = File> {
        self.each().into_iter().flatten().copied()
    }

    /// Returns whether files count that the commit did not touch.
    pub(super) fn are_whole(&self) -> bool {
        matches!(self, Self::Whole(_))
    }
}

impl<'a> Holders<'a> {
    /// Returns the holders of a record of `spec` among the files at `paths`.
    pub(super) fn of(spec: &'a SheetSpec, paths: &'a [Whereabouts]) -> Self {
        match spec.hidden.is_some() && paths.len() > 1 {
            true => Self::First(spec, paths),
            false => Self::Touched,
        }
    }

    /// Returns the files around `touch`. Looks for the files that precede the touched ones in the
    /// trees on both sides, which is spent from `part`; none precedes the first.
    ///
    /// # Errors
    ///
    /// If the commit or a tree cannot be read.
    pub(super) fn around(
        &self,
        objects: &Objects,
        touch: Touch,
        part: &Budget,
    ) -> Result<Sides, ObjectError> {
        let Touch { commit, before, after } = touch;
        let Self::First(spec, paths) = self else {
            return Ok(Sides::Touched([before, after].map(|file| file.into_iter().collect())));
        };
        let decides =
            |file: File| file.place == 0 && spec.shape_of(&paths[0].path) == Shape::Record;
        let side = |touched: Option<File>,
                    tree: &dyn Fn() -> Result<Option<TreeId>, ObjectError>| {
            match touched.filter(|file| decides(*file)) {
                Some(file) => Ok(SmallVec::from([file])),
                None => self.in_tree(objects, tree()?, part),
            }
        };
        let tree_of = |commit: CommitId| objects.commit(commit).map(|commit| commit.tree);
        let parent = || match objects.commit(commit)?.parents.first().map(|it| tree_of(*it)) {
            // The repository begins here.
            Some(Err(error)) if error.is_missing() => Ok(None),
            tree => tree.transpose(),
        };
        Ok(Sides::Whole([side(before, &parent)?, side(after, &|| tree_of(commit).map(Some))?]))
    }

    /// Returns the files in `tree`, up to the first that decides whatever it holds. One that is
    /// withheld costs as much as one that is not there.
    fn in_tree(
        &self,
        objects: &Objects,
        tree: Option<TreeId>,
        part: &Budget,
    ) -> Result<SmallVec<[File; 1]>, ObjectError> {
        let mut found = SmallVec::new();
        let (Some(tree), Self::First(spec, paths)) = (tree, self) else { return Ok(found) };
        for (place, at) in paths.iter().enumerate() {
            part.spend(LOOK);
            let entry = objects.entry_at(tree, at.path.as_bytes())?;
            let is_file =
                |entry: &TreeEntry| !matches!(entry.mode, EntryMode::Folder | EntryMode::Submodule);
            let Some(entry) = entry.filter(is_file) else { continue };
            found.push(File { place, blob: BlobId::from_bytes(entry.id) });
            if spec.shape_of(&at.path) == Shape::Record && !at.is_withheld {
                break;
            }
        }
        Ok(found)
    }
}
