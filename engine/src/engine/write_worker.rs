//! Writes: the thread that turns waiting batches into commits.
//!
//! Batches that wait at the same time share one pack, one move of the branch and one publication.
//! Each is a separate commit, and a refused one does not affect the others. Every commit is first
//! made, read back and turned into the next state in memory. By the time a caller is told about it,
//! it is durable and published: the objects are synced, the branch is moved and synced, and the
//! pointer is stored, in this order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::candidate::{Candidate, WholeState};
use super::idempotency::{RepeatedWrite, Repeats};
use super::maintenance::Maintenance;
use super::publication::{BranchMove, Lineage, Origin, Publication};
use super::publish_turn::{Turn, Writer};
use super::publisher::{OnDisk, Publisher};
use super::push::queue::PushQueue;
use super::refs::seconds_now;
use super::reload_queue::{ReloadAnswer, ReloadCaller, ReloadQueue, ReloadRequest};
use super::repository::Repository;
use super::schedule::RequestKind;
use super::states::States;
use super::write_gate::WriteGate;
use super::write_queue::{Waiting, WriteQueue};
use crate::causes::{self, chain};
use crate::fault;
use crate::id::CommitId;
use crate::mirror::{Durability, Expected, RefError, Signature, Stage};
use crate::options::LoadOptions;
use crate::report::Trigger;
use crate::write::{
    self, Batch, BatchResult, CommitState, Committed, Repeat, StoreError, WriteError, WritesClosed,
};

/// The number of bytes of new objects that ends a group. The remaining batches go first into the
/// next group, so that neither memory nor the wait of others depends on the size of their patches.
const STAGED: usize = 16 << 20;

/// How long a group is made before it ends, as [`STAGED`] does: the costs of batches are judged before
/// they are written, and a judgement may be wrong.
const MAKING: Duration = Duration::from_millis(250);

/// How often a group is retried because somebody else moved the branch meanwhile.
const OVERTAKEN: usize = 4;

/// Makes commits from waiting batches.
pub(super) struct WriteWorker {
    pub(super) repository: Arc<Repository>,
    pub(super) states: Arc<States>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) writer: Arc<Writer>,
    pub(super) writes: Arc<WriteQueue>,
    pub(super) reloads: Arc<ReloadQueue>,
    pub(super) pushes: Arc<PushQueue>,
    pub(super) maintenance: Arc<Maintenance>,
    pub(super) load: LoadOptions,
    pub(super) gate: Arc<WriteGate>,
}

