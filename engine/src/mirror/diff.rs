//! The difference between two trees, file by file.
//!
//! Both trees are walked side by side. A folder with the same id on both sides is never opened, so
//! the cost depends on the changed folders only. Names and intermediate commits play no part: a
//! rename is a deletion and an addition.

use super::tree::{EntryMode, PATH_LIMIT, RawEntry, TreeEntry, bad_tree};
use super::tree_flaw::TreeFlaw;
use super::tree_size::TreeGrowth;
use super::{MirrorOptions, ObjectError, Objects};
use crate::id::{BlobId, TreeId};

/// A file, link or submodule on one side of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileEntry {
    /// Its mode; never [`EntryMode::Folder`].
    pub mode: EntryMode,
    /// Its blob. For a submodule, this is the id of a commit in another repository.
    pub id: BlobId,
}

/// A path that differs between the two sides. At least one side exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathChange {
    /// The full path, segments joined by `/`.
    pub path: Vec<u8>,
    /// The entry on the old side.
    pub old: Option<FileEntry>,
    /// The entry on the new side.
    pub new: Option<FileEntry>,
}

impl Objects {
    /// Returns the paths at which the two trees differ, each once, sorted by their bytes.
    ///
    /// `None` is the empty tree. A file that becomes a folder is a deletion plus the additions
    /// below it. Files are compared by blob and mode and are not read.
    pub fn diff(
        &self,
        old: Option<TreeId>,
        new: Option<TreeId>,
    ) -> Result<Vec<PathChange>, ObjectError> {
        Ok(self.diff_and_growth(old, new)?.changes)
    }

    /// Returns what [`Self::diff`] returns, and by how much the new tree is larger.
    pub fn diff_and_growth(
        &self,
        old: Option<TreeId>,
        new: Option<TreeId>,
    ) -> Result<TreeDifference, ObjectError> {
        let root = (old != new).then(|| Pair { folder: Vec::new(), old, new });
        let mut walk = Walk::of(self, root.into_iter().collect());
        walk.run()?;
        Ok(TreeDifference { growth: walk.growth, changes: walk.finish()? })
    }

    /// Returns the entries of the tree at `path` (segments joined by `/`) and below it as
    /// additions, sorted by the bytes of their paths. The empty path is the whole tree.
    pub fn files_at(&self, tree: TreeId, path: &[u8]) -> Result<Vec<PathChange>, ObjectError> {
        if path.is_empty() {
            return self.diff(None, Some(tree));
        }
        let Some(TreeEntry { mode, id, .. }) = self.entry_at(tree, path)? else {
            return Ok(Vec::new());
        };
        let path = path.to_owned();
        if mode != EntryMode::Folder {
            let new = Some(FileEntry { mode, id: BlobId::from_bytes(id) });
            return Ok(vec![PathChange { path, old: None, new }]);
        }
        let folder = [&*path, b"/"].concat();
        let pair = Pair { folder, old: None, new: Some(TreeId::from_bytes(id)) };
        Walk::of(self, vec![pair]).finish()
    }

    /// Returns all files of a tree, or `None` if it has more than `most` files and folders. No more of them
    /// are looked at then.
    pub fn files_within(
        &self,
        tree: TreeId,
        most: usize,
    ) -> Result<Option<TreeFiles>, ObjectError> {
        let root = Pair { folder: Vec::new(), old: None, new: Some(tree) };
        let mut walk = Walk::of(self, vec![root]);
        walk.entry_limit = most;
        match walk.run() {
            Err(ObjectError::TooManyPaths { limit }) if limit == most => return Ok(None),
            done => done?,
        }
        let Walk { entries, path_bytes, .. } = walk;
        Ok(Some(TreeFiles { files: walk.finish()?, entries, path_bytes }))
    }
}

/// The difference between two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeDifference {
    /// The paths that differ, sorted by their bytes.
    pub changes: Vec<PathChange>,
    /// By how much the new tree is larger.
    pub growth: TreeGrowth,
}

