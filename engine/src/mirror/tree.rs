//! The entries of a tree object, checked as they are read.
//!
//! gix accepts whatever decodes. Here the order, the names and the modes are checked as well,
//! because a tree that is out of order or names a path twice has no well-defined difference.

use std::sync::Arc;

use gix::bstr::ByteSlice as _;
use gix::objs::Kind;

use super::tree_flaw::TreeFlaw;
use super::{ObjectError, Objects};
use crate::id::TreeId;

/// The kind of a tree entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryMode {
    /// A file.
    Regular,
    /// A file with the executable bit.
    Executable,
    /// A symbolic link; the blob holds its target.
    Symlink,
    /// A commit of another repository.
    Submodule,
    /// A tree.
    Folder,
}

/// An entry of one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// The name, without any folder. At least one byte; any bytes but `/` and NUL.
    pub name: Vec<u8>,
    /// Its kind.
    pub mode: EntryMode,
    /// The id of the blob, of the tree, or of the commit of a submodule.
    pub id: [u8; 20],
}

/// The longest path that is followed, which is the longest that Linux can name.
pub(super) const PATH_LIMIT: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawEntry<'a> {
    pub(super) name: &'a [u8],
    pub(super) mode: EntryMode,
    pub(super) id: [u8; 20],
}

impl RawEntry<'_> {
    pub(super) fn is_folder(&self) -> bool {
        self.mode == EntryMode::Folder
    }

    /// Compares by git's order, in which the name of a folder ends in `/`.
    pub(super) fn cmp_name(&self, other: &RawEntry<'_>) -> std::cmp::Ordering {
        gix::objs::tree::name_order(self.name, self.is_folder(), other.name, other.is_folder())
    }
}

/// The entries of a tree in order. Iteration ends at the first flaw.
#[derive(Default)]
pub(super) struct Entries<'a> {
    rest: &'a [u8],
    previous: Option<RawEntry<'a>>,
    /// Files whose name a later folder could still repeat: `a`, `a.b`, `a/` is a sorted tree.
    open_files: Vec<&'a [u8]>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(tree: &'a [u8]) -> Self {
        Self { rest: tree, previous: None, open_files: Vec::new() }
    }

    fn parse(&mut self) -> Result<RawEntry<'a>, TreeFlaw> {
        let (entry, rest) = parse_entry(self.rest)?;
        self.rest = rest;
        Ok(entry)
    }

    /// Skips the leading entries that both trees share, byte for byte.
    ///
    /// They are not checked: one of the two trees was checked when it was published, so the shared
    /// entries are sorted and unique here, too. Compares memory and scans each name.
    pub(super) fn skip_common(&mut self, other: &mut Self) {
        let mut common = common_prefix(self.rest, other.rest);
        // The entry in which they differ is not worth parsing.
        while common > 0
            && let Ok((entry, rest)) = parse_entry(self.rest)
        {
            let length = self.rest.len() - rest.len();
            if length > common {
                break;
            }
            common -= length;
            (self.rest, other.rest) = (rest, &other.rest[length..]);
            self.pass(entry);
            other.pass(entry);
        }
    }

    /// Records `entry` as the previous one, with the names it leaves open. Returns false if its
    /// name is that of a file.
    fn pass(&mut self, entry: RawEntry<'a>) -> bool {
        self.previous = Some(entry);
        while let Some(file) = self.open_files.last() {
            match entry.name.strip_prefix(*file) {
                Some([]) => return false,
                // Still before the place of a folder with that name.
                Some([next, ..]) if *next < b'/' => break,
                _ => self.open_files.pop(),
            };
        }
        if !entry.is_folder() {
            self.open_files.push(entry.name);
        }
        true
    }

    fn check(&mut self, entry: RawEntry<'a>) -> Result<RawEntry<'a>, TreeFlaw> {
        if entry.name.is_empty() {
            return Err(TreeFlaw::EmptyName);
        }
        if entry.name.contains(&b'/') {
            return Err(TreeFlaw::SlashInName);
        }
        if entry.id == [0; 20] {
            return Err(TreeFlaw::NullId);
        }
        if let Some(previous) = self.previous {
            match previous.cmp_name(&entry) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Err(TreeFlaw::DuplicateName),
                std::cmp::Ordering::Greater => return Err(TreeFlaw::NotSorted),
            }
        }
        if self.pass(entry) { Ok(entry) } else { Err(TreeFlaw::DuplicateName) }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<RawEntry<'a>, TreeFlaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.parse().and_then(|entry| self.check(entry));
        if entry.is_err() {
            self.rest = &[];
        }
        Some(entry)
    }
}

