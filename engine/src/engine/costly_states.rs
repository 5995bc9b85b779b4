//! The earlier commits whose states cost too much to build for a reader. They are not tried again for a
//! while: any reader may name them.

use std::time::{Duration, Instant};

use super::historical_states::error::PastError;
use super::locks::{Lock, Rank};
use super::refused_heads::RefusedHeads;
use crate::changes::TooCostly;
use crate::id::CommitId;
use crate::load::LoadError;

/// How long a commit is left alone whose files take too long to decode: it will be the same next time.
const LONG: Duration = Duration::from_secs(60 * 60);

/// How long a commit is left alone for which there is not enough memory.
const SHORT: Duration = Duration::from_secs(60);

/// The commits that are left alone.
pub(super) struct CostlyStates(Lock<RefusedHeads>);

impl CostlyStates {
    pub(super) fn new() -> Self {
        Self(Lock::new(Rank::Refused, RefusedHeads::default()))
    }

    /// Checks whether `commit` may be tried.
    ///
    /// # Errors
    ///
    /// [`PastError::LeftAlone`] if it cost too much a while ago.
    pub(super) fn check(&self, commit: CommitId) -> Result<(), PastError> {
        match self.0.lock().contains(commit, Instant::now()) {
            true => Err(PastError::LeftAlone { commit }),
            false => Ok(()),
        }
    }

    /// Returns why the state of `commit` cannot be read, and leaves it alone if that is what it costs.
    pub(super) fn refused(&self, commit: CommitId, source: LoadError) -> PastError {
        if let LoadError::TooCostly { source, .. } = &source {
            let time = match source {
                TooCostly::Time { .. } => LONG,
                TooCostly::Memory { .. } => SHORT,
            };
            self.0.lock().note(commit, Instant::now(), time);
        }
        PastError::Load { commit, source: Box::new(source) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    #[test]
    fn a_commit_that_cost_too_much_is_not_tried_again_and_others_are() {
        let costly = CostlyStates::new();
        let [slow, large, other] = [1, 2, 3].map(|n| CommitId::from_bytes([n; 20]));
        let limit = Duration::from_secs(30);
        let memory = Memory { held: 2, available: 1 };
        for (commit, error, expected) in [
            (slow, LoadError::TooCostly { commit: slow, source: TooCostly::Time { limit } }, true),
            (
                large,
                LoadError::TooCostly { commit: large, source: TooCostly::Memory { most: 1 } },
                true,
            ),
            (other, LoadError::Memory { commit: other, memory }, false),
        ] {
            assert!(costly.check(commit).is_ok());
            costly.refused(commit, error);
            let again = costly.check(commit);
            assert_eq!(matches!(again, Err(PastError::LeftAlone { .. })), expected, "{commit}");
        }
    }
}
