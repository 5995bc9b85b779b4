//! When a follower asks its leader for the tags.
//!
//! It follows each write, and a list of tens of thousands costs more than the write.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The number of tags from which they are not asked for after each write.
const MANY: usize = 1_000;

/// How long a list of many is good for.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// What the last list of tags was.
#[derive(Debug, Default)]
pub(super) struct TagListing(Mutex<Option<Listed>>);

#[derive(Debug, Clone, Copy)]
struct Listed {
    at: Instant,
    count: usize,
}

impl Listed {
    /// Returns whether the tags may be asked for again.
    fn is_due(self, now: Instant) -> bool {
        self.count <= MANY || now.saturating_duration_since(self.at) >= GOOD_FOR
    }
}

impl TagListing {
    /// Returns whether the tags are to be asked for.
    pub(super) fn is_due(&self) -> bool {
        self.listed().is_none_or(|listed| listed.is_due(Instant::now()))
    }

    /// Records that there are so many.
    pub(super) fn note(&self, count: usize) {
        *self.listed() = Some(Listed { at: Instant::now(), count });
    }

    fn listed(&self) -> MutexGuard<'_, Option<Listed>> {
        // It is set by one statement, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_tags_are_asked_for_each_time_and_many_once_a_minute() {
        let begin = Instant::now();
        for (count, seconds, is_due) in [
            (0, 0, true),
            (MANY, 0, true),
            (MANY + 1, 0, false),
            (MANY + 1, 59, false),
            (MANY + 1, 60, true),
        ] {
            let listed = Listed { at: begin, count };
            assert_eq!(
                listed.is_due(begin + Duration::from_secs(seconds)),
                is_due,
                "{count} {seconds}"
            );
        }
    }
}
