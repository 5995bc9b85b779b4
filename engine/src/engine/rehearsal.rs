//! Local commits are put on top of the remote's head before the turn to publish is taken, so nobody who
//! writes waits for it.
//!
//! Commits that are written meanwhile are put on top in further rounds, and whoever writes faster than that
//! [waits](super::replay_pace). Once nobody can write, only the last few are left.

use super::branch_comparison::BranchComparison;
use super::candidate::Candidate;
use super::error::ReloadError;
use super::fit::{Fit, OnTop};
use super::held_pushes::Objection;
use super::hold_reason::HeldReason;
use super::reload_target::{Target, target};
use super::reloader::Reloader;
use super::replay_pace::PacedReplay;
use super::schedule::RequestKind;
use crate::fault;
use crate::id::CommitId;
use crate::load::layout_at;
use crate::mirror::{Durability, ObjectError};
use crate::plan::Movement;
use crate::rebase::{Layouts, Rebase};

/// How many rounds there are at most, if others write faster than their commits are put on top. In every other one,
/// what has come of them is judged.
const ROUNDS: usize = 12;

/// How often the state that comes of them is judged, however many they are.
const JUDGEMENTS: usize = 32;

/// How many commits may be put on top anew for further judgements, each without what the one before left out. Of
/// commits that refer to one another, each judgement finds one.
const PUT_ANEW: usize = 20_000;

/// How many states are looked at, at most, in each search for the commits that do not fit.
const STATES: usize = 512;

/// How many commits may be left for the turn.
const FEW: usize = 2;

/// The number of bytes of new objects from which they are stored, so that they do not fill the memory.
const STAGED: usize = 64 << 20;

/// Local commits that were put on top of the remote's head.
pub(super) struct Rehearsal {
    remote: CommitId,
    /// The local commits that were tried, oldest first.
    tried: Vec<CommitId>,
    layouts: Layouts,
    /// What has come of them.
    rebase: Rebase,
    /// Of how many of those that were tried it was judged that they fit, without those that are left out.
    fitting: usize,
    /// Whether commits that do not fit were found again and again, and then no longer looked for.
    never_fits: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The commits that are left are put on top.
    Put,
    /// What has come of those that were tried is judged.
    Judge,
    /// The turn is taken.
    Take,
}

/// Decides what comes next when `left` commits are left after so many rounds, and `unjudged` of those that were
/// tried were not judged.
fn next_step(left: usize, unjudged: usize, rounds: usize) -> Step {
    match unjudged {
        0 if left > FEW && rounds < ROUNDS => Step::Put,
        0 => Step::Take,
        _ => Step::Judge,
    }
}

/// Decides whether commits that do not fit are no longer looked for one by one, after so many judgements of so many
/// commits.
fn is_too_much(judgements: usize, commits: usize) -> bool {
    judgements >= JUDGEMENTS && judgements.saturating_mul(commits) > PUT_ANEW
}

impl Rehearsal {
    /// Begins anew with what is known of a replay that was given up: the commits that `rebase` left out.
    pub(super) fn given_up(remote: CommitId, rebase: Rebase) -> Self {
        let layouts = rebase.layouts().clone();
        Self { remote, tried: Vec::new(), layouts, rebase, fitting: 0, never_fits: false }
    }

    /// Returns whether this is the beginning of putting `ours` on top of `remote`.
    pub(super) fn fits(&self, remote: CommitId, ours: &[CommitId], layouts: &Layouts) -> bool {
        self.remote == remote && ours.starts_with(&self.tried) && self.layouts.read_alike(layouts)
    }

    /// Returns whether the commits that do not fit were too many to be found.
    pub(super) fn never_fits(&self) -> bool {
        self.never_fits
    }

    /// Returns of how many of the local commits it was judged that they fit, without those that are left out.
    pub(super) fn fitting(&self) -> usize {
        self.fitting
    }

    /// Puts the rest of `ours` on top.
    ///
    /// # Errors
    ///
    /// When the repository cannot be read.
    pub(super) fn completed(self, ours: &[CommitId]) -> Result<Rebase, ObjectError> {
        let mut rebase = self.rebase;
        let rest = ours.iter().skip(self.tried.len());
        rest.copied().try_for_each(|commit| rebase.put(commit))?;
        Ok(rebase)
    }
}

