//! Where a reload goes: a pure decision from what was found about the branch.

use super::hold_reason::HeldReason;
use crate::id::CommitId;
use crate::plan::Movement;

/// What is known when a reload chooses its target.
#[derive(Debug, Clone, Copy)]
pub(super) struct TargetFacts {
    /// Where the branch may go.
    pub(super) movement: Movement,
    /// The remote's head; `None` if it has none, or if it was not reached.
    pub(super) remote: Option<CommitId>,
    /// The local head of the branch.
    pub(super) local: Option<CommitId>,
    /// The served commit.
    pub(super) published: CommitId,
    /// The pinned commit.
    pub(super) pinned: Option<CommitId>,
    /// Whether the operator lets the remote's head through.
    pub(super) through: bool,
    /// Whether the state is to be rebuilt in any case.
    pub(super) rebuilds: bool,
    /// Whether local commits may be put on top of the remote's.
    pub(super) replays: bool,
}

/// The target of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// To this commit, and the branch with it.
    Branch(CommitId),
    /// To the pinned commit, wherever the branch is.
    Pinned(CommitId),
    /// To the local commits on top of this head of the remote.
    Replay(CommitId),
    /// Nowhere: this head of the remote is held.
    Hold(CommitId, HeldReason),
}

/// Decides where a reload goes.
pub(super) fn target(facts: &TargetFacts) -> Target {
    let TargetFacts { movement, remote, local, published, .. } = *facts;
    if let Some(pinned) = facts.pin() {
        let news = match movement {
            Movement::To(head) => Some(head),
            Movement::Diverged => remote,
            Movement::Stay => None,
        };
        return match news {
            Some(head) if !facts.rebuilds => Target::Hold(head, HeldReason::Pinned),
            _ => Target::Pinned(pinned),
        };
    }
    match (movement, remote) {
        (Movement::Diverged, Some(remote)) if facts.replays => Target::Replay(remote),
        (_, Some(remote)) if facts.through => Target::Branch(remote),
        (Movement::Diverged, Some(remote)) => Target::Hold(remote, HeldReason::Diverged),
        (Movement::Diverged, None) => Target::Branch(published),
        (Movement::To(head), _) => Target::Branch(head),
        (Movement::Stay, _) => Target::Branch(local.unwrap_or(published)),
    }
}

impl TargetFacts {
    /// Returns the pin in force: a pin ends once the operator lets a push through.
    pub(super) fn pin(&self) -> Option<CommitId> {
        self.pinned.filter(|_| !self.through)
    }

    /// Returns whether the state of `commit` must be admitted. Where the branch already is was let
    /// through, perhaps just before a crash.
    pub(super) fn needs_admission(&self, commit: CommitId) -> bool {
        let live = [self.local, Some(self.published), self.pin()];
        !self.through && !live.contains(&Some(commit))
    }

