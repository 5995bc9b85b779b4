//! Watches a local branch: a commit is live within a second, without any notification.
//!
//! The operating system reports every change to the files of the branch. If it cannot, or no longer
//! does, they are checked every second.
//!
//! A branch is served, not a work tree: checking out another branch does not change it, but is
//! reported.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};

use super::publish_turn::Writer;
use super::reload_queue::{ReloadQueue, ReloadRequest};
use super::repository::Repository;
use super::schedule::RequestKind;
use super::states::States;
use super::status::StatusBoard;
use crate::causes::chain;
use crate::id::CommitId;
use crate::report::Trigger;

/// How often the branch is checked if no changes are reported.
const LOOK: Duration = Duration::from_secs(1);

/// How often it is checked in any case: some file systems report no changes and no error either.
const ANYWAY: Duration = Duration::from_secs(5);

/// A signal that wakes the watching thread.
enum Signal {
    /// A file of the branch has changed.
    Changed,
    /// The system reports no more changes.
    Deaf,
    /// The engine ends.
    Closed,
}

/// Ends the watching thread.
pub(super) struct Watch(Sender<Signal>);

/// What the watching thread listens to.
pub(super) struct Signals {
    sender: Sender<Signal>,
    receiver: Receiver<Signal>,
}

impl Watch {
    /// Returns the handle that ends a watching thread, and the signals for that thread.
    pub(super) fn new() -> (Self, Signals) {
        let (sender, receiver) = channel();
        (Self(sender.clone()), Signals { sender, receiver })
    }

    /// Makes the thread end.
    pub(super) fn close(&self) {
        // If there is nothing to watch, the thread is already gone.
        let _ = self.0.send(Signal::Closed);
    }
}

/// Watches a local branch.
pub(super) struct WatchWorker {
    pub(super) repository: Arc<Repository>,
    pub(super) states: Arc<States>,
    pub(super) writer: Arc<Writer>,
    pub(super) status: Arc<StatusBoard>,
    pub(super) reloads: Arc<ReloadQueue>,
    /// Whether the branch is the one that `HEAD` named at the start.
    pub(super) chosen_by_head: bool,
    pub(super) signals: Signals,
}

impl WatchWorker {
    /// Watches the local branch until the engine ends, and requests a reload when it has moved.
    pub(super) fn run(&self) {
        // Dropping it ends the notifications.
        let mut watcher = self.told_of_changes();
        let mut seen = self.published_head();
        loop {
            let pause = if watcher.is_some() { ANYWAY } else { LOOK };
            match self.signals.receiver.recv_timeout(pause) {
                Ok(Signal::Changed) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Signal::Deaf) => watcher = None,
                Ok(Signal::Closed) | Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.chosen_by_head {
                self.look_at_head();
            }
            let head = self.repository.head();
            if head == seen {
                continue;
            }
            seen = head;
            // What was held may be taken back.
            let holds = self.status.read(|status| status.held.is_some());
            if head != self.published_head() || holds {
                let (kind, trigger) = (RequestKind::Reload, Trigger::Watch);
                self.reloads.join(ReloadRequest { kind, trigger, reserved: None }, Vec::new());
            }
        }
    }

    /// Returns the published commit while nobody writes: a write moves the branch before it
    /// publishes.
    fn published_head(&self) -> Option<CommitId> {
        let _turn = self.writer.turn();
        Some(self.states.commit()).filter(|commit| !commit.is_zero())
    }

    /// Records and reports the other branch that `HEAD` names now.
    fn look_at_head(&self) {
        let Some(elsewhere) = self.head_elsewhere() else { return };
        if !self.status.head_is_elsewhere(elsewhere.clone()) {
            return;
        }
        match &elsewhere {
            Some(other) => tracing::warn!(
                branch = self.repository.branch,
                head = other,
                "HEAD names another branch now: the one that it named at the start is served on; \
                 serve the other one with --branch, or start again"
            ),
            None => tracing::info!(
                branch = self.repository.branch,
                "HEAD names the branch that is served"
            ),
        }
    }

    /// Returns the branch that `HEAD` names, if it exists and is not the served one; `None` if
    /// `HEAD` names no existing branch, as during a rebase, or cannot be read now.
    fn head_elsewhere(&self) -> Option<Option<String>> {
        let objects = self.repository.objects().ok()?;
        let named = objects.head_branch().ok()??;
        objects.reference(&format!("refs/heads/{named}")).ok()??;
        Some((named != self.repository.branch).then_some(named))
    }

    /// Makes the system report changes to the files of the branch; `None` if it cannot.
    fn told_of_changes(&self) -> Option<notify::RecommendedWatcher> {
        let files = BranchFiles::of(self.repository.mirror.git_dir(), &self.repository.refs.head);
        let (sender, of_branch) = (self.signals.sender.clone(), files.clone());
        let tell = move |event: notify::Result<notify::Event>| {
            let signal = match event {
                // After lost events, the branch is checked.
                Ok(event) if event.need_rescan() => Signal::Changed,
                // Reading the branch does not change it.
                Ok(event) if event.kind.is_access() => return,
                Ok(event) if !event.paths.iter().any(|path| of_branch.has(path)) => return,
                Ok(_) => Signal::Changed,
                Err(_) => Signal::Deaf,
            };
            // An error means that the engine has ended.
            let _ = sender.send(signal);
        };
        let watched = notify::recommended_watcher(tell).and_then(|mut watcher| {
            watcher.watch(&files.git_dir, RecursiveMode::NonRecursive)?;
            watcher.watch(&files.heads, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        watched
            .inspect_err(|error| {
                tracing::warn!(
                    error = chain(error),
                    "the system does not report changes of the branch; polling every second"
                );
            })
            .ok()
    }
}

/// The files that determine the head of a branch.
#[derive(Debug, Clone)]
struct BranchFiles {
    git_dir: PathBuf,
    heads: PathBuf,
    files: [PathBuf; 3],
}

impl BranchFiles {
    fn of(git_dir: &Path, branch_ref: &str) -> Self {
        let files = [git_dir.join("HEAD"), git_dir.join("packed-refs"), git_dir.join(branch_ref)];
        Self { git_dir: git_dir.to_owned(), heads: git_dir.join("refs/heads"), files }
    }

    /// Returns whether a change of `path` may have moved the branch: it is one of the files, or a
    /// folder that contains one.
    fn has(&self, path: &Path) -> bool {
        self.files.iter().any(|file| file == path)
            || path.starts_with(&self.heads) && self.files[2].starts_with(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_branch_are_its_ref_the_packed_refs_and_head() {
        let files = BranchFiles::of(Path::new("/r"), "refs/heads/a/b");
        for (path, is_of_it) in [
            ("/r/HEAD", true),
            ("/r/packed-refs", true),
            ("/r/refs/heads/a/b", true),
            ("/r/refs/heads/a", true),
            ("/r/refs/heads", true),
            ("/r/refs/heads/a/b.lock", false),
            ("/r/refs/heads/a/c", false),
            ("/r/index", false),
            ("/r/packed-refs.lock", false),
            ("/r", false),
        ] {
            assert_eq!(files.has(Path::new(path)), is_of_it, "{path}");
        }
    }
}
