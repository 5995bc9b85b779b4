//! A reload after both sides have moved: the [rebase](crate::rebase) of local commits onto the remote's head,
//! which the settings call a replay.

use std::sync::Arc;

use super::branch_comparison::BranchComparison;
use super::candidate::{Candidate, WholeState};
use super::config::Rewrites;
use super::consent::Moved;
use super::error::ReloadError;
use super::publication::{BranchMove, Followed, Lineage, Origin, Publication};
use super::publish_turn::Turn;
use super::publisher::OnDisk;
use super::refs::seconds_now;
use super::rehearsal::Rehearsal;
use super::reloader::Reloader;
use super::replay_plan::{Planned, Replay, ReplayPlan};
use crate::fault;
use crate::id::CommitId;
use crate::load::{Prepared, prepare};
use crate::mirror::{Durability, Expected, Objects, Signature};
use crate::options::LoadOptions;
use crate::plan::Movement;
use crate::report::{KeptCommits, ReloadOutcome, Replayed, Timings};
use crate::snapshot::Snapshot;

/// What came of one try.
pub(super) enum Attempt {
    Ended(Box<ReloadOutcome>),
    /// The turn was given up, so that the rest is not done while others wait. What is known of a replay, if it was
    /// one, serves the next try.
    GivenUp(Option<Box<Rehearsal>>),
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
    pub(super) fn replay(
        &self,
        turn: &Turn<'_>,
        mut replay: Replay,
    ) -> Result<Attempt, ReloadError> {
        fault::step("rebase.begin");
        let (theirs, rehearsal) = (replay.theirs.take(), replay.rehearsal.take());
        let ReplayPlan { candidate, stage, moves, made, lost } =
            match self.plan(&replay, theirs, rehearsal)? {
                Planned::Ready(plan) => *plan,
                Planned::GivenUp(known) => return Ok(Attempt::GivenUp(Some(known))),
            };
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
        Ok(Attempt::Ended(Box::new(outcome)))
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

/// Returns what is announced of these replacements.
pub(super) fn moved(moves: &[(CommitId, Option<CommitId>)]) -> Vec<Moved> {
    moves.iter().map(|(old, new)| Moved { old: *old, new: *new }).collect()
}
