//! When to push again after a failed push: pure, so that it can be tested without a clock.

use std::time::Duration;

use crate::mirror::PushErrorKind;

/// The first wait if the failure may pass soon.
const FIRST: Duration = Duration::from_secs(1);

/// The first wait if somebody must act; frequent attempts would lock an account.
const SLOW: Duration = Duration::from_secs(300);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(3_600);

/// How often in a row a push is retried at once after the remote moved on.
const ROUNDS: u32 = 5;

/// The results of recent pushes, and when the next one may run.
#[derive(Debug)]
pub(in crate::engine) struct PushBackoff {
    failures: u32,
    last: Option<PushErrorKind>,
    due: Duration,
    /// The state of a small generator, for jitter.
    random: u64,
}

impl PushBackoff {
    /// Returns a backoff without failures; `seed` makes the waits of many servers differ.
    pub(in crate::engine) fn new(seed: u64) -> Self {
        Self { failures: 0, last: None, due: Duration::ZERO, random: seed }
    }

    /// Returns the time before which nothing is pushed.
    pub(in crate::engine) fn due(&self) -> Duration {
        self.due
    }

    /// Returns how many pushes in a row have failed.
    pub(in crate::engine) fn failures(&self) -> u32 {
        self.failures
    }

    /// Records that a push succeeded.
    pub(in crate::engine) fn succeeded(&mut self) {
        (self.failures, self.last, self.due) = (0, None, Duration::ZERO);
    }

    /// Records that a push failed at `now`, and returns how long to wait: doubled for each failure
    /// in a row, and reduced by up to a half, so that servers do not keep step.
    pub(in crate::engine) fn failed(&mut self, now: Duration, kind: PushErrorKind) -> Duration {
        let first = if kind.is_passing() { FIRST } else { SLOW };
        // A different kind of failure starts over.
        let before = if self.last == Some(kind) { self.failures } else { 0 };
        let wait = first.saturating_mul(2u32.saturating_pow(before)).min(LONGEST);
        // A linear congruential generator, whose upper half is random enough.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let share = (self.random >> 32) as f64 / f64::from(u32::MAX);
        let wait = wait.mul_f64(1.0 - share / 2.0);
        (self.failures, self.last, self.due) = (before + 1, Some(kind), now + wait);
        wait
    }

    /// Records that the remote answered a fetch at `now`: a passing failure may be over. If others
    /// are faster again and again, the next attempt is a moment later.
    pub(in crate::engine) fn remote_answers(&mut self, now: Duration) {
        let soon = match self.last {
            Some(PushErrorKind::Behind) if self.failures >= ROUNDS => now + FIRST,
            Some(kind) if kind.is_passing() => now,
            _ => return,
        };
        self.due = self.due.min(soon);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PushErrorKind::{
        AnswerTooLarge, Auth, Behind, DiskFull, Ours, Refused, TimedOut, Unreachable,
    };

    const NOW: Duration = Duration::from_secs(1_000_000);

    #[test]
    fn each_failure_in_a_row_doubles_the_wait_up_to_an_hour() {
        for (kind, first) in [
            (Unreachable, FIRST),
            (TimedOut, FIRST),
            (Auth, SLOW),
            (Refused, SLOW),
            (AnswerTooLarge, SLOW),
            (DiskFull, FIRST),
            (Ours, SLOW),
        ] {
            for seed in 0..200 {
                let mut backoff = PushBackoff::new(seed);
                let mut whole = first;
                for failures in 1..=20 {
                    let wait = backoff.failed(NOW, kind);
                    assert!(whole / 2 <= wait && wait <= whole, "{kind:?} {failures}: {wait:?}");
                    assert_eq!((backoff.due(), backoff.failures()), (NOW + wait, failures));
                    whole = (whole * 2).min(LONGEST);
                }
                backoff.succeeded();
                assert_eq!((backoff.due(), backoff.failures()), (Duration::ZERO, 0));
                assert!(backoff.failed(NOW, kind) <= first);
            }
        }
    }

    #[test]
    fn the_waits_of_two_servers_differ() {
        let waits = |seed| {
            let mut backoff = PushBackoff::new(seed);
            [(); 8].map(|()| backoff.failed(NOW, Unreachable))
        };
        assert_ne!(waits(1), waits(2));
    }

    #[test]
    fn a_remote_that_answers_is_pushed_to_at_once_unless_somebody_has_to_act() {
        let (at_once, later) = (Duration::ZERO, SLOW);
        for (kind, times, most) in [
            (Unreachable, 9, at_once),
            (TimedOut, 9, at_once),
            (Auth, 1, later),
            (Refused, 1, later),
            (AnswerTooLarge, 1, later),
            (DiskFull, 3, at_once),
            (Ours, 1, later),
            (Behind, ROUNDS - 1, at_once),
            (Behind, 12, FIRST),
        ] {
            let mut backoff = PushBackoff::new(7);
            for _ in 0..times {
                backoff.failed(NOW, kind);
            }
            backoff.remote_answers(NOW);
            let wait = backoff.due().saturating_sub(NOW);
            assert!(wait <= most, "{kind:?} × {times}: {wait:?}");
            assert!(most != later || wait >= SLOW / 2, "{kind:?}: {wait:?}");
        }
    }

    #[test]
    fn another_kind_of_failure_begins_its_own_waits() {
        let mut backoff = PushBackoff::new(7);
        for _ in 0..12 {
            backoff.failed(NOW, Unreachable);
        }
        assert!(backoff.failed(NOW, Behind) <= FIRST);
    }
}
