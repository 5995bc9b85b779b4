//! Which files the commits of a replay are about. They are noted while the commits are put on top: afterwards
//! writers wait, and the commits are not looked at one by one.

use std::collections::{BTreeSet, HashMap};

use crate::id::CommitId;
use crate::mirror::PathChange;

/// The paths of the files that some commits changed.
#[derive(Debug, Default)]
pub(crate) struct TouchedPaths {
    /// Those of commits whose requests the remote has, too.
    again: BTreeSet<Vec<u8>>,
    /// Those of each other commit.
    otherwise: Vec<TouchedBy>,
    /// Where the commits that changed a path are in `otherwise`.
    by_path: HashMap<Vec<u8>, Vec<usize>>,
}

/// The paths of the files that one commit changed.
#[derive(Debug)]
struct TouchedBy {
    commit: CommitId,
    paths: BTreeSet<Vec<u8>>,
}

/// Commits of which each shares a file with another one of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Connected {
    pub(super) commits: BTreeSet<CommitId>,
    /// The paths of all files that they changed.
    pub(super) paths: BTreeSet<Vec<u8>>,
}

impl TouchedPaths {
    /// Adds the changes of a commit whose request the remote has, too.
    pub(super) fn again(&mut self, changes: &[PathChange]) {
        self.again.extend(paths_of(changes));
    }

    /// Adds the changes of any other commit.
    pub(super) fn otherwise(&mut self, commit: CommitId, changes: &[PathChange]) {
        let paths: BTreeSet<_> = paths_of(changes).collect();
        for path in &paths {
            self.by_path.entry(path.clone()).or_default().push(self.otherwise.len());
        }
        self.otherwise.push(TouchedBy { commit, paths });
    }

    /// Returns the paths of files that only requests changed that the remote has, too.
    pub(crate) fn only_again(&self) -> BTreeSet<Vec<u8>> {
        self.again.iter().filter(|path| !self.by_path.contains_key(*path)).cloned().collect()
    }

    /// Returns the commits that changed one of `paths`, those that share a file with one of these, and so on.
    /// Costs as much as what is found.
    pub(super) fn connected(&self, paths: BTreeSet<Vec<u8>>) -> Connected {
        let mut left: Vec<_> = paths.iter().cloned().collect();
        let mut found = Connected { commits: BTreeSet::new(), paths };
        while let Some(path) = left.pop() {
            for by in self.by_path.get(&path).into_iter().flatten() {
                let Some(TouchedBy { commit, paths }) = self.otherwise.get(*by) else { continue };
                if found.commits.insert(*commit) {
                    left.extend(
                        paths.iter().filter(|path| found.paths.insert((*path).clone())).cloned(),
                    );
                }
            }
        }
        found
    }
}

/// Returns the paths of changes.
pub(super) fn paths_of(changes: &[PathChange]) -> impl Iterator<Item = Vec<u8>> {
    changes.iter().map(|change| change.path.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str) -> PathChange {
        PathChange { path: path.into(), old: None, new: None }
    }

    fn commit(n: u8) -> CommitId {
        CommitId::from_bytes([n; 20])
    }

    #[test]
    fn a_path_of_another_commit_is_not_only_one_of_repeated_requests() {
        let mut touched = TouchedPaths::default();
        touched.again(&[change("a"), change("b")]);
        touched.otherwise(commit(1), &[change("b"), change("c")]);
        assert_eq!(touched.only_again(), BTreeSet::from([b"a".to_vec()]));
    }

    #[test]
    fn commits_are_connected_by_the_files_that_they_share_also_through_others() {
        let mut touched = TouchedPaths::default();
        let commits = ["a", "b c", "d", "c e", "f d", "e", "g"];
        for (at, paths) in (1..).zip(commits) {
            let changes: Vec<_> = paths.split(' ').map(change).collect();
            touched.otherwise(commit(at), &changes);
        }
        for (path, expected, files) in [
            ("a", &[1][..], "a"),
            ("b", &[2, 4, 6], "b c e"),
            ("e", &[2, 4, 6], "b c e"),
            ("f", &[3, 5], "d f"),
            ("g", &[7], "g"),
            ("h", &[], "h"),
        ] {
            let found = touched.connected(BTreeSet::from([path.into()]));
            let commits = expected.iter().map(|at| commit(*at)).collect();
            let paths = files.split(' ').map(|path| path.as_bytes().to_vec()).collect();
            assert_eq!(found, Connected { commits, paths }, "{path}");
        }
    }
}
