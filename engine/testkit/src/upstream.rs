//! A bare repository in a temporary folder that plays the forge.
//!
//! Each commit is made by one `git fast-import` child, without an index or a work tree, so a test
//! can afford thousands. Identity and dates are fixed: the same calls give the same ids.

mod commit;
mod raw_tree;
mod series;
mod stream;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::git::{EPOCH, git, git_with_input};

pub use commit::Commit;
pub use raw_tree::TreeEntry;

/// A remote repository with one branch under test.
///
/// The folder is deleted when the value is dropped.
#[derive(Debug)]
pub struct Upstream {
    _folder: TempDir,
    path: PathBuf,
    branch: String,
    commits: i64,
}

impl Default for Upstream {
    fn default() -> Self {
        Self::new()
    }
}

impl Upstream {
    /// Creates an empty repository whose branch `published` does not exist yet.
    pub fn new() -> Self {
        Self::with_branch("published")
    }

    /// Creates an empty repository whose HEAD names `branch`, which does not exist yet.
    pub fn with_branch(branch: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("upstream.git");
        let init = ["init", "--quiet", "--bare", "--template=", "--ref-format=files", "-b", branch];
        git(folder.path(), init.iter().copied().chain(["upstream.git"]));
        // Tests push to it over http, request any commit, and gain nothing from syncing to disk.
        let config = "[http]\n\treceivepack = true\n[uploadpack]\n\tallowAnySHA1InWant = true\n\
                      [core]\n\tfsync = none\n[gc]\n\tauto = 0\n[receive]\n\tautogc = false\n\
                      [maintenance]\n\tauto = false\n";
        let file = path.join("config");
        let existing = std::fs::read_to_string(&file).expect("a new repository has a config");
        std::fs::write(&file, existing + config).expect("the config can be written");
        Self { _folder: folder, path, branch: branch.to_owned(), commits: 0 }
    }

    /// Returns the folder of the bare repository.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder that holds the repository, the root for a [`GitHttp`](crate::GitHttp)
    /// server. The repository in it is named `upstream.git`.
    pub fn parent(&self) -> &Path {
        self._folder.path()
    }

    /// Returns the `file://` URL of the repository.
    pub fn url(&self) -> String {
        format!("file://{}", self.path.to_str().expect("temporary folders have UTF-8 names"))
    }

    /// Returns the name of the branch that receives commits.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// Makes later commits go to `branch`. HEAD does not change.
    pub fn set_branch(&mut self, branch: &str) {
        self.branch = branch.to_owned();
    }

    /// Returns the head of the branch, or `None` if it does not exist yet or was deleted.
    pub fn head(&self) -> Option<String> {
        let name = self.branch_ref();
        if let Ok(text) = std::fs::read_to_string(self.path.join(&name)) {
            return Some(text.trim_end().to_owned());
        }
        // A push or a gc may have packed the ref.
        let packed = std::fs::read_to_string(self.path.join("packed-refs")).ok()?;
        packed.lines().find_map(|line| {
            line.split_once(' ').filter(|(_, of)| *of == name).map(|(id, _)| id.to_owned())
        })
    }

