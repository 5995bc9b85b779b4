//! The engine: one published snapshot, one writer at a time, a thread that reloads, one that
//! writes, one that pushes and one that tidies up behind them.
//!
//! Readers take [`Engine::snapshot`] and hold no lock. What is pushed comes in through
//! [`Engine::submit`], what is written through [`Engine::write`]; one thread each serves the
//! requests in turn.

mod audit;
mod branch;
mod error;
mod reload_queue;
mod holds;
mod maintenance;
mod ledger;
mod remote_view;
mod refs;
mod open;
mod past;
mod pin;
mod preview;
mod publication;
mod publishing;
mod push;
mod replay;
mod reload;
mod repeats;
mod earlier;
mod schedule;
mod status;
mod target;
mod watch;
mod writing;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::admit::AdmissionLimits;
use crate::cache::Cache;
use crate::id::CommitId;
use crate::mirror::{
    Durability, FetchLimits, Identity, Mirror, MirrorLock, Remote, SafeDirectories,
};
use crate::options::LoadOptions;
use crate::report::{ReloadId, Trigger};
use crate::snapshot::Snapshot;

pub use error::{FailureKind, OpenError, ReloadError};
pub use holds::{Held, HeldReason};
pub use ledger::{Entry, Ledger, Report};
pub use open::choose_branch;
pub use past::PastError;
pub use pin::Pinned;
pub use publication::Published;
pub use push::report::{PushFailure, PushReport, PushStatus};
pub use push::waiters::{Carried, CarriedDone};
pub use refs::Mark;
pub use reload_queue::{Asker, Done, Request, Verdict};
pub use schedule::RequestKind;
pub use status::EngineStatus;
pub use writing::Acknowledge;

use earlier::Retained;
use maintenance::Chores;
use preview::Previews;
use push::worker::Pushing;
use reload_queue::Flight;
use schedule::Ended;
use watch::Watching;
use writing::Writing;

/// What to do when the branch was rewound or rewritten, or has moved on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rewrites {
    /// Hold what the remote has until the operator lets it through.
    #[default]
    Hold,
    /// Put our commits on top of what the remote has, field by field. Where both sides changed the
    /// same field, ours are kept on a branch of their own and the remote's head is served.
    Replay,
    /// Go where the branch went. Commits of ours are kept on a branch of their own.
    Follow,
}

/// What the engine serves, and how.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The repository. Without one, and with a remote, it is cloned.
    pub repo: PathBuf,
    /// The remote; `None` uses the own `origin` of a bare repository, or serves the local branch.
    pub remote: Option<Arc<Remote>>,
    /// The branch; `None` chooses the obvious one.
    pub branch: Option<String>,
    /// How records are read.
    pub load: LoadOptions,
    /// Whether decoded records are kept in a file beside the mirror for the next start. A
    /// repository without a remote is not ours to write to, and has none.
    pub cache: bool,
    /// Whether a local branch is watched, where there is no remote, so that its commits go live with
    /// nobody to tell of them.
    pub watch: bool,
    /// What a fetch may cost.
    pub fetch: FetchLimits,
    /// How much may be wrong in sheets that quarantine.
    pub limits: AdmissionLimits,
    /// How often to ask the remote in case a webhook was lost; `None` for never.
    pub poll_interval: Option<Duration>,
    /// How often to compare the published state with one that is built anew; `None` for never.
    pub audit_interval: Option<Duration>,
    /// Sees every report once, on the engine's thread, before those who wait for it.
    pub observer: Observer<Report>,
    /// Sees every push that was tried, in the same way.
    pub push_observer: Observer<PushReport>,
    /// Sees what the public sees differently after each publication, in their order.
    pub publication_observer: Observer<Published>,
    /// What to do when the branch was rewritten; `None` follows in a repository with a work
    /// tree, whose owner amends commits all day, and holds everywhere else.
    pub rewrites: Option<Rewrites>,
    /// Who commits what is written; `None` for a repository that is only read.
    pub writes: Option<Identity>,
    /// When what is written is on the disk.
    pub durability: Durability,
    /// Whether what is written is pushed, where there is a remote.
    pub push: bool,
    /// How many commits may wait to be pushed before no more are taken; `None` for any number.
    pub unpushed_limit: Option<u64>,
    /// The repositories of this machine that are used although another user owns them.
    pub safe_directories: SafeDirectories,
    /// The branches that may be looked at: names, or beginnings of names with a `*` behind them.
    pub previews: Vec<String>,
}

