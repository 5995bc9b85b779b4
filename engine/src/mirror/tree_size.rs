//! How large a tree is: files and folders, and the bytes of their paths.
//!
//! A tree is small in git however many files it has, because a folder that is in it a thousand times is stored
//! once. The limits apply to the tree, and not to a difference: many small differences make a large tree,
//! which could then not be read again at a start.

use super::{MirrorOptions, ObjectError, Objects};

/// The size of a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeSize {
    /// The number of files and folders.
    pub entries: usize,
    /// The bytes of all their paths.
    pub path_bytes: usize,
}

/// By how much one tree is larger than another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeGrowth {
    /// The number of files and folders.
    pub entries: i64,
    /// The bytes of all their paths.
    pub path_bytes: i64,
}

impl TreeGrowth {
    /// Adds an entry with a path of so many bytes, which the old tree has or not, and the new one.
    pub(super) fn count(&mut self, path: usize, was: bool, is: bool) {
        let change = i64::from(is) - i64::from(was);
        self.entries += change;
        self.path_bytes += change * i64::try_from(path).unwrap_or(i64::MAX);
    }
}

impl TreeSize {
    /// Returns the size after it has grown so much.
    pub(crate) fn after(self, growth: TreeGrowth) -> Self {
        let sum = |size: usize, growth: i64| {
            size.saturating_add_signed(isize::try_from(growth).unwrap_or_default())
        };
        Self {
            entries: sum(self.entries, growth.entries),
            path_bytes: sum(self.path_bytes, growth.path_bytes),
        }
    }
}

impl Objects {
    /// Checks the size of a tree.
    ///
    /// # Errors
    ///
    /// [`ObjectError::TooManyPaths`] or [`ObjectError::PathsTooLong`].
    pub(crate) fn admit(&self, size: TreeSize) -> Result<(), ObjectError> {
        let MirrorOptions { path_limit, path_bytes_limit, .. } = *self.mirror.options();
        if size.entries > path_limit {
            return Err(ObjectError::TooManyPaths { limit: path_limit });
        }
        if size.path_bytes > path_bytes_limit {
            return Err(ObjectError::PathsTooLong { limit: path_bytes_limit });
        }
        Ok(())
    }
}
