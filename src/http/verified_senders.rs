//! Remembers the recent senders of correct signatures.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::source::Source;

/// How long a source is remembered.
const LATELY: Duration = Duration::from_secs(24 * 60 * 60);

/// The number of remembered sources, which bounds their memory.
const SOURCES: usize = 1024;

/// The sources of correct signatures, and when each was last seen.
#[derive(Default)]
pub(super) struct Senders(Mutex<HashMap<Source, Instant>>);

impl Senders {
    /// Remembers that a correct signature came from `source`.
    pub(super) fn remember(&self, source: Source, now: Instant) {
        let mut seen = self.seen();
        if seen.len() >= SOURCES && !seen.contains_key(&source) {
            let oldest = seen.iter().min_by_key(|(_, at)| **at).map(|(source, _)| *source);
            oldest.map(|oldest| seen.remove(&oldest));
        }
        seen.insert(source, now);
    }

    /// Returns whether one came from `source` recently.
    pub(super) fn know(&self, source: Source, now: Instant) -> bool {
        self.seen().get(&source).is_some_and(|at| now.duration_since(*at) < LATELY)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<Source, Instant>> {
        // The map is consistent after every statement, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn source(number: u32) -> Source {
        Source::at(Ipv4Addr::from_bits(number).into())
    }

    #[test]
    fn a_sender_is_known_for_a_day_and_the_oldest_makes_room() {
        let (senders, start) = (Senders::default(), Instant::now());
        senders.remember(source(0), start);
        assert!(senders.know(source(0), start) && !senders.know(source(1), start));
        assert!(!senders.know(source(0), start + LATELY));
        for number in 1..=SOURCES as u32 {
            senders.remember(source(number), start + Duration::from_secs(1));
        }
        let later = start + Duration::from_secs(60);
        assert!(!senders.know(source(0), later) && senders.know(source(1), later));
        assert_eq!(senders.seen().len(), SOURCES);
    }
}
