//! What goes live after both sides have moved. It is decided while others wait, with what was built before.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::branch_comparison::BranchComparison;
use super::candidate::{Candidate, IfOutdated};
use super::error::ReloadError;
use super::fit::{Fit, OnTop};
use super::held_pushes::Objection;
use super::hold_reason::HeldReason;
use super::rehearsal::Rehearsal;
use super::reloader::Reloader;
use crate::id::CommitId;
use crate::load::layout_at;
use crate::mirror::{ObjectError, Signature, Stage};
use crate::rebase::{Layouts, Rebase, Rebased};
use crate::report::{LostField, ReloadId, Timings};
use crate::snapshot::Snapshot;

/// How often commits that do not fit are looked for within the turn, at most.
const SEARCHES: usize = 4;

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
pub(super) struct ReplayPlan {
    pub(super) candidate: Candidate,
    /// The new commits, which are not stored yet.
    pub(super) stage: Stage,
    /// The local commits, each with the commit that now has its changes; `None` for those that no
    /// branch of the remote will have.
    pub(super) moves: Vec<(CommitId, Option<CommitId>)>,
    pub(super) made: u64,
    /// What the local commits would have lost, if some of them are kept on a separate branch.
    pub(super) lost: Option<Vec<LostField>>,
}

/// Whether others have waited for this long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urgency {
    Low,
    High,
}

/// What is done about commits that do not fit, while others wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// They are looked for and left out.
    Search,
    /// All are left out that came after the others were judged.
    LeaveOutNew,
    LeaveOutAll,
}

/// Decides what is done about commits that do not fit when they may be looked for so often, and some are new.
fn remedy(searches: usize, has_new: bool, urgency: Urgency) -> Remedy {
    match (searches, has_new) {
        (0, false) => Remedy::LeaveOutAll,
        (0, true) => Remedy::LeaveOutNew,
        (_, true) if urgency == Urgency::High => Remedy::LeaveOutNew,
        _ => Remedy::Search,
    }
}

/// What is decided while others wait.
pub(super) enum Planned {
    Ready(Box<ReplayPlan>),
    /// Many commits have to be put on top anew, without those that are left out.
    GivenUp(Box<Rehearsal>),
}

impl Reloader {
    /// Decides what goes live: those of the local commits that fit on top of the remote's head, or that head
    /// alone. Uses what was made before the turn: the state of the remote's head, and the replayed commits.
    pub(super) fn plan(
        &self,
        replay: &Replay,
        theirs: Option<Candidate>,
        rehearsal: Option<Rehearsal>,
    ) -> Result<Planned, ReloadError> {
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
            let plan = ReplayPlan { candidate: theirs, stage, moves, made: 0, lost: Some(lost) };
            Ok(Planned::Ready(Box::new(plan)))
        };
        if !is_whole {
            return overruled(theirs, stage, vec![], vec![]);
        }
        let last = ours.last().copied().unwrap_or(remote);
        let made_in = layout_at(stage.objects(), last, &self.load).map_err(ReloadError::Load)?;
        let layouts = Layouts { ours: made_in, theirs: layout };
        let fits = |rehearsal: &Rehearsal| rehearsal.fits(remote, &ours, &layouts);
        let rehearsal = rehearsal.filter(fits);
        let never_fits = rehearsal.as_ref().is_some_and(Rehearsal::never_fits);
        let fitting = rehearsal.as_ref().map_or(0, Rehearsal::fitting);
        let is_many = ours.len() > AGAIN_IN_TURN;
        let gives_up = is_many && if_outdated == IfOutdated::GiveUp;
        let urgency = if is_many && !gives_up { Urgency::High } else { Urgency::Low };
        // What was not found in time before is not looked for while others wait.
        let mut searches = if never_fits { 0 } else { SEARCHES };
        // Those that came after the others were judged; none if no others were.
        let mut new = ours.get(fitting..).filter(|new| fitting > 0 && !new.is_empty());
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
        loop {
            if rebase.is_outdated() {
                if gives_up {
                    let known = Rehearsal::given_up(remote, rebase);
                    return Ok(Planned::GivenUp(Box::new(known)));
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
                    let plan = ReplayPlan { candidate, stage, moves, made, lost };
                    return Ok(Planned::Ready(Box::new(plan)));
                }
                Fit::Exceeds(objection) => return Err(self.holds.hold(id, remote, objection)),
                fit @ (Fit::Loses(_) | Fit::Wrong(_)) => {
                    match (remedy(searches, new.is_some(), urgency), new) {
                        (Remedy::Search, _) => {
                            let found = self.leave_out(&mut rebase, &fit, on_top)?;
                            searches = if found { searches - 1 } else { 0 };
                        }
                        (Remedy::LeaveOutNew, Some(commits)) => {
                            rebase.leave_out_commits(commits, &fit.lost());
                            new = None;
                        }
                        (Remedy::LeaveOutNew | Remedy::LeaveOutAll, _) => break,
                    }
                }
            }
        }
        let lost = rebase.left_out().lost();
        let (_, Rebased { mut moves, repeated, .. }) = rebase.into_parts();
        moves.retain(|(commit, _)| repeated.contains(commit));
        overruled(theirs, stage, moves, lost)
    }
}

/// Returns what has come of all of `ours`; those that are not in `moves` are no longer in the branch.
fn all(ours: &[CommitId], moves: Vec<(CommitId, CommitId)>) -> Vec<(CommitId, Option<CommitId>)> {
    let moves: BTreeMap<_, _> = moves.into_iter().collect();
    ours.iter().map(|ours| (*ours, moves.get(ours).copied())).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_commits_are_left_out_before_all_are_and_without_a_search_where_it_is_urgent() {
        for (searches, has_new, urgency, expected) in [
            (SEARCHES, true, Urgency::Low, Remedy::Search),
            (SEARCHES, false, Urgency::Low, Remedy::Search),
            (SEARCHES, true, Urgency::High, Remedy::LeaveOutNew),
            (SEARCHES, false, Urgency::High, Remedy::Search),
            (0, true, Urgency::Low, Remedy::LeaveOutNew),
            (0, true, Urgency::High, Remedy::LeaveOutNew),
            (0, false, Urgency::Low, Remedy::LeaveOutAll),
            (0, false, Urgency::High, Remedy::LeaveOutAll),
        ] {
            let found = remedy(searches, has_new, urgency);
            assert_eq!(found, expected, "{searches} {has_new} {urgency:?}");
        }
    }
}
