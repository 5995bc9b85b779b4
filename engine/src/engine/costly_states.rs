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

/// How long the files of a state may be decoded for a reader who waits for no other one. Most commits differ
/// little from a state that is kept.
const QUICK_TIME: Duration = Duration::from_millis(250);

/// How long the files of a state may be decoded for a reader.
const DECODE_TIME: Duration = Duration::from_secs(30);

/// The same after a state that cost too much, so that a reader who names one after the other keeps nobody
/// else waiting.
const SHORT_TIME: Duration = Duration::from_secs(2);

/// For how long states then have less time.
const WARY: Duration = Duration::from_secs(300);

/// For how long a commit that was not quick is not tried quickly again.
const SLOW: Duration = Duration::from_secs(60);

/// How long a commit is left alone for which there is not enough memory.
const SHORT: Duration = Duration::from_secs(60);

/// How a state is built for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// If that costs little, next to a state with the same definitions.
    Quick,
    /// Whatever it costs, as far as that is allowed. One at a time is built so.
    Full,
}

/// The commits that are left alone.
pub(super) struct CostlyStates(Lock<Costly>);

#[derive(Default)]
struct Costly {
    commits: RefusedHeads,
    /// Those that are not built quickly.
    slow: RefusedHeads,
    /// When the last one took too long.
    last: Option<Instant>,
}

impl CostlyStates {
    pub(super) fn new() -> Self {
        Self(Lock::new(Rank::Refused, Costly::default()))
    }

    /// Returns how long the files of a state may be decoded now.
    pub(super) fn decode_time(&self, attempt: Attempt) -> Duration {
        if attempt == Attempt::Quick {
            return QUICK_TIME;
        }
        let last = self.0.lock().last;
        match last.is_some_and(|last| last.elapsed() < WARY) {
            true => SHORT_TIME,
            false => DECODE_TIME,
        }
    }

    /// Checks whether `commit` may be tried so.
    ///
    /// # Errors
    ///
    /// [`PastError::LeftAlone`] if it cost too much a while ago; [`PastError::Load`] if it was not quick.
    pub(super) fn check(&self, commit: CommitId, attempt: Attempt) -> Result<(), PastError> {
        let (costly, now) = (self.0.lock(), Instant::now());
        if costly.commits.contains(commit, now) {
            return Err(PastError::LeftAlone { commit });
        }
        match attempt == Attempt::Quick && costly.slow.contains(commit, now) {
            true => Err(not_quick(commit)),
            false => Ok(()),
        }
    }

    /// Returns that a commit is not built quickly, and remembers it for a while.
    pub(super) fn not_quick(&self, commit: CommitId) -> PastError {
        self.0.lock().slow.note(commit, Instant::now(), SLOW);
        not_quick(commit)
    }

    /// Returns why the state of `commit` cannot be read, and leaves it alone if that is what it costs.
    pub(super) fn refused(&self, commit: CommitId, source: LoadError) -> PastError {
        if let LoadError::TooCostly { source, .. } = &source {
            let (mut costly, now) = (self.0.lock(), Instant::now());
            let time = match source {
                // It is tried again with more time.
                TooCostly::Time { limit } if *limit <= QUICK_TIME => {
                    costly.slow.note(commit, now, SLOW);
                    Duration::ZERO
                }
                TooCostly::Time { limit } if *limit >= DECODE_TIME => {
                    costly.last = Some(now);
                    LONG
                }
                TooCostly::Time { .. } => WARY,
                TooCostly::Memory { .. } => SHORT,
            };
            costly.commits.note(commit, now, time);
        }
        PastError::Load { commit, source: Box::new(source) }
    }
}

/// Returns whether a quick attempt ended so, and another one may succeed.
pub(super) fn is_not_quick(error: &PastError) -> bool {
    let is_of_quick = |error: &LoadError| match error {
        LoadError::TooCostly { source: TooCostly::Time { limit }, .. } => *limit <= QUICK_TIME,
        _ => false,
    };
    matches!(error, PastError::Load { source, .. } if is_of_quick(source))
}

