//! Which files may have held a record before and after a commit.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::whereabouts::Whereabouts;
use crate::budget::Budget;
use crate::id::{BlobId, CommitId, TreeId};
use crate::layout::{Shape, SheetSpec};
use crate::mirror::{EntryMode, File, Files, ObjectError, Objects, Touch, TreeEntry};

/// The cost of a look into one folder, in units.
const LOOK: usize = 4 << 10;

/// The files that may hold the record, in their order of precedence.
#[derive(Debug)]
pub(super) enum Holders<'a> {
    /// One file, so that a commit that touched it tells all of it.
    One,
    /// Several. Which of them has the record depends on those that a commit did not touch, too.
    Several(Several<'a>),
}

/// Several files that may hold a record.
#[derive(Debug)]
pub(super) struct Several<'a> {
    spec: &'a SheetSpec,
    paths: &'a [Whereabouts],
    folders: Vec<Folder<'a>>,
    /// What was found in versions of the folders: consecutive commits share most of them.
    known: HashMap<(usize, TreeId), Files>,
}

/// A folder with files that may hold the record.
#[derive(Debug)]
struct Folder<'a> {
    path: &'a str,
    places: Vec<usize>,
    names: Vec<&'a [u8]>,
}

/// The files that held a record on one side of a commit, in their order of precedence.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    /// The files.
    pub(super) files: Files,
    /// The tree of that side, if there are any.
    pub(super) tree: Option<TreeId>,
}

/// The files that held a record before and after a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sides {
    /// The commit.
    pub(super) commit: CommitId,
    sides: [Side; 2],
    /// The places of the files that it touched.
    touched: SmallVec<[usize; 2]>,
}

impl Sides {
    /// Returns the side before, and the one after.
    pub(super) fn each(&self) -> [&Side; 2] {
        self.sides.each_ref()
    }

    /// Returns the files of both sides.
    pub(super) fn files(&self) -> impl Iterator<Item = File> {
        self.sides.iter().flat_map(|side| &side.files).copied()
    }

    /// Returns whether the commit itself touched `file`. A merge also has what the commits that it
    /// merges did to other files.
    pub(super) fn touched(&self, file: File) -> bool {
        self.touched.contains(&file.place)
    }
}

impl<'a> Holders<'a> {
    /// Returns the holders of a record of `spec` among the files at `paths`.
    pub(super) fn of(spec: &'a SheetSpec, paths: &'a [Whereabouts]) -> Self {
        match paths {
            [_] => Self::One,
            _ => {
                let (folders, known) = (Folder::all(paths), HashMap::new());
                Self::Several(Several { spec, paths, folders, known })
            }
        }
    }

    /// Returns the files around `touch`. Looks for those that it did not touch in the trees on both
    /// sides, which is spent from `part`.
    ///
    /// # Errors
    ///
    /// If the commit or a tree is missing, or the commit cannot be read.
    pub(super) fn around(
        &mut self,
        objects: &Objects,
        touch: Touch,
        part: &Budget,
    ) -> Result<Sides, ObjectError> {
        let Touch { commit, before, after } = touch;
        let touched = before.iter().chain(&after).map(|file| file.place).collect();
        let tree_of = |commit: CommitId| objects.commit(commit).map(|commit| commit.tree);
        let parent = || match objects.commit(commit)?.parents.first().map(|it| tree_of(*it)) {
            // The repository begins here.
            Some(Err(error)) if error.is_missing() => Ok(None),
            tree => tree.transpose(),
        };
        let own = || tree_of(commit).map(Some);
        let sides = match self {
            Self::One => [Side::of(before, parent)?, Side::of(after, own)?],
            Self::Several(several) => [
                several.side(objects, &before, parent()?, part)?,
                several.side(objects, &after, own()?, part)?,
            ],
        };
        Ok(Sides { commit, sides, touched })
    }
}

