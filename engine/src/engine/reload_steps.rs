//! One reload, from the fetch to the swap.

use std::time::Instant;

use super::branch_comparison::BranchComparison;
use super::candidate::{Candidate, IfOutdated, WholeState};
use super::error::ReloadError;
use super::held_pushes::Objection;
use super::hold_reason::HeldReason;
use super::publication::{BranchMove, Followed, Lineage, Origin, Publication};
use super::publisher::OnDisk;
use super::rehearsal::Rehearsal;
use super::reload_target::{Target, TargetFacts, target};
use super::reloader::Reloader;
use super::replay::{Attempt, moved};
use super::replay_plan::Replay;
use super::role_gate;
use super::schedule::RequestKind;
use crate::causes::chain;
use crate::fault;
use crate::id::CommitId;
use crate::plan::Movement;
use crate::report::{OutcomeKind, ReloadId, ReloadOutcome, Replayed, Timings};
use crate::snapshot::Snapshot;

/// How often a state is built before the turn, if others change meanwhile where to go.
const TRIES: usize = 3;

/// What was built before the turn.
struct BuiltAhead {
    candidate: Option<Candidate>,
    rehearsal: Option<Rehearsal>,
}

impl Reloader {
    /// Goes to the remote's head, or to the target that `kind` names. `expected` is the head of the
    /// push that a caller reported. If the mirror lacks an object, everything is fetched again, and the
    /// reload starts over.
    pub(super) fn reload(
        &self,
        id: ReloadId,
        kind: RequestKind,
        expected: Option<CommitId>,
    ) -> Result<ReloadOutcome, ReloadError> {
        let reloaded = self.try_reload(id, kind, expected);
        match &reloaded {
            Err(error)
                if error.lacks_object()
                    && self.repository.remote.is_some()
                    && self.repository.mirror.note_gap() =>
            {
                tracing::warn!(error = chain(error), "an object is missing");
                self.try_reload(id, kind, expected)
            }
            _ => reloaded,
        }
    }

    fn try_reload(
        &self,
        id: ReloadId,
        kind: RequestKind,
        expected: Option<CommitId>,
    ) -> Result<ReloadOutcome, ReloadError> {
        let begun = Instant::now();
        let mut fetched = self.remote_view.look(kind, expected)?;
        let timings = Timings { fetch: begun.elapsed(), ..Timings::default() };
        let mut given_up = None;
        for tries in 1.. {
            let begun = Instant::now();
            let candidate = self.build_ahead(kind, fetched.as_ref())?;
            let if_outdated = match tries < TRIES {
                true => IfOutdated::GiveUp,
                false => IfOutdated::BuildInTurn,
            };
            let is_old = begun.elapsed() >= self.asks_again && if_outdated == IfOutdated::GiveUp;
            let built = candidate.as_ref().map(Candidate::commit);
            let head = fetched.and_then(|fetched| fetched.remote);
            if let Some(head) = head.filter(|_| is_old && head == built)
                // Whoever cannot be asked has taken nothing back, as far as is known.
                && let Ok(now) = self.remote_view.look(kind, None)
                && let Some(next) = now.and_then(|now| now.remote)
                && !self.repository.contains(next, head)
            {
                fetched = now;
                continue;
            }
            let rehearsal =
                self.rehearse(kind, fetched.as_ref(), candidate.as_ref(), given_up.take())?;
            if rehearsal.is_some() {
                fault::step("rebase.rehearsed");
            }
            let ahead = BuiltAhead { candidate, rehearsal };
            match self.go(id, kind, fetched, ahead, timings, if_outdated)? {
                Attempt::Ended(outcome) => return Ok(*outcome),
                Attempt::GivenUp(rehearsal) => given_up = rehearsal.map(|known| *known),
            }
        }
        Err(ReloadError::Panic { message: "a reload has neither ended nor failed".into() })
    }