    /// Returns whether everything on the remote is served once `target` is reached.
    pub(super) fn is_level(&self, target: Target) -> bool {
        let is_told = self.remote.is_some();
        match target {
            Target::Branch(_) | Target::Replay(_) => is_told,
            Target::Pinned(commit) => {
                is_told && self.movement == Movement::Stay && self.local == Some(commit)
            }
            Target::Hold(..) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Movement::{Diverged, Stay, To};

    const PUBLISHED: CommitId = CommitId::from_bytes([1; 20]);
    const REMOTE: CommitId = CommitId::from_bytes([2; 20]);
    const LOCAL: CommitId = CommitId::from_bytes([3; 20]);
    const PINNED: CommitId = CommitId::from_bytes([4; 20]);

    /// Returns facts in which the remote's head, the local head and the served commit all differ.
    fn seen(movement: Movement) -> TargetFacts {
        TargetFacts {
            movement,
            remote: Some(REMOTE),
            local: Some(LOCAL),
            published: PUBLISHED,
            pinned: None,
            through: false,
            rebuilds: false,
            replays: false,
        }
    }

    fn pinned(movement: Movement) -> TargetFacts {
        TargetFacts { pinned: Some(PINNED), ..seen(movement) }
    }

    #[test]
    fn a_reload_goes_where_the_branch_may_go_unless_it_is_pinned_or_held() {
        let through = |facts| TargetFacts { through: true, ..facts };
        let rebuilds = |facts| TargetFacts { rebuilds: true, ..facts };
        let replays = |facts| TargetFacts { replays: true, ..facts };
        let unreached = |facts| TargetFacts { remote: None, ..facts };
        let new = |facts| TargetFacts { local: None, ..facts };
        let held = |reason| Target::Hold(REMOTE, reason);
        let cases = [
            // Nothing is pinned.
            (seen(To(REMOTE)), Target::Branch(REMOTE)),
            (rebuilds(seen(To(REMOTE))), Target::Branch(REMOTE)),
            (new(seen(To(REMOTE))), Target::Branch(REMOTE)),
            (seen(Stay), Target::Branch(LOCAL)),
            (rebuilds(seen(Stay)), Target::Branch(LOCAL)),
            (new(seen(Stay)), Target::Branch(PUBLISHED)),
            (unreached(seen(Stay)), Target::Branch(LOCAL)),
            (new(unreached(seen(Stay))), Target::Branch(PUBLISHED)),
            // Both sides have moved.
            (seen(Diverged), held(HeldReason::Diverged)),
            (rebuilds(seen(Diverged)), held(HeldReason::Diverged)),
            (replays(seen(Diverged)), Target::Replay(REMOTE)),
            (rebuilds(replays(seen(Diverged))), Target::Replay(REMOTE)),
            (replays(seen(To(REMOTE))), Target::Branch(REMOTE)),
            (replays(seen(Stay)), Target::Branch(LOCAL)),
            (unreached(seen(Diverged)), Target::Branch(PUBLISHED)),
            (replays(unreached(seen(Diverged))), Target::Branch(PUBLISHED)),
            // The operator lets the remote's head through.
            (through(seen(To(REMOTE))), Target::Branch(REMOTE)),
            (through(seen(Diverged)), Target::Branch(REMOTE)),
            (through(replays(seen(Diverged))), Target::Replay(REMOTE)),
            (through(pinned(To(REMOTE))), Target::Branch(REMOTE)),
            (through(pinned(Diverged)), Target::Branch(REMOTE)),
            (through(replays(pinned(Diverged))), Target::Replay(REMOTE)),
            // Another commit is pinned.
            (pinned(To(REMOTE)), held(HeldReason::Pinned)),
            (pinned(Diverged), held(HeldReason::Pinned)),
            (replays(pinned(Diverged)), held(HeldReason::Pinned)),
            (pinned(Stay), Target::Pinned(PINNED)),
            (unreached(pinned(Diverged)), Target::Pinned(PINNED)),
            (rebuilds(pinned(To(REMOTE))), Target::Pinned(PINNED)),
            (rebuilds(pinned(Diverged)), Target::Pinned(PINNED)),
            (rebuilds(pinned(Stay)), Target::Pinned(PINNED)),
        ];
        for (facts, expected) in cases {
            assert_eq!(target(&facts), expected, "{facts:?}");
        }
    }

    #[test]
    fn what_is_live_or_let_through_needs_no_admission() {
        for (facts, commit, expected) in [
            (seen(To(REMOTE)), REMOTE, true),
            (TargetFacts { through: true, ..seen(To(REMOTE)) }, REMOTE, false),
            (seen(Stay), LOCAL, false),
            (seen(Stay), PUBLISHED, false),
            (pinned(Stay), PINNED, false),
            (seen(Stay), PINNED, true),
        ] {
            assert_eq!(facts.needs_admission(commit), expected, "{facts:?} {commit}");
        }
    }

    #[test]
    fn a_state_is_level_with_a_remote_that_told_of_nothing_more() {
        let unreached = TargetFacts { remote: None, ..seen(Stay) };
        for (facts, target, expected) in [
            (seen(To(REMOTE)), Target::Branch(REMOTE), true),
            (seen(Stay), Target::Branch(LOCAL), true),
            (unreached, Target::Branch(LOCAL), false),
            (seen(Diverged), Target::Replay(REMOTE), true),
            (seen(Diverged), Target::Hold(REMOTE, HeldReason::Diverged), false),
            (pinned(Stay), Target::Pinned(PINNED), false),
            (pinned(Stay), Target::Pinned(LOCAL), true),
            (pinned(To(REMOTE)), Target::Pinned(LOCAL), false),
            (TargetFacts { remote: None, ..pinned(Stay) }, Target::Pinned(LOCAL), false),
        ] {
            assert_eq!(facts.is_level(target), expected, "{facts:?} {target:?}");
        }
    }
}
