//! When an issuer is asked for its keys.

use std::time::{Duration, Instant};

/// The shortest time between two questions: a flood of tokens with unknown keys is no flood of
/// questions.
pub(super) const PAUSE: Duration = Duration::from_secs(10);

/// How old keys become before they are asked for again, so that a key that the issuer withdrew is
/// used no longer than this.
const MAX_AGE: Duration = Duration::from_secs(600);

/// When an issuer was asked, and when it answered.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct KeySchedule {
    asked: Option<Instant>,
    answered: Option<Instant>,
}

/// Why the keys may be needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// A token names a key that is not known.
    Unknown,
    /// The keys may be old.
    Renewal,
}

impl KeySchedule {
    /// Returns whether to ask at `now`, at least `pause` after the last question. The question then
    /// counts as asked.
    pub(super) fn take(&mut self, need: Need, pause: Duration, now: Instant) -> bool {
        let passed = |since: Option<Instant>, time| {
            since.is_none_or(|since| now.saturating_duration_since(since) >= time)
        };
        let is_due = match need {
            Need::Unknown => true,
            Need::Renewal => passed(self.answered, MAX_AGE),
        };
        let asks = is_due && passed(self.asked, pause);
        if asks {
            self.asked = Some(now);
        }
        asks
    }

    /// Notes that the issuer answered at `now`.
    pub(super) fn answered(&mut self, now: Instant) {
        self.answered = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_asked_at_an_unknown_key_and_when_its_answer_is_old_and_never_often() {
        let start = Instant::now();
        let mut schedule = KeySchedule::default();
        let (unknown, renewal) = (Need::Unknown, Need::Renewal);
        for (seconds, need, expected) in [
            (0, unknown, true),
            (0, unknown, false),
            (9, unknown, false),
            (9, renewal, false),
            (10, unknown, true),
            (12, renewal, false),
            (599, renewal, false),
            (600, renewal, true),
            (601, unknown, false),
            (609, renewal, false),
            (610, renewal, true),
            (615, unknown, false),
        ] {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(schedule.take(need, PAUSE, now), expected, "{seconds} {need:?}");
            if seconds == 0 {
                schedule.answered(now);
            }
        }
    }
}
