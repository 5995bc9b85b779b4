//! Objects that the mirror should have and lacks, because a disk lost them or a remote never sent
//! them.
//!
//! The remote is told which commits the mirror has, and sends none of their files again. So once an
//! object is found missing, the next fetch requests everything.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long until everything is requested again, if that did not help.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// What is known about missing objects.
#[derive(Debug, Default)]
pub(super) struct Gaps(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// Whether an object was found missing since everything was requested.
    is_missing: bool,
    /// When everything was requested.
    filled: Option<Instant>,
}

impl Noted {
    fn is_due(&self, now: Instant) -> bool {
        let is_recent = |filled: Instant| now.saturating_duration_since(filled) < AGAIN;
        self.is_missing && !self.filled.is_some_and(is_recent)
    }
}

impl Gaps {
    /// Records that an object is missing. Returns whether everything should be requested for it now.
    pub(super) fn note(&self) -> bool {
        self.note_at(Instant::now())
    }

    /// Returns whether everything should be requested now, and takes it for done.
    pub(super) fn take(&self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> bool {
        let mut noted = self.noted();
        let is_due = noted.is_due(now);
        if is_due {
            *noted = Noted { is_missing: false, filled: Some(now) };
        }
        is_due
    }

    fn note_at(&self, now: Instant) -> bool {
        let mut noted = self.noted();
        noted.is_missing = true;
        noted.is_due(now)
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        // Both fields are set by one statement each, so a poisoned lock holds usable ones.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_requested_once_an_hour_while_objects_are_missing() {
        let (gaps, begin) = (Gaps::default(), Instant::now());
        let after = |minutes: u64| begin + Duration::from_secs(60 * minutes);
        assert!(!gaps.take_at(after(0)), "nothing is missing");
        assert!(gaps.note_at(after(0)) && gaps.take_at(after(0)));
        assert!(!gaps.take_at(after(61)), "nothing was missing since then");
        assert!(gaps.note_at(after(61)) && gaps.take_at(after(61)));
        assert!(!gaps.note_at(after(62)) && !gaps.take_at(after(62)), "it did not help");
        assert!(gaps.take_at(after(121)));
    }
}
