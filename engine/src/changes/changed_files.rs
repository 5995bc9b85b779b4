//! The files from which a change set is read.

use std::collections::BTreeSet;

use crate::id::{SheetName, TreeId};
use crate::layout::Layout;
use crate::mirror::{ObjectError, Objects, PathChange};

/// The difference between two commits: paths and, if their rules changed, whole sheets.
#[derive(Debug, Clone, Default)]
pub struct Difference {
    /// The paths that differ between the two trees.
    pub(super) paths: Vec<PathChange>,
    /// The sheets whose definitions differ between the two commits.
    pub(super) redefined: BTreeSet<SheetName>,
    /// Every file that one of these may claim now, as if it were new.
    anew: Vec<PathChange>,
}

/// A file to check.
#[derive(Clone, Copy)]
pub(super) struct Differing<'a> {
    pub(super) change: &'a PathChange,
    /// Whether it is checked for the redefined sheets, or for the others.
    pub(super) is_of_redefined: bool,
}

impl From<Vec<PathChange>> for Difference {
    /// Returns the difference of two commits with the same rules.
    fn from(paths: Vec<PathChange>) -> Self {
        Self { paths, ..Self::default() }
    }
}

impl Difference {
    /// Returns the difference of two commits between which the sheets `redefined` were redefined.
    /// The later commit has `layout` and the files of `tree`.
    ///
    /// # Errors
    ///
    /// Fails only on a damaged repository.
    pub fn with_redefined(
        objects: &Objects,
        tree: Option<TreeId>,
        layout: &Layout,
        paths: Vec<PathChange>,
        redefined: BTreeSet<SheetName>,
    ) -> Result<Self, ObjectError> {
        let specs = redefined.iter().filter_map(|name| layout.sheet(name.as_str()));
        let places: BTreeSet<&str> = specs.map(|spec| spec.place()).collect();
        let mut anew: Vec<PathChange> = Vec::new();
        if let Some(tree) = tree {
            for place in &places {
                anew.extend(objects.files_at(tree, place.as_bytes())?);
            }
        }
        // One root may be inside another.
        anew.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        anew.dedup_by(|a, b| a.path == b.path);
        Ok(Self { paths, redefined, anew })
    }

    /// Returns the number of files to check.
    pub fn len(&self) -> usize {
        self.paths.len() + self.anew.len()
    }

    /// Returns whether there is no file to check and no sheet was redefined.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.redefined.is_empty()
    }

    pub(super) fn files(&self) -> impl Iterator<Item = Differing<'_>> {
        let paths = self.paths.iter().map(|change| Differing { change, is_of_redefined: false });
        let anew = self.anew.iter().map(|change| Differing { change, is_of_redefined: true });
        paths.chain(anew)
    }
}
