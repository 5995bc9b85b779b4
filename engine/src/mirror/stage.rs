//! New objects, made in memory and seen beside those of the mirror, until they are stored.
//!
//! So a commit can be made, read back, compared and turned into a state before a byte of it is on
//! disk; what comes to nothing leaves nothing behind.

mod commit;
mod delta;
mod edit;
mod pack;
mod twins;

use std::collections::HashMap;
use std::io;

use gix::objs::{Kind, Write as _};

pub use commit::{CommitFlaw, Identity, NewCommit, Signature, Trailer};
pub use edit::{Edit, EditError, Edits};

use super::{Cause, Mirror, ObjectError, Objects, OpenError};
use crate::id::{BlobId, CommitId, TreeId};

/// A handle on the objects of a [`Mirror`] and on new ones that only it sees.
#[derive(Debug)]
pub struct Stage {
    objects: Objects,
    /// What is to be stored, in the order in which it was made.
    new: Vec<NewObject>,
    places: HashMap<[u8; 20], usize>,
    /// How many bytes were made. What is undone is in memory all the same.
    weight: usize,
}

/// When what is stored is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Before anybody is told of it: it survives a crash of the machine.
    #[default]
    Synced,
    /// Soon afterwards: it survives the end of this process, however it comes.
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
    /// Takes a handle on everything that is in the repository now, for making objects.
    pub fn stage(&self) -> Result<Stage, OpenError> {
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

    /// Makes a blob and returns its id.
    pub fn blob(&mut self, bytes: &[u8]) -> Result<BlobId, ObjectError> {
        self.add(Kind::Blob, bytes, None).map(BlobId::from_bytes)
    }

    /// Makes a commit and returns its id.
    pub fn commit(&mut self, commit: &NewCommit<'_>) -> Result<CommitId, ObjectError> {
        self.add(Kind::Commit, &commit.to_bytes(), None).map(CommitId::from_bytes)
    }

    /// Makes the commit `original` once more, with another tree, parent and committer: its author,
    /// its message and its trailers stay as they are, byte for byte. A signature is left out, for
    /// it does not hold any more.
    pub fn commit_again(
        &mut self,
        original: CommitId,
        tree: Option<TreeId>,
        parent: CommitId,
        committer: &Signature,
    ) -> Result<CommitId, ObjectError> {
        let mut buffer = Vec::new();
        let id = super::history::object_id(original);
        let old = self.objects.read(&id, Kind::Commit, &mut buffer)?;
        let bytes = commit::again(old, tree, parent, committer);
        self.add(Kind::Commit, &bytes, None).map(CommitId::from_bytes)
    }

    /// Returns how many bytes the new objects have, those included that were undone.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Returns a mark to go back to with [`undo`](Self::undo).
    pub fn mark(&self) -> usize {
        self.new.len()
    }

    /// Forgets what was made since `mark`, so that it is not stored.
    pub fn undo(&mut self, mark: usize) {
        for object in self.new.drain(mark..) {
            self.places.remove(&super::history::sha1(&object.id));
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
        let raw = super::history::sha1(&id);
        self.weight += bytes.len();
        if !self.places.contains_key(&raw) {
            // What the mirror has already is stored again with the rest: it may be in a pack whose
            // last use this makes, and looking for it would cost more than a few bytes do.
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
