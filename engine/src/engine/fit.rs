//! Which local commits can go live on top of the remote's head, by the states that come of them.
//!
//! Files are merged one by one, so each commit may fit, and what is served may still lack something of it, or
//! may not go live: a unique value is claimed twice, or a record refers to one that is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::candidate::Candidate;
use super::error::ReloadError;
use super::held_pushes::Objection;
use super::hold_reason::HeldReason;
use super::problem_search::introducing;
use super::reloader::Reloader;
use crate::id::CommitId;
use crate::mirror::Objects;
use crate::pointer::Pointer;
use crate::problem::{Problem, Rule};
use crate::rebase::{Differences, Rebase, ReplayedStates};
use crate::report::LostField;
use crate::snapshot::Snapshot;

/// What a problem is about, wherever in its file it is. The rows of a file of many records are told apart only by
/// how many problems there are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct CountedProblem {
    path: String,
    rule: Rule,
    pointer: Option<Pointer>,
    /// How many others are about the same.
    others: usize,
}

fn counted(problems: impl Iterator<Item = Problem>) -> BTreeSet<CountedProblem> {
    let mut counts: BTreeMap<(String, Rule, Option<Pointer>), usize> = BTreeMap::new();
    let each = problems.map(|Problem { path, rule, pointer, .. }| {
        let count = counts.entry((path.clone(), rule, pointer.clone())).or_default();
        *count += 1;
        CountedProblem { path, rule, pointer, others: *count - 1 }
    });
    each.collect()
}

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
    /// How many states are looked at, at most, to find the commits that do not fit.
    pub(super) states: usize,
}

/// Whether the local commits that were put on top can go live there.
pub(super) enum Fit {
    /// All can, in this state; `None` if nothing is left of them, and the remote's head goes live.
    Whole(Option<Candidate>),
    /// Not all: this would be lost.
    Loses(Vec<LostField>),
    /// Not all: the state would have these problems.
    Wrong(Vec<Problem>),
    /// The push changes more than it may.
    Exceeds(Objection),
}

impl Fit {
    /// Returns what would be lost, or be wrong.
    pub(super) fn lost(&self) -> Vec<LostField> {
        match self {
            Self::Whole(_) | Self::Exceeds(_) => Vec::new(),
            Self::Loses(lost) => lost.clone(),
            Self::Wrong(problems) => fields(problems),
        }
    }
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
            return Ok(Fit::Loses(lost));
        }
        // Each side may be right, and both together wrong.
        let objection = live.objection(published, &self.limits).filter(|_| !through);
        Ok(match objection {
            None => Fit::Whole(both),
            Some(objection) if objection.reason == HeldReason::PushLimit => Fit::Exceeds(objection),
            Some(objection) => Fit::Wrong(objection.problems),
        })
    }

    /// Leaves out the commits for which the others cannot go live: those that changed what is lost, or those
    /// with which problems come. Returns false if there are none.
    pub(super) fn leave_out(
        &self,
        rebase: &mut Rebase,
        fit: &Fit,
        on_top: OnTop<'_>,
    ) -> Result<bool, ReloadError> {
        let lost = fit.lost();
        match fit {
            Fit::Whole(_) | Fit::Exceeds(_) => return Ok(false),
            Fit::Loses(lost) if rebase.leave_out_lost(lost) => return Ok(true),
            Fit::Loses(_) | Fit::Wrong(_) => {}
        }
        let unfit = self.unfit(rebase, on_top)?;
        // Where the search finds none, those that changed the files go.
        Ok(rebase.leave_out_commits(&unfit, &lost) || rebase.leave_out_lost(&lost))
    }

    /// Returns the local commits with which problems come that keep the state from going live; the first ones, if
    /// they are many. Costs a difference for each state that is looked at.
    fn unfit(&self, rebase: &Rebase, on_top: OnTop<'_>) -> Result<Vec<CommitId>, ReloadError> {
        if on_top.through {
            return Ok(Vec::new());
        }
        let put: Vec<_> = rebase.rebased().put().collect();
        let problems_after = |count: usize| -> Result<BTreeSet<CountedProblem>, ReloadError> {
            let head = count.checked_sub(1).map_or(on_top.theirs.commit(), |last| put[last].1);
            if head == on_top.theirs.commit() {
                return Ok(BTreeSet::new());
            }
            let state = self.at(rebase, on_top, head)?;
            let objection = state.objection(on_top.published, &self.limits);
            let objection = objection.filter(|it| it.reason != HeldReason::PushLimit);
            Ok(counted(objection.into_iter().flat_map(|it| it.problems)))
        };
        let unfit = introducing(put.len(), on_top.states, problems_after)?;
        Ok(unfit.into_iter().map(|at| put[at].0).collect())
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
            false => Some(self.prepared(objects, published, *last)?.draft.state().without_texts()),
        };
        let local = local.as_ref().unwrap_or(published);
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
        let merged_tree = tree(merged.commit()).map_err(read)?;
        let their_tree = tree(theirs.commit()).map_err(read)?;
        let files_put = objects.diff(Some(their_tree), Some(merged_tree)).map_err(read)?;
        let records_put = merged.differences(theirs.state());
        let of_ours = Differences { records: &records, files: &files };
        let put = Differences { records: &records_put, files: &files_put };
        let lost = states.lost(objects, of_ours, put, rebase.touched(), left_out);
        let mut lost = lost.map_err(read)?;
        let orphaned = states.orphaned(&records, objects, base_tree, merged_tree, left_out);
        lost.extend(orphaned.map_err(read)?);
        Ok(lost)
    }
}

/// Returns what problems are about.
fn fields(problems: &[Problem]) -> Vec<LostField> {
    let field = |problem: &Problem| LostField {
        path: problem.path.clone(),
        pointer: problem.pointer.clone().unwrap_or_default(),
    };
    problems.iter().map(field).collect()
}
