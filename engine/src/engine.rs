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

mod audit;
mod branch;
mod config;
mod consent;
mod dry_run;
mod kept_states;
mod error;
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
mod outlook;
mod historical_states;
mod pin;
mod preview;
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
mod report;
mod repository;
mod role;
mod role_gate;
mod schedule;
mod states;
mod status;
mod reload_target;
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
use std::time::{Instant, SystemTime};

use crate::admit::refusable;
use crate::cache::Cache;
use crate::commits::{Line, Log};
use crate::delta::Delta;
use crate::history::{Effort, Versions};
use crate::id::{CommitId, SheetName};
use crate::layout::SheetSpec;
use crate::mirror::{GitAnswer, GitError, GitRequest, Mirror, Remote};
use crate::report::{ReloadId, Trigger};
use crate::snapshot::Snapshot;
use crate::view::View;
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
pub use push::waiters::{OnPushOutcome, PushOutcome};
pub use refs::Mark;
pub use reload_queue::{OnReload, ReloadAnswer, ReloadCaller, ReloadRequest};
pub use report::Report;
pub use role::Role;
pub use schedule::RequestKind;
pub use status::EngineStatus;
pub use write_queue::Acknowledge;

use branch_watch::{Watch, WatchWorker};
use dry_run::DryRuns;
use following::Following;
use held_pushes::Holds;
use historical_states::HistoricalStates;
use maintenance::Maintenance;
use maintenance::worker::MaintenanceWorker;
use open::Opened;
use preview::Previews;
use publication::{BranchMove, Origin};
use publish_turn::Writer;
use published_history::PublishedHistory;
use publisher::Publisher;
use push::queue::PushQueue;
use push::worker::PushWorker;
use reload_queue::ReloadQueue;
use reload_worker::ReloadWorker;
use reloader::Reloader;
use remote_view::RemoteView;
use repository::Repository;
use role::CurrentRole;
use schedule::Intervals;
use states::States;
use status::StatusBoard;
use write_gate::{WriteGate, writes_in};
use write_queue::WriteQueue;
use write_worker::WriteWorker;

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
    /// Opens the repository, or clones it, and publishes the head of the branch.
    ///
    /// The returned engine serves a complete state: there is no half-loaded one. A local head is
    /// served without asking the remote, so that a server starts while its remote is away; request
    /// a reload next. Blocks until the state is loaded.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]. Content is never an error: broken records are problems of the state.
    pub fn open(config: EngineConfig, ledger: Arc<Ledger>) -> Result<Self, OpenError> {
        let Opened { repository, snapshot, reason, pinned, cache, rewrites, is_bare } =
            open::open(&config)?;
        let committer = config.writes.filter(|_| is_bare);
        let pushes = config.push && committer.is_some() && repository.remote.is_some();
        let is_watched = config.watch && repository.remote.is_none();
        let rewrites = config.rewrites.unwrap_or(rewrites);
        let role = Arc::new(CurrentRole::new(config.role));
        let status = StatusBoard::new(EngineStatus {
            role: config.role,
            branch: repository.branch.clone(),
            remote: repository.remote.as_ref().map(|remote| remote.to_string()),
            remote_head: None,
            fetched_at: None,
            behind_since: None,
            ahead: 0,
            push: PushStatus { active: pushes && config.role.decides(), ..PushStatus::default() },
            held: None,
            pinned: pinned.map(|commit| Pinned { commit, since: SystemTime::now() }),
            retained: 0,
            alive: 1,
            last: None,
            degraded: refusable(&snapshot),
            opened: reason,
            branch_missing: false,
            remote_empty: false,
            head_elsewhere: None,
            published_at: SystemTime::now(),
        });
        let (repository, status) = (Arc::new(repository), Arc::new(status));
        let states = Arc::new(States::new(snapshot));
        let maintenance = Arc::new(Maintenance::new());
        let intervals = Intervals { poll: config.poll_interval, audit: config.audit_interval };
        let previews = Previews::new(config.previews, maintenance.clone());
        let lineage = Arc::new(PublishedHistory::new());
        let writes = Arc::new(WriteQueue::new(committer.is_some()));
        let writer = Arc::new(Writer::new(committer, config.durability, role.clone()));
        let unpushed_limit = config.unpushed_limit;
        let gate = Arc::new(WriteGate { status: status.clone(), unpushed_limit });
        let mut engine = Self {
            publisher: Arc::new(Publisher::new(
                repository.clone(),
                states.clone(),
                status.clone(),
                role.clone(),
                config.consent,
                config.publication_observer,
            )),
            dry_runs: DryRuns {
                repository: repository.clone(),
                states: states.clone(),
                writer: writer.clone(),
                role: role.clone(),
                gate: gate.clone(),
                load: config.load.clone(),
            },
            writes,
            writer,
            following: Arc::new(Following::new(
                &config.load,
                config.stored_observer,
                config.source_observer,
            )),
            reloads: Arc::new(ReloadQueue::new(ledger.clone(), intervals)),
            pushes: Arc::new(PushQueue::new(pushes, config.push_interval)),
            past: HistoricalStates::new(
                repository.clone(),
                states.clone(),
                previews,
                lineage.clone(),
                config.load.clone(),
            ),
            lineage,
            watch: None,
            threads: Mutex::default(),
            repository,
            states,
            status,
            role,
            maintenance,
            ledger,
        };
        engine.reloads.take_role(config.role);
        let reloader = Reloader {
            repository: engine.repository.clone(),
            states: engine.states.clone(),
            status: engine.status.clone(),
            publisher: engine.publisher.clone(),
            writer: engine.writer.clone(),
            pushes: engine.pushes.clone(),
            remote_view: RemoteView {
                repository: engine.repository.clone(),
                states: engine.states.clone(),
                status: engine.status.clone(),
                rewrites,
                role: engine.role.clone(),
                following: engine.following.clone(),
            },
            holds: Holds { states: engine.states.clone(), status: engine.status.clone() },
            load: config.load.clone(),
            limits: config.limits,
            following: engine.following.clone(),
        };
        let reloads = ReloadWorker {
            reloader,
            repository: engine.repository.clone(),
            states: engine.states.clone(),
            status: engine.status.clone(),
            reloads: engine.reloads.clone(),
            pushes: engine.pushes.clone(),
            maintenance: engine.maintenance.clone(),
            ledger: engine.ledger.clone(),
            role: engine.role.clone(),
            observer: config.observer,
            told_observer: config.told_observer,
        };
        engine.spawn("headwater-reload", move || reloads.serve())?;
        let writes = WriteWorker {
            repository: engine.repository.clone(),
            states: engine.states.clone(),
            publisher: engine.publisher.clone(),
            writer: engine.writer.clone(),
            writes: engine.writes.clone(),
            reloads: engine.reloads.clone(),
            pushes: engine.pushes.clone(),
            maintenance: engine.maintenance.clone(),
            load: config.load,
            gate,
        };
        engine.spawn("headwater-write", move || writes.run())?;
        let tidying = engine.maintenance_worker(cache);
        engine.spawn("headwater-tidy", move || tidying.run())?;
        if is_watched {
            let (watch, signals) = Watch::new();
            let watching = WatchWorker {
                repository: engine.repository.clone(),
                states: engine.states.clone(),
                writer: engine.writer.clone(),
                status: engine.status.clone(),
                reloads: engine.reloads.clone(),
                chosen_by_head: config.branch.is_none(),
                signals,
            };
            engine.watch = Some(watch);
            engine.spawn("headwater-watch", move || watching.run())?;
        }
        if pushes {
            let pushing = PushWorker {
                repository: engine.repository.clone(),
                states: engine.states.clone(),
                status: engine.status.clone(),
                writer: engine.writer.clone(),
                reloads: engine.reloads.clone(),
                pushes: engine.pushes.clone(),
                role: engine.role.clone(),
                lineage: engine.lineage.clone(),
                observer: config.push_observer,
            };
            let pushing = start("headwater-push", move || pushing.run())?;
            engine.threads().pushing = Some(pushing);
        }
        Ok(engine)
    }

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

    /// Calls `done` once the remote has `commit`, or once it is known that it will not have it
    /// soon. After `until`, the wait ends. A thousand callers may wait; an `actor`, such as that of the
    /// batch, may have as many of these places as it leaves for others.
    pub fn when_pushed(&self, actor: &str, commit: CommitId, until: Instant, done: OnPushOutcome) {
        if !self.role().decides() {
            return done(PushOutcome::Never);
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

    /// Returns what `view` sees of the state of `commit` if it is already known, and keeps it for five minutes
    /// from now. Only searches a short list.
    pub fn kept(&self, view: &View, commit: CommitId) -> Option<Arc<Snapshot>> {
        self.past.kept(view, commit)
    }

    /// Returns what `view` sees of the state of `commit`. The state is kept for five minutes after the last
    /// call for it. At most sixteen such states are kept, and of these as many as fit into the
    /// bytes of the published one.
    ///
    /// A kept state costs nothing. Any other state is built, one at a time, by applying the
    /// difference to a kept one with the same definitions, or from scratch if there is none. See
    /// [`Disclosure`](crate::disclosure::Disclosure) for what is removed from it.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if the published commit does not descend from `commit`.
    pub fn at(&self, view: &View, commit: CommitId) -> Result<Arc<Snapshot>, PastError> {
        self.past.at(view, commit)
    }

    /// Keeps the state of `commit` as if it had just been requested, since its reader may come back
    /// to it. Does nothing if the state is gone.
    pub fn keep(&self, commit: CommitId) {
        self.past.keep(commit)
    }

    /// Returns what changes for `view` between `from` and `to`, without anything that it does not
    /// have now on either side.
    ///
    /// Costs as much as the difference and, if both have the same definitions, builds no text
    /// index.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if one of them is not in the history of the published commit.
    pub fn delta(&self, view: &View, from: CommitId, to: CommitId) -> Result<Delta, PastError> {
        self.past.delta(view, from, to)
    }

    /// Returns what a reader with the state of `from` needs to have the state of `to`. Whatever is
    /// private now is reported as removed.
    ///
    /// # Errors
    ///
    /// As [`Engine::delta`]; and [`PastError::Unknown`] if other definitions showed at `from` what
    /// is private now, so that the reader must start over.
    pub fn caught_up(&self, view: &View, from: CommitId, to: CommitId) -> Result<Delta, PastError> {
        self.past.caught_up(view, from, to)
    }

    /// Lists the commits in the history of `from` that touched the record, a key of a sheet of the
    /// published state `now`, newest first. `page` is the number of commits listed before and the most to
    /// list; `effort` limits the cost. See [`history`](crate::history::history). A key that the
    /// sheet cannot have belongs to other files and has no history; neither does a record that is
    /// hidden in `now`, or that cannot be read there and may be hidden. A version is shown if both
    /// `now` and its own commit show it.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if `from` is not in the history of `now`.
    pub fn history(
        &self,
        now: &Snapshot,
        record: (&SheetSpec, &str),
        from: CommitId,
        page: (usize, usize),
        effort: Effort<'_>,
    ) -> Result<Versions, PastError> {
        self.past.history(now, record, from, page, effort)
    }

    /// Returns the commits after `since` up to `until`, along first parents. Both are names or times
    /// that a reader gives. Without `since`, the line begins at the first commit of all; without
    /// `until`, it ends at the published commit. A time before all commits names no commit.
    ///
    /// # Errors
    ///
    /// As [`Engine::commit_called`]; [`PastError::Unknown`] for a commit that is not in the history
    /// of what is published.
    pub fn line(&self, since: Option<&str>, until: Option<&str>) -> Result<Line, PastError> {
        self.past.line(since, until)
    }

    /// Lists the commits of `line`, newest first, with what `view` sees that each changed: at
    /// most `limit`, and with `sheets` those that changed one of them. See [`Log::read`].
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] for a line that is not in the history of what is published.
    pub fn commits(
        &self,
        view: &View,
        line: Line,
        sheets: &[SheetName],
        limit: usize,
        effort: Effort<'_>,
    ) -> Result<Log, PastError> {
        self.past.commits(view, line, sheets, limit, effort)
    }

    /// Returns the commit that a reader means by `name`: a hash or a prefix of one, a tag, or the
    /// branch. [`Engine::at`] decides whether it is visible.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if it names none, or more than one.
    pub fn commit_called(&self, name: &str) -> Result<CommitId, PastError> {
        self.past.commit_called(name)
    }

    /// Returns whether `commit`, which is or was published, is `ancestor` or has it in its history.
    pub fn descends(&self, commit: CommitId, ancestor: CommitId) -> bool {
        self.past.descends(commit, ancestor)
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

    /// Returns what `view` sees of the state that `branch` would produce, if it may be previewed. It is kept like a
    /// state of [`Engine::at`], and likewise shows nothing that is private now. Files that no sheet
    /// claims now are not shown either.
    ///
    /// Asks the remote for its branches, unless it did so in the last five seconds or the remote
    /// did not answer in the last thirty.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] for a branch that does not exist or may not be previewed,
    /// [`PastError::Remote`] if the remote does not answer, [`PastError::BranchRefused`] if it does
    /// and the branch cannot be fetched.
    pub fn preview(&self, view: &View, branch: &str) -> Result<Arc<Snapshot>, PastError> {
        self.past.preview(view, branch)
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

    fn maintenance_worker(&self, cache: Option<Cache>) -> MaintenanceWorker {
        MaintenanceWorker {
            repository: self.repository.clone(),
            states: self.states.clone(),
            publisher: self.publisher.clone(),
            writer: self.writer.clone(),
            reloads: self.reloads.clone(),
            maintenance: self.maintenance.clone(),
            role: self.role.clone(),
            lineage: self.lineage.clone(),
            cache,
        }
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let worker = start(name, work)?;
        self.threads().workers.push(worker);
        Ok(())
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        // A handle is present or taken, so a poisoned lock still holds a usable list.
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a thread.
fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    let builder = std::thread::Builder::new().name(name.into());
    builder.spawn(work).map_err(OpenError::Thread)
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
