//! A reload after both sides have moved: the [rebase](crate::rebase) of local commits onto the remote's head,
//! which the settings call a replay.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::branch_comparison::BranchComparison;
use super::candidate::{Candidate, IfOutdated, WholeState};
use super::config::Rewrites;
use super::consent::Moved;
use super::error::ReloadError;
use super::fit::{Fit, OnTop};
use super::held_pushes::Objection;
use super::hold_reason::HeldReason;
use super::publication::{BranchMove, Followed, Lineage, Origin, Publication};
use super::publish_turn::Turn;
use super::publisher::OnDisk;
use super::refs::seconds_now;
use super::rehearsal::Rehearsal;
use super::reloader::Reloader;
use crate::fault;
use crate::id::CommitId;
use crate::load::{Prepared, layout_at, prepare};
use crate::mirror::{Durability, Expected, ObjectError, Objects, Signature, Stage};
use crate::options::LoadOptions;
use crate::plan::Movement;
use crate::rebase::{Layouts, Rebase, Rebased};
use crate::report::{KeptCommits, LostField, ReloadId, ReloadOutcome, Replayed, Timings};
use crate::snapshot::Snapshot;

/// How often the local commits are put on top anew within the turn at most, if it shows that some do not fit.
const ROUNDS: usize = 8;

/// How many commits are put on top anew within the turn, while there is another try.
const AGAIN_IN_TURN: usize = 16;

/// How many states are looked at within the turn, at most, in each search for the commits that do not fit.
const STATES_IN_TURN: usize = 24;

/// A reload that found both sides ahead.
pub(super) struct Replay {
    pub(super) id: ReloadId,
    /// The remote's head.
    pub(super) remote: CommitId,
    pub(super) seen: BranchComparison,
    pub(super) published: Arc<Snapshot>,
    /// The state of the remote's head, if it was built before the turn came.
    pub(super) theirs: Option<Candidate>,
    /// The local commits that were put on top of it before the turn came.
    pub(super) rehearsal: Option<Rehearsal>,
    /// The time taken so far.
    pub(super) timings: Timings,
    /// Whether the operator lets the remote's head through.
    pub(super) through: bool,
    pub(super) if_outdated: IfOutdated,
}

/// What is to go live after both sides have moved.
struct ReplayPlan {
    candidate: Candidate,
    /// The new commits, which are not stored yet.
    stage: Stage,
    /// The local commits, each with the commit that now has its changes; `None` for those that no
    /// branch of the remote will have.
    moves: Vec<(CommitId, Option<CommitId>)>,
    made: u64,
    /// What the local commits would have lost, if some of them are kept on a separate branch.
    lost: Option<Vec<LostField>>,
}

impl Reloader {
    /// Returns whether local commits may be put on top of the remote's head.
    pub(super) fn can_replay(&self, seen: &BranchComparison) -> bool {
        self.remote_view.policy(seen) == Rewrites::Replay
            && self.writer.committer().is_some()
            && seen.local.is_some()
    }

    /// Goes to `remote` with the local commits on top of it. If some do not fit, all are kept on a
    /// separate branch, and those go live that share no files or rows with these. The caller holds the writer.
    /// `None` if the turn is to be given up first.
    pub(super) fn replay(
        &self,
        turn: &Turn<'_>,
        mut replay: Replay,
    ) -> Result<Option<ReloadOutcome>, ReloadError> {
        fault::step("rebase.begin");
        let (theirs, rehearsal) = (replay.theirs.take(), replay.rehearsal.take());
        let Some(plan) = self.plan(&replay, theirs, rehearsal)? else { return Ok(None) };
        let ReplayPlan { candidate, stage, moves, made, lost } = plan;
        let Replay { remote, seen, published, timings, through, .. } = replay;
        let target = candidate.commit();
        let objects = stage.objects();
        let whole = candidate.into_whole(&published, objects, &self.load);
        let WholeState { state, changed, reason, timings: stages } =
            whole.map_err(ReloadError::Load)?;
        let publication = Publication {
            state,
            changed,
            reason,
            lineage: match seen.local == Some(published.commit()) {
                // It replaces the local head.
                true => Lineage::Departs,
                // A pin was served, which the remote may have.
                false => self.publisher.lineage(remote),
            },
            timings: Timings { fetch: timings.fetch, ..stages },
            origin: Origin::Branch(Followed {
                remote: seen.remote,
                fetched: seen.reached,
                level: Some(made),
                through,
            }),
            branch: BranchMove { head: Some(target), synced: Some(remote), moves: moved(&moves) },
        };
        let store = || {
            fault::step("rebase.store");
            // Objects on which the local commits build may be stored but not yet on disk.
            self.writer.sync().map_err(ReloadError::Store)?;
            stage.store(Durability::Synced).map_err(ReloadError::Store)?;
            fault::step("rebase.stored");
            Ok::<_, ReloadError>(())
        };
        let refer = || {
            let local = seen.local.unwrap_or(CommitId::ZERO);
            let kept = match lost {
                Some(lost) => {
                    Some(KeptCommits { reference: self.keep(objects, local)?, commit: local, lost })
                }
                None => None,
            };
            // The synced note first: a branch that is not on top of it yet is treated as one that
            // is still to be put there.
            let moved = objects.set_reference(&self.repository.refs.synced, Expected::Any, remote);
            moved.map_err(ReloadError::Reference)?;
            fault::step("rebase.noted");
            let moved =
                objects.set_reference(&self.repository.refs.head, Expected::Is(local), target);
            moved.map_err(ReloadError::Reference)?;
            fault::step("branch.moved");
            if through {
                self.unpin_for(objects)?;
            }
            // Whoever is told of the new state, and waits for one of these commits, must find what became of it.
            self.tell_of(&moves);
            Ok::<_, ReloadError>(Some(Replayed { commits: made, kept }))
        };
        let _told_afterwards = self.pushes.until_published();
        let outcome = self.publisher.publish(turn, publication, OnDisk { store, refer })?;
        fault::step("swap.done");
        Ok(Some(outcome))
    }