    /// Begins a commit on top of the branch. Nothing happens until [`Commit::push`].
    pub fn commit(&mut self, message: &str) -> Commit<'_> {
        let parent = self.head();
        Commit::new(self, parent, message)
    }

    /// Begins a commit on top of `parent`, or a root commit, that replaces the head of the branch:
    /// pushing it is a force-push.
    pub fn force_commit_on(&mut self, parent: Option<&str>, message: &str) -> Commit<'_> {
        let parent = parent.map(str::to_owned);
        Commit::new(self, parent, message)
    }

    /// Makes one commit whose tree is exactly the files below `folder`, and returns its id.
    pub fn commit_folder(&mut self, folder: impl AsRef<Path>) -> String {
        self.commit("import a folder").clear().put_folder(folder).push()
    }

    /// Makes one commit that adds `files` to the tree of the branch and returns its id.
    ///
    /// This is the way to make large repositories: contents are streamed, only the paths are held
    /// in memory, and a folder may have any number of files. Each path may occur only once.
    pub fn commit_stream<P, B>(
        &mut self,
        message: &str,
        files: impl IntoIterator<Item = (P, B)>,
    ) -> String
    where
        P: AsRef<[u8]>,
        B: AsRef<[u8]>,
    {
        let parent = self.head();
        let tree = stream::write_tree_of(&self.path, parent.as_deref(), files);
        self.commit_tree(&tree, message)
    }

    /// Moves the branch to any `commit`: a rewind or the second half of a rewrite.
    pub fn reset_to(&mut self, commit: &str) {
        git(&self.path, ["update-ref", &self.branch_ref(), commit]);
    }

    /// Deletes the branch; its commits stay in the repository.
    pub fn delete_branch(&mut self) {
        git(&self.path, ["update-ref", "-d", &self.branch_ref()]);
    }

    /// Returns the bytes of the file at `path` in `commit`, or `None` if there is no such file.
    pub fn read(&self, commit: &str, path: &str) -> Option<Vec<u8>> {
        let listed = git(&self.path, ["ls-tree", "--full-tree", commit, "--", path]);
        let id = listed.split_ascii_whitespace().nth(2)?;
        Some(git_with_input(&self.path, ["cat-file", "blob", id], b""))
    }

    /// Returns the full name of the branch.
    fn branch_ref(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// Returns the date of the next commit, one minute after the previous one.
    fn tick(&mut self) -> i64 {
        self.commits += 1;
        EPOCH + 60 * self.commits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_upstream_has_no_head() {
        assert_eq!(Upstream::new().head(), None);
    }

    #[test]
    fn a_commit_holds_what_was_put_and_nothing_that_was_deleted() {
        let mut upstream = Upstream::new();
        let first = upstream.commit("one").put("a/b.toml", "x = 1\n").put("c", "c").push();
        let second = upstream.commit("two").delete("c").put("a/b.toml", "x = 2\n").push();
        assert_eq!(upstream.head(), Some(second.clone()));
        assert_eq!(upstream.read(&first, "a/b.toml").as_deref(), Some(&b"x = 1\n"[..]));
        assert_eq!(upstream.read(&second, "a/b.toml").as_deref(), Some(&b"x = 2\n"[..]));
        assert_eq!(upstream.read(&second, "c"), None);
        assert_eq!(git(upstream.path(), ["rev-parse", &format!("{second}^")]), first);
    }

    #[test]
    fn the_same_calls_give_the_same_ids() {
        let ids = || {
            let mut upstream = Upstream::new();
            let first = upstream.commit("one").put("a", "1").push();
            (first, upstream.commit("two").put("b", "2").push())
        };
        assert_eq!(ids(), ids());
    }

    #[test]
    fn a_packed_branch_still_has_its_head() {
        let mut upstream = Upstream::new();
        let first = upstream.commit("one").put("a", "1").push();
        git(upstream.path(), ["pack-refs", "--all"]);
        assert_eq!(upstream.head(), Some(first));
    }

    #[test]
    fn a_branch_can_be_rewound_rewritten_and_deleted() {
        let mut upstream = Upstream::new();
        let first = upstream.commit("one").put("a", "1").push();
        let second = upstream.commit("two").put("a", "2").push();
        upstream.reset_to(&first);
        assert_eq!(upstream.head(), Some(first.clone()));
        let other = upstream.force_commit_on(Some(&first), "other").put("a", "3").push();
        assert_ne!(other, second);
        let orphan = upstream.force_commit_on(None, "orphan").put("z", "0").push();
        assert_eq!(upstream.head(), Some(orphan.clone()));
        assert_eq!(upstream.read(&orphan, "a"), None);
        assert_eq!(git(upstream.path(), ["rev-list", "--count", &orphan]), "1");
        upstream.delete_branch();
        assert_eq!(upstream.head(), None);
    }

    #[test]
    fn another_branch_takes_later_commits() {
        let mut upstream = Upstream::new();
        let first = upstream.commit("one").put("a", "1").push();
        upstream.set_branch("draft/next");
        assert_eq!(upstream.head(), None);
        let draft = upstream.commit("two").put("b", "2").push();
        assert_eq!(git(upstream.path(), ["rev-parse", "published"]), first);
        assert_eq!(git(upstream.path(), ["rev-parse", "draft/next"]), draft);
    }

    #[test]
    fn a_stream_of_files_is_one_commit_on_the_branch() {
        let mut upstream = Upstream::new();
        upstream.commit("one").put("kept", "1").push();
        let files = (0..500).map(|i| (format!("people/p{i}.toml"), format!("n = {i}\n")));
        let id = upstream.commit_stream("many", files);
        let listed = git(upstream.path(), ["ls-tree", "-r", "--name-only", &id]);
        assert_eq!(listed.lines().count(), 501);
        assert_eq!(upstream.read(&id, "people/p7.toml").as_deref(), Some(&b"n = 7\n"[..]));
    }
}
