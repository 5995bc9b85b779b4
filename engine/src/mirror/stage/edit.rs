//! Builds a new root tree from an old one and a few changed paths.
//!
//! A folder is copied byte for byte except for the entries that change, so each unchanged entry
//! costs only a scan of its name, and nothing is decoded.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use gix::bstr::ByteSlice as _;
use gix::objs::Kind;

use super::Stage;
use super::case_collisions::Twins;
use crate::id::TreeId;
use crate::mirror::tree::{Entries, RawEntry, bad_tree};
use crate::mirror::{EntryMode, ObjectError};

/// The change of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Puts this entry there, whatever was there before. A file does not replace a folder.
    Put {
        /// The mode of the entry.
        mode: EntryMode,
        /// The id of its blob or tree.
        id: [u8; 20],
    },
    /// Removes the entry, with everything below it.
    Remove,
}

/// The changes by path (segments joined by `/`).
pub type Edits = BTreeMap<String, Edit>;

/// A path that cannot be changed as requested.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The path goes through something that is not a folder.
    #[error("{path} is a file, so nothing can be below it")]
    NotAFolder {
        /// The path of the file.
        path: String,
    },
    /// A folder is where a file should be.
    #[error("{path} is a folder, so it cannot be a file")]
    IsAFolder {
        /// The path of the folder.
        path: String,
    },
    /// Some file systems take the name of another file or folder for this one.
    #[error("{path} differs from {other} only in case, or in how accents are written")]
    Twin {
        /// The new path.
        path: String,
        /// The path that exists, or that is new as well.
        other: String,
    },
    /// A segment of the path is empty.
    #[error("{path:?} is not a path")]
    NoPath {
        /// The given path.
        path: String,
    },
    /// A tree cannot be read or created.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

impl Stage {
    /// Creates the trees that result from applying `edits` to `tree`, and returns the new root.
    /// `None` is an empty tree, on both sides.
    ///
    /// Copies each folder that contains an edit. A folder that becomes empty is removed.
    ///
    /// # Errors
    ///
    /// See [`EditError`]. Objects that were already created are not stored unless requested.
    pub fn edit(
        &mut self,
        tree: Option<TreeId>,
        edits: &Edits,
    ) -> Result<Option<TreeId>, EditError> {
        let root = apply(self, tree, edits)?;
        if root.is_none() {
            // Git knows it without an object; other programs may look for one.
            self.add(Kind::Tree, &[], None)?;
        }
        Ok(root)
    }
}

/// The changes in one folder, by name.
#[derive(Default)]
struct Folder<'a>(BTreeMap<&'a [u8], Change<'a>>);

/// The change at one name: first the entry itself, then what is below it.
#[derive(Default)]
struct Change<'a> {
    edit: Option<Edit>,
    below: Folder<'a>,
}

fn apply(
    stage: &mut Stage,
    tree: Option<TreeId>,
    edits: &Edits,
) -> Result<Option<TreeId>, EditError> {
    let mut root = Folder::default();
    for (path, edit) in edits {
        let mut change = Change::default();
        std::mem::swap(&mut change.below, &mut root);
        let mut place = &mut change;
        for segment in path.split('/') {
            if segment.is_empty() {
                return Err(EditError::NoPath { path: path.clone() });
            }
            place = place.below.0.entry(segment.as_bytes()).or_default();
        }
        place.edit = Some(*edit);
        root = change.below;
    }
    root.rewrite(stage, tree, "")
}