/// The files of a tree, and what was looked at to find them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFiles {
    /// The files as additions, sorted by the bytes of their paths.
    pub files: Vec<PathChange>,
    /// How many files and folders there are.
    pub entries: usize,
    /// The bytes of all their paths.
    pub path_bytes: usize,
}

/// Two different folders at the same path.
struct Pair {
    /// The path of the folder with a trailing `/`; empty for the root.
    folder: Vec<u8>,
    old: Option<TreeId>,
    new: Option<TreeId>,
}

struct Walk<'a> {
    objects: &'a Objects,
    /// The most files, the most bytes of all paths, and the most files and folders.
    path_limit: usize,
    path_bytes_limit: usize,
    entry_limit: usize,
    /// The files and folders so far.
    entries: usize,
    /// The bytes of all paths so far.
    path_bytes: usize,
    growth: TreeGrowth,
    changes: Vec<PathChange>,
    /// The folders still to compare. A list rather than recursion, because the remote chooses the
    /// depth.
    pending: Vec<Pair>,
}

impl<'a> Walk<'a> {
    fn of(objects: &'a Objects, pending: Vec<Pair>) -> Self {
        let MirrorOptions { path_limit, path_bytes_limit, .. } = *objects.mirror.options();
        let (entry_limit, entries, path_bytes, changes) = (usize::MAX, 0, 0, Vec::new());
        let growth = TreeGrowth::default();
        Self {
            objects,
            path_limit,
            path_bytes_limit,
            entry_limit,
            entries,
            path_bytes,
            growth,
            changes,
            pending,
        }
    }

    /// Compares all pending folders and those found below them.
    fn run(&mut self) -> Result<(), ObjectError> {
        while let Some(pair) = self.pending.pop() {
            self.compare(&pair)?;
        }
        Ok(())
    }

    /// Does the same, and returns the changes.
    fn finish(mut self) -> Result<Vec<PathChange>, ObjectError> {
        self.run()?;
        self.changes.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(self.changes)
    }

    fn compare(&mut self, pair: &Pair) -> Result<(), ObjectError> {
        let bytes =
            |tree: Option<TreeId>| tree.map(|tree| self.objects.tree_bytes(tree)).transpose();
        let (old, new) = (bytes(pair.old)?, bytes(pair.new)?);
        let old = Side::open(pair.old, old.as_ref().map_or(&[], |tree| tree))?;
        let new = Side::open(pair.new, new.as_ref().map_or(&[], |tree| tree))?;
        compare(old, new, |old, new| self.report(pair, old, new))
    }

    /// Records that an entry was added, removed or changed. Two entries that are equal in git's
    /// order are either both folders or both not.
    fn report(
        &mut self,
        pair: &Pair,
        old: Option<RawEntry<'_>>,
        new: Option<RawEntry<'_>>,
    ) -> Result<(), ObjectError> {
        let Some(entry) = new.or(old) else { return Ok(()) };
        let mut path = Vec::with_capacity(pair.folder.len() + entry.name.len() + 1);
        path.extend_from_slice(&pair.folder);
        path.extend_from_slice(entry.name);
        if path.len() > PATH_LIMIT {
            let tree = new.and(pair.new).or(pair.old).unwrap_or(TreeId::ZERO);
            return Err(bad_tree(tree, TreeFlaw::PathTooLong));
        }
        let Self { path_limit, path_bytes_limit, entry_limit, .. } = *self;
        self.entries += 1;
        if self.entries > entry_limit {
            return Err(ObjectError::TooManyPaths { limit: entry_limit });
        }
        if self.changes.len() + self.pending.len() >= path_limit {
            return Err(ObjectError::TooManyPaths { limit: path_limit });
        }
        self.path_bytes += path.len();
        self.growth.count(path.len(), old.is_some(), new.is_some());
        if self.path_bytes > path_bytes_limit {
            return Err(ObjectError::PathsTooLong { limit: path_bytes_limit });
        }
        if entry.is_folder() {
            path.push(b'/');
            let tree = |side: Option<RawEntry<'_>>| side.map(|entry| TreeId::from_bytes(entry.id));
            self.pending.push(Pair { folder: path, old: tree(old), new: tree(new) });
        } else {
            let file = |side: Option<RawEntry<'_>>| {
                side.map(|entry| FileEntry { mode: entry.mode, id: BlobId::from_bytes(entry.id) })
            };
            self.changes.push(PathChange { path, old: file(old), new: file(new) });
        }
        Ok(())
    }
}

