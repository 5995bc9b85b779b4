//! The state that a reload goes to is built before the turn to publish is taken, so nobody who writes waits
//! while files are decoded and texts are indexed.

use std::time::Instant;

use super::branch_comparison::BranchComparison;
use super::candidate::Candidate;
use super::error::ReloadError;
use super::held_pushes::Objection;
use super::hold_reason::HeldReason;
use super::reload_target::{Target, target};
use super::reloader::Reloader;
use super::schedule::RequestKind;
use crate::load::LoadError;

/// How many times as long as it took a head is left alone that cost too much.
const REST: u32 = 10;

impl Reloader {
    /// Builds the state to which a reload would go now; `None` if it would stay. Its text index is built
    /// only if the state may go live, as far as can be known before.
    ///
    /// For a replay, it is the state of the remote's head, without the local commits on top.
    ///
    /// # Errors
    ///
    /// When the state cannot be built, or the repository cannot be read.
    pub(super) fn build_ahead(
        &self,
        kind: RequestKind,
        fetched: Option<&BranchComparison>,
    ) -> Result<Option<Candidate>, ReloadError> {
        let objects = self.repository.objects().map_err(ReloadError::Open)?;
        let Some(seen) = self.remote_view.glimpsed(&objects, fetched)? else { return Ok(None) };
        let published = self.states.published();
        let facts = self.facts(kind, &seen)?;
        let (commit, replays) = match target(&facts) {
            Target::Branch(commit) | Target::Pinned(commit) => (commit, false),
            Target::Replay(remote) => (remote, true),
            Target::Hold(..) => return Ok(None),
        };
        let needs_admission = facts.needs_admission(commit);
        // It was refused already, and nothing has changed since.
        let is_refused = needs_admission && self.holds.recall(commit).is_err();
        if is_refused || replays && self.ours(&objects, &seen)?.is_none() {
            return Ok(None);
        }
        let forced = kind.forces().filter(|_| !replays);
        let begun = Instant::now();
        // Nobody but the operator has it tried again at once.
        let is_tried = published.commit() != commit && kind == RequestKind::Reload;
        if is_tried && self.costly.lock().contains(commit, begun) {
            return Err(ReloadError::LeftAlone { commit });
        }
        let candidate = Candidate::of(&objects, &published, commit, forced, &self.load);
        if let Err(LoadError::TooCostly { .. }) = &candidate {
            let (now, rest) = (Instant::now(), begun.elapsed() * REST);
            self.costly.lock().note(commit, now, rest);
        }
        let Some(candidate) = candidate.map_err(ReloadError::Load)? else { return Ok(None) };
        // Beside local commits, which may come until the turn, a head alone seems to change much.
        let is_final = |objection: Objection| objection.reason != HeldReason::PushLimit;
        if needs_admission && candidate.objection(&published, &self.limits).is_some_and(is_final) {
            return Ok(Some(candidate));
        }
        candidate.indexed(&objects, &self.load).map(Some).map_err(ReloadError::Load)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::engine::testing::World;
    use crate::id::CommitId;
    use crate::snapshot::Snapshot;

    /// Builds what a reload would go to, while somebody else has the turn.
    fn built(world: &World, kind: RequestKind) -> Result<Option<Candidate>, ReloadError> {
        let seen = world.reloader.remote_view.look(kind, None).unwrap();
        let _turn = world.engine.writer.turn();
        world.reloader.build_ahead(kind, seen.as_ref())
    }

    fn commit_of(candidate: Option<Candidate>) -> Option<CommitId> {
        candidate.map(|candidate| {
            assert!(candidate.whole().is_some(), "its texts are indexed");
            candidate.commit()
        })
    }

    #[test]
    fn the_state_to_go_to_is_built_while_somebody_else_has_the_turn() {
        let mut world = World::new();
        let begun = world.engine.snapshot().commit();
        let reload = |world: &World| commit_of(built(world, RequestKind::Reload).unwrap());
        assert_eq!(reload(&world), None, "nobody moved");
        let rebuilt = built(&world, RequestKind::Rebuild).unwrap();
        assert_eq!(commit_of(rebuilt), Some(begun));
        let theirs = world.push(5, 3);
        assert_eq!(reload(&world), Some(theirs));
        let ours = world.write(1, 2);
        assert_eq!(reload(&world), Some(theirs), "ours go on top of it");
        let pin = RequestKind::Pin(ours);
        world.engine.reload(pin, crate::report::Trigger::Operator).unwrap();
        assert_eq!(reload(&world), None, "another commit is pinned");
    }

    #[test]
    fn what_differs_from_the_published_state_is_found_anew_after_a_write() {
        let mut world = World::new();
        let before = world.engine.snapshot();
        world.push(5, 3);
        let candidate = built(&world, RequestKind::Reload).unwrap().unwrap();
        let keys = |published: &Arc<Snapshot>| -> Vec<String> {
            let changed = candidate.changed_from(published);
            changed.iter().map(|change| change.key.to_string()).collect()
        };
        assert_eq!(keys(&before), ["all/k5"]);
        world.write(1, 2);
        // It takes back what was written: the local commits go on top of it.
        assert_eq!(keys(&world.engine.snapshot()), ["all/k1", "all/k5"]);
        let all = candidate.state().differences(&Snapshot::empty());
        assert_eq!(all.len(), 100);
    }

    #[test]
    fn a_head_that_cost_too_much_is_left_alone_unless_the_operator_asks() {
        let mut world = World::new();
        let theirs = world.push(5, 3);
        let hour = Duration::from_secs(3_600);
        world.reloader.costly.lock().note(theirs, Instant::now(), hour);
        let refused = built(&world, RequestKind::Reload).err();
        assert!(
            matches!(refused, Some(ReloadError::LeftAlone { commit }) if commit == theirs),
            "{refused:?}"
        );
        let rebuilt = built(&world, RequestKind::Rebuild).unwrap();
        assert_eq!(commit_of(rebuilt), Some(theirs));
        let later = world.push(5, 4);
        let reloaded = built(&world, RequestKind::Reload).unwrap();
        assert_eq!(commit_of(reloaded), Some(later));
    }

    #[test]
    fn a_head_that_is_left_alone_is_one_that_cost_too_much() {
        let mut world = World::new();
        world.reloader.load.time = Some(Duration::ZERO);
        let theirs = world.push(5, 3);
        let error = built(&world, RequestKind::Reload).err();
        let costly = |error: &ReloadError| matches!(error, ReloadError::Load(LoadError::TooCostly { commit, .. }) if *commit == theirs);
        assert!(error.as_ref().is_some_and(costly), "{error:?}");
        assert!(world.reloader.costly.lock().knows(theirs));
    }
}