impl Folder<'_> {
    fn rewrite(
        &self,
        stage: &mut Stage,
        tree: Option<TreeId>,
        path: &str,
    ) -> Result<Option<TreeId>, EditError> {
        let old = match tree {
            Some(tree) => stage.objects.tree_bytes(tree)?,
            None => Arc::default(),
        };
        let entries = || {
            // A tree that was read has an id.
            let flawed = move |flaw| bad_tree(tree.unwrap_or(TreeId::ZERO), flaw);
            Entries::new(&old).map(move |entry| entry.map_err(flawed))
        };
        let mut there: BTreeMap<&[u8], RawEntry<'_>> = BTreeMap::new();
        for entry in entries() {
            let entry = entry?;
            if self.0.contains_key(entry.name) {
                there.insert(entry.name, entry);
            }
        }
        let mut inserted: Vec<RawEntry<'_>> = Vec::with_capacity(self.0.len());
        for (name, change) in &self.0 {
            let path = format!("{path}{}", name.as_bstr());
            let now = change.make(stage, there.get(name).copied(), &path)?;
            inserted.extend(now.map(|(mode, id)| RawEntry { name, mode, id }));
        }
        inserted.sort_unstable_by(RawEntry::cmp_name);
        let twin = |(new, other): (&[u8], &[u8])| EditError::Twin {
            path: format!("{path}{}", new.as_bstr()),
            other: format!("{path}{}", other.as_bstr()),
        };
        let is_new = |entry: &&RawEntry<'_>| !there.contains_key(entry.name);
        let twins = Twins::of(inserted.iter().filter(is_new).map(|entry| entry.name));
        let twins = twins.map_err(twin)?;
        for entry in inserted.iter().filter(|entry| !is_new(entry)) {
            if let Some(name) = twins.find(entry.name) {
                return Err(twin((name, entry.name)));
            }
        }
        let mut new = Vec::with_capacity(old.len() + 64 * inserted.len());
        let mut inserted = inserted.into_iter().peekable();
        for entry in entries() {
            let entry = entry?;
            while let Some(next) =
                inserted.next_if(|next| next.cmp_name(&entry) != Ordering::Greater)
            {
                write(&mut new, &next);
            }
            if !self.0.contains_key(entry.name) {
                if let Some(name) = twins.find(entry.name) {
                    return Err(twin((name, entry.name)));
                }
                write(&mut new, &entry);
            }
        }
        inserted.for_each(|entry| write(&mut new, &entry));
        if new.is_empty() {
            return Ok(None);
        }
        let near = tree.map(|tree| *tree.as_bytes());
        let id = TreeId::from_bytes(stage.add(Kind::Tree, &new, near)?);
        stage.objects.keep_tree(id, new);
        Ok(Some(id))
    }
}

impl Change<'_> {
    /// Returns the new entry; `old` is the current one.
    fn make(
        &self,
        stage: &mut Stage,
        old: Option<RawEntry<'_>>,
        path: &str,
    ) -> Result<Option<(EntryMode, [u8; 20])>, EditError> {
        let old = old.map(|entry| (entry.mode, entry.id));
        let is_folder = |entry: Option<(EntryMode, _)>| {
            entry.is_some_and(|(mode, _)| mode == EntryMode::Folder)
        };
        let entry = match self.edit {
            None => old,
            Some(Edit::Remove) => None,
            Some(Edit::Put { mode, id }) => {
                if mode != EntryMode::Folder && is_folder(old) {
                    return Err(EditError::IsAFolder { path: path.to_owned() });
                }
                Some((mode, id))
            }
        };
        if self.below.0.is_empty() {
            return Ok(entry);
        }
        if entry.is_some() && !is_folder(entry) {
            return Err(EditError::NotAFolder { path: path.to_owned() });
        }
        let tree = entry.map(|(_, id)| TreeId::from_bytes(id));
        let tree = self.below.rewrite(stage, tree, &format!("{path}/"))?;
        Ok(tree.map(|tree| (EntryMode::Folder, *tree.as_bytes())))
    }
}

/// Writes an entry as git does.
fn write(tree: &mut Vec<u8>, entry: &RawEntry<'_>) {
    let mode: &[u8] = match entry.mode {
        EntryMode::Regular => b"100644",
        EntryMode::Executable => b"100755",
        EntryMode::Symlink => b"120000",
        EntryMode::Submodule => b"160000",
        EntryMode::Folder => b"40000",
    };
    for part in [mode, b" ", entry.name, b"\0", &entry.id] {
        tree.extend_from_slice(part);
    }
}