    /// Decides what goes live: those of the local commits that fit on top of the remote's head, or that head
    /// alone. Uses what was made before the turn: the state of the remote's head, and the replayed commits.
    /// `None` if many commits had to be put on top anew, and the turn is to be given up for that.
    fn plan(
        &self,
        replay: &Replay,
        theirs: Option<Candidate>,
        rehearsal: Option<Rehearsal>,
    ) -> Result<Option<ReplayPlan>, ReloadError> {
        let Replay { id, remote, ref seen, ref published, through, if_outdated, .. } = *replay;
        let stage = self.repository.mirror.stage().map_err(ReloadError::Open)?;
        let diverged = || self.holds.hold(id, remote, Objection::new(HeldReason::Diverged));
        let ours = match self.ours(stage.objects(), seen)? {
            Some(ours) => ours,
            // Somebody merged here, so the local commits cannot be separated. If let through, all
            // of it is kept.
            None if through => vec![],
            None => return Err(diverged()),
        };
        let is_whole = ours.len() as u64 == seen.ahead;
        let theirs = match theirs {
            Some(theirs) => theirs,
            None => self.candidate(stage.objects(), published, remote)?,
        };
        // The remote's head must be fit to go live by itself, whatever the local commits make of
        // it. The amount of change is judged with them on top: without them it seems to remove
        // them.
        if let Some(objection) = theirs.objection(published, &self.limits)
            && !through
            && objection.reason != HeldReason::PushLimit
        {
            return Err(self.holds.hold(id, remote, objection));
        }
        let Some(committer) = self.replays_by() else { return Err(diverged()) };
        let layout = theirs.state().layout().clone();
        // What the remote has of them, by their requests, is in `moves`.
        let overruled = |theirs: Candidate, stage: Stage, moves, lost| {
            if let Some(objection) = theirs.objection(published, &self.limits).filter(|_| !through)
            {
                return Err(self.holds.hold(id, remote, objection));
            }
            let moves = all(&ours, moves);
            Ok(ReplayPlan { candidate: theirs, stage, moves, made: 0, lost: Some(lost) })
        };
        if !is_whole {
            return overruled(theirs, stage, vec![], vec![]).map(Some);
        }
        let last = ours.last().copied().unwrap_or(remote);
        let made_in = layout_at(stage.objects(), last, &self.load).map_err(ReloadError::Load)?;
        let layouts = Layouts { ours: made_in, theirs: layout };
        let fits = |rehearsal: &Rehearsal| rehearsal.fits(remote, &ours, &layouts);
        let rehearsal = rehearsal.filter(fits);
        // What was not found in time before is not looked for while others wait.
        let rounds = match rehearsal.as_ref().is_some_and(Rehearsal::never_fits) {
            true => 0,
            false => ROUNDS,
        };
        let rebase = match rehearsal {
            Some(rehearsal) => rehearsal.completed(&ours),
            None => {
                let stage = self.repository.mirror.stage().map_err(ReloadError::Open)?;
                rebased(stage, remote, &ours, layouts, committer)
            }
        };
        let mut rebase = rebase.map_err(ReloadError::Repository)?;
        let states = STATES_IN_TURN;
        let on_top = OnTop { theirs: &theirs, published, ours: &ours, through, states };
        for _ in 0..rounds {
            if rebase.is_outdated() {
                if if_outdated == IfOutdated::GiveUp && ours.len() > AGAIN_IN_TURN {
                    return Ok(None);
                }
                let stage = self.repository.mirror.stage().map_err(ReloadError::Open)?;
                let again = rebase.begun_again(stage).and_then(|rebase| put(rebase, &ours));
                rebase = again.map_err(ReloadError::Repository)?;
                continue;
            }
            match self.fit(&rebase, on_top)? {
                Fit::Whole(both) => {
                    let left_out = rebase.left_out();
                    let lost = (!left_out.is_empty()).then(|| left_out.lost());
                    let (new, Rebased { moves, made, .. }) = rebase.into_parts();
                    let moves = all(&ours, moves);
                    let (candidate, stage) = match both {
                        Some(both) => (both, new),
                        None => (theirs, stage),
                    };
                    return Ok(Some(ReplayPlan { candidate, stage, moves, made, lost }));
                }
                Fit::Exceeds(objection) => return Err(self.holds.hold(id, remote, objection)),
                fit @ (Fit::Loses(_) | Fit::Wrong(_)) => {
                    if !self.leave_out(&mut rebase, &fit, on_top)? {
                        break;
                    }
                }
            }
        }
        let lost = rebase.left_out().lost();
        let (_, Rebased { mut moves, repeated, .. }) = rebase.into_parts();
        moves.retain(|(commit, _)| repeated.contains(commit));
        overruled(theirs, stage, moves, lost).map(Some)
    }

