//! Writes: batches that wait, and the thread that makes commits of them.
//!
//! Those that wait at the same time share one pack, one move of the branch and one publication;
//! each is a commit of its own, and one that is refused does not concern the others. Every commit
//! is made, read back and turned into the next state in memory first. What a caller is told of is
//! durable then, and published: the objects are synced, the branch is moved and synced, the
//! pointer is stored, in this order.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::holds::HeldReason;
use super::publication::{Lineage, Origin, Publication};
use super::repeats::{Outcome, Repeats};
use super::{Asker, Engine, Request, RequestKind, Shared, Verdict};
use crate::causes::chain;
use crate::fault;
use crate::id::CommitId;
use crate::load::{finish, prepare};
use crate::mirror::{Durability, Expected, Identity, RefError, Signature, Stage};
use crate::report::Trigger;
use crate::snapshot::Snapshot;
use crate::write::{self, Batch, Change, Committed, Gate, Repeat, State, StoreError, WriteError};

/// How many batches may wait.
const WAITING: usize = 1_000;
/// How many bytes of memory they may take; the one that reaches the limit may be larger by itself.
const WAITING_WEIGHT: usize = 32 << 20;
/// How often a group is tried again because somebody else moved the branch meanwhile.
const OVERTAKEN: usize = 4;
/// How many become commits in one go, which bounds how long a reload waits for the writer.
const GROUP: usize = 64;
/// How many bytes of memory these may take; the first may be larger by itself. Their files are held
/// three times over until they are stored.
const GROUP_WEIGHT: usize = 8 << 20;

/// Is called with what became of a batch, on the engine's thread, so it should only pass it on.
pub type Acknowledge = Box<dyn FnOnce(Result<Committed, WriteError>) + Send>;

/// The batches that wait.
pub(super) struct Writing {
    /// Who commits; `None` where nothing is written.
    committer: Option<Identity>,
    durability: Durability,
    /// Files that were stored and are not synced yet.
    unsynced: Mutex<Vec<PathBuf>>,
    queue: Mutex<Queue>,
    changed: Condvar,
    /// The requests that are known again; read from the history when the first one has a key.
    repeats: Mutex<Repeats>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// The weight of what waits and of what is being written.
    weight: usize,
    closed: bool,
}

struct Waiting {
    batch: Batch,
    weight: usize,
    done: Acknowledge,
}

impl Writing {
    pub(super) fn new(committer: Option<Identity>, durability: Durability) -> Self {
        let (queue, unsynced) = (Mutex::default(), Mutex::default());
        let (changed, repeats) = (Condvar::new(), Mutex::default());
        Self { committer, durability, unsynced, queue, changed, repeats }
    }

    /// Says whether what is stored is synced only afterwards.
    pub(super) fn is_buffered(&self) -> bool {
        self.durability == Durability::Buffered
    }

    /// Syncs what was stored and is not synced yet, before the branch that names it is.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Returns who commits; `None` where nothing is written.
    pub(super) fn committer(&self) -> Option<&Identity> {
        self.committer.as_ref()
    }

    /// Returns the requests that are known again.
    pub(super) fn repeats(&self) -> MutexGuard<'_, Repeats> {
        // One that lost a request would only commit it again: a poisoned lock holds a usable one.
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes no more. What waits is still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Lets a batch wait. What it costs is judged before.
    fn join(&self, batch: Batch, done: Acknowledge) -> Result<(), (WriteError, Acknowledge)> {
        let weight = match batch.weighed() {
            Ok(weight) => weight,
            Err(error) => return Err((error, done)),
        };
        let mut queue = self.lock();
        let gate = match () {
            () if self.committer.is_none() => Some(Gate::ReadOnly),
            () if queue.closed => Some(Gate::ShutDown),
            () if queue.waiting.len() >= WAITING => Some(Gate::Full),
            () if queue.weight >= WAITING_WEIGHT => Some(Gate::Full),
            () => None,
        };
        match gate {
            Some(gate) => Err((gate.into(), done)),
            None => {
                queue.weight += weight;
                queue.waiting.push_back(Waiting { batch, weight, done });
                self.changed.notify_one();
                Ok(())
            }
        }
    }

