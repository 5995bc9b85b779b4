//! The engine: one published state, one writer at a time, and one thread each for reloads, writes,
//! pushes, the watch on a local branch, and maintenance.
//!
//! Readers take [`Engine::snapshot`] and hold no lock. Pushes arrive through [`Engine::submit`],
//! writes through [`Engine::write`]; one thread each serves the requests in turn.
//!
//! Each component owns its state and its lock, and this file connects them. A thread that talks to
//! the remote or repacks holds the *git lane* (`Repository`). A thread that makes a state and
//! publishes it holds the *turn* (`Writer`), without waiting for the network. The one reader whose
//! earlier state is being built holds the *building* lock (`Past`). The other locks are held for a
//! moment: the keys of requests and the files to be synced (`Writer`), the earlier states
//! (`States`), the status (`StatusBoard`), the queues of writes, pushes and reloads, the ledger,
//! and the flag that wakes maintenance. They nest in the order of `locks::Rank`: preview, lane,
//! writer, building, repeats, unsynced, earlier, status, writes, pushes, reloads, ledger, ancestry,
//! maintenance, timeline, heads, following. A debug build asserts this order.

mod ahead;
mod audit;
mod branch;
mod candidate;
mod config;
mod consent;
mod costly_states;
mod dry_run;
mod kept_states;
mod error;
mod fit;
mod follow_steps;
mod follow_target;
mod following;
mod hold_reason;
mod held_pushes;
mod lane;
mod ledger;
mod locks;
mod maintenance;
mod branch_comparison;
mod open;
mod other_commits;
mod outlook;
mod historical_states;
mod pin;
mod preview;
mod problem_search;
mod publication;
mod published_history;
mod publisher;
mod push;
mod refs;
mod refused_heads;
mod rehearsal;
mod reload_steps;
mod reload_queue;
mod reload_worker;
mod reloader;
mod remote_view;
mod idempotency;
mod replay;
mod replay_pace;
mod replay_plan;
mod report;
mod repository;
mod role;
mod role_gate;
mod schedule;
mod states;
mod start;
mod status;
mod reload_target;
#[cfg(test)]
mod testing;
mod timeline;
mod branch_watch;
mod write_gate;
mod write_queue;
mod write_shares;
mod write_turns;
mod publish_turn;
mod write_worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::id::CommitId;
use crate::mirror::{GitAnswer, GitError, GitRequest, Mirror, Remote};
use crate::report::{ReloadId, Trigger};
use crate::snapshot::Snapshot;
use crate::write::{Batch, Committed, DryRun, WriteError, WritesClosed};

pub use crate::admit::Withheld;
pub use config::{EngineConfig, Observer, Rewrites};
pub use consent::{Announcement, Consent, Moved, RemoteStanding};
pub use error::{FailureKind, OpenError, ReloadError};
pub use follow_target::{FollowTarget, Stored};
pub use historical_states::error::PastError;
pub use hold_reason::{HeldPush, HeldReason, Pinned};
pub use ledger::{Ledger, LedgerEntry};
pub use open::choose_branch;
pub use outlook::Outlook;
pub use publication::Published;
pub use push::report::{PushFailure, PushReport, PushStatus};
pub use push::waiters::{AwaitsPush, OnPushOutcome, PushOutcome};
pub use refs::Mark;
pub use reload_queue::{OnReload, ReloadAnswer, ReloadCaller, ReloadRequest};
pub use report::Report;
pub use role::Role;
pub use schedule::RequestKind;
pub use status::EngineStatus;
pub use write_queue::Acknowledge;

use branch_watch::Watch;
use dry_run::DryRuns;
use following::Following;
use historical_states::HistoricalStates;
use maintenance::Maintenance;
use publication::{BranchMove, Origin};
use publish_turn::Writer;
use published_history::PublishedHistory;
use publisher::Publisher;
use push::queue::PushQueue;
use reload_queue::ReloadQueue;
use repository::Repository;
use role::CurrentRole;
use states::States;
use status::StatusBoard;
use write_gate::writes_in;
use write_queue::WriteQueue;

/// A git branch as a live state: readers never wait, and every change is published whole.
///
/// Dropping the engine waits for the running reload, for accepted writes, and for one last push of
/// a few seconds.
pub struct Engine {
    repository: Arc<Repository>,
    states: Arc<States>,
    status: Arc<StatusBoard>,
    role: Arc<CurrentRole>,
    following: Arc<Following>,
    publisher: Arc<Publisher>,
    writer: Arc<Writer>,
    writes: Arc<WriteQueue>,
    dry_runs: DryRuns,
    reloads: Arc<ReloadQueue>,
    pushes: Arc<PushQueue>,
    maintenance: Arc<Maintenance>,
    ledger: Arc<Ledger>,
    /// The history of the published commit.
    lineage: Arc<PublishedHistory>,
    past: HistoricalStates,
    watch: Option<Watch>,
    /// Held while the threads are joined, so that a second shutdown waits for the first.
    threads: Mutex<Threads>,
}