    /// Returns who commits the local commits again, as of now; `None` if nothing is written.
    pub(super) fn replays_by(&self) -> Option<Signature> {
        let identity = self.writer.committer()?.clone();
        Some(Signature { identity, seconds: seconds_now(), offset_minutes: 0 })
    }

    /// Informs callers that wait for the local commits, or repeat their requests, that these were
    /// replaced or are no longer in the branch.
    pub(super) fn tell_of(&self, moves: &[(CommitId, Option<CommitId>)]) {
        self.writer.repeats().moved(moves);
        self.pushes.rebased(moves);
    }

    /// Returns the commits that are only local, and that the branch loses when it goes to the
    /// remote's head.
    pub(super) fn overruled(
        &self,
        objects: &Objects,
        seen: &BranchComparison,
    ) -> Result<Vec<(CommitId, Option<CommitId>)>, ReloadError> {
        if seen.ahead == 0 || seen.movement == Movement::Stay {
            return Ok(vec![]);
        }
        let ours = self.ours(objects, seen)?.unwrap_or_default();
        Ok(ours.into_iter().map(|commit| (commit, None)).collect())
    }

    pub(super) fn prepared(
        &self,
        objects: &Objects,
        published: &Snapshot,
        target: CommitId,
    ) -> Result<Prepared, ReloadError> {
        let prepared = prepare(objects, Some(published), target, None, &self.within_turn());
        prepared.map_err(ReloadError::Load)?.ok_or_else(is_published)
    }

    pub(super) fn candidate(
        &self,
        objects: &Objects,
        base: &Arc<Snapshot>,
        target: CommitId,
    ) -> Result<Candidate, ReloadError> {
        let candidate = Candidate::of(objects, base, target, None, &self.within_turn());
        candidate.map_err(ReloadError::Load)?.ok_or_else(is_published)
    }

    /// Returns how records are read while others wait: not those of the whole commit.
    pub(super) fn within_turn(&self) -> LoadOptions {
        LoadOptions { prefers_increment: true, ..self.load.clone() }
    }
}

fn is_published() -> ReloadError {
    ReloadError::Panic { message: "a diverged head is already published".into() }
}

/// Returns what has come of all of `ours`; those that are not in `moves` are no longer in the branch.
fn all(ours: &[CommitId], moves: Vec<(CommitId, CommitId)>) -> Vec<(CommitId, Option<CommitId>)> {
    let moves: BTreeMap<_, _> = moves.into_iter().collect();
    ours.iter().map(|ours| (*ours, moves.get(ours).copied())).collect()
}

/// Returns what is announced of these replacements.
pub(super) fn moved(moves: &[(CommitId, Option<CommitId>)]) -> Vec<Moved> {
    moves.iter().map(|(old, new)| Moved { old: *old, new: *new }).collect()
}

/// Puts all of `ours` on top of `remote`.
fn rebased(
    stage: Stage,
    remote: CommitId,
    ours: &[CommitId],
    layouts: Layouts,
    committer: Signature,
) -> Result<Rebase, ObjectError> {
    put(Rebase::onto(remote, stage, layouts, committer)?, ours)
}

fn put(mut rebase: Rebase, ours: &[CommitId]) -> Result<Rebase, ObjectError> {
    ours.iter().try_for_each(|commit| rebase.put(*commit))?;
    Ok(rebase)
}
