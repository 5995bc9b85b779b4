//! Which files the commits of a replay are about. They are noted while the commits are put on top: afterwards
//! writers wait, and the commits are not looked at one by one.

use std::collections::BTreeSet;

use crate::mirror::PathChange;

/// The paths of the files that some commits changed.
#[derive(Debug, Default)]
pub(crate) struct TouchedPaths {
    again: BTreeSet<Vec<u8>>,
    otherwise: BTreeSet<Vec<u8>>,
}

impl TouchedPaths {
    /// Adds the changes of a commit whose request the remote has, too.
    pub(super) fn again(&mut self, changes: &[PathChange]) {
        self.again.extend(changes.iter().map(|change| change.path.clone()));
    }

    /// Adds the changes of any other commit.
    pub(super) fn otherwise(&mut self, changes: &[PathChange]) {
        self.otherwise.extend(changes.iter().map(|change| change.path.clone()));
    }

    /// Returns the paths of files that only requests changed that the remote has, too.
    pub(crate) fn only_again(&self) -> BTreeSet<Vec<u8>> {
        self.again.difference(&self.otherwise).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_another_commit_is_not_only_one_of_repeated_requests() {
        let change = |path: &str| PathChange { path: path.into(), old: None, new: None };
        let mut touched = TouchedPaths::default();
        touched.again(&[change("a"), change("b")]);
        touched.otherwise(&[change("b"), change("c")]);
        assert_eq!(touched.only_again(), BTreeSet::from([b"a".to_vec()]));
    }
}