impl Reloader {
    /// Puts the local commits on top of the remote's head, if that is where the reload goes, and leaves out those
    /// that cannot go live on top of its state `theirs`. Goes on with what is known of a replay that was given up.
    /// Nothing is published, and nobody waits for it.
    ///
    /// # Errors
    ///
    /// When the repository cannot be read or written.
    pub(super) fn rehearse(
        &self,
        kind: RequestKind,
        fetched: Option<&BranchComparison>,
        theirs: Option<&Candidate>,
        given_up: Option<Rehearsal>,
    ) -> Result<Option<Rehearsal>, ReloadError> {
        let objects = self.repository.objects().map_err(ReloadError::Open)?;
        // Others may have written since the fetch.
        let Some(seen) = self.remote_view.glimpsed(&objects, fetched)? else { return Ok(None) };
        let may_replay =
            seen.movement == Movement::Diverged && seen.ahead > 0 && self.can_replay(&seen);
        let Some(remote) = seen.remote.filter(|_| may_replay) else { return Ok(None) };
        let pace = self.writer.pace.begin();
        let theirs = theirs.filter(|theirs| theirs.commit() == remote);
        let mut rehearsal = given_up.filter(|known| known.remote == remote);
        for round in 0.. {
            let Some(ours) = self.to_rehearse(kind, &seen)? else { return Ok(None) };
            let known = rehearsal.take().filter(|known| ours.starts_with(&known.tried));
            let known = match known {
                None if round >= ROUNDS => return Ok(None),
                None => {
                    let Some(begun) = self.begin(remote, &ours)? else { return Ok(None) };
                    rehearsal = Some(self.go_on(begun, &ours, &pace)?);
                    continue;
                }
                Some(known) if known.never_fits => return Ok(Some(known)),
                Some(known) if round < ROUNDS && known.rebase.is_outdated() => {
                    rehearsal = Some(self.go_on(self.begin_again(known)?, &ours, &pace)?);
                    continue;
                }
                Some(known) => known,
            };
            let tried = known.tried.len();
            // Without a state of the remote's head, nothing can be judged.
            let unjudged = theirs.map_or(0, |_| tried.saturating_sub(known.fitting));
            rehearsal = Some(match (next_step(ours.len() - tried, unjudged, round), theirs) {
                (Step::Put, _) => self.go_on(known, &ours, &pace)?,
                (Step::Judge, Some(theirs)) => self.judged(kind, known, theirs, &pace)?,
                (Step::Judge | Step::Take, _) => return Ok(Some(known)),
            });
        }
        Ok(rehearsal)
    }

    /// Returns the local commits that a reload would put on top of the remote's head now, oldest first.
    fn to_rehearse(
        &self,
        kind: RequestKind,
        fetched: &BranchComparison,
    ) -> Result<Option<Vec<CommitId>>, ReloadError> {
        let objects = self.repository.objects().map_err(ReloadError::Open)?;
        let Some(seen) = self.remote_view.glimpsed(&objects, Some(fetched))? else {
            return Ok(None);
        };
        let facts = self.facts(kind, &seen)?;
        let Target::Replay(remote) = target(&facts) else { return Ok(None) };
        // It was refused already, and nothing has changed since.
        let is_refused = !facts.through && self.holds.is_held(remote);
        if seen.ahead == 0 || is_refused {
            return Ok(None);
        }
        let ours = self.ours(&objects, &seen)?;
        Ok(ours.filter(|ours| ours.len() as u64 == seen.ahead))
    }

    fn begin(&self, remote: CommitId, ours: &[CommitId]) -> Result<Option<Rehearsal>, ReloadError> {
        let (Some(last), Some(committer)) = (ours.last(), self.replays_by()) else {
            return Ok(None);
        };
        let stage = self.repository.mirror.stage().map_err(ReloadError::Open)?;
        let layout = |at| layout_at(stage.objects(), at, &self.load).map_err(ReloadError::Load);
        let layouts = Layouts { ours: layout(*last)?, theirs: layout(remote)? };
        let rebase = Rebase::onto(remote, stage, layouts.clone(), committer);
        let rebase = rebase.map_err(ReloadError::Repository)?;
        Ok(Some(Rehearsal {
            remote,
            tried: Vec::new(),
            layouts,
            rebase,
            fitting: 0,
            never_fits: false,
        }))
    }

    /// Begins again, without the commits that are left out.
    fn begin_again(&self, rehearsal: Rehearsal) -> Result<Rehearsal, ReloadError> {
        let stage = self.repository.mirror.stage().map_err(ReloadError::Open)?;
        let rebase = rehearsal.rebase.begun_again(stage).map_err(ReloadError::Repository)?;
        Ok(Rehearsal { tried: Vec::new(), rebase, ..rehearsal })
    }

