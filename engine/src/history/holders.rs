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

/// The files that held a record on one side of a commit, in their order of precedence.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    /// The files.
    pub(super) files: SmallVec<[File; 1]>,
    /// The tree of that side, if there are any.
    pub(super) tree: Option<TreeId>,
}

/// The files that held a record before and after a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sides {
    /// The commit.
    pub(super) commit: CommitId,
    files: Reach,
}

/// Which files count.
#[derive(Debug, PartialEq, Eq)]
enum Reach {
    /// Those that the commit touched.
    Touched([Side; 2]),
    /// All that may decide what the key had.
    Whole([Side; 2]),
}

impl Sides {
    /// Returns the side before, and the one after.
    pub(super) fn each(&self) -> [&Side; 2] {
        let (Reach::Touched(sides) | Reach::Whole(sides)) = &self.files;
        sides.each_ref()
    }

    /// Returns the files of both sides.
    pub(super) fn files(&self) -> impl Iterator<Item = File> {
        self.each().into_iter().flat_map(|side| &side.files).copied()
    }

    /// Returns whether files count that the commit did not touch.
    pub(super) fn are_whole(&self) -> bool {
        matches!(self.files, Reach::Whole(_))
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
        let tree_of = |commit: CommitId| objects.commit(commit).map(|commit| commit.tree);
        let parent = || match objects.commit(commit)?.parents.first().map(|it| tree_of(*it)) {
            // The repository begins here.
            Some(Err(error)) if error.is_missing() => Ok(None),
            tree => tree.transpose(),
        };
        let own = || tree_of(commit).map(Some);
        let files = match self {
            Self::Touched => Reach::Touched([touched(before, parent)?, touched(after, own)?]),
            Self::First(spec, paths) => {
                let decides =
                    |file: &File| file.place == 0 && spec.shape_of(&paths[0].path) == Shape::Record;
                let side = |file: Option<File>, tree: Option<TreeId>| {
                    let files = match file.filter(decides) {
                        Some(file) => SmallVec::from([file]),
                        None => self.in_tree(objects, tree, part)?,
                    };
                    Ok(Side { files, tree })
                };
                Reach::Whole([side(before, parent()?)?, side(after, own()?)?])
            }
        };
        Ok(Sides { commit, files })
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

/// Returns the side with the file that a commit touched there, if it did.
fn touched(
    file: Option<File>,
    tree: impl Fn() -> Result<Option<TreeId>, ObjectError>,
) -> Result<Side, ObjectError> {
    let Some(file) = file else { return Ok(Side::default()) };
    Ok(Side { files: SmallVec::from([file]), tree: tree()? })
}
