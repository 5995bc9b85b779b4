//! A token bucket of failures for each source of wrong credentials, and a larger one for each site.
//!
//! This is not a library for rate limits, because those refuse callers, and forget at random. This
//! one never refuses a correct credential, and first forgets the source that failed least.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::source::Source;

/// How many failures in a row are tolerated.
const BURST: u32 = 10;

/// How long it takes until one more failure is tolerated.
const REFILL: Duration = Duration::from_secs(6);

/// The number of known sources, which bounds their memory.
const SOURCES: usize = 4096;

/// How many times as many failures are tolerated of an IPv6 site, which has many sources.
const SITE: u32 = 4;

/// Counts failures by their source.
///
/// It refuses nobody by itself: a caller with a correct credential is admitted, whatever others at
/// the same address did.
pub(super) struct Throttle {
    sources: Buckets,
    sites: Buckets,
}

impl Default for Throttle {
    fn default() -> Self {
        let of = |burst| Buckets { full_at: Mutex::default(), burst };
        Self { sources: of(BURST), sites: of(BURST * SITE) }
    }
}

impl Throttle {
    /// Takes `failures` tokens. If at least one is left, takes all of them, even beyond the last.
    ///
    /// # Errors
    /// If none is left: how long it takes until there is one.
    pub(super) fn fail(&self, source: Source, failures: u32, now: Instant) -> Result<(), Duration> {
        let counted = self.sources.take(source, failures, now);
        let of_site = source.site().map(|site| self.sites.take(site, failures, now));
        counted.and(of_site.unwrap_or(Ok(())))
    }

    /// Returns whether the next failure of `source` would be one too many.
    pub(super) fn is_spent(&self, source: Source, now: Instant) -> bool {
        let of_site = source.site().is_some_and(|site| self.sites.is_spent(site, now));
        of_site || self.sources.is_spent(source, now)
    }
}

/// Buckets of the same size.
struct Buckets {
    /// When a bucket is full again. A full one need not be remembered.
    full_at: Mutex<HashMap<Source, Instant>>,
    burst: u32,
}

impl Buckets {
    fn take(&self, source: Source, tokens: u32, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.lock();
        let full = full_at.get(&source).map_or(now, |full| now.max(*full));
        let missing = full.duration_since(now) + REFILL;
        if missing > REFILL * self.burst {
            return Err(missing - REFILL * self.burst);
        }
        if full_at.len() >= SOURCES && !full_at.contains_key(&source) {
            make_room(&mut full_at, now);
        }
        full_at.insert(source, full + REFILL * tokens);
        Ok(())
    }

    fn is_spent(&self, source: Source, now: Instant) -> bool {
        let full = self.lock().get(&source).copied();
        full.is_some_and(|full| full.duration_since(now) > REFILL * (self.burst - 1))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Source, Instant>> {
        // The map is consistent after every statement, so a poisoned lock holds a usable one.
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the sources whose buckets are full, or otherwise the one that has failed least.
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
            assert_eq!(throttle.fail(source(1), 1, start), Ok(()));
        }
        assert!(throttle.is_spent(source(1), start));
        assert_eq!(throttle.fail(source(1), 1, start), Err(REFILL));
        let later = start + Duration::from_secs(2);
        assert_eq!(throttle.fail(source(1), 1, later), Err(Duration::from_secs(4)));
        let (next, minute) = (start + REFILL, start + Duration::from_secs(60));
        assert!(!throttle.is_spent(source(1), next));
        assert_eq!(throttle.fail(source(1), 1, next), Ok(()));
        assert_eq!(throttle.fail(source(1), 1, next), Err(REFILL));
        let count = (0..20).filter(|_| throttle.fail(source(1), 1, minute).is_ok()).count();
        assert_eq!(count, 9);
    }

    #[test]
    fn what_counts_as_several_failures_takes_more_than_there_is() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..BURST - 1 {
            assert_eq!(throttle.fail(source(1), 1, start), Ok(()));
        }
        assert_eq!(throttle.fail(source(1), 5, start), Ok(()), "one token is left");
        assert_eq!(throttle.fail(source(1), 1, start), Err(REFILL * 5));
        assert!(throttle.is_spent(source(1), start + REFILL * 4));
        assert!(!throttle.is_spent(source(1), start + REFILL * 5));
    }

    #[test]
    fn a_site_of_ipv6_has_four_times_as_many_whatever_its_networks() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let network = |site: u16, network: u16| {
            let address = std::net::Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 1);
            Source::at(address.into())
        };
        for n in 0..BURST * SITE {
            assert!(!throttle.is_spent(network(1, 0xffff), now));
            assert_eq!(throttle.fail(network(1, n as u16), 1, now), Ok(()));
        }
        assert!(throttle.is_spent(network(1, 0xffff), now));
        assert_eq!(throttle.fail(network(1, 0xffff), 1, now), Err(REFILL));
        assert!(!throttle.is_spent(network(2, 0xffff), now));
    }

    #[test]
    fn one_source_does_not_pay_for_another() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        while throttle.fail(source(1), 1, now).is_ok() {}
        assert_eq!(throttle.fail(source(2), 1, now), Ok(()));
    }

    #[test]
    fn a_full_table_forgets_who_failed_least() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        while throttle.fail(source(0), 1, now).is_ok() {}
        for n in 1..=SOURCES as u32 {
            assert_eq!(throttle.fail(source(n), 1, now), Ok(()));
        }
        assert_eq!(throttle.sources.lock().len(), SOURCES);
        assert!(throttle.fail(source(0), 1, now).is_err());
        let later = now + REFILL;
        assert_eq!(throttle.fail(source(u32::MAX), 1, later), Ok(()));
        assert_eq!(throttle.sources.lock().len(), 2);
    }
}