    /// Leaves out the commits that cannot go live on top of the state `theirs`.
    fn judged(
        &self,
        kind: RequestKind,
        mut rehearsal: Rehearsal,
        theirs: &Candidate,
        pace: &PacedReplay<'_>,
    ) -> Result<Rehearsal, ReloadError> {
        let (published, ours) = (&self.states.published(), &rehearsal.tried.clone());
        let through = self.holds.let_through(kind, Some(rehearsal.remote))?;
        let on_top = OnTop { theirs, published, ours, through, states: STATES };
        let is_final = |objection: Objection| objection.reason != HeldReason::PushLimit;
        if !through && theirs.objection(published, &self.limits).is_some_and(is_final) {
            return Ok(Rehearsal { fitting: ours.len(), ..rehearsal });
        }
        let mut folders_are_left_out = false;
        for judgements in 0.. {
            // What is put again may leave out more.
            while rehearsal.rebase.is_outdated() {
                rehearsal = self.go_on(self.begin_again(rehearsal)?, ours, pace)?;
            }
            let fit = self.fit(&rehearsal.rebase, on_top)?;
            pace.judged();
            let is_unfit = matches!(fit, Fit::Loses(_) | Fit::Wrong(_));
            let rebase = &mut rehearsal.rebase;
            let found = match is_unfit && is_too_much(judgements, ours.len()) {
                // What does not fit is most likely beside what did not fit before.
                true if !folders_are_left_out => {
                    folders_are_left_out = true;
                    rebase.leave_out_folders(&fit.lost())
                }
                true => return Ok(Rehearsal { never_fits: true, ..rehearsal }),
                false => self.leave_out(rebase, &fit, on_top)?,
            };
            if !found {
                break;
            }
        }
        Ok(Rehearsal { fitting: ours.len(), ..rehearsal })
    }

