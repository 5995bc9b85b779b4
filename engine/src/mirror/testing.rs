//! Real repositories, created by the git program, for the tests of this module.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Mirror, MirrorOptions, Objects};
use crate::id::{BlobId, CommitId, TreeId};

thread_local! {
    static COMMITS_READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static HANDLES_OPENED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static PATHS_COMPARED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts paths that this thread compares to check a fetch.
pub(super) fn count_paths(count: usize) {
    PATHS_COMPARED.set(PATHS_COMPARED.get() + count);
}

/// Returns how many paths this thread has compared to check fetches.
pub(crate) fn paths_compared() -> usize {
    PATHS_COMPARED.get()
}

/// Counts a handle that this thread opens.
pub(super) fn count_handle() {
    HANDLES_OPENED.set(HANDLES_OPENED.get() + 1);
}

/// Returns how many handles this thread has opened.
pub(crate) fn handles_opened() -> usize {
    HANDLES_OPENED.get()
}

/// Counts a commit that this thread reads from a repository.
pub(super) fn count_commit() {
    COMMITS_READ.set(COMMITS_READ.get() + 1);
}

/// Returns how many commits this thread has read from repositories.
pub(crate) fn commits_read() -> usize {
    COMMITS_READ.get()
}

/// A git repository in its own folder, which is removed with the value.
pub(crate) struct TestRepository {
    folder: tempfile::TempDir,
}

impl TestRepository {
    /// Creates a bare repository whose `HEAD` names `main`.
    pub(crate) fn bare() -> Self {
        Self::with(&["--bare"])
    }

    pub(crate) fn with(init: &[&str]) -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        let mut args = vec!["init", "-q", "-b", "main"];
        args.extend(init);
        repository.git(args);
        repository
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    pub(crate) fn mirror(&self) -> Mirror {
        Mirror::open(self.path(), MirrorOptions::default()).unwrap()
    }

    pub(crate) fn objects(&self) -> Objects {
        self.mirror().objects().unwrap()
    }

    /// Runs git in the repository and returns its output without the last newline.
    pub(crate) fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        String::from_utf8(self.git_with(args, b"")).unwrap().trim_end_matches('\n').to_owned()
    }

    pub(crate) fn git_with<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Vec<u8> {
        let mut child = hermetic_git(self.path())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    pub(crate) fn write_blob(&self, content: &[u8]) -> BlobId {
        let id = self.git_with(["hash-object", "-w", "--stdin"], content);
        std::str::from_utf8(&id).unwrap().trim().parse().unwrap()
    }

    /// Writes the bytes as an object of the kind, whatever they are.
    pub(crate) fn write_raw(&self, kind: &str, content: &[u8]) -> [u8; 20] {
        let args = ["hash-object", "-t", kind, "-w", "--literally", "--stdin"];
        let id: BlobId =
            String::from_utf8(self.git_with(args, content)).unwrap().trim().parse().unwrap();
        *id.as_bytes()
    }

    /// Writes a tree of exactly these entries: mode, name and id.
    pub(crate) fn write_raw_tree(&self, entries: &[(&str, &[u8], [u8; 20])]) -> TreeId {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend_from_slice(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(name);
            bytes.push(0);
            bytes.extend_from_slice(id);
        }
        TreeId::from_bytes(self.write_raw("tree", &bytes))
    }

    /// Commits a tree on top of parents, without moving a ref.
    pub(crate) fn commit_tree(&self, tree: TreeId, parents: &[CommitId]) -> CommitId {
        self.commit_tree_with(tree, parents, "subject\n")
    }

    /// Writes a commit of a tree with this message.
    pub(crate) fn commit_tree_with(
        &self,
        tree: TreeId,
        parents: &[CommitId],
        message: &str,
    ) -> CommitId {
        let mut text = format!("tree {tree}\n");
        for parent in parents {
            text.push_str(&format!("parent {parent}\n"));
        }
        let who = "A <a@example.org> 1700000000 +0000";
        text.push_str(&format!("author {who}\ncommitter {who}\n\n{message}"));
        CommitId::from_bytes(self.write_raw("commit", text.as_bytes()))
    }

    /// Commits these files, and no others, on top of `branch`.
    pub(crate) fn commit_files(&self, branch: &str, files: &[(&str, &str)]) -> CommitId {
        let mut stream = format!("commit refs/heads/{branch}\ncommitter A <a@example.org> ");
        stream.push_str("1700000000 +0000\ndata 7\nsubject\n");
        let exists =
            self.git(["for-each-ref", "--format=%(refname)", &format!("refs/heads/{branch}")]);
        if !exists.is_empty() {
            stream.push_str(&format!("from refs/heads/{branch}^0\n"));
        }
        stream.push_str("deleteall\n");
        for (path, content) in files {
            stream.push_str(&format!("M 100644 inline {path}\ndata {}\n", content.len()));
            stream.push_str(&format!("{content}\n"));
        }
        self.git_with(["fast-import", "--quiet", "--force"], stream.as_bytes());
        self.head(branch)
    }

    /// Makes a commit in a repository that uses another object format.
    pub(crate) fn commit_files_unchecked(&self, branch: &str) {
        let stream = format!(
            "commit refs/heads/{branch}\ncommitter A <a@b> 0 +0000\ndata 0\nM 644 inline a\ndata 1\n1\n"
        );
        self.git_with(["fast-import", "--quiet"], stream.as_bytes());
    }

    pub(crate) fn head(&self, branch: &str) -> CommitId {
        self.git(["rev-parse", &format!("refs/heads/{branch}")]).parse().unwrap()
    }

    pub(crate) fn set_head(&self, branch: &str, commit: impl std::fmt::Display) {
        let ref_file = self.path().join("refs/heads").join(branch);
        // git itself refuses to point a branch at a blob.
        std::fs::write(ref_file, format!("{commit}\n")).unwrap();
    }

    pub(crate) fn tree_of(&self, rev: &str) -> TreeId {
        self.git(["rev-parse", &format!("{rev}^{{tree}}")]).parse().unwrap()
    }
}

/// Gives a folder and everything in it to another user. Returns whether that is possible: only root
/// can.
pub(crate) fn give_away(folder: &Path) -> bool {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can give a file to another user");
        return false;
    }
    let files = files_below(folder).into_iter().map(|file| folder.join(file));
    for path in files.chain([folder.to_owned(), folder.join(".git")]) {
        if path.exists() {
            std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    true
}

/// The id of another user.
pub(crate) const NOBODY: u32 = 65_534;

/// The git program as it behaves on any machine.
pub(crate) fn hermetic_git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("LC_ALL", "C")
        .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.org")])
        .envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@example.org")])
        .envs([("GIT_AUTHOR_DATE", "1700000000 +0000")])
        .envs([("GIT_COMMITTER_DATE", "1700000000 +0000")]);
    command
}

/// Returns the files below a folder by their relative paths, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