impl EngineConfig {
    /// Returns settings for `repo` that read: nothing is written, pushed, polled or audited, and
    /// everything else is as its own default says.
    pub fn of(repo: impl Into<PathBuf>, remote: Option<Arc<Remote>>) -> Self {
        Self {
            repo: repo.into(),
            remote,
            branch: None,
            load: LoadOptions::default(),
            cache: true,
            watch: false,
            fetch: FetchLimits::default(),
            limits: AdmissionLimits::default(),
            poll_interval: None,
            audit_interval: None,
            observer: Observer::default(),
            push_observer: Observer::default(),
            publication_observer: Observer::default(),
            rewrites: None,
            writes: None,
            durability: Durability::default(),
            push: false,
            unpushed_limit: None,
            safe_directories: SafeDirectories::default(),
            previews: Vec::new(),
        }
    }
}

/// Is called with every report of a kind.
type Observe<R> = dyn Fn(&Arc<R>) + Send + Sync;

/// Sees every report of a kind.
pub struct Observer<R>(Arc<Observe<R>>);

impl<R> Observer<R> {
    /// Returns one that calls `observe`, which should only pass the report on.
    pub fn new(observe: impl Fn(&Arc<R>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    fn see(&self, report: &Arc<R>) {
        (self.0)(report);
    }
}

impl<R> Clone for Observer<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R> Default for Observer<R> {
    /// Returns one that sees nothing.
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl<R> std::fmt::Debug for Observer<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

/// A git branch as a live state: readers never wait, and every change is published whole.
///
/// Dropping the engine waits for the reload that runs, for what is being written, and for one last
/// push of a few seconds.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the callers and the reload thread share.
struct Shared {
    mirror: Mirror,
    branch: String,
    /// Where new commits come from; `None` follows the local branch and moves no reference.
    remote: Option<Arc<Remote>>,
    load: LoadOptions,
    cache: Option<Cache>,
    fetch: FetchLimits,
    limits: AdmissionLimits,
    rewrites: Rewrites,
    /// What readers see.
    published: ArcSwap<Snapshot>,
    retained: Mutex<Retained>,
    /// Taken by whoever builds a new state; no network wait happens under it.
    writer: Mutex<()>,
    /// Taken by whoever talks to the remote or tidies the repository; no write waits for it.
    lane: Mutex<()>,
    /// Taken by whoever builds an earlier state, one at a time; no network wait happens under it.
    building: Mutex<()>,
    flight: Flight,
    observer: Observer<Report>,
    push_observer: Observer<PushReport>,
    publication_observer: Observer<Published>,
    chores: Chores,
    writing: Writing,
    pushing: Pushing,
    watching: Watching,
    unpushed_limit: Option<u64>,
    previews: Previews,
    ledger: Arc<Ledger>,
    status: Mutex<EngineStatus>,
    /// Keeps a second server out for as long as the engine lives.
    _lock: Option<MirrorLock>,
}

impl Engine {
    /// Returns the published snapshot. Wait-free; load it once per request and answer everything
    /// from it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.published.load_full()
    }

    /// Asks for a reload and returns its id at once.
    ///
    /// One reload runs and one waits; requests that arrive meanwhile share the one that waits. An
    /// asker that names a commit is told once the remote's head contains it, or after some further
    /// reloads that it does not.
    pub fn submit(&self, request: Request, askers: Vec<Asker>) -> ReloadId {
        self.shared.flight.join(&self.shared.ledger, request, askers)
    }

    /// Asks for a reload and waits for its report.
    ///
    /// Returns `None` when the engine is shut down meanwhile.
    pub fn reload(&self, kind: RequestKind, trigger: Trigger) -> Option<Arc<Report>> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let done: Done = Box::new(move |verdict| {
            // Nobody listens any more when the caller is gone, and that is fine.
            let _ = sender.send(verdict.report);
        });
        let request = Request { kind, trigger, reserved: None };
        self.submit(request, vec![Asker { commit: None, done }]);
        receiver.recv().ok()
    }

    /// Waits until the housekeeping behind all reloads so far is done.
    pub fn settle(&self) {
        self.shared.chores.settle();
    }

    /// Returns what the operator sees.
    pub fn status(&self) -> EngineStatus {
        let mut status = self.shared.status().clone();
        let retained = self.shared.retained();
        (status.retained, status.alive) = (retained.len(), retained.alive());
        status
    }

    /// Returns the repository, for reading.
    pub fn mirror(&self) -> &Mirror {
        &self.shared.mirror
    }

    /// Returns the ledger of past reloads.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.shared.ledger
    }

