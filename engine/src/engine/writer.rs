//! The writer: whose turn it is to publish, who commits, and what of it is on the disk.

use std::path::PathBuf;

use super::locks::{Held, Lock, Rank};
use super::repeats::Repeats;
use crate::mirror::{Durability, Identity};

/// What all who make a new state share.
pub(super) struct Writer {
    /// Who commits; `None` where nothing is written.
    committer: Option<Identity>,
    durability: Durability,
    turn: Lock<()>,
    /// Files that were stored and are not synced yet.
    unsynced: Lock<Vec<PathBuf>>,
    /// The requests that are known again; read from the history when the first one has a key.
    repeats: Lock<Repeats>,
}

/// The turn to publish, which one thread at a time has. No network wait happens in it.
pub(super) struct Turn<'a> {
    writer: &'a Writer,
    _held: Held<'a, ()>,
}

impl Turn<'_> {
    /// Forgets the requests that are known: what they came to is not in the history any more.
    pub(super) fn forget_repeats(&self) {
        self.writer.repeats().forget();
    }
}

impl Writer {
    pub(super) fn new(committer: Option<Identity>, durability: Durability) -> Self {
        let (turn, unsynced) = (Lock::new(Rank::Writer, ()), Lock::new(Rank::Unsynced, vec![]));
        let repeats = Lock::new(Rank::Repeats, Repeats::default());
        Self { committer, durability, turn, unsynced, repeats }
    }

    /// Waits for the turn to publish.
    pub(super) fn turn(&self) -> Turn<'_> {
        Turn { writer: self, _held: self.turn.lock() }
    }

    /// Returns who commits; `None` where nothing is written.
    pub(super) fn committer(&self) -> Option<&Identity> {
        self.committer.as_ref()
    }

    /// Returns when what is written is on the disk.
    pub(super) fn durability(&self) -> Durability {
        self.durability
    }

    /// Returns the requests that are known again. One that was lost would only be committed again.
    pub(super) fn repeats(&self) -> Held<'_, Repeats> {
        self.repeats.lock()
    }

    /// Notes files that were stored and are not synced yet.
    pub(super) fn stored(&self, files: impl IntoIterator<Item = PathBuf>) {
        self.unsynced.lock().extend(files);
    }

    /// Syncs what was stored and is not synced yet, before the branch that names it is.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        let mut unsynced = self.unsynced.lock();
        while let Some(path) = unsynced.last() {
            match std::fs::File::open(path).and_then(|file| file.sync_all()) {
                // A repack took it in, and synced what it made.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                synced => synced?,
            }
            if let Some(folder) = path.parent().filter(|_| unsynced.len() == 1) {
                std::fs::File::open(folder)?.sync_all()?;
            }
            unsynced.pop();
        }
        Ok(())
    }
}
