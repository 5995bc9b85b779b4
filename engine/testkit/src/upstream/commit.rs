//! One commit of an [`Upstream`], written by one `git fast-import` child.

use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};

use super::Upstream;
use super::raw_tree::{self, RawFile};
use crate::git::{IDENTITY, command, git};

/// The mode of a regular file.
const FILE: u32 = 0o100_644;
/// The mode of a submodule, whose content is the id of a commit.
const SUBMODULE: u32 = 0o160_000;

/// A commit being made.
///
/// Changes apply in the given order. Dropping the value without [`push`](Self::push) changes
/// nothing.
#[derive(Debug)]
#[must_use = "a commit does nothing until it is pushed"]
pub struct Commit<'a> {
    upstream: &'a mut Upstream,
    parent: Option<String>,
    message: String,
    changes: Vec<Change>,
    raw: Vec<RawFile>,
}

#[derive(Debug)]
enum Change {
    Clear,
    Put { path: Vec<u8>, mode: u32, bytes: Vec<u8> },
    Delete { path: Vec<u8> },
}

impl<'a> Commit<'a> {
    pub(super) fn new(upstream: &'a mut Upstream, parent: Option<String>, message: &str) -> Self {
        let message = message.to_owned();
        Self { upstream, parent, message, changes: Vec::new(), raw: Vec::new() }
    }

    /// Writes `bytes` to the regular file at `path`, which need not be UTF-8.
    pub fn put(self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Self {
        self.put_mode(path, FILE, bytes)
    }

    /// Writes an entry of any mode: `0o100755` for an executable file, `0o120000` for a symlink
    /// (the bytes are its target), `0o160000` for a submodule (the bytes are 40 hex digits).
    pub fn put_mode(mut self, path: impl AsRef<[u8]>, mode: u32, bytes: impl AsRef<[u8]>) -> Self {
        let (path, bytes) = (path.as_ref().to_vec(), bytes.as_ref().to_vec());
        self.changes.push(Change::Put { path, mode, bytes });
        self
    }

    /// Writes all of `files` as regular files.
    pub fn put_all<P: AsRef<[u8]>, B: AsRef<[u8]>>(
        self,
        files: impl IntoIterator<Item = (P, B)>,
    ) -> Self {
        files.into_iter().fold(self, |commit, (path, bytes)| commit.put(path, bytes))
    }

    /// Writes every file below `folder` at its relative path, including executable bits and
    /// symlinks.
    pub fn put_folder(self, folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        let mut paths = Vec::new();
        list_files(folder, &mut paths).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        paths.sort();
        paths.into_iter().fold(self, |commit, path| {
            let relative = path.strip_prefix(folder).expect("listed below the folder");
            let (mode, bytes) =
                read_entry(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            commit.put_mode(relative.as_os_str().as_bytes(), mode, bytes)
        })
    }

    /// Writes an entry whose names git's own tools refuse, such as `.git` or `..`. The path is
    /// given as `segments`, which are stored unchanged; entries of this kind are written after all
    /// others of the commit.
    pub fn put_hostile<S: AsRef<[u8]>>(
        mut self,
        segments: impl IntoIterator<Item = S>,
        mode: u32,
        bytes: impl AsRef<[u8]>,
    ) -> Self {
        let segments = segments.into_iter().map(|segment| segment.as_ref().to_vec()).collect();
        self.raw.push(RawFile { segments, mode, bytes: bytes.as_ref().to_vec() });
        self
    }

    /// Removes the file or the whole folder at `path`.
    pub fn delete(mut self, path: impl AsRef<[u8]>) -> Self {
        self.changes.push(Change::Delete { path: path.as_ref().to_vec() });
        self
    }

    /// Removes everything, so that the tree holds only what is put afterwards.
    pub fn clear(mut self) -> Self {
        self.changes.push(Change::Clear);
        self
    }

    /// Writes the commit, moves the branch to it and returns its id, 40 hexadecimal digits.
    ///
    /// A commit without any change is made, too, with the tree of its parent.
    pub fn push(self) -> String {
        let Self { upstream, parent, message, changes, raw } = self;
        let branch = upstream.branch_ref();
        let target = if raw.is_empty() { branch.as_str() } else { "refs/testkit/scratch" };
        let mut import = Import::begin(upstream, target, parent.as_deref(), &message);
        for change in &changes {
            import.write(|out| change.write(out));
        }
        let commit = import.finish();
        if raw.is_empty() {
            return commit;
        }
        let commit = raw_tree::amend(upstream.path(), &commit, &raw);
        git(upstream.path(), ["update-ref", &branch, &commit]);
        commit
    }
}

impl Change {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Clear => out.write_all(b"deleteall\n"),
            Self::Delete { path } => {
                out.write_all(b"D ")?;
                write_quoted(out, path)?;
                out.write_all(b"\n")
            }
            Self::Put { path, mode, bytes } => write_put(out, path, *mode, bytes),
        }
    }
}

