//! The writer: whose turn it is to publish, who commits, and which files are on disk.

use std::path::PathBuf;
use std::sync::Arc;

use super::idempotency::Repeats;
use super::locks::{Lock, LockGuard, Rank};
use super::replay_pace::ReplayPace;
use super::role::{CurrentRole, Role};
use crate::mirror::{Durability, Identity};

/// The state shared by everything that makes new states.
pub(super) struct Writer {
    /// The committer; `None` if nothing is written.
    committer: Option<Identity>,
    durability: Durability,
    role: Arc<CurrentRole>,
    turn: Lock<()>,
    /// Held by the thread that gets the turn next, so that the thread that gives it up does not take
    /// it again first.
    next: Lock<()>,
    /// Stored files that are not synced yet.
    unsynced: Lock<Vec<PathBuf>>,
    /// The requests that are recognized when repeated; read from the history when the first request with a
    /// key arrives.
    repeats: Lock<Repeats>,
    /// How fast commits may be written while others are put on top of the remote's head.
    pub(super) pace: ReplayPace,
}

/// The turn to publish, which one thread at a time has, without waiting for the network.
pub(super) struct Turn<'a> {
    writer: &'a Writer,
    role: Role,
    _held: LockGuard<'a, ()>,
}

impl Turn<'_> {
    /// Returns the role in which the state is made: that at the beginning of the turn.
    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Forgets the known requests: their results are no longer in the history.
    pub(super) fn forget_repeats(&self) {
        self.writer.repeats().forget();
    }
}

impl Writer {
    pub(super) fn new(
        committer: Option<Identity>,
        durability: Durability,
        role: Arc<CurrentRole>,
    ) -> Self {
        let (turn, unsynced) = (Lock::new(Rank::Writer, ()), Lock::new(Rank::Unsynced, vec![]));
        let repeats = Lock::new(Rank::Repeats, Repeats::default());
        let next = Lock::new(Rank::Next, ());
        let pace = ReplayPace::new();
        Self { committer, durability, role, turn, next, unsynced, repeats, pace }
    }

    /// Waits for the turn to publish. A thread that has the turn cannot take it again before a thread
    /// that already waits.
    pub(super) fn turn(&self) -> Turn<'_> {
        let next = self.next.lock();
        let held = self.turn.lock();
        drop(next);
        Turn { writer: self, role: self.role.get(), _held: held }
    }

    /// Returns the committer; `None` if nothing is written.
    pub(super) fn committer(&self) -> Option<&Identity> {
        self.committer.as_ref()
    }

    /// Returns when writes are on disk.
    pub(super) fn durability(&self) -> Durability {
        self.durability
    }

    /// Returns the requests that are recognized again. A lost one would merely be committed again.
    pub(super) fn repeats(&self) -> LockGuard<'_, Repeats> {
        self.repeats.lock()
    }

    /// Records stored files that are not synced yet.
    pub(super) fn stored(&self, files: impl IntoIterator<Item = PathBuf>) {
        self.unsynced.lock().extend(files);
    }

    /// Syncs stored files that are not synced yet, before the branch that names them.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        let mut unsynced = self.unsynced.lock();
        while let Some(path) = unsynced.last() {
            match std::fs::File::open(path).and_then(|file| file.sync_all()) {
                // A repack has absorbed it, and synced its own result.
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn who_waits_for_the_turn_gets_it_before_who_has_it_and_asks_again() {
        let role = Arc::new(CurrentRole::new(Role::Alone));
        let writer = Writer::new(None, Durability::Synced, role);
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let turn = writer.turn();
            scope.spawn(|| {
                let _turn = writer.turn();
                order.lock().unwrap().push("reload");
            });
            let begun = Instant::now();
            while !writer.next.is_held() {
                assert!(begun.elapsed() < Duration::from_secs(60), "nobody is next");
                std::thread::yield_now();
            }
            order.lock().unwrap().push("write");
            drop(turn);
            let _turn = writer.turn();
            order.lock().unwrap().push("write");
        });
        assert_eq!(*order.lock().unwrap(), ["write", "reload", "write"]);
    }
}
