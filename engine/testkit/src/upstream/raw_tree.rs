//! Tree objects written byte by byte, for names that git's own tools would refuse.

use std::path::Path;

use super::Upstream;
use crate::git::{git, git_with_input};

/// One entry of a tree object, stored as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// The mode, `0o40000` for a folder.
    pub mode: u32,
    /// The name: any bytes but NUL, even a slash.
    pub name: Vec<u8>,
    /// The id of the object, 40 hexadecimal digits.
    pub id: String,
}

/// A file of any mode whose path is stored segment by segment, unchanged.
#[derive(Debug)]
pub(super) struct RawFile {
    pub(super) segments: Vec<Vec<u8>>,
    pub(super) mode: u32,
    pub(super) bytes: Vec<u8>,
}

const FOLDER: u32 = 0o40_000;

impl Upstream {
    /// Writes a blob and returns its id. No branch refers to it yet.
    pub fn write_blob(&self, bytes: impl AsRef<[u8]>) -> String {
        write_blob(self.path(), bytes.as_ref())
    }

    /// Writes a tree object with exactly `entries`, in the given order and unchecked, and returns
    /// its id.
    pub fn write_tree(&self, entries: &[TreeEntry]) -> String {
        write_tree(self.path(), entries)
    }

    /// Commits the tree with the id `tree` on top of the branch and returns the id of the commit.
    pub fn commit_tree(&mut self, tree: &str, message: &str) -> String {
        let parent = self.head();
        let date = self.tick();
        let commit = write_commit(self.path(), tree, parent.as_deref(), date, message);
        git(self.path(), ["update-ref", &self.branch_ref(), &commit]);
        commit
    }
}

/// Rewrites `commit` with the files of `raw` added to its tree, and returns the new id.
pub(super) fn amend(repo: &Path, commit: &str, raw: &[RawFile]) -> String {
    let mut tree = git(repo, ["rev-parse", &format!("{commit}^{{tree}}")]);
    for RawFile { segments, mode, bytes } in raw {
        let id = if *mode == 0o160_000 {
            String::from_utf8(bytes.clone()).expect("the content of a submodule is an id")
        } else {
            write_blob(repo, bytes)
        };
        tree = insert(repo, Some(&tree), segments, *mode, &id);
    }
    let parents = git(repo, ["log", "-1", "--format=%P", commit]);
    let parent = Some(parents.as_str()).filter(|parent| !parent.is_empty());
    let date = git(repo, ["log", "-1", "--format=%ct", commit]);
    let message = git(repo, ["log", "-1", "--format=%B", commit]);
    write_commit(repo, &tree, parent, date.parse().expect("a commit has a date"), &message)
}

/// Returns the id of `tree` with the entry at `segments` set.
fn insert(repo: &Path, tree: Option<&str>, segments: &[Vec<u8>], mode: u32, id: &str) -> String {
    let (name, rest) = segments.split_first().expect("a path has a name");
    let mut entries = tree.map_or_else(Vec::new, |tree| read_tree(repo, tree));
    let found = entries.iter().position(|entry| entry.name == *name);
    let entry = if rest.is_empty() {
        TreeEntry { mode, name: name.clone(), id: id.to_owned() }
    } else {
        let below = found.map(|at| &entries[at]).filter(|entry| entry.mode == FOLDER);
        let id = insert(repo, below.map(|entry| entry.id.as_str()), rest, mode, id);
        TreeEntry { mode: FOLDER, name: name.clone(), id }
    };
    match found {
        Some(at) => entries[at] = entry,
        None => entries.push(entry),
    }
    entries.sort_by_key(sort_key);
    write_tree(repo, &entries)
}

/// Orders entries as git does: the name of a folder counts as if it ended in a slash.
fn sort_key(entry: &TreeEntry) -> Vec<u8> {
    let mut key = entry.name.clone();
    if entry.mode == FOLDER {
        key.push(b'/');
    }
    key
}

fn read_tree(repo: &Path, tree: &str) -> Vec<TreeEntry> {
    let bytes = git_with_input(repo, ["cat-file", "tree", tree], b"");
    let mut rest = &bytes[..];
    let mut entries = Vec::new();
    while let Some(space) = rest.iter().position(|&byte| byte == b' ') {
        let mode = std::str::from_utf8(&rest[..space]).expect("a mode is text");
        let end = rest.iter().position(|&byte| byte == 0).expect("a name ends with NUL");
        entries.push(TreeEntry {
            mode: u32::from_str_radix(mode, 8).expect("a mode is octal"),
            name: rest[space + 1..end].to_vec(),
            id: rest[end + 1..end + 21].iter().map(|byte| format!("{byte:02x}")).collect(),
        });
        rest = &rest[end + 21..];
    }
    entries
}

fn write_blob(repo: &Path, bytes: &[u8]) -> String {
    one_id(git_with_input(repo, ["hash-object", "-w", "--stdin"], bytes))
}

fn write_tree(repo: &Path, entries: &[TreeEntry]) -> String {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(format!("{:o} ", entry.mode).as_bytes());
        bytes.extend_from_slice(&entry.name);
        bytes.push(0);
        bytes.extend((0..20).map(|i| {
            u8::from_str_radix(&entry.id[2 * i..2 * i + 2], 16).expect("an id is hexadecimal")
        }));
    }
    let args = ["hash-object", "-w", "-t", "tree", "--literally", "--stdin"];
    one_id(git_with_input(repo, args, &bytes))
}

fn write_commit(repo: &Path, tree: &str, parent: Option<&str>, date: i64, message: &str) -> String {
    let identity = crate::git::IDENTITY;
    let parent = parent.map_or_else(String::new, |parent| format!("parent {parent}\n"));
    let text = format!(
        "tree {tree}\n{parent}author {identity} {date} +0000\ncommitter {identity} {date} +0000\n\n\
         {message}"
    );
    let args = ["hash-object", "-w", "-t", "commit", "--literally", "--stdin"];
    one_id(git_with_input(repo, args, text.as_bytes()))
}

fn one_id(printed: Vec<u8>) -> String {
    String::from_utf8(printed).expect("an id is text").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_may_hold_one_name_twice() {
        let mut upstream = Upstream::new();
        let id = upstream.write_blob("a = 1\n");
        let entry = TreeEntry { mode: 0o100_644, name: b"a.toml".to_vec(), id };
        let tree = upstream.write_tree(&[entry.clone(), entry.clone()]);
        let commit = upstream.commit_tree(&tree, "twice");
        assert_eq!(upstream.head(), Some(commit));
        assert_eq!(read_tree(upstream.path(), &tree), [entry.clone(), entry]);
    }
}