    /// Waits for batches; `None` once closed and empty.
    fn next(&self) -> Option<Vec<Waiting>> {
        let idle = |queue: &mut Queue| queue.waiting.is_empty() && !queue.closed;
        let waited = self.changed.wait_while(self.lock(), idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        let mut weight = 0;
        let fits = |waiting: &&Waiting| {
            let first = weight == 0;
            weight += waiting.weight;
            first || weight <= GROUP_WEIGHT
        };
        let count = queue.waiting.iter().take(GROUP).take_while(fits).count();
        (count > 0).then(|| queue.waiting.drain(..count).collect())
    }

    /// Makes room for others: what had this weight is written.
    fn leave(&self, weight: usize) {
        self.lock().weight -= weight;
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A queue is whole after every statement, so a poisoned lock holds a usable one.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Lets `batch` wait for its turn and returns at once; `done` is told what became of it.
    ///
    /// Once taken, a batch is written whether anybody still waits for it or not. What waits is
    /// bounded in number and in bytes.
    pub fn write(&self, batch: Batch, done: Acknowledge) {
        if let Err((error, done)) = self.shared.writing.join(batch, done) {
            done(Err(error));
        }
    }

    /// Writes `batch` as one commit and waits until it is durable and published.
    ///
    /// # Errors
    ///
    /// See [`WriteError`]; nothing of the batch is written then.
    pub fn commit(&self, batch: Batch) -> Result<Committed, WriteError> {
        let (sender, receiver) = std::sync::mpsc::channel();
        self.write(batch, Box::new(move |result| drop(sender.send(result))));
        receiver.recv().unwrap_or(Err(Gate::ShutDown.into()))
    }

    /// Says whether this engine writes.
    pub fn is_writable(&self) -> bool {
        self.shared.writing.committer.is_some()
    }
}

impl Shared {
    /// Writes what waits until there is no more to come.
    pub(super) fn write(&self) {
        while let Some(group) = self.writing.next() {
            let weight = group.iter().map(|waiting| waiting.weight).sum();
            let (batches, callers): (Vec<_>, Vec<_>) =
                group.into_iter().map(|waiting| (waiting.batch, waiting.done)).unzip();
            let mut written = self.try_group(&batches);
            for _ in 0..OVERTAKEN {
                // Where the branch has no remote, others push to it beside us: what they pushed is
                // published first, and ours goes on top.
                if self.remote.is_some() || !written.as_ref().is_err_and(Failure::is_overtaken) {
                    break;
                }
                self.reload_and_wait();
                written = self.try_group(&batches);
            }
            let results = written.unwrap_or_else(|failure| failure.told(batches.len()));
            drop(batches);
            self.writing.leave(weight);
            // Before the callers are told, so that they can wait for what comes behind.
            self.chores.wake();
            for (done, result) in callers.into_iter().zip(results) {
                if catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
                    tracing::error!("a caller of a write panicked");
                }
            }
        }
    }

    /// Writes a group; a panic is a failure of it.
    fn try_group(&self, batches: &[Batch]) -> Result<Vec<Result<Committed, WriteError>>, Failure> {
        let written = catch_unwind(AssertUnwindSafe(|| self.write_group(batches)));
        written.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Failure::Store(StoreError::Panic { message: text.unwrap_or_default() }))
        })
    }

    /// Asks for a reload and waits for its end; returns at once when the engine is shut down.
    fn reload_and_wait(&self) {
        let (sender, receiver) = std::sync::mpsc::channel();
        let done = Box::new(move |_: Verdict| sender.send(()).unwrap_or_default());
        let (kind, trigger) = (RequestKind::Reload, Trigger::Write);
        let request = Request { kind, trigger, reserved: None };
        self.flight.join(&self.ledger, request, vec![Asker { commit: None, done }]);
        // Without a sender the request was dropped, and there is nothing to wait for.
        let _ = receiver.recv();
    }

    /// Makes a commit of each batch that can be one, stores them and publishes the last.
    fn write_group(
        &self,
        batches: &[Batch],
    ) -> Result<Vec<Result<Committed, WriteError>>, Failure> {
        let Some(identity) = &self.writing.committer else { return Err(Gate::ReadOnly.into()) };
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        fault::step("write.begin");
        self.may_write()?;
        let mut stage = self.mirror.stage().map_err(StoreError::Open)?;
        let first = self.written_upon(&stage)?;
        let committer = Signature { identity: identity.clone(), seconds: now(), offset_minutes: 0 };
        let mut state = first.clone();
        let mut results = Vec::with_capacity(batches.len());
        let mut commits = 0;
        let mut known = self.writing.repeats();
        if batches.iter().any(|batch| batch.repeat.is_some()) {
            known.read(stage.objects(), first.commit).map_err(StoreError::Repository)?;
        }
        // Until it is known that they are stored, what became of them is known to this group only.
        let mut done_now: Vec<(&Repeat, Outcome)> = Vec::new();
        for batch in batches {
            let again = match &batch.repeat {
                Some(repeat) => again(repeat, &known, &done_now),
                None => Ok(None),
            };
            let written = match again {
                Ok(Some(Outcome { commit, changed })) => {
                    results.push(Ok(Committed {
                        commit,
                        changed,
                        repeated: true,
                        written: vec![],
                    }));
                    continue;
                }
                Ok(None) => write::commit(&mut stage, &state, batch, &committer, &self.load),
                Err(error) => Err(error),
            };
            results.push(written.map(|Change { next, written }| {
                let changed = next.is_some();
                if let Some(next) = next {
                    commits += 1;
                    state = next;
                }
                let outcome = Outcome { commit: state.commit, changed };
                done_now.extend(batch.repeat.as_ref().map(|repeat| (repeat, outcome)));
                Committed { commit: state.commit, changed, repeated: false, written }
            }));
        }
        if state.commit != first.commit {
            self.store(&stage, first.commit, state.commit, commits)?;
        }
        for (repeat, outcome) in done_now {
            known.note(repeat.clone(), outcome);
        }
        Ok(results)
    }

    /// Says why nothing is written now, if it is so.
    fn may_write(&self) -> Result<(), Gate> {
        let status = self.status();
        if let Some(pinned) = &status.pinned {
            return Err(Gate::Pinned { commit: pinned.commit });
        }
        if self.unpushed_limit.is_some_and(|limit| status.ahead >= limit) {
            return Err(Gate::Unpushed { commits: status.ahead });
        }
        match &status.held {
            Some(held) => {
                let diverged = held.reason == HeldReason::Diverged;
                Err(Gate::Held { id: held.id, diverged })
            }
            None => Ok(()),
        }
    }

    /// Returns what the next commit goes on top of: what is published, if the branch is there too.
    fn written_upon(&self, stage: &Stage) -> Result<State, Failure> {
        let published = self.published.load_full();
        let head = stage.objects().reference(&self.branch_ref()).map_err(StoreError::Reference)?;
        let commit = published.commit();
        if head.unwrap_or(CommitId::ZERO) != commit {
            return Err(Gate::OutOfStep.into());
        }
        let facts = match head {
            Some(head) => Some(stage.objects().commit(head).map_err(StoreError::Repository)?),
            None => None,
        };
        let seconds = facts.as_ref().map_or(0, |facts| facts.committer_time);
        let tree = facts.map(|facts| facts.tree);
        Ok(State { commit, tree, seconds, records: Snapshot::clone(&published) })
    }

    /// Builds the state of `target`, stores the objects, moves the branch and publishes.
    fn store(
        &self,
        stage: &Stage,
        from: CommitId,
        target: CommitId,
        commits: u64,
    ) -> Result<(), Failure> {
        let published = self.published.load_full();
        let objects = stage.objects();
        let prepared = prepare(objects, Some(&published), target, None, &self.load);
        let Some(prepared) = prepared.map_err(StoreError::Load)? else { return Ok(()) };
        let changed = prepared.changed_from(&published);
        let (snapshot, reason, timings) =
            finish(objects, prepared, &self.load).map_err(StoreError::Load)?;
        let publication = Publication {
            state: Arc::new(snapshot),
            changed,
            reason,
            lineage: if from.is_zero() { Lineage::First } else { Lineage::Forward },
            timings,
            origin: Origin::Write { commits },
        };
        self.publish(publication, || {
            let stored = stage.store(self.writing.durability).map_err(StoreError::Objects)?;
            fault::step("write.branch");
            let expected = if from.is_zero() { Expected::Absent } else { Expected::Is(from) };
            let moved = match self.writing.durability {
                Durability::Synced => objects.set_reference(&self.branch_ref(), expected, target),
                Durability::Buffered => {
                    let mut unsynced =
                        self.writing.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
                    unsynced.extend(stored);
                    drop(unsynced);
                    objects.move_reference(&self.branch_ref(), expected, target)
                }
            };
            moved.map_err(StoreError::Reference)?;
            fault::step("write.moved");
            Ok::<_, StoreError>(None)
        })?;
        fault::step("write.published");
        self.pushing.wake();
        Ok(())
    }
}