    /// Lets the reload that runs end and takes no more. Requests that wait are dropped.
    pub fn close(&self) {
        self.shared.flight.close();
        self.shared.writing.close();
        self.shared.chores.close();
        self.shared.watching.close();
    }

    fn start(shared: Shared) -> Result<Self, OpenError> {
        let mut engine = Self { shared: Arc::new(shared), threads: Vec::new() };
        engine.spawn("headwater-reload", Shared::serve)?;
        engine.spawn("headwater-write", Shared::write)?;
        engine.spawn("headwater-tidy", Shared::keep_house)?;
        engine.spawn("headwater-watch", Shared::watch)?;
        engine.spawn("headwater-push", Shared::push)?;
        Ok(engine)
    }

    fn spawn(&mut self, name: &str, work: fn(&Shared)) -> Result<(), OpenError> {
        let (builder, shared) = (std::thread::Builder::new(), self.shared.clone());
        let thread = builder.name(name.into()).spawn(move || work(&shared));
        self.threads.push(thread.map_err(OpenError::Thread)?);
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
        let pushing = self.threads.pop();
        for thread in self.threads.drain(..) {
            // The threads catch panics in what they do, so there is nothing to pass on.
            let _ = thread.join();
        }
        // Last, when nothing is written any more.
        self.shared.pushing.close();
        let _ = pushing.map(JoinHandle::join);
    }
}

impl Shared {
    /// Serves requests until the flight is closed.
    fn serve(&self) {
        while let Some(run) = self.flight.next(&self.ledger) {
            let report = Arc::new(self.run(run.id, run.kind, run.trigger));
            self.ledger.record(&report);
            self.status().last = Some(report.clone());
            let seen = catch_unwind(AssertUnwindSafe(|| self.observer.see(&report)));
            if seen.is_err() {
                tracing::error!(reload = %report.id, "observing a report panicked");
            }
            // Before the callers are told, so that they can wait for what comes behind.
            self.chores.wake();
            if report.result.as_ref().is_ok_and(|outcome| outcome.fetched) {
                self.pushing.remote_answers();
            }
            let ended = catch_unwind(AssertUnwindSafe(|| self.ended(&report)));
            let failed = Ended::Failed { remote: false, rest: Duration::ZERO };
            self.flight.finish(&report, ended.unwrap_or(failed));
        }
    }

    /// Returns what those who wait need to know of a report: which of their commits are there.
    fn ended(&self, report: &Report) -> Ended {
        let head = match &report.result {
            Ok(outcome) => outcome.remote_head.unwrap_or(outcome.new),
            // What is held may be an older head, from before the push that a call is about.
            Err(ReloadError::Held { held, .. }) => held.commit,
            Err(error) => {
                let rest = error.retry_after().unwrap_or_default();
                return Ended::Failed { remote: error.kind().is_of_remote(), rest };
            }
        };
        let is_there = |commit: &CommitId| self.contains(head, *commit);
        Ended::Saw(self.flight.wanted().into_iter().filter(is_there).collect())
    }

    /// Says whether `hash` is `head` or one of its ancestors; a commit that is not here is not.
    fn contains(&self, head: CommitId, hash: CommitId) -> bool {
        head == hash
            || self.mirror.objects().is_ok_and(|objects| {
                objects.contains(hash.as_bytes())
                    && objects.descends_from(head, hash).unwrap_or(false)
            })
    }

    fn retained(&self) -> MutexGuard<'_, Retained> {
        // A ring that lost a state is still a ring: a poisoned lock holds a usable one.
        self.retained.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> MutexGuard<'_, EngineStatus> {
        // Plain fields, each whole on its own: a poisoned lock holds usable ones.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn branch_ref(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// Returns the name of the reference that says what of the branch is in step with the remote.
    fn synced_ref(&self) -> String {
        Mark::Synced.of(&self.branch)
    }

    /// Returns the name of the reference that says what the remote's branch was last seen at.
    fn tracking_ref(&self) -> String {
        format!("refs/remotes/origin/{}", self.branch)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("mirror", &self.mirror)
            .field("branch", &self.branch)
            .finish_non_exhaustive()
    }
}
