//! New objects, created in memory and visible next to those of the mirror until they are stored.
//!
//! A commit can be created, read back, compared and turned into a state before a byte of it is on
//! disk. What is abandoned leaves nothing behind.

mod commit;
pub(super) mod delta;
mod edit;
mod pack;
mod case_collisions;

use std::collections::HashMap;
use std::io;

use gix::objs::{Kind, Write as _};

pub use commit::{CommitFlaw, Identity, NewCommit, Signature, Trailer};
pub use edit::{Edit, EditError, Edits};

use super::{Cause, Mirror, ObjectError, Objects, RepositoryError};
use crate::id::{BlobId, CommitId, TreeId};

/// A handle on the objects of a [`Mirror`] and on new ones that only it sees.
#[derive(Debug)]
pub struct Stage {
    objects: Objects,
    /// The objects to store, in order of creation.
    new: Vec<NewObject>,
    places: HashMap<[u8; 20], usize>,
    /// The number of bytes created. Undone objects stay in memory and count.
    weight: usize,
}

/// When stored objects are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Before they are announced: they survive a crash of the machine.
    #[default]
    Synced,
    /// Soon afterwards: they survive the end of this process, however it ends.
    Buffered,
}

/// An object that is not in the mirror.
#[derive(Debug)]
struct NewObject {
    id: gix::ObjectId,
    kind: Kind,
    /// An earlier new object that it resembles.
    near: Option<usize>,
}

impl Mirror {
    /// Opens a handle on everything that is in the repository now, for creating objects.
    pub fn stage(&self) -> Result<Stage, RepositoryError> {
        let Objects { repo, mirror } = self.objects()?;
        let objects = Objects { repo: repo.with_object_memory(), mirror };
        Ok(Stage { objects, new: Vec::new(), places: HashMap::new(), weight: 0 })
    }
}

impl Stage {
    /// Returns the handle that sees the objects of the mirror and the new ones.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Creates a blob and returns its id.
    pub fn blob(&mut self, bytes: &[u8]) -> Result<BlobId, ObjectError> {
        self.add(Kind::Blob, bytes, None).map(BlobId::from_bytes)
    }

    /// Creates a blob that resembles `near`, and returns its id. If that is new too, it is stored as what
    /// differs.
    pub fn blob_near(&mut self, bytes: &[u8], near: BlobId) -> Result<BlobId, ObjectError> {
        self.add(Kind::Blob, bytes, Some(*near.as_bytes())).map(BlobId::from_bytes)
    }

    /// Creates a commit and returns its id.
    pub fn commit(&mut self, commit: &NewCommit<'_>) -> Result<CommitId, ObjectError> {
        self.add(Kind::Commit, &commit.to_bytes(), None).map(CommitId::from_bytes)
    }

    /// Creates the commit `original` again with another tree, parent and committer. Its author,
    /// message and trailers stay the same, byte for byte. A signature is left out because it is no
    /// longer valid.
    pub fn commit_again(
        &mut self,
        original: CommitId,
        tree: Option<TreeId>,
        parent: CommitId,
        committer: &Signature,
    ) -> Result<CommitId, ObjectError> {
        let mut buffer = Vec::new();
        let id = super::gix_id::object_id(original);
        let old = self.objects.read(&id, Kind::Commit, &mut buffer)?;
        let bytes = commit::again(old, tree, parent, committer);
        self.add(Kind::Commit, &bytes, None).map(CommitId::from_bytes)
    }

    /// Returns the number of bytes of the new objects, including undone ones.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Returns a mark to return to with [`undo`](Self::undo).
    pub fn mark(&self) -> usize {
        self.new.len()
    }

    /// Discards the objects created since `mark`, so that they are not stored.
    pub fn undo(&mut self, mark: usize) {
        for object in self.new.drain(mark..) {
            self.places.remove(&super::gix_id::sha1(&object.id));
        }
    }

    fn add(
        &mut self,
        kind: Kind,
        bytes: &[u8],
        near: Option<[u8; 20]>,
    ) -> Result<[u8; 20], ObjectError> {
        let unmade = |error: Cause| ObjectError::Unreadable {
            id: format!("of a new {}", super::objects::kind_name(kind)),
            source: error,
        };
        let repo = &self.objects.repo;
        let id = repo.objects.write_buf(kind, bytes).map_err(|error| unmade(error.into()))?;
        let raw = super::gix_id::sha1(&id);
        self.weight += bytes.len();
        if !self.places.contains_key(&raw) {
            // Objects that the mirror already has are stored again with the rest: one may be in a
            // pack whose last use this is, and a search would cost more than a few bytes.
            let near = near.and_then(|near| self.places.get(&near).copied());
            self.places.insert(raw, self.new.len());
            self.new.push(NewObject { id, kind, near });
        }
        Ok(raw)
    }

    /// Returns the bytes of a new object.
    fn bytes(&self, object: &NewObject) -> io::Result<Vec<u8>> {
        let mut buffer = Vec::new();
        let read = self.objects.read(&object.id, object.kind, &mut buffer);
        read.map_err(io::Error::other)?;
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests;