/// One of two trees that are compared, with its next entry.
pub(super) struct Side<'a> {
    tree: TreeId,
    entries: super::tree::Entries<'a>,
    next: Option<RawEntry<'a>>,
}

impl<'a> Side<'a> {
    /// Opens a tree by its bytes; `None` is the empty tree.
    pub(super) fn open(tree: Option<TreeId>, bytes: &'a [u8]) -> Result<Self, ObjectError> {
        let tree = tree.unwrap_or(TreeId::ZERO);
        let mut side = Self { tree, entries: super::tree::Entries::new(bytes), next: None };
        side.advance()?;
        Ok(side)
    }

    fn advance(&mut self) -> Result<(), ObjectError> {
        self.next = self.entries.next().transpose().map_err(|flaw| bad_tree(self.tree, flaw))?;
        Ok(())
    }
}

/// Calls `report` with the entries, on either side, of each name at which two folders differ.
///
/// # Errors
///
/// Those of `report`, and of a tree that git would not write.
pub(super) fn compare<'a, E: From<ObjectError>>(
    mut old: Side<'a>,
    mut new: Side<'a>,
    mut report: impl FnMut(Option<RawEntry<'_>>, Option<RawEntry<'_>>) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        match (old.next, new.next) {
            (None, None) => return Ok(()),
            (Some(gone), None) => {
                report(Some(gone), None)?;
                old.advance()?;
            }
            (None, Some(come)) => {
                report(None, Some(come))?;
                new.advance()?;
            }
            (Some(a), Some(b)) => match a.cmp_name(&b) {
                std::cmp::Ordering::Less => {
                    report(Some(a), None)?;
                    old.advance()?;
                }
                std::cmp::Ordering::Greater => {
                    report(None, Some(b))?;
                    new.advance()?;
                }
                std::cmp::Ordering::Equal => {
                    if a.id != b.id || a.mode != b.mode {
                        report(Some(a), Some(b))?;
                    }
                    old.entries.skip_common(&mut new.entries);
                    old.advance()?;
                    new.advance()?;
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;
    use crate::mirror::{Mirror, MirrorOptions, TreeSize};
    use proptest::prelude::*;

    /// Returns git's own difference in the types of this module.
    fn git_diff(repository: &TestRepository, old: &str, new: &str) -> Vec<PathChange> {
        let args = ["diff-tree", "-r", "--no-renames", "--no-abbrev", "-z", "--raw", old, new];
        let output = repository.git_with(args, b"");
        let mut fields = output.split(|byte| *byte == 0).filter(|field| !field.is_empty());
        let mut changes = Vec::new();
        while let (Some(facts), Some(path)) = (fields.next(), fields.next()) {
            let facts = std::str::from_utf8(facts).unwrap().trim_start_matches(':');
            let facts: Vec<&str> = facts.split(' ').collect();
            let side = |mode: &str, id: &str| {
                let mode = match mode {
                    "000000" => return None,
                    "100644" => EntryMode::Regular,
                    "100755" => EntryMode::Executable,
                    "120000" => EntryMode::Symlink,
                    "160000" => EntryMode::Submodule,
                    other => panic!("mode {other}"),
                };
                Some(FileEntry { mode, id: id.parse().unwrap() })
            };
            changes.push(PathChange {
                path: path.to_vec(),
                old: side(facts[0], facts[2]),
                new: side(facts[1], facts[3]),
            });
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        changes
    }

    /// A few names only, so that files, folders and their order often collide.
    fn a_path() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!["a", "a.b", "a-", "b", "ü", "A"]), 1..4)
            .prop_map(|segments| segments.join("/"))
    }

    fn a_tree() -> impl Strategy<Value = Vec<(String, &'static str, u8)>> {
        let mode = prop::sample::select(vec!["100644", "100644", "100755", "120000", "160000"]);
        prop::collection::vec((a_path(), mode, 0..3_u8), 0..12)
    }

    /// Writes the files as a tree. A later path replaces whatever is in its way.
    fn write_tree(repository: &TestRepository, files: &[(String, &str, u8)]) -> TreeId {
        let mut stream = String::from("commit refs/heads/t\ncommitter A <a@b> 0 +0000\ndata 0\n");
        stream.push_str("deleteall\n");
        for (path, mode, content) in files {
            let data = match *mode {
                "160000" => format!("M 160000 {} {path}\n", format!("{content:02}").repeat(20)),
                _ => format!("M {mode} inline {path}\ndata 1\n{content}\n"),
            };
            if !data.contains("000000000000") {
                stream.push_str(&data);
            }
        }
        repository.git_with(["fast-import", "--quiet", "--force"], stream.as_bytes());
        repository.tree_of("t")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn it_is_what_git_says(trees in prop::collection::vec(a_tree(), 2..4)) {
            let repository = TestRepository::bare();
            let trees: Vec<TreeId> =
                trees.iter().map(|files| write_tree(&repository, files)).collect();
            let objects = repository.objects();
            for old in &trees {
                for new in &trees {
                    let expected = git_diff(&repository, &old.to_string(), &new.to_string());
                    let found = objects.diff(Some(*old), Some(*new)).unwrap();
                    prop_assert_eq!(&found, &expected);
                    // Sizes add up, whichever way a tree is reached.
                    let growth = |old: Option<TreeId>, new: TreeId| {
                        objects.diff_and_growth(old, Some(new)).unwrap().growth
                    };
                    let way = TreeSize::default().after(growth(None, *old));
                    let direct = TreeSize::default().after(growth(None, *new));
                    prop_assert_eq!(way.after(growth(Some(*old), *new)), direct);
                }
            }
        }
    }

    #[test]
    fn a_file_of_which_only_the_mode_changes_is_a_difference() {
        let repository = TestRepository::bare();
        let tree = |mode| write_tree(&repository, &[("d/a".to_owned(), mode, 1)]);
        let (old, new) = (tree("100644"), tree("120000"));
        let changes = repository.objects().diff(Some(old), Some(new)).unwrap();
        let [PathChange { path, old: Some(old), new: Some(new) }] = &changes[..] else {
            panic!("{changes:?}")
        };
        assert_eq!((path.as_slice(), old.id), (&b"d/a"[..], new.id));
        assert_eq!((old.mode, new.mode), (EntryMode::Regular, EntryMode::Symlink));
    }

    #[test]
    fn a_file_that_becomes_a_folder_is_gone_and_its_files_come() {
        let repository = TestRepository::bare();
        let old = {
            repository.commit_files("main", &[("a", "1")]);
            repository.tree_of("main")
        };
        let new = {
            repository.commit_files("main", &[("a/b", "1")]);
            repository.tree_of("main")
        };
        let changes = repository.objects().diff(Some(old), Some(new)).unwrap();
        let seen: Vec<_> = changes
            .iter()
            .map(|change| (change.path.as_slice(), change.old.is_some(), change.new.is_some()))
            .collect();
        assert_eq!(seen, [(&b"a"[..], true, false), (&b"a/b"[..], false, true)]);
    }

    #[test]
    fn the_empty_tree_on_either_side_gives_everything_once() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1"), ("d/e/f", "2")]);
        let tree = repository.tree_of("main");
        let objects = repository.objects();
        let paths = |changes: Vec<PathChange>| -> Vec<Vec<u8>> {
            changes.into_iter().map(|change| change.path).collect()
        };
        let all = vec![b"a".to_vec(), b"d/e/f".to_vec()];
        assert_eq!(paths(objects.diff(None, Some(tree)).unwrap()), all);
        assert_eq!(paths(objects.diff(Some(tree), None).unwrap()), all);
        assert_eq!(objects.diff(None, None).unwrap(), []);
    }

    #[test]
    fn of_more_files_and_folders_than_may_be_looked_at_none_is_told_and_no_more_are_read() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1"), ("d/e", "2"), ("d/f", "3")]);
        let (tree, objects) = (repository.tree_of("main"), repository.objects());
        let files = objects.diff(None, Some(tree)).unwrap();
        let all =
            TreeFiles { files, entries: 4, path_bytes: "a".len() + "d".len() + "d/ed/f".len() };
        for (most, expected) in [(usize::MAX, Some(&all)), (4, Some(&all)), (3, None), (0, None)] {
            let found = objects.files_within(tree, most).unwrap();
            assert_eq!(found.as_ref(), expected, "{most}");
        }
        // A folder that is missing would be an error.
        let blob = *repository.write_blob(b"1").as_bytes();
        let entries = [("100644", &b"a"[..], blob), ("40000", b"gone", [9; 20])];
        let tree = repository.write_raw_tree(&entries);
        assert!(objects.files_within(tree, 1).unwrap().is_none());
        assert!(objects.files_within(tree, 2).unwrap_err().is_missing());
    }

    #[test]
    fn an_unchanged_folder_is_not_opened() {
        let repository = TestRepository::bare();
        let folder = [9; 20];
        let blob = *repository.write_blob(b"1").as_bytes();
        let old = repository.write_raw_tree(&[("40000", b"gone", folder)]);
        let new = repository.write_raw_tree(&[("100644", b"a", blob), ("40000", b"gone", folder)]);
        let changes = repository.objects().diff(Some(old), Some(new)).unwrap();
        assert_eq!(changes.len(), 1);
    }

    #[test]
    fn a_missing_tree_is_told_by_its_id() {
        let repository = TestRepository::bare();
        let absent = TreeId::from_bytes([3; 20]);
        let error = repository.objects().diff(None, Some(absent)).unwrap_err();
        assert!(error.is_missing() && error.to_string().contains(&absent.to_string()), "{error}");
    }

    #[test]
    fn malformed_trees_are_refused_with_their_flaw() {
        let repository = TestRepository::bare();
        let id = *repository.write_blob(b"1").as_bytes();
        type Entries<'a> = &'a [(&'a str, &'a [u8], [u8; 20])];
        let cases: [(Entries<'_>, TreeFlaw); 8] = [
            (&[("100644", b"b", id), ("100644", b"a", id)], TreeFlaw::NotSorted),
            (&[("100644", b"a", id), ("100644", b"a", id)], TreeFlaw::DuplicateName),
            (
                &[("100644", b"a", id), ("100644", b"a.b", id), ("40000", b"a", id)],
                TreeFlaw::DuplicateName,
            ),
            (&[("100644", b"", id)], TreeFlaw::EmptyName),
            (&[("100644", b"a/b", id)], TreeFlaw::SlashInName),
            (&[("100644", b"a", [0; 20])], TreeFlaw::NullId),
            (&[("777777", b"a", id)], TreeFlaw::UnknownMode),
            (&[("1x", b"a", id)], TreeFlaw::Unparsable),
        ];
        for (entries, expected) in cases {
            let tree = repository.write_raw_tree(entries);
            match repository.objects().diff(None, Some(tree)) {
                Err(ObjectError::BadTree { flaw, .. }) => assert_eq!(flaw, expected),
                other => panic!("{expected:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_comes_behind_the_common_entries_is_checked_against_them() {
        let repository = TestRepository::bare();
        let id = *repository.write_blob(b"1").as_bytes();
        let names = |names: &[&'static str]| -> Vec<(&str, &[u8], [u8; 20])> {
            names.iter().map(|name| ("100644", name.as_bytes(), id)).collect()
        };
        let base = repository.write_raw_tree(&names(&["a", "a.b", "c"]));
        let folder = |mut entries: Vec<(&'static str, &'static [u8], [u8; 20])>| {
            entries.push(("40000", b"a", id));
            entries
        };
        let cases = [
            (names(&["a", "a.b", "c", "b"]), TreeFlaw::NotSorted),
            (names(&["a", "a.b", "c", "c"]), TreeFlaw::DuplicateName),
            (folder(names(&["a", "a.b"])), TreeFlaw::DuplicateName),
        ];
        for (entries, expected) in cases {
            let tree = repository.write_raw_tree(&entries);
            match repository.objects().diff(Some(base), Some(tree)) {
                Err(ObjectError::BadTree { flaw, .. }) => assert_eq!(flaw, expected),
                other => panic!("{expected:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_few_trees_that_stand_for_billions_of_paths_are_refused() {
        let repository = TestRepository::bare();
        let mut id = *repository.write_blob(b"1").as_bytes();
        let mut mode = "100644";
        for _ in 0..10 {
            let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
            let entries: Vec<_> = names.iter().map(|name| (mode, name.as_bytes(), id)).collect();
            id = *repository.write_raw_tree(&entries).as_bytes();
            mode = "40000";
        }
        let options = MirrorOptions { path_limit: 10_000, ..MirrorOptions::default() };
        let objects = Mirror::open(repository.path(), options).unwrap().objects().unwrap();
        let result = objects.diff(None, Some(TreeId::from_bytes(id)));
        assert!(matches!(result, Err(ObjectError::TooManyPaths { limit: 10_000 })));
    }

    #[test]
    fn a_folder_with_a_long_name_that_is_used_many_times_is_refused_for_the_length_of_its_paths() {
        let repository = TestRepository::bare();
        let file = *repository.write_blob(b"1").as_bytes();
        let names: Vec<String> = (0..100).map(|n| format!("{n:03}")).collect();
        let all =
            |mode, id| -> Vec<_> { names.iter().map(|name| (mode, name.as_bytes(), id)).collect() };
        let leaf = *repository.write_raw_tree(&all("100644", file)).as_bytes();
        let long = "x".repeat(200);
        let folder = *repository.write_raw_tree(&[("40000", long.as_bytes(), leaf)]).as_bytes();
        let root = TreeId::from_bytes(*repository.write_raw_tree(&all("40000", folder)).as_bytes());
        let diff = |limit| {
            let options = MirrorOptions { path_bytes_limit: limit, ..MirrorOptions::default() };
            let mirror = Mirror::open(repository.path(), options).unwrap();
            mirror.objects().unwrap().diff(None, Some(root))
        };
        // Each of the 10,000 paths takes 208 bytes.
        let refused = diff(1_000_000);
        assert!(matches!(refused, Err(ObjectError::PathsTooLong { limit: 1_000_000 })));
        assert_eq!(diff(3_000_000).unwrap().len(), 10_000);
    }

    #[test]
    fn trees_nested_without_end_are_refused() {
        let repository = TestRepository::bare();
        let mut stream =
            String::from("commit refs/heads/main\ncommitter A <a@b> 0 +0000\ndata 0\n");
        let path = vec!["d"; 2_100].join("/");
        stream.push_str(&format!("M 100644 inline {path}\ndata 1\n1\n"));
        repository.git_with(["fast-import", "--quiet"], stream.as_bytes());
        let tree = repository.git(["log", "-1", "--format=%T", "main"]).parse().unwrap();
        match repository.objects().diff(None, Some(tree)) {
            Err(ObjectError::BadTree { flaw, .. }) => assert_eq!(flaw, TreeFlaw::PathTooLong),
            other => panic!("{other:?}"),
        }
    }
}
