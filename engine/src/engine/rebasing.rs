//! A reload where both sides have moved on: our commits go on top of what the remote has.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::branch::SYNCED;
use super::error::ReloadError;
use super::held::HeldReason;
use super::looking::Seen;
use super::reload::objection;
use super::writing::now;
use super::{Rewrites, Shared};
use crate::admit::{Excess, Health, admit};
use crate::fault;
use crate::id::CommitId;
use crate::load::{Prepared, finish, prepare};
use crate::mirror::{Durability, Expected, Objects, Signature, Stage};
use crate::problem::Problem;
use crate::rebase::{RebaseError, Rebased, rebase};
use crate::report::{Kept, LostField, OutcomeKind, ReloadId, ReloadOutcome, Replayed, Timings};
use crate::snapshot::{Snapshot, count};

/// What is to go live where both sides moved on.
struct Course {
    prepared: Prepared,
    /// Our commits and those that have their changes now; `None` for those that no branch of the
    /// remote will have.
    moves: Vec<(CommitId, Option<CommitId>)>,
    made: u64,
    /// What our commits would have lost, where they are kept on a branch of their own.
    lost: Option<Vec<LostField>>,
}

impl Shared {
    /// Says whether commits of ours may be put on top of what the remote has.
    pub(super) fn can_replay(&self, seen: &Seen) -> bool {
        self.rewrites == Rewrites::Replay
            && self.writing.committer().is_some()
            && seen.local.is_some()
    }

    /// Goes to `remote` with our commits on top of it. Where they do not fit they are kept on a
    /// branch of their own, and `remote` alone goes live. The writer is held by the caller.
    pub(super) fn replay(
        &self,
        id: ReloadId,
        remote: CommitId,
        seen: &Seen,
        published: &Snapshot,
        timings: Timings,
    ) -> Result<ReloadOutcome, ReloadError> {
        fault::step("rebase.begin");
        let mut stage = self.mirror.stage().map_err(ReloadError::Open)?;
        let Course { prepared, moves, made, lost } =
            self.course(id, remote, seen, published, &mut stage)?;
        let changed = count(&prepared.changed_from(published));
        let target = prepared.draft.state().commit();
        let degraded = Health::of(prepared.draft.state()).refusable();
        let objects = stage.objects();
        let (snapshot, reason, stages) =
            finish(objects, prepared, &self.load).map_err(ReloadError::Load)?;
        let begun = Instant::now();
        fault::step("rebase.store");
        stage.store(Durability::Synced).map_err(ReloadError::Store)?;
        fault::step("rebase.stored");
        let local = seen.local.unwrap_or(CommitId::ZERO);
        let kept = match lost {
            Some(lost) => Some(Kept { reference: self.keep(objects, local)?, commit: local, lost }),
            None => None,
        };
        // First what is in step: a branch that is not on top of it yet is judged as one that is to
        // be put there.
        let moved = objects.set_reference(SYNCED, Expected::Any, remote);
        moved.map_err(ReloadError::Reference)?;
        fault::step("rebase.noted");
        let moved = objects.set_reference(&self.branch_ref(), Expected::Is(local), target);
        moved.map_err(ReloadError::Reference)?;
        fault::step("branch.moved");
        let snapshot = Arc::new(snapshot);
        self.publish(snapshot.clone(), reason.is_some());
        fault::step("swap.done");
        *self.writing.repeats() = None;
        self.pushing.rebased(&moves);
        let mut status = self.status();
        (status.published_at, status.ahead) = (SystemTime::now(), made);
        (status.behind_since, status.held) = (None, None);
        status.degraded &= degraded;
        if made == 0 {
            status.push.unpushed_since = None;
        }
        drop(status);
        let mut outcome = self.staying(&snapshot, seen);
        outcome.kind = if reason.is_some() { OutcomeKind::Rebuilt } else { OutcomeKind::Applied };
        (outcome.reason, outcome.old, outcome.changed) = (reason, published.commit(), changed);
        outcome.ahead = made;
        outcome.timings = Timings { fetch: timings.fetch, swap: begun.elapsed(), ..stages };
        outcome.replayed = Some(Replayed { commits: made, kept });
        Ok(outcome)
    }

    /// Decides what goes live: ours on top of the remote's, or the remote's alone.
    fn course(
        &self,
        id: ReloadId,
        remote: CommitId,
        seen: &Seen,
        published: &Snapshot,
        stage: &mut Stage,
    ) -> Result<Course, ReloadError> {
        let ours = ours(stage.objects(), remote, seen)?;
        let theirs = self.prepared(stage.objects(), published, remote)?;
        // What the remote has must be fit to go live by itself, whatever ours make of it.
        if let Some((reason, problems, excesses)) = self.objection(&theirs, published) {
            return Err(self.hold(id, remote, reason, problems, excesses));
        }
        let Some(identity) = self.writing.committer() else {
            return Err(self.hold(id, remote, HeldReason::Diverged, vec![], vec![]));
        };
        let committer = Signature { identity: identity.clone(), seconds: now(), offset_minutes: 0 };
        let layout = theirs.draft.state().layout().clone();
        let overruled = |theirs: Prepared, lost| Course {
            prepared: theirs,
            moves: ours.iter().map(|commit| (*commit, None)).collect(),
            made: 0,
            lost: Some(lost),
        };
        match rebase(stage, remote, &ours, &layout, &committer) {
            Ok(Rebased { head, made: 0, .. }) if head == remote => {
                let moves = ours.iter().map(|commit| (*commit, Some(remote))).collect();
                Ok(Course { prepared: theirs, moves, made: 0, lost: None })
            }
            Ok(Rebased { head, moves, made }) => {
                let both = self.prepared(stage.objects(), published, head)?;
                // Each side may be right, and both together wrong: a unique value claimed twice.
                if let Some((_, problems, _)) = self.objection(&both, published) {
                    let lost = problems.into_iter().map(|problem| LostField {
                        path: problem.path.to_string(),
                        pointer: problem.pointer.unwrap_or_default(),
                    });
                    return Ok(overruled(theirs, lost.collect()));
                }
                let moves = moves.into_iter().map(|(old, new)| (old, Some(new))).collect();
                Ok(Course { prepared: both, moves, made, lost: None })
            }
            Err(RebaseError::Conflict { lost }) => Ok(overruled(theirs, lost)),
            Err(RebaseError::Repository(error)) => Err(ReloadError::Repository(error)),
        }
    }

    fn prepared(
        &self,
        objects: &Objects,
        published: &Snapshot,
        target: CommitId,
    ) -> Result<Prepared, ReloadError> {
        let prepared = prepare(objects, Some(published), target, None, &self.load);
        let gone = || ReloadError::Panic { message: "a diverged head is published already".into() };
        prepared.map_err(ReloadError::Load)?.ok_or_else(gone)
    }

    fn objection(
        &self,
        prepared: &Prepared,
        published: &Snapshot,
    ) -> Option<(HeldReason, Vec<Problem>, Vec<Excess>)> {
        let changed = count(&prepared.changed_from(published));
        let health = Health::of(prepared.draft.state());
        objection(admit(&Health::of(published), &health, &changed, &self.limits))
    }
}

/// Returns the commits that only our branch has, the oldest first.
fn ours(objects: &Objects, remote: CommitId, seen: &Seen) -> Result<Vec<CommitId>, ReloadError> {
    let Some(local) = seen.local else { return Ok(vec![]) };
    let of = ReloadError::Repository;
    let ahead = objects.count_between(remote, local).map_err(of)?;
    let mut ours = objects.first_parents(local, ahead).map_err(of)?;
    ours.reverse();
    Ok(ours)
}