    /// Takes the turn, and publishes the state that was built for it. Gives the turn up if others have changed
    /// meanwhile where to go, and the state is not to be built within the turn.
    fn go(
        &self,
        id: ReloadId,
        kind: RequestKind,
        fetched: Option<BranchComparison>,
        BuiltAhead { candidate, rehearsal }: BuiltAhead,
        timings: Timings,
        if_outdated: IfOutdated,
    ) -> Result<Attempt, ReloadError> {
        let turn = self.writer.turn();
        role_gate::check(turn.role(), kind)?;
        let objects = self.repository.objects().map_err(ReloadError::Open)?;
        fault::step("reload.prepare");
        let seen = self.remote_view.judged(&objects, fetched)?;
        let published = self.states.published();
        let facts = self.facts(kind, &seen)?;
        let through = facts.through;
        let target = target(&facts);
        let (commit, moves) = match target {
            Target::Branch(commit) => (commit, true),
            Target::Pinned(commit) => (commit, false),
            Target::Replay(remote) => {
                if !through {
                    self.holds.recall(remote)?;
                }
                let theirs = candidate.filter(|candidate| candidate.commit() == remote);
                // Without a line of local commits, nothing is built.
                if theirs.is_none()
                    && if_outdated == IfOutdated::GiveUp
                    && self.ours(&objects, &seen)?.is_some()
                {
                    return Ok(Attempt::GivenUp(rehearsal.map(Box::new)));
                }
                let replay = Replay {
                    id,
                    remote,
                    seen,
                    published,
                    theirs,
                    rehearsal,
                    timings,
                    through,
                    if_outdated,
                };
                return self.replay(&turn, replay);
            }
            Target::Hold(head, HeldReason::Pinned) => {
                return Ok(Attempt::Ended(Box::new(
                    self.hold_for_pin(id, head, &published, &seen),
                )));
            }
            Target::Hold(head, reason) => {
                return Err(self.holds.hold(id, head, Objection::new(reason)));
            }
        };
        let needs_admission = facts.needs_admission(commit);
        if needs_admission {
            self.holds.recall(commit)?;
        }
        let ahead = if seen.movement == Movement::Stay { seen.ahead } else { 0 };
        let origin = Origin::Branch(Followed {
            remote: seen.remote,
            fetched: seen.reached,
            level: facts.is_level(target).then_some(ahead),
            through,
        });
        let forced = kind.forces();
        let is_news = published.commit() != commit || forced.is_some();
        let candidate = match candidate.filter(|_| is_news) {
            Some(candidate) if candidate.commit() == commit => Some(candidate),
            // What was written meanwhile goes on top of the rebuilt state.
            Some(candidate) if forced.is_some() && candidate.whole().is_some() => {
                candidate.advanced(&objects, commit, &self.load).map_err(ReloadError::Load)?
            }
            _ if is_news && if_outdated == IfOutdated::GiveUp => return Ok(Attempt::GivenUp(None)),
            _ => Candidate::of(&objects, &published, commit, forced, &self.load)
                .map_err(ReloadError::Load)?,
        };
        let overruled = if moves { self.overruled(&objects, &seen)? } else { vec![] };
        let branch = BranchMove {
            head: moves.then_some(commit),
            // Wherever the branch goes, it contains the remote's head, unless it is pinned.
            synced: seen.remote.filter(|_| moves || seen.movement == Movement::Stay),
            moves: moved(&overruled),
        };
        let refer = || {
            fault::step("branch.move");
            let kept = if moves { self.move_branch(&objects, &seen, commit)? } else { None };
            if kept.is_some() {
                self.tell_of(&overruled);
            }
            fault::step("branch.moved");
            if through {
                self.unpin_for(&objects)?;
            }
            Ok::<_, ReloadError>(kept.map(|kept| Replayed { commits: 0, kept: Some(kept) }))
        };
        let Some(candidate) = candidate else {
            let outcome = match through {
                // It was pinned. The branch may be elsewhere.
                true => self.publisher.refer(&turn, &origin, &branch, refer)?,
                false => self.publisher.stay(&origin, &published),
            };
            return Ok(Attempt::Ended(Box::new(ReloadOutcome { timings, ..outcome })));
        };

        let begun = Instant::now();
        fault::step("reload.admit");
        if needs_admission && let Some(objection) = candidate.objection(&published, &self.limits) {
            return Err(self.holds.hold(id, commit, objection));
        }
        fault::step("reload.admitted");
        let admission = begun.elapsed();
        let whole = candidate.into_whole(&published, &objects, &self.load);
        let WholeState { state, changed, reason, timings: stages } =
            whole.map_err(ReloadError::Load)?;

        let publication = Publication {
            state,
            changed,
            reason,
            lineage: self.succession(&seen, commit),
            timings: Timings { fetch: timings.fetch, apply: stages.apply + admission, ..stages },
            origin,
            branch,
        };
        let on_disk = OnDisk { store: || Ok(()), refer };
        let _told_afterwards = self.pushes.until_published();
        let outcome = self.publisher.publish(&turn, publication, on_disk)?;
        fault::step("swap.done");
        Ok(Attempt::Ended(Box::new(outcome)))
    }

    /// Returns what decides where a reload goes that found the remote as `seen`.
    pub(super) fn facts(
        &self,
        kind: RequestKind,
        seen: &BranchComparison,
    ) -> Result<TargetFacts, ReloadError> {
        Ok(TargetFacts {
            movement: seen.movement,
            remote: seen.remote,
            local: seen.local,
            published: self.states.commit(),
            pinned: self.status.pinned(),
            through: self.holds.let_through(kind, seen.remote)?,
            rebuilds: kind == RequestKind::Rebuild,
            replays: self.can_replay(seen),
        })
    }

    /// Holds the pushed head because another commit is pinned, which is not a failure.
    fn hold_for_pin(
        &self,
        id: ReloadId,
        head: CommitId,
        published: &Snapshot,
        seen: &BranchComparison,
    ) -> ReloadOutcome {
        let (held, repeated) = self.holds.note(id, head, Objection::new(HeldReason::Pinned));
        let (remote, fetched, through) = (seen.remote, seen.reached, false);
        let followed = Followed { remote, fetched, level: None, through };
        let outcome = self.publisher.stay(&Origin::Branch(followed), published);
        ReloadOutcome { kind: OutcomeKind::Held, held: Some(held.id), repeated, ..outcome }
    }

    /// Returns the relation of the branch at `target` to the published commit, which is usually
    /// known from the check of the remote.
    fn succession(&self, seen: &BranchComparison, target: CommitId) -> Lineage {
        let published = self.states.commit();
        if target == published || seen.remote != Some(target) || seen.local != Some(published) {
            return self.publisher.lineage(target);
        }
        if seen.forward { Lineage::Forward } else { Lineage::Departs }
    }
}
