//! The layouts of the two sides of a replay, and on which files they agree.

use crate::layout::{Layout, PathClaim};

/// The layouts of both sides. Cloning them costs two pointers.
#[derive(Debug, Clone)]
pub struct Layouts {
    /// The layout in which the local commits were made.
    pub ours: Layout,
    /// The layout of the commit on top of which they are put.
    pub theirs: Layout,
}

impl Layouts {
    /// Returns whether both read every path as those of `other` do.
    pub fn read_alike(&self, other: &Self) -> bool {
        self.ours.reads_alike(&other.ours) && self.theirs.reads_alike(&other.theirs)
    }

    /// Returns whether a file at `path` is the same record, the same list of records, or attached to
    /// the same one, on both sides.
    pub(super) fn agree_on(&self, path: &[u8]) -> bool {
        self.ours.reads_alike(&self.theirs)
            || are_same(path, &self.ours.claims(path), &self.theirs.claims(path))
                && are_same(path, &self.ours.beside(path), &self.theirs.beside(path))
    }
}

fn are_same(path: &[u8], ours: &[PathClaim], theirs: &[PathClaim]) -> bool {
    let path = String::from_utf8_lossy(path);
    let is_same = |(ours, theirs): (&PathClaim, &PathClaim)| {
        ours.sheet.name == theirs.sheet.name
            && ours.key == theirs.key
            && ours.fault.is_none() == theirs.fault.is_none()
            && ours.sheet.divides_as(&theirs.sheet, &path)
    };
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(is_same)
}