/// Returns that the state of a commit is not built by a quick attempt.
fn not_quick(commit: CommitId) -> PastError {
    let source = TooCostly::Time { limit: QUICK_TIME };
    PastError::Load { commit, source: Box::new(LoadError::TooCostly { commit, source }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::commits::{Line, Log};
    use crate::engine::testing::World;
    use crate::engine::{Engine, RequestKind, Trigger};
    use crate::history::Effort;
    use crate::memory::Memory;
    use crate::view::View;

    #[test]
    fn a_reader_of_a_commit_that_cost_too_much_is_refused_at_once() {
        let mut world = World::new();
        // Only the last one is ever served.
        let [costly, other, _] = [2, 3, 4].map(|n| world.push(5, n));
        world.engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
        let source = TooCostly::Time { limit: DECODE_TIME };
        world.engine.past.costly.refused(costly, LoadError::TooCostly { commit: costly, source });
        let read = |commit| world.engine.at(&View::PUBLIC, commit);
        assert!(matches!(read(costly), Err(PastError::LeftAlone { commit }) if commit == costly));
        let compared = world.engine.delta(&View::PUBLIC, costly, other);
        assert!(compared.is_err_and(|error| error.is_too_costly()));
        assert!(read(other).is_ok());
    }

    #[test]
    fn a_commit_that_cost_too_much_is_not_tried_again_and_others_are() {
        let costly = CostlyStates::new();
        let [slow, large, other] = [1, 2, 3].map(|n| CommitId::from_bytes([n; 20]));
        let limit = DECODE_TIME;
        assert_eq!(costly.decode_time(Attempt::Full), DECODE_TIME);
        let limit_of_quick = TooCostly::Time { limit: QUICK_TIME };
        let quick = LoadError::TooCostly { commit: slow, source: limit_of_quick };
        costly.refused(slow, quick);
        assert!(costly.check(slow, Attempt::Quick).is_err(), "it is not tried quickly again");
        assert!(costly.check(other, Attempt::Quick).is_ok());
        let memory = Memory { held: 2, available: 1 };
        for (commit, error, expected) in [
            (slow, LoadError::TooCostly { commit: slow, source: TooCostly::Time { limit } }, true),
            (
                large,
                LoadError::TooCostly { commit: large, source: TooCostly::Memory { available: 1 } },
                true,
            ),
            (other, LoadError::Memory { commit: other, memory }, false),
        ] {
            assert!(costly.check(commit, Attempt::Full).is_ok());
            costly.refused(commit, error);
            let again = costly.check(commit, Attempt::Full);
            assert_eq!(matches!(again, Err(PastError::LeftAlone { .. })), expected, "{commit}");
        }
        assert_eq!(costly.decode_time(Attempt::Full), SHORT_TIME, "until it was a while ago");
        assert_eq!(costly.decode_time(Attempt::Quick), QUICK_TIME);
    }

    #[test]
    fn a_state_that_costs_little_is_built_while_a_dear_one_is() {
        let mut world = World::new();
        let first = world.engine.snapshot().commit();
        let [near, _] = [2, 3].map(|n| world.push(5, n));
        world.engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
        let _somebody_builds = world.engine.past.building.lock();
        std::thread::scope(|scope| {
            let quick = |commit| {
                let engine = &world.engine;
                let read = move || engine.at_if_quick(&View::PUBLIC, commit).unwrap();
                scope.spawn(read).join().unwrap()
            };
            assert_eq!(quick(near).map(|state| state.commit()), Some(near));
            let compare = || world.engine.delta_if_quick(&View::PUBLIC, first, near).unwrap();
            assert!(scope.spawn(compare).join().unwrap().is_some());
            assert!(
                scope.spawn(|| commits_if_quick(&world.engine, near)).join().unwrap().is_some()
            );
        });
    }

    /// Lists the commits up to `from`, if that costs little.
    fn commits_if_quick(engine: &Engine, from: CommitId) -> Option<Log> {
        let line = Line { from, above: None };
        let unlimited = Budget::unlimited();
        let effort = Effort { awaited: &unlimited, part: &unlimited };
        engine.commits_if_quick(&View::PUBLIC, line, &[], 10, effort).unwrap()
    }

    #[test]
    fn a_state_of_other_definitions_is_no_quick_one() {
        let mut world = World::new();
        let definition = |key: &str| {
            format!("[sheets.d]\nformat = \"yaml\"\nrecords = \"each\"\nkey = \"{key}\"\n")
        };
        let mut push = |key: &str| {
            let commit = world.upstream.commit(key).put("headwater.toml", definition(key));
            commit.push().parse::<CommitId>().unwrap()
        };
        // Only the last one is ever served.
        let [other, last] = ["k-${{ id }}", "${{ id }}"].map(&mut push);
        world.engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
        assert_eq!(world.engine.snapshot().commit(), last);
        assert!(world.engine.at_if_quick(&View::PUBLIC, other).unwrap().is_none());
        assert!(world.engine.delta_if_quick(&View::PUBLIC, other, last).unwrap().is_none());
        assert!(world.engine.caught_up_if_quick(&View::PUBLIC, other, last).unwrap().is_none());
        assert!(commits_if_quick(&world.engine, other).is_none());
        assert_eq!(world.engine.at(&View::PUBLIC, other).unwrap().commit(), other);
        // It is kept now.
        assert!(world.engine.at_if_quick(&View::PUBLIC, other).unwrap().is_some());
    }
}