/// Parses the entry at the start of `bytes`, and returns the bytes after it.
fn parse_entry(bytes: &[u8]) -> Result<(RawEntry<'_>, &[u8]), TreeFlaw> {
    let space = bytes.find_byte(b' ').ok_or(TreeFlaw::Unparsable)?;
    let mode = parse_mode(&bytes[..space])?;
    let rest = &bytes[space + 1..];
    let end = rest.find_byte(0).ok_or(TreeFlaw::Unparsable)?;
    let (name, rest) = (&rest[..end], &rest[end + 1..]);
    let (id, rest) = rest.split_first_chunk::<20>().ok_or(TreeFlaw::Unparsable)?;
    Ok((RawEntry { name, mode, id: *id }, rest))
}

/// Returns the length of the common prefix.
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const BLOCK: usize = 1 << 10;
    let blocks = a.chunks_exact(BLOCK).zip(b.chunks_exact(BLOCK));
    let whole = blocks.take_while(|(a, b)| a == b).count() * BLOCK;
    let rest = a[whole..].iter().zip(&b[whole..]);
    whole + rest.take_while(|(a, b)| a == b).count()
}

fn parse_mode(digits: &[u8]) -> Result<EntryMode, TreeFlaw> {
    if digits.is_empty() || digits.len() > 7 {
        return Err(TreeFlaw::Unparsable);
    }
    let mut mode = 0_u32;
    for digit in digits {
        match digit {
            b'0'..=b'7' => mode = mode << 3 | u32::from(digit - b'0'),
            _ => return Err(TreeFlaw::Unparsable),
        }
    }
    match mode & !0o777 {
        0o100_000 if mode & 0o100 != 0 => Ok(EntryMode::Executable),
        0o100_000 => Ok(EntryMode::Regular),
        0o120_000 => Ok(EntryMode::Symlink),
        0o160_000 => Ok(EntryMode::Submodule),
        0o040_000 => Ok(EntryMode::Folder),
        _ => Err(TreeFlaw::UnknownMode),
    }
}

impl Objects {
    /// Returns the entries of the tree in git's order.
    pub fn root_entries(&self, tree: TreeId) -> Result<Vec<TreeEntry>, ObjectError> {
        let mut buffer = Vec::new();
        self.entries(tree, &mut buffer)?
            .map(|entry| {
                let RawEntry { name, mode, id } = entry.map_err(|flaw| bad_tree(tree, flaw))?;
                Ok(TreeEntry { name: name.to_owned(), mode, id })
            })
            .collect()
    }

    /// Returns the entry at `path` (segments joined by `/`) below the tree, or `None`.
    pub fn entry_at(&self, tree: TreeId, path: &[u8]) -> Result<Option<TreeEntry>, ObjectError> {
        let mut buffer = Vec::new();
        let mut tree = tree;
        let mut segments = path.split_str("/").peekable();
        while let Some(segment) = segments.next() {
            let mut found = None;
            for entry in self.entries(tree, &mut buffer)? {
                let entry = entry.map_err(|flaw| bad_tree(tree, flaw))?;
                if entry.name == segment {
                    found = Some(entry);
                    break;
                }
            }
            let Some(entry) = found else { return Ok(None) };
            if segments.peek().is_none() {
                let RawEntry { name, mode, id } = entry;
                return Ok(Some(TreeEntry { name: name.to_owned(), mode, id }));
            }
            if !entry.is_folder() {
                return Ok(None);
            }
            tree = TreeId::from_bytes(entry.id);
        }
        Ok(None)
    }

    /// Returns the entry of each of `names` in the tree itself, or `None`. Reads the tree once.
    pub fn entries_called(
        &self,
        tree: TreeId,
        names: &[&[u8]],
    ) -> Result<Vec<Option<TreeEntry>>, ObjectError> {
        let (mut found, mut buffer) = (vec![None; names.len()], Vec::new());
        for entry in self.entries(tree, &mut buffer)? {
            let RawEntry { name, mode, id } = entry.map_err(|flaw| bad_tree(tree, flaw))?;
            for (sought, found) in names.iter().zip(&mut found) {
                if *sought == name {
                    *found = Some(TreeEntry { name: name.to_owned(), mode, id });
                }
            }
        }
        Ok(found)
    }