impl WriteWorker {
    /// Writes waiting batches until no more can come.
    pub(super) fn run(&self) {
        while let Some(mut group) = self.writes.next() {
            self.writer.pace.keep();
            let mut written = self.try_group(&group);
            for _ in 0..OVERTAKEN {
                // If the branch has no remote, others push to it as well: their commits are
                // published first, and these go on top.
                if self.repository.remote.is_some()
                    || !written.as_ref().is_err_and(Failure::is_overtaken)
                {
                    break;
                }
                self.reload_and_wait();
                written = self.try_group(&group);
            }
            let results = written.unwrap_or_else(|failure| failure.told(group.len()));
            self.writes.put_back(group.split_off(results.len()));
            let written = |Waiting { batch: Batch { actor, .. }, weight, done, .. }| {
                // The batch is dropped before its room is given to others.
                self.writes.leave(&actor, weight);
                done
            };
            let callers: Vec<_> = group.into_iter().map(written).collect();
            // Before the callers are told, so that they can wait for the maintenance that follows.
            self.maintenance.wake();
            for (done, result) in callers.into_iter().zip(results) {
                if catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
                    tracing::error!("a caller of a write panicked");
                }
            }
        }
    }

    /// Writes a group; a panic counts as a failure of it.
    fn try_group(&self, group: &[Waiting]) -> Result<Vec<Result<Committed, WriteError>>, Failure> {
        let written = catch_unwind(AssertUnwindSafe(|| self.write_group(group)));
        written.unwrap_or_else(|panic| {
            Err(Failure::Store(StoreError::Panic { message: causes::of_panic(&*panic) }))
        })
    }

    /// Requests a reload and waits for its end; returns at once if the engine is shut down.
    fn reload_and_wait(&self) {
        let (sender, receiver) = std::sync::mpsc::channel();
        let done = Box::new(move |_: ReloadAnswer| sender.send(()).unwrap_or_default());
        let (kind, trigger) = (RequestKind::Reload, Trigger::Write);
        let request = ReloadRequest { kind, trigger, reserved: None };
        self.reloads.join(request, vec![ReloadCaller { commit: None, done }]);
        // Without a sender, the request was dropped and there is nothing to wait for.
        let _ = receiver.recv();
    }

    /// Makes a commit of each batch if possible, stores them and publishes the last. Returns the
    /// results of the first batches, at least one: the others exceed what is written at once.
    fn write_group(
        &self,
        group: &[Waiting],
    ) -> Result<Vec<Result<Committed, WriteError>>, Failure> {
        let Some(identity) = self.writer.committer() else {
            return Err(WritesClosed::ReadOnly.into());
        };
        let turn = self.writer.turn();
        let begun = Instant::now();
        fault::step("write.begin");
        self.gate.check(turn.role())?;
        let mut stage = self.repository.mirror.stage().map_err(StoreError::Open)?;
        let first = self.written_upon(&stage)?;
        let committer =
            Signature { identity: identity.clone(), seconds: seconds_now(), offset_minutes: 0 };
        let mut state = first.clone();
        let mut results = Vec::with_capacity(group.len());
        let mut commits = 0;
        let mut known = self.writer.repeats();
        if group.iter().any(|waiting| waiting.batch.repeat.is_some()) {
            known.read(stage.objects(), first.commit).map_err(StoreError::Repository)?;
        }
        // Until they are known to be stored, only this group knows their outcomes.
        let mut done_now: Vec<(&Repeat, RepeatedWrite)> = Vec::new();
        for Waiting { batch, .. } in group {
            if !results.is_empty() && is_enough(stage.weight(), begun.elapsed()) {
                break;
            }
            let again = match &batch.repeat {
                Some(repeat) => again(repeat, &known, &done_now),
                None => Ok(None),
            };
            let written = match again {
                Ok(Some(RepeatedWrite { commit, changed })) => {
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
            results.push(written.map(|BatchResult { next, written }| {
                let changed = next.is_some();
                if let Some(next) = next {
                    commits += 1;
                    state = next;
                }
                let outcome = RepeatedWrite { commit: state.commit, changed };
                done_now.extend(batch.repeat.as_ref().map(|repeat| (repeat, outcome)));
                Committed { commit: state.commit, changed, repeated: false, written }
            }));
        }
        if state.commit != first.commit {
            self.store(&turn, &stage, first.commit, state.commit, commits)?;
            self.writer.pace.note(commits);
        }
        for (repeat, outcome) in done_now {
            known.note(repeat.clone(), outcome);
        }
        known.went(first.commit, state.commit);
        Ok(results)
    }

    /// Returns the parent of the next commit: the published commit, if the branch is there, too.
    fn written_upon(&self, stage: &Stage) -> Result<CommitState, Failure> {
        let published = self.states.published();
        let head =
            stage.objects().reference(&self.repository.refs.head).map_err(StoreError::Reference)?;
        let commit = published.commit();
        if head.unwrap_or(CommitId::ZERO) != commit {
            return Err(WritesClosed::OutOfStep.into());
        }
        Ok(CommitState::of(&published, stage.objects()).map_err(StoreError::Repository)?)
    }

    /// Builds the state of `target`, stores the objects, moves the branch and publishes.
    fn store(
        &self,
        turn: &Turn<'_>,
        stage: &Stage,
        from: CommitId,
        target: CommitId,
        commits: u64,
    ) -> Result<(), Failure> {
        let published = self.states.published();
        let objects = stage.objects();
        let candidate = Candidate::of(objects, &published, target, None, &self.load);
        let Some(candidate) = candidate.map_err(StoreError::Load)? else { return Ok(()) };
        let whole = candidate.into_whole(&published, objects, &self.load);
        let WholeState { state, changed, reason, timings } = whole.map_err(StoreError::Load)?;
        let publication = Publication {
            state,
            changed,
            reason,
            lineage: if from.is_zero() { Lineage::First } else { Lineage::Forward },
            timings,
            origin: Origin::Write { commits },
            branch: BranchMove { head: Some(target), ..BranchMove::default() },
        };
        let store = || {
            let stored = stage.store(self.writer.durability()).map_err(StoreError::Objects)?;
            if self.writer.durability() == Durability::Buffered {
                self.writer.stored(stored);
            }
            Ok::<_, StoreError>(())
        };
        let refer = || {
            fault::step("write.branch");
            let expected = if from.is_zero() { Expected::Absent } else { Expected::Is(from) };
            let moved = match self.writer.durability() {
                Durability::Synced => {
                    objects.set_reference(&self.repository.refs.head, expected, target)
                }
                Durability::Buffered => {
                    objects.move_reference(&self.repository.refs.head, expected, target)
                }
            };
            moved.map_err(StoreError::Reference)?;
            fault::step("write.moved");
            Ok::<_, StoreError>(None)
        };
        self.publisher.publish(turn, publication, OnDisk { store, refer })?;
        fault::step("write.published");
        self.pushes.wake();
        Ok(())
    }
}

/// Returns whether a group ends that has staged so many bytes in this time.
fn is_enough(staged: usize, took: Duration) -> bool {
    staged > STAGED || took > MAKING
}

/// Returns the outcome of the same request before, in this group or earlier.
fn again(
    repeat: &Repeat,
    known: &Repeats,
    done_now: &[(&Repeat, RepeatedWrite)],
) -> Result<Option<RepeatedWrite>, WriteError> {
    let same = |other: &Repeat| (&other.actor, &other.key) == (&repeat.actor, &repeat.key);
    match done_now.iter().find(|(other, _)| same(other)) {
        Some((other, outcome)) if other.digest == repeat.digest => Ok(Some(*outcome)),
        Some(_) => Err(WriteError::KeyReused { key: repeat.key.clone() }),
        None => known.find(repeat),
    }
}

/// Why no batch of a group can be written.
enum Failure {
    WritesClosed(WritesClosed),
    Store(StoreError),
}

impl From<WritesClosed> for Failure {
    fn from(gate: WritesClosed) -> Self {
        Self::WritesClosed(gate)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    /// Returns whether somebody else moved the branch, so that a reload must come first.
    fn is_overtaken(&self) -> bool {
        matches!(
            self,
            Self::WritesClosed(WritesClosed::OutOfStep)
                | Self::Store(StoreError::Reference(RefError::Moved { .. }))
        )
    }

    /// Returns the result for each of this many callers.
    fn told(self, callers: usize) -> Vec<Result<Committed, WriteError>> {
        match self {
            Self::WritesClosed(gate) => (0..callers).map(|_| Err(gate.clone().into())).collect(),
            Self::Store(error) => {
                tracing::error!(
                    error = chain(&error),
                    "the write failed; the old state is still served"
                );
                let error = Arc::new(error);
                (0..callers).map(|_| Err(WriteError::Store(error.clone()))).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_ends_by_its_bytes_and_by_its_time() {
        let long = MAKING + Duration::from_millis(1);
        for (staged, took, expected) in [
            (0, Duration::ZERO, false),
            (STAGED, MAKING, false),
            (STAGED + 1, Duration::ZERO, true),
            (0, long, true),
        ] {
            assert_eq!(is_enough(staged, took), expected, "{staged} {took:?}");
        }
    }
}