    /// Puts those of `ours` on top that were not tried yet.
    fn go_on(
        &self,
        mut rehearsal: Rehearsal,
        ours: &[CommitId],
        pace: &PacedReplay<'_>,
    ) -> Result<Rehearsal, ReloadError> {
        for commit in ours.iter().skip(rehearsal.tried.len()) {
            let rebase = &mut rehearsal.rebase;
            fault::step("rebase.rehearse");
            rehearsal.tried.push(*commit);
            rebase.put(*commit).map_err(ReloadError::Repository)?;
            pace.reached(rehearsal.tried.len());
            if rebase.stage().weight() > STAGED {
                rebase.stage().store(Durability::Synced).map_err(ReloadError::Store)?;
                rebase.restage(self.repository.mirror.stage().map_err(ReloadError::Open)?);
            }
        }
        Ok(rehearsal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::World;
    use crate::report::{Replayed, Trigger};

    /// Fetches, and rehearses what is found while somebody else has the turn.
    fn rehearsed(world: &World) -> Option<Rehearsal> {
        let seen = world.reloader.remote_view.look(RequestKind::Reload, None).unwrap();
        let _turn = world.engine.writer.turn();
        let theirs = world.reloader.build_ahead(RequestKind::Reload, seen.as_ref()).unwrap();
        world.reloader.rehearse(RequestKind::Reload, seen.as_ref(), theirs.as_ref(), None).unwrap()
    }

    #[test]
    fn the_turn_is_taken_when_few_commits_are_left_or_they_never_end_and_all_others_are_judged() {
        for (left, unjudged, rounds, expected) in [
            (1_000, 0, 0, Step::Put),
            (1_000, 1, 1, Step::Judge),
            (0, 0, 1, Step::Take),
            (0, 1, 1, Step::Judge),
            (FEW, 0, 1, Step::Take),
            (FEW, 1, 1, Step::Judge),
            (FEW + 1, 0, 1, Step::Put),
            (1_000, 0, ROUNDS - 1, Step::Put),
            (1_000, 0, ROUNDS, Step::Take),
            (1_000, 1, ROUNDS, Step::Judge),
        ] {
            let step = next_step(left, unjudged, rounds);
            assert_eq!(step, expected, "{left}, {unjudged} after {rounds}");
        }
    }

    #[test]
    fn few_commits_are_judged_more_often_than_many() {
        for (judgements, commits, expected) in [
            (JUDGEMENTS, 100, false),
            (200, 100, false),
            (201, 100, true),
            (JUDGEMENTS - 1, 1_000_000, false),
            (JUDGEMENTS, 1_000, true),
        ] {
            assert_eq!(is_too_much(judgements, commits), expected, "{judgements} of {commits}");
        }
    }

    #[test]
    fn ours_are_put_on_top_while_somebody_else_has_the_turn_and_what_comes_later_is_added() {
        let mut world = World::new();
        let ours: Vec<CommitId> = (0..4).map(|at| world.write(at, 2)).collect();
        let remote = world.push(5, 3);
        let rehearsal = rehearsed(&world).unwrap();
        assert_eq!((rehearsal.remote, &rehearsal.tried), (remote, &ours));
        assert_eq!(rehearsal.rebase.rebased().made, 4);
        let more = world.write(4, 2);
        let all: Vec<CommitId> = ours.iter().copied().chain([more]).collect();
        assert!(rehearsal.fits(remote, &all, &rehearsal.layouts));
        assert!(!rehearsal.fits(more, &all, &rehearsal.layouts));
        assert!(!rehearsal.fits(remote, &all[1..], &rehearsal.layouts));
        let (_, rebased) = rehearsal.completed(&all).unwrap().into_parts();
        let moved: Vec<CommitId> = rebased.moves.iter().map(|(from, _)| *from).collect();
        assert_eq!((rebased.made, moved), (5, all));
        assert_eq!(world.replayed(), Replayed { commits: 5, kept: None });
        let expected =
            |at: usize| format!("{{\"id\":\"k{at}\",\"n\":{}}}", if at < 5 { 2 } else { 3 });
        assert_eq!(world.records(), (0..6).map(expected).collect::<String>());
    }

    #[test]
    fn a_conflict_is_known_before_the_turn_and_nothing_of_it_is_stored() {
        let mut world = World::new();
        let ours = world.write(5, 2);
        let theirs = world.push(5, 3);
        let rehearsal = rehearsed(&world).unwrap();
        let lost = rehearsal.rebase.left_out().lost();
        let state = (lost.len(), rehearsal.rebase.rebased().made, rehearsal.rebase.is_outdated());
        assert_eq!(state, (1, 0, false));
        let packs = || world.engine.repository.mirror.pack_count().unwrap();
        let before = packs();
        let kept = world.replayed().kept.unwrap();
        assert_eq!((kept.commit, kept.lost), (ours, lost));
        assert_eq!((world.engine.snapshot().commit(), packs()), (theirs, before));
    }

    #[test]
    fn a_row_that_does_not_fit_takes_along_no_other_row_of_its_file() {
        let mut world = World::new();
        let rows = [(1, 2), (5, 2), (2, 2), (5, 4), (3, 2), (1, 3)];
        let ours: Vec<CommitId> = rows.iter().map(|(at, n)| world.write(*at, *n)).collect();
        world.push(5, 9);
        let rehearsal = rehearsed(&world).unwrap();
        let moves = rehearsal.rebase.rebased().moves.iter().map(|(from, _)| *from);
        assert_eq!(moves.collect::<Vec<_>>(), [ours[0], ours[2], ours[4], ours[5]]);
        assert!(!rehearsal.rebase.is_outdated());
        let Replayed { commits, kept } = world.replayed();
        let lost = kept.unwrap().lost.into_iter().map(|lost| lost.pointer.into());
        let lost: Vec<String> = lost.collect();
        assert_eq!((commits, lost), (4, vec!["/all~1k5/n".to_owned()]));
        let n = [1, 3, 2, 2, 1, 9];
        let expected = |at: usize| format!("{{\"id\":\"k{at}\",\"n\":{}}}", n[at]);
        assert_eq!(world.records(), (0..6).map(expected).collect::<String>());
    }

    #[test]
    fn nothing_is_put_on_top_where_nothing_is_to_be_replayed() {
        let mut world = World::new();
        assert!(rehearsed(&world).is_none(), "nobody moved");
        world.write(1, 2);
        assert!(rehearsed(&world).is_none(), "only we moved");
        world.push(5, 3);
        let pin = RequestKind::Pin(world.engine.snapshot().commit());
        world.engine.reload(pin, Trigger::Operator).unwrap();
        assert!(rehearsed(&world).is_none(), "another commit is pinned");
        world.engine.reload(RequestKind::Unpin, Trigger::Operator).unwrap();
    }
}
