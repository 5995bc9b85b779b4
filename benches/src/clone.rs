//! The time that git alone takes for the same push: bare clones that `git` keeps up to date.

use std::path::{Path, PathBuf};

use headwater_testkit::git::git_with_input;
use headwater_testkit::{Upstream, git};
use tempfile::TempDir;

/// A bare clone of a remote.
pub struct Clone {
    _folder: TempDir,
    path: PathBuf,
    url: String,
    branch: String,
}

impl Clone {
    /// Clones `upstream` as it is now, over `file://`.
    ///
    /// # Panics
    /// Panics if git fails.
    pub fn of(upstream: &Upstream) -> Self {
        Self::from_url(&upstream.url(), upstream.branch())
    }

    /// Clones the repository at `url`, to follow `branch`.
    ///
    /// # Panics
    /// Panics if git fails.
    pub fn from_url(url: &str, branch: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("clone.git");
        git(folder.path(), ["clone", "--quiet", "--bare", url, "clone.git"]);
        Self { _folder: folder, path, url: url.to_owned(), branch: branch.to_owned() }
    }

    /// Returns the folder of the repository.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its address, for a server that has it as its remote.
    pub fn address(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// Fetches the branch, as a user would by hand.
    pub fn fetch(&self) {
        let branch = &self.branch;
        let refspec = format!("+refs/heads/{branch}:refs/heads/{branch}");
        git(&self.path, ["fetch", "--quiet", &self.url, &refspec]);
    }

    /// Fetches the branch, compares its tree with the previous one, and reads every changed blob:
    /// the minimum for a reload made of git's own programs. Returns the bytes read.
    pub fn fetch_and_read(&self) -> usize {
        let head = || git(&self.path, ["rev-parse", &self.branch]);
        let old = head();
        self.fetch();
        let changed = git(&self.path, ["diff-tree", "-r", &old, &head()]);
        let blobs = changed.lines().filter_map(|line| line.split(' ').nth(3));
        let blobs = blobs.filter(|id| id.bytes().any(|byte| byte != b'0'));
        let ids: String = blobs.map(|id| format!("{id}\n")).collect();
        git_with_input(&self.path, ["cat-file", "--batch"], ids.as_bytes()).len()
    }

    /// Reads every blob of the head: `git ls-tree -r | git cat-file --batch`.
    pub fn read_all(&self) {
        let pipe = "git ls-tree -r --format='%(objectname)' \"$1\" | git cat-file --batch";
        let status = std::process::Command::new("sh")
            .args(["-c", pipe, "sh", &self.branch])
            .current_dir(&self.path)
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.is_ok_and(|status| status.success()), "git cat-file failed");
    }

    /// Returns how many packs and how many loose objects the repository at `path` has.
    pub fn objects(path: &Path) -> (usize, usize) {
        let counted = git(path, ["count-objects", "-v"]);
        let count = |name: &str| {
            let line = counted.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().parse().ok()).unwrap_or_default()
        };
        (count("packs:"), count("count:"))
    }

    /// Returns the size of all files of the repository at `path`, in bytes.
    pub fn disk(path: &Path) -> u64 {
        let Ok(entries) = std::fs::read_dir(path) else { return 0 };
        // A file may disappear after it is listed.
        let sizes = entries.flatten().filter_map(|entry| {
            let meta = entry.metadata().ok()?;
            Some(if meta.is_dir() { Self::disk(&entry.path()) } else { meta.len() })
        });
        sizes.sum()
    }
}