/// Returns what came of the same request before, in this group or earlier.
fn again(
    repeat: &Repeat,
    known: &Repeats,
    done_now: &[(&Repeat, Outcome)],
) -> Result<Option<Outcome>, WriteError> {
    let same = |other: &Repeat| (&other.actor, &other.key) == (&repeat.actor, &repeat.key);
    match done_now.iter().find(|(other, _)| same(other)) {
        Some((other, outcome)) if other.digest == repeat.digest => Ok(Some(*outcome)),
        Some(_) => Err(WriteError::KeyReused { key: repeat.key.clone() }),
        None => known.find(repeat),
    }
}

/// Why no batch of a group is written.
enum Failure {
    Gate(Gate),
    Store(StoreError),
}

impl From<Gate> for Failure {
    fn from(gate: Gate) -> Self {
        Self::Gate(gate)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    /// Says whether somebody else moved the branch, so that a reload comes first.
    fn is_overtaken(&self) -> bool {
        matches!(
            self,
            Self::Gate(Gate::OutOfStep)
                | Self::Store(StoreError::Reference(RefError::Moved { .. }))
        )
    }

    /// Returns what each of so many callers is told.
    fn told(self, callers: usize) -> Vec<Result<Committed, WriteError>> {
        match self {
            Self::Gate(gate) => (0..callers).map(|_| Err(gate.clone().into())).collect(),
            Self::Store(error) => {
                tracing::error!(
                    error = chain(&error),
                    "the write failed; the old state keeps serving"
                );
                let error = Arc::new(error);
                (0..callers).map(|_| Err(WriteError::Store(error.clone()))).collect()
            }
        }
    }
}

/// Returns seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
