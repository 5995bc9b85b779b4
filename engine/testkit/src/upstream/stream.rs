//! Large trees, written as one pack of blobs and one index.
//!
//! fast-import searches a folder from its beginning for every file put into it, which takes
//! quadratic time. So it writes only the blobs, and an index becomes the trees.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::Stdio;

use crate::git::{command, run};

/// Writes the tree of `parent` with `files` added and returns its id.
pub(super) fn write_tree_of<P: AsRef<[u8]>, B: AsRef<[u8]>>(
    repo: &Path,
    parent: Option<&str>,
    files: impl IntoIterator<Item = (P, B)>,
) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let entries = write_blobs(repo, &folder.path().join("marks"), files);
    let index = folder.path().join("index");
    let in_index = |args: &[&str], input: &[u8]| {
        let mut command = command(repo);
        let output = run(command.env("GIT_INDEX_FILE", &index).args(args), input);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?} failed: {message}");
        String::from_utf8(output.stdout).expect("git printed UTF-8").trim_end().to_owned()
    };
    if let Some(parent) = parent {
        in_index(&["read-tree", parent], b"");
    }
    in_index(&["update-index", "-z", "--index-info"], &entries);
    in_index(&["write-tree"], b"")
}

/// Writes the contents of `files` as blobs and returns their lines for the index, sorted by path.
fn write_blobs<P: AsRef<[u8]>, B: AsRef<[u8]>>(
    repo: &Path,
    marks: &Path,
    files: impl IntoIterator<Item = (P, B)>,
) -> Vec<u8> {
    let mut child = command(repo)
        .args(["fast-import", "--quiet", "--depth=0"])
        .arg({
            let mut option = std::ffi::OsString::from("--export-marks=");
            option.push(marks);
            option
        })
        .stdin(Stdio::piped())
        .spawn()
        .expect("the git program is installed");
    let stdin = child.stdin.take().expect("standard input is piped");
    let mut out = BufWriter::with_capacity(1 << 16, stdin);
    let mut paths: Vec<Vec<u8>> = Vec::new();
    let sent: io::Result<()> = files.into_iter().try_for_each(|(path, bytes)| {
        paths.push(path.as_ref().to_vec());
        let bytes = bytes.as_ref();
        write!(out, "blob\nmark :{}\ndata {}\n", paths.len(), bytes.len())?;
        out.write_all(bytes)?;
        out.write_all(b"\n")
    });
    let sent = sent.and_then(|()| out.write_all(b"done\n")).and_then(|()| out.flush());
    drop(out);
    let status = child.wait().expect("the child can be waited for");
    assert!(sent.is_ok() && status.success(), "git fast-import failed: {sent:?}, {status}");

    let marks = std::fs::read_to_string(marks).expect("fast-import wrote the marks");
    let mut entries: Vec<(Vec<u8>, &str)> = marks
        .lines()
        .map(|line| {
            let (mark, id) = line.split_once(' ').expect("a mark and an id");
            let number: usize = mark[1..].parse().expect("a mark is a number");
            (std::mem::take(&mut paths[number - 1]), id)
        })
        .collect();
    // In order, each entry is appended to the index instead of inserted in the middle.
    entries.sort_unstable();
    let mut lines = Vec::with_capacity(entries.len() * 80);
    for (path, id) in entries {
        lines.extend_from_slice(b"100644 ");
        lines.extend_from_slice(id.as_bytes());
        lines.push(b'\t');
        lines.extend_from_slice(&path);
        lines.push(0);
    }
    lines
}