impl Side {
    /// Returns the side with the file that a commit touched there, if it did.
    fn of(
        files: Files,
        tree: impl Fn() -> Result<Option<TreeId>, ObjectError>,
    ) -> Result<Self, ObjectError> {
        let tree = if files.is_empty() { None } else { tree()? };
        Ok(Self { files, tree })
    }
}

impl Several<'_> {
    /// Returns the files of one side, of which a commit touched `touched`. If records are hidden,
    /// they end with the first that decides whatever it holds; none precedes the first of all.
    fn side(
        &mut self,
        objects: &Objects,
        touched: &[File],
        tree: Option<TreeId>,
        part: &Budget,
    ) -> Result<Side, ObjectError> {
        let first = touched.first().filter(|file| file.place == 0);
        if let Some(first) = first.filter(|file| self.is_final(file)) {
            return Ok(Side { files: Files::from([*first]), tree });
        }
        let mut files = match tree.map(|tree| self.in_tree(objects, tree, part)).transpose() {
            // No state can be built of a commit with such a tree.
            Err(error) if !error.is_missing() => Files::new(),
            files => files?.unwrap_or_default(),
        };
        let is_final = |file: &File| self.is_final(file) && !self.paths[file.place].is_withheld;
        if let Some(last) = files.iter().position(is_final) {
            files.truncate(last + 1);
        }
        Ok(Side { files, tree })
    }

    /// Returns whether what `file` holds may be hidden, so that nothing behind it matters.
    fn is_final(&self, file: &File) -> bool {
        let path = &self.paths[file.place].path;
        self.spec.hidden.is_some() && self.spec.shape_of(path) == Shape::Record
    }

    /// Returns the files in `tree`. One that is withheld costs as much as one that is not there.
    fn in_tree(
        &mut self,
        objects: &Objects,
        tree: TreeId,
        part: &Budget,
    ) -> Result<Files, ObjectError> {
        let mut found = Files::new();
        for (number, folder) in self.folders.iter().enumerate() {
            part.spend(LOOK);
            let Some(tree) = folder.in_tree(objects, tree)? else { continue };
            if let Some(known) = self.known.get(&(number, tree)) {
                found.extend_from_slice(known);
                continue;
            }
            part.spend(LOOK);
            let files = folder.files(objects, tree)?;
            found.extend_from_slice(&files);
            self.known.insert((number, tree), files);
        }
        found.sort_unstable();
        Ok(found)
    }
}

impl<'a> Folder<'a> {
    /// Returns the folders of `paths`.
    fn all(paths: &'a [Whereabouts]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (place, at) in paths.iter().enumerate() {
            let (path, name) = at.path.rsplit_once('/').unwrap_or(("", &at.path));
            let known = all.iter().position(|folder| folder.path == path);
            let at = known.unwrap_or_else(|| {
                all.push(Self { path, places: Vec::new(), names: Vec::new() });
                all.len() - 1
            });
            all[at].places.push(place);
            all[at].names.push(name.as_bytes());
        }
        all
    }

    /// Returns the tree of the folder in `tree`, if it is there.
    fn in_tree(&self, objects: &Objects, tree: TreeId) -> Result<Option<TreeId>, ObjectError> {
        if self.path.is_empty() {
            return Ok(Some(tree));
        }
        let entry = objects.entry_at(tree, self.path.as_bytes())?;
        let folder = entry.filter(|entry| entry.mode == EntryMode::Folder);
        Ok(folder.map(|folder| TreeId::from_bytes(folder.id)))
    }

    /// Returns the files in a version of the folder. A link or a submodule is none.
    fn files(&self, objects: &Objects, tree: TreeId) -> Result<Files, ObjectError> {
        let found = objects.entries_called(tree, &self.names)?;
        let is_file =
            |entry: &TreeEntry| matches!(entry.mode, EntryMode::Regular | EntryMode::Executable);
        let files = self.places.iter().zip(found).filter_map(|(place, entry)| {
            let entry = entry.filter(is_file)?;
            Some(File { place: *place, blob: BlobId::from_bytes(entry.id) })
        });
        Ok(files.collect())
    }
}