/// A running fast-import that is inside one commit command.
struct Import {
    child: Child,
    out: BufWriter<ChildStdin>,
}

impl Import {
    fn begin(upstream: &mut Upstream, target: &str, parent: Option<&str>, message: &str) -> Self {
        let date = upstream.tick();
        let mut child = command(upstream.path())
            .args(["fast-import", "--quiet", "--force", "--date-format=raw", "--depth=0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the git program is installed");
        let stdin = child.stdin.take().expect("standard input is piped");
        let mut import = Self { child, out: BufWriter::with_capacity(1 << 16, stdin) };
        import.write(|out| {
            // Without this, the old head of a branch would become the parent of a root commit.
            writeln!(out, "reset {target}\n")?;
            writeln!(out, "commit {target}\nmark :1\ncommitter {IDENTITY} {date} +0000")?;
            writeln!(out, "data {}\n{message}", message.len())?;
            parent.map_or(Ok(()), |parent| writeln!(out, "from {parent}"))
        });
        import
    }

    /// Writes a part of the stream, or panics with the error message of fast-import.
    fn write(&mut self, part: impl FnOnce(&mut BufWriter<ChildStdin>) -> io::Result<()>) {
        if part(&mut self.out).is_err() {
            self.fail();
        }
    }

    /// Ends the stream and returns the id of the commit, as printed by fast-import.
    fn finish(mut self) -> String {
        self.write(|out| out.write_all(b"\nget-mark :1\ndone\n").and_then(|()| out.flush()));
        let mut id = String::new();
        let mut stdout = self.child.stdout.take().expect("standard output is piped");
        stdout.read_to_string(&mut id).expect("an id is text");
        if !self.child.wait().is_ok_and(|status| status.success()) {
            self.fail();
        }
        id.truncate(40);
        id
    }

    fn fail(&mut self) -> ! {
        let mut message = String::new();
        if let Some(stderr) = self.child.stderr.as_mut() {
            let _ = stderr.read_to_string(&mut message);
        }
        panic!("git fast-import failed: {message}");
    }
}

pub(super) fn write_put(
    out: &mut impl Write,
    path: &[u8],
    mode: u32,
    bytes: &[u8],
) -> io::Result<()> {
    if mode == SUBMODULE {
        write!(out, "M {mode:o} {} ", String::from_utf8_lossy(bytes))?;
        write_quoted(out, path)?;
        return out.write_all(b"\n");
    }
    write!(out, "M {mode:o} inline ")?;
    write_quoted(out, path)?;
    write!(out, "\ndata {}\n", bytes.len())?;
    out.write_all(bytes)?;
    out.write_all(b"\n")
}

/// Writes `path` in the C-style quoting of fast-import, which takes any byte but NUL.
fn write_quoted(out: &mut impl Write, path: &[u8]) -> io::Result<()> {
    out.write_all(b"\"")?;
    for &byte in path {
        match byte {
            b'"' | b'\\' => out.write_all(&[b'\\', byte])?,
            b' '..=b'~' => out.write_all(&[byte])?,
            _ => write!(out, "\\{byte:03o}")?,
        }
    }
    out.write_all(b"\"")
}

/// Collects every file and symlink below `folder`.
fn list_files(folder: &Path, into: &mut Vec<std::path::PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list_files(&entry.path(), into)?;
        } else {
            into.push(entry.path());
        }
    }
    Ok(())
}