    /// Returns the entries of the folder at `path`, or `None` if there is no folder.
    ///
    /// The empty path is the tree itself.
    pub fn folder_at(
        &self,
        tree: TreeId,
        path: &[u8],
    ) -> Result<Option<Vec<TreeEntry>>, ObjectError> {
        if path.is_empty() {
            return self.root_entries(tree).map(Some);
        }
        match self.entry_at(tree, path)? {
            Some(TreeEntry { mode: EntryMode::Folder, id, .. }) => {
                self.root_entries(TreeId::from_bytes(id)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Returns the bytes of the tree. A large one that was read recently is not read again.
    pub(super) fn tree_bytes(&self, tree: TreeId) -> Result<Arc<Vec<u8>>, ObjectError> {
        self.mirror.shared.trees.get(tree, || {
            let id = gix::ObjectId::Sha1(*tree.as_bytes());
            self.read(&id, Kind::Tree, &mut Vec::new()).map(<[u8]>::to_owned)
        })
    }

    /// Keeps the bytes of a new tree, which will be requested next.
    pub(super) fn keep_tree(&self, tree: TreeId, bytes: Vec<u8>) {
        self.mirror.shared.trees.note(tree, Arc::new(bytes));
    }

    pub(super) fn entries<'a>(
        &self,
        tree: TreeId,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Entries<'a>, ObjectError> {
        self.read(&gix::ObjectId::Sha1(*tree.as_bytes()), Kind::Tree, buffer).map(Entries::new)
    }
}

pub(super) fn bad_tree(tree: TreeId, flaw: TreeFlaw) -> ObjectError {
    ObjectError::BadTree { id: tree.to_string(), flaw }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;

    #[test]
    fn entries_are_found_by_their_path() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a.toml", "1"), ("d/e/f.toml", "2"), ("d/g", "3")]);
        let tree = repository.tree_of("main");
        let objects = repository.objects();
        let names = |entries: Vec<TreeEntry>| -> Vec<String> {
            entries.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()).collect()
        };
        assert_eq!(names(objects.root_entries(tree).unwrap()), ["a.toml", "d"]);
        assert_eq!(names(objects.folder_at(tree, b"d").unwrap().unwrap()), ["e", "g"]);
        assert_eq!(names(objects.folder_at(tree, b"").unwrap().unwrap()), ["a.toml", "d"]);
        assert_eq!(objects.folder_at(tree, b"a.toml").unwrap(), None);
        let file = objects.entry_at(tree, b"d/e/f.toml").unwrap().unwrap();
        assert_eq!((file.mode, file.name), (EntryMode::Regular, b"f.toml".to_vec()));
        let called = objects.entries_called(tree, &[b"d", b"x", b"a.toml"]).unwrap();
        let modes: Vec<_> = called.iter().map(|it| it.as_ref().map(|it| it.mode)).collect();
        assert_eq!(modes, [Some(EntryMode::Folder), None, Some(EntryMode::Regular)]);
        for absent in [&b"x"[..], b"d/x", b"a.toml/x", b"", b"/", b"d/", b"d//e"] {
            assert_eq!(objects.entry_at(tree, absent).unwrap(), None, "{absent:?}");
        }
    }

    #[test]
    fn the_empty_tree_needs_no_object() {
        let repository = TestRepository::bare();
        let empty: TreeId = "4b825dc642cb6eb9a060e54bf8d69288fbee4904".parse().unwrap();
        assert_eq!(repository.objects().root_entries(empty).unwrap(), []);
    }

    #[test]
    fn old_modes_are_read_as_what_they_mean() {
        for (digits, mode) in [
            ("100644", EntryMode::Regular),
            ("100664", EntryMode::Regular),
            ("100755", EntryMode::Executable),
            ("120000", EntryMode::Symlink),
            ("160000", EntryMode::Submodule),
            ("40000", EntryMode::Folder),
            ("040000", EntryMode::Folder),
        ] {
            assert_eq!(parse_mode(digits.as_bytes()), Ok(mode), "{digits}");
        }
    }
}