/// The threads that have not been joined yet.
#[derive(Default)]
struct Threads {
    workers: Vec<JoinHandle<()>>,
    /// The thread that pushes, which ends last.
    pushing: Option<JoinHandle<()>>,
}

impl Engine {
    /// Returns the published snapshot. Wait-free; load it once per request and answer everything
    /// from it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.states.published()
    }

    /// Requests a reload and returns its id at once.
    ///
    /// One reload runs and one waits; requests that arrive meanwhile share the waiting one. An
    /// asker that names a commit is called once the remote's head contains it, or after some
    /// further reloads that do not find it.
    pub fn submit(&self, request: ReloadRequest, askers: Vec<ReloadCaller>) -> ReloadId {
        self.reloads.join(request, askers)
    }

    /// Requests a reload and waits for its report.
    ///
    /// Returns `None` if the engine is shut down meanwhile.
    pub fn reload(&self, kind: RequestKind, trigger: Trigger) -> Option<Arc<Report>> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let done: OnReload = Box::new(move |verdict| {
            // If the caller is gone, nobody listens any more, which is fine.
            let _ = sender.send(verdict.report);
        });
        let request = ReloadRequest { kind, trigger, reserved: None };
        self.submit(request, vec![ReloadCaller { commit: None, done }]);
        receiver.recv().ok()
    }

    /// Queues `batch` and returns at once; `done` is called with its result.
    ///
    /// Once accepted, a batch is written whether or not anybody still waits for it. The queue is
    /// bounded in number and in bytes, both in total and for each actor.
    pub fn write(&self, batch: Batch, done: Acknowledge) {
        if let Err(closed) = writes_in(self.role()) {
            return done(Err(closed.into()));
        }
        if let Err((error, done)) = self.writes.join(batch, &self.snapshot(), done) {
            done(Err(error));
        }
    }

    /// Writes `batch` as one commit and waits until it is durable and published.
    ///
    /// # Errors
    ///
    /// See [`WriteError`]; in that case nothing of the batch is written.
    pub fn commit(&self, batch: Batch) -> Result<Committed, WriteError> {
        let (sender, receiver) = std::sync::mpsc::channel();
        self.write(batch, Box::new(move |result| drop(sender.send(result))));
        receiver.recv().unwrap_or(Err(WritesClosed::ShutDown.into()))
    }

    /// Returns what `batch` would do if it were written now, and writes nothing. It is refused for the
    /// same reasons as the batch would be. Costs what the batch costs, on this thread, and delays no
    /// write. A repeated request is not recognized.
    ///
    /// # Errors
    ///
    /// See [`WriteError`].
    pub fn dry_run(&self, batch: &Batch) -> Result<DryRun, WriteError> {
        self.dry_runs.run(batch)
    }

    /// Returns whether this engine writes.
    pub fn is_writable(&self) -> bool {
        self.writes.is_open()
    }

    /// Returns the role among the replicas.
    pub fn role(&self) -> Role {
        self.role.get()
    }

    /// Takes a role. Never waits: a state that was begun in another role is not published.
    ///
    /// Who begins to ask the remote polls it an interval from now, so a new leader should request a
    /// reload.
    pub fn set_role(&self, role: Role) {
        self.role.set(role);
        self.status.take_role(role, self.pushes.is_active());
        self.reloads.take_role(role);
        self.pushes.wake();
        self.maintenance.wake();
    }

    /// Goes where the leader is, and returns the id of the reload at once. The newest target counts:
    /// one that is still waiting is replaced, and its callers are told about this one.
    ///
    /// The report of the reload tells what became of it. A state whose digest is not the leader's is
    /// not published; see [`ReloadError::ReplicaDiverged`].
    pub fn follow(&self, target: FollowTarget, askers: Vec<ReloadCaller>) -> ReloadId {
        self.following.aim(target);
        let (kind, trigger) = (RequestKind::Follow, Trigger::Follow);
        self.submit(ReloadRequest { kind, trigger, reserved: None }, askers)
    }

    /// Learns which commits the leader has replaced, oldest first. It may be told them again. Tell it
    /// before it follows, so that whoever waits for one of them finds what became of it; see
    /// [`Engine::successor_of`].
    pub fn learn_moves(&self, moves: &[Moved]) {
        let moves: Vec<_> = moves.iter().map(|moved| (moved.old, moved.new)).collect();
        self.pushes.rebased(&moves);
    }

    /// Learns which heads the replicas gave up because nobody had them. If the remote has one of them
    /// all the same, its commits are our own other side: the local commits are put on top of it,
    /// whatever [`EngineConfig::rewrites`] says.
    pub fn learn_abandoned(&self, heads: &[CommitId]) {
        self.following.learn_abandoned(heads);
    }

    /// Returns the last head of the leader that is on this disk; `None` before the first.
    pub fn stored(&self) -> Option<CommitId> {
        self.following.stored()
    }

    /// Returns what decides how a commit becomes a state, besides the commit: the version of the
    /// program, and its settings for reading. Replicas for which it is equal have equal digests.
    pub fn made_by(&self) -> &str {
        self.following.made_by()
    }

    /// Returns what this engine would announce now. Waits for the publication in progress.
    pub fn announcement(&self) -> Announcement {
        let _turn = self.writer.turn();
        let published = self.states.published();
        self.publisher.announcement(&published, &Origin::Compaction, &BranchMove::default())
    }

    /// Returns how the branch relates to that of the remote, which changes with fetches and pushes
    /// as well. Never waits.
    pub fn remote_standing(&self) -> RemoteStanding {
        self.status.get().standing(self.repository.synced())
    }

    /// Returns the remote; `None` if the local branch is served.
    pub fn remote(&self) -> Option<Arc<Remote>> {
        self.repository.remote.clone()
    }

    /// Starts to answer a request of another replica for the commits of the branch. See
    /// [`Mirror::serve`].
    ///
    /// # Errors
    ///
    /// If git cannot be started.
    pub fn serve_git(&self, request: GitRequest) -> Result<GitAnswer, GitError> {
        self.repository.mirror.serve(&self.repository.branch, request)
    }

    /// Tells `done` once the remote has `commit`, or once it is known that it will not have it
    /// soon. After `until`, the wait ends. A thousand callers may wait; an `actor`, such as that of the
    /// batch, may have as many of these places as it leaves for others.
    pub fn when_pushed(&self, actor: &str, commit: CommitId, until: Instant, done: OnPushOutcome) {
        if !self.role().decides() {
            return done.learns(PushOutcome::Never);
        }
        self.pushes.wait_for(actor, commit, until, done);
    }

    /// Returns the commit that has the change of `commit` now: itself, unless a replay put another in its place.
    /// Returns `None` if the remote's commits overruled it, so that only a separate branch has it. The last few
    /// thousand replaced commits of this process are known.
    pub fn successor_of(&self, commit: CommitId) -> Option<CommitId> {
        self.pushes.now(commit)
    }

    /// Waits until all pushes that are possible now are done.
    pub fn settle_pushes(&self) {
        self.pushes.settle();
    }

    /// Waits until the maintenance after all reloads so far is done.
    pub fn settle(&self) {
        self.maintenance.settle();
    }

    /// Returns the status for the operator.
    pub fn status(&self) -> EngineStatus {
        let status = self.status.get();
        let earlier = self.states.earlier();
        EngineStatus { retained: earlier.len(), alive: earlier.alive(), ..status }
    }

    /// Returns the repository, for reading.
    pub fn mirror(&self) -> &Mirror {
        &self.repository.mirror
    }

    /// Returns the ledger of past reloads.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Returns what reloads may still bring of `commit`: whether it may be here soon. Costs a short lock, and a look
    /// at the callers that wait for reloads.
    pub fn outlook(&self, commit: CommitId) -> Outlook {
        self.reloads.outlook(commit)
    }

    /// Returns whether `branch` is the served one.
    pub fn serves(&self, branch: &str) -> bool {
        self.repository.branch == branch
    }

    /// Accepts no more requests. The running reload ends as usual; waiting requests are dropped.
    pub fn close(&self) {
        self.reloads.close();
        self.writes.close();
        self.maintenance.close();
        if let Some(watch) = &self.watch {
            watch.close();
        }
    }

    /// Closes the engine and waits until its threads have ended: the running reload, the accepted
    /// writes, and one last push of at most five seconds. Blocking; a second call waits for the
    /// first. Dropping the engine does the same.
    pub fn shut_down(&self) {
        self.close();
        let mut threads = self.threads();
        for worker in threads.workers.drain(..) {
            // The threads catch panics in their work, so there is nothing to pass on.
            let _ = worker.join();
        }
        // Last, when nothing is written any more.
        self.pushes.close();
        let _ = threads.pushing.take().map(JoinHandle::join);
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        // A handle is present or taken, so a poisoned lock still holds a usable list.
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("mirror", &self.repository.mirror)
            .field("branch", &self.repository.branch)
            .finish_non_exhaustive()
    }
}
