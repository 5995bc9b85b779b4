//! A token bucket of failures for each source of wrong credentials.
//!
//! By hand, since a library for rate limits refuses callers, and forgets at random: this one refuses
//! nobody with a right credential, and forgets first who failed least.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::source::Source;

/// How many failures in a row are let go.
const BURST: u32 = 10;

/// How long it takes until one more failure is let go.
const REFILL: Duration = Duration::from_secs(6);

/// How many sources are known at once, which bounds the memory they take.
const SOURCES: usize = 4096;

/// Counts failures by their source.
///
/// It never refuses anybody by itself: a caller with a right credential is let through whatever
/// others at the same address did.
#[derive(Default)]
pub(super) struct Throttle {
    /// When the bucket of a source is full again. One that is full need not be known.
    full_at: Mutex<HashMap<Source, Instant>>,
}

impl Throttle {
    /// Takes a token for a failure.
    ///
    /// # Errors
    /// When there is none: how long it takes until there is one.
    pub(super) fn fail(&self, source: Source, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.lock();
        let full = full_at.get(&source).map_or(now, |full| now.max(*full)) + REFILL;
        let missing = full.duration_since(now);
        if missing > REFILL * BURST {
            return Err(missing - REFILL * BURST);
        }
        if full_at.len() >= SOURCES && !full_at.contains_key(&source) {
            make_room(&mut full_at, now);
        }
        full_at.insert(source, full);
        Ok(())
    }

    /// Says whether the next failure of `source` would be one too many.
    pub(super) fn is_spent(&self, source: Source, now: Instant) -> bool {
        let full = self.lock().get(&source).copied();
        full.is_some_and(|full| full.duration_since(now) > REFILL * (BURST - 1))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Source, Instant>> {
        // The map is whole after every statement, so a poisoned lock holds a usable one.
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the sources whose buckets are full, or else the one that has failed least.
fn make_room(full_at: &mut HashMap<Source, Instant>, now: Instant) {
    full_at.retain(|_, full| *full > now);
    if full_at.len() < SOURCES {
        return;
    }
    let least = full_at.iter().min_by_key(|(_, full)| **full).map(|(source, _)| *source);
    least.map(|source| full_at.remove(&source));
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use axum::http::HeaderMap;

    use super::*;
    use crate::config::TrustedProxies;

    fn source(n: u32) -> Source {
        let address = IpAddr::V4(Ipv4Addr::from_bits(n));
        Source::of(address, &HeaderMap::new(), &TrustedProxies::default())
    }

    #[test]
    fn ten_failures_are_let_go_and_then_ten_a_minute() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..BURST {
            assert!(!throttle.is_spent(source(1), start));
            assert_eq!(throttle.fail(source(1), start), Ok(()));
        }
        assert!(throttle.is_spent(source(1), start));
        assert_eq!(throttle.fail(source(1), start), Err(REFILL));
        let later = start + Duration::from_secs(2);
        assert_eq!(throttle.fail(source(1), later), Err(Duration::from_secs(4)));
        let (next, minute) = (start + REFILL, start + Duration::from_secs(60));
        assert!(!throttle.is_spent(source(1), next));
        assert_eq!(throttle.fail(source(1), next), Ok(()));
        assert_eq!(throttle.fail(source(1), next), Err(REFILL));
        let count = (0..20).filter(|_| throttle.fail(source(1), minute).is_ok()).count();
        assert_eq!(count, 9);
    }

    #[test]
    fn one_source_does_not_pay_for_another() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        while throttle.fail(source(1), now).is_ok() {}
        assert_eq!(throttle.fail(source(2), now), Ok(()));
    }

    #[test]
    fn a_full_table_forgets_who_failed_least() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        while throttle.fail(source(0), now).is_ok() {}
        for n in 1..=SOURCES as u32 {
            assert_eq!(throttle.fail(source(n), now), Ok(()));
        }
        assert_eq!(throttle.lock().len(), SOURCES);
        assert!(throttle.fail(source(0), now).is_err());
        let later = now + REFILL;
        assert_eq!(throttle.fail(source(u32::MAX), later), Ok(()));
        assert_eq!(throttle.lock().len(), 2);
    }
}
