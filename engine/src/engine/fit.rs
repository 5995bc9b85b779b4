//! Which local commits can go live on top of the remote's head, by the states that come of them.
//!
//! Files are merged one by one, so each commit may fit, and what is served may still lack something of it, or
//! may not go live: a unique value is claimed twice, or a record refers to one that is gone.

use std::sync::Arc;

use super::candidate::Candidate;
use super::error::ReloadError;
use super::held_pushes::Objection;
use super::hold_reason::HeldReason;
use super::reloader::Reloader;
use crate::id::CommitId;
use crate::mirror::Objects;
use crate::rebase::{Rebase, ReplayedStates};
use crate::report::LostField;
use crate::snapshot::Snapshot;

/// What local commits are put on top of.
#[derive(Clone, Copy)]
pub(super) struct OnTop<'a> {
    /// The state of the remote's head, which may go live alone.
    pub(super) theirs: &'a Candidate,
    pub(super) published: &'a Arc<Snapshot>,
    /// The local commits, oldest first.
    pub(super) ours: &'a [CommitId],
    /// Whether the operator lets the remote's head through.
    pub(super) through: bool,
}

/// Whether the local commits that were put on top can go live there.
pub(super) enum Fit {
    /// All can, in this state; `None` if nothing is left of them, and the remote's head goes live.
    Whole(Option<Candidate>),
    /// Not all: this would be lost, or be wrong.
    Part(Vec<LostField>),
    /// The push changes more than it may.
    Exceeds(Objection),
}

impl Reloader {
    /// Judges the state with the local commits on top. Costs as much as the differences that both sides made.
    pub(super) fn fit(&self, rebase: &Rebase, on_top: OnTop<'_>) -> Result<Fit, ReloadError> {
        let OnTop { theirs, published, through, .. } = on_top;
        let both = match rebase.rebased().made > 0 {
            true => Some(self.at(rebase, on_top, rebase.rebased().head)?),
            false => None,
        };
        let live = both.as_ref().unwrap_or(theirs);
        let lost = self.lost(rebase, on_top, live.state())?;
        if !lost.is_empty() {
            return Ok(Fit::Part(lost));
        }
        // Each side may be right, and both together wrong.
        let objection = live.objection(published, &self.limits).filter(|_| !through);
        Ok(match objection {
            None => Fit::Whole(both),
            Some(objection) if objection.reason == HeldReason::PushLimit => Fit::Exceeds(objection),
            Some(objection) => Fit::Part(fields(objection)),
        })
    }

    /// Leaves out the commits that changed the files of `lost`, or else the first one with which the state may
    /// not go live. Returns false if there is none.
    pub(super) fn leave_out(
        &self,
        rebase: &mut Rebase,
        lost: &[LostField],
        on_top: OnTop<'_>,
    ) -> Result<bool, ReloadError> {
        if rebase.leave_out_lost(lost) {
            return Ok(true);
        }
        Ok(match self.first_unfit(rebase, on_top)? {
            Some(commit) => rebase.leave_out_commit(commit, lost),
            None => false,
        })
    }

    /// Returns the first local commit with which the state may not go live. Costs a difference for each half of
    /// them.
    fn first_unfit(
        &self,
        rebase: &Rebase,
        on_top: OnTop<'_>,
    ) -> Result<Option<CommitId>, ReloadError> {
        let is_unfit = |head: CommitId| -> Result<bool, ReloadError> {
            if head == on_top.theirs.commit() {
                return Ok(false);
            }
            let state = self.at(rebase, on_top, head)?;
            let objection = state.objection(on_top.published, &self.limits);
            Ok(objection.is_some_and(|objection| objection.reason != HeldReason::PushLimit))
        };
        let put: Vec<_> = rebase.rebased().put().collect();
        let Some((_, last)) = put.last() else { return Ok(None) };
        if on_top.through || !is_unfit(*last)? {
            return Ok(None);
        }
        let (mut fit, mut unfit) = (0, put.len() - 1);
        while fit < unfit {
            let middle = fit.midpoint(unfit);
            match is_unfit(put[middle].1)? {
                true => unfit = middle,
                false => fit = middle + 1,
            }
        }
        Ok(Some(put[unfit].0))
    }

    /// Returns the state of one of the new commits.
    fn at(
        &self,
        rebase: &Rebase,
        OnTop { theirs, published, .. }: OnTop<'_>,
        head: CommitId,
    ) -> Result<Candidate, ReloadError> {
        let objects = rebase.stage().objects();
        // Next to the whole state of the remote's head, only the local commits differ.
        let next = theirs.advanced(objects, head, &self.within_turn());
        let next = next.map_err(ReloadError::Load)?;
        next.map_or_else(|| self.candidate(objects, published, head), Ok)
    }

    /// Returns what of the local commits the state `merged` would lose, without those that are left out and
    /// those whose requests the remote has.
    fn lost(
        &self,
        rebase: &Rebase,
        OnTop { theirs, published, ours, .. }: OnTop<'_>,
        merged: &Snapshot,
    ) -> Result<Vec<LostField>, ReloadError> {
        let (Some(first), Some(last)) = (ours.first(), ours.last()) else { return Ok(vec![]) };
        let objects: &Objects = rebase.stage().objects();
        let read = ReloadError::Repository;
        let parent = objects.commit(*first).map_err(read)?.parents.first().copied();
        let local = match published.commit() == *last {
            true => None,
            false => Some(self.prepared(objects, published, *last)?),
        };
        let local = local.as_ref().map_or(published.as_ref(), |local| local.draft.state());
        let base = parent.map(|parent| self.prepared(objects, local, parent)).transpose()?;
        let nothing = Snapshot::empty();
        let (base, records) = match &base {
            Some(base) => (base.draft.state(), base.changed_from(local)),
            None => (&nothing, Arc::new(local.differences(&nothing))),
        };
        let tree = |commit: CommitId| objects.commit(commit).map(|facts| facts.tree);
        let base_tree = parent.map(tree).transpose().map_err(read)?;
        let last_tree = tree(*last).map_err(read)?;
        let files = objects.diff(base_tree, Some(last_tree)).map_err(read)?;
        let states = ReplayedStates { base, ours: local, theirs: theirs.state(), merged };
        let left_out = rebase.left_out();
        let mut lost = states.lost(&records, &files, &rebase.touched().only_again(), left_out);
        let merged_tree = tree(merged.commit()).map_err(read)?;
        let orphaned = states.orphaned(&records, objects, base_tree, merged_tree, left_out);
        lost.extend(orphaned.map_err(read)?);
        Ok(lost)
    }
}

/// Returns what the problems of a state are about.
fn fields(objection: Objection) -> Vec<LostField> {
    let field = |problem: crate::problem::Problem| LostField {
        path: problem.path.to_string(),
        pointer: problem.pointer.unwrap_or_default(),
    };
    objection.problems.into_iter().map(field).collect()
}