/// Returns the mode and the bytes that git stores for the file at `path`.
fn read_entry(path: &Path) -> io::Result<(u32, Vec<u8>)> {
    use std::os::unix::fs::PermissionsExt;
    let meta = std::fs::symlink_metadata(path)?;
    if meta.is_symlink() {
        return Ok((0o120_000, std::fs::read_link(path)?.as_os_str().as_bytes().to_vec()));
    }
    let mode = if meta.permissions().mode() & 0o111 == 0 { FILE } else { 0o100_755 };
    Ok((mode, std::fs::read(path)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::git_with_input;

    fn listed(upstream: &Upstream, commit: &str) -> Vec<u8> {
        git_with_input(upstream.path(), ["ls-tree", "-r", "-z", "--name-only", commit], b"")
    }

    #[test]
    fn any_byte_but_nul_may_be_in_a_name() {
        let mut upstream = Upstream::new();
        let name: Vec<u8> = (1..=255).filter(|&byte| byte != b'/').collect();
        let commit = upstream.commit("odd").put(&name, "x").put("ü \"q\" \\.toml", "y").push();
        let names = listed(&upstream, &commit);
        let mut names: Vec<&[u8]> = names.split(|&byte| byte == 0).collect();
        names.retain(|name| !name.is_empty());
        assert_eq!(names, [&name[..], "ü \"q\" \\.toml".as_bytes()]);
    }

    #[test]
    fn modes_are_stored_as_given() {
        let mut upstream = Upstream::new();
        let target = "1".repeat(40);
        let commit = upstream
            .commit("modes")
            .put_mode("link", 0o120_000, "elsewhere")
            .put_mode("sub", 0o160_000, &target)
            .put_mode("tool", 0o100_755, "#!")
            .push();
        let tree = git(upstream.path(), ["ls-tree", &commit]);
        let modes: Vec<&str> = tree.lines().map(|line| &line[..6]).collect();
        assert_eq!(modes, ["120000", "160000", "100755"]);
        assert!(tree.contains(&target));
    }

    #[test]
    fn a_message_and_content_with_any_lines_survive() {
        let mut upstream = Upstream::new();
        let text = "one\n\nM 100644 inline x\n\"";
        let commit = upstream.commit(text).put("a", text).put("b", "").push();
        assert_eq!(upstream.read(&commit, "a").as_deref(), Some(text.as_bytes()));
        assert_eq!(upstream.read(&commit, "b").as_deref(), Some(&b""[..]));
        assert_eq!(git(upstream.path(), ["log", "-1", "--format=%B", &commit]), text);
    }

    #[test]
    fn a_commit_without_changes_keeps_the_tree() {
        let mut upstream = Upstream::new();
        let first = upstream.commit("one").put("a", "1").push();
        let second = upstream.commit("nothing").push();
        assert_ne!(first, second);
        let tree =
            |commit: &str| git(upstream.path(), ["rev-parse", &format!("{commit}^{{tree}}")]);
        assert_eq!(tree(&first), tree(&second));
    }

    #[test]
    fn a_folder_replaces_the_tree_with_its_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("people/.sub")).unwrap();
        std::fs::write(folder.path().join("people/.sub/jane.toml"), "slug = \"jane\"\n").unwrap();
        std::os::unix::fs::symlink("jane.toml", folder.path().join("people/.sub/link")).unwrap();
        let mut upstream = Upstream::new();
        upstream.commit("old").put("gone", "").push();
        let commit = upstream.commit_folder(folder.path());
        assert_eq!(listed(&upstream, &commit), b"people/.sub/jane.toml\0people/.sub/link\0");
    }

    #[test]
    #[should_panic(expected = "fast-import failed")]
    fn what_fast_import_refuses_panics_with_its_message() {
        Upstream::new().commit("bad").put_mode("sub", 0o160_000, "not an id").push();
    }

    #[test]
    fn names_that_git_refuses_are_stored_as_they_are() {
        let mut upstream = Upstream::new();
        let first = upstream.commit("good").put("people/jane.toml", "a = 1\n").push();
        let commit = upstream
            .commit("hostile")
            .put("people/joe.toml", "a = 2\n")
            .put_hostile(["people", ".git", "x.toml"], 0o100_644, "a = 3\n")
            .put_hostile(["people", ".."], 0o100_644, "a = 4\n")
            .put_hostile(["fresh", "a/b"], 0o100_644, "a = 5\n")
            .push();
        assert_eq!(upstream.head(), Some(commit.clone()));
        assert_eq!(git(upstream.path(), ["rev-parse", &format!("{commit}^")]), first);
        let names = String::from_utf8(listed(&upstream, &commit)).unwrap();
        let names: Vec<&str> = names.split_terminator('\0').collect();
        assert_eq!(
            names,
            ["fresh/a/b", "people/..", "people/.git/x.toml", "people/jane.toml", "people/joe.toml"]
        );
    }
}
