//! How many requests in a second each caller may send.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::caller::{Caller, CallerId, Rate};

/// The number of callers whose requests are counted, which bounds the memory.
const CALLERS: usize = 16_384;

/// The buckets of tokens of all callers that have a limit. A bucket holds the requests of one
/// second, so that a page may send all of its requests at once.
#[derive(Default)]
pub struct RateLimits {
    /// When a bucket is full again. A full one need not be remembered.
    full_at: Mutex<HashMap<CallerId, Instant>>,
}

impl RateLimits {
    /// Counts a request of `caller` at `now`. Costs nothing if the caller has no limit.
    ///
    /// # Errors
    /// If the caller sent too many: how long it takes until there is room for one. The request does
    /// not count then.
    pub fn take(&self, caller: &Caller, now: Instant) -> Result<(), Duration> {
        caller.rate.map_or(Ok(()), |rate| self.take_of(&caller.id, rate, now))
    }

    fn take_of(&self, caller: &CallerId, rate: Rate, now: Instant) -> Result<(), Duration> {
        let refill = Duration::from_secs(1) / rate.get();
        let bucket = refill * rate.get();
        let mut full_at = self.lock();
        let full = full_at.get(caller).map_or(now, |full| now.max(*full));
        let missing = full.duration_since(now) + refill;
        if missing > bucket {
            return Err(missing - bucket);
        }
        if full_at.len() >= CALLERS && !full_at.contains_key(caller) {
            make_room(&mut full_at, now);
        }
        full_at.insert(caller.clone(), full + refill);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallerId, Instant>> {
        // The map is consistent after every statement, so a poisoned lock holds a usable one.
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the callers whose buckets are full, or otherwise the one that has sent least.
fn make_room(full_at: &mut HashMap<CallerId, Instant>, now: Instant) {
    full_at.retain(|_, full| *full > now);
    if full_at.len() < CALLERS {
        return;
    }
    let least = full_at.iter().min_by_key(|(_, full)| **full).map(|(caller, _)| caller.clone());
    least.map(|caller| full_at.remove(&caller));
}

#[cfg(test)]
mod tests {
    use headwater_engine::view::View;

    use super::*;

    fn caller(name: &str, rate: u32) -> Caller {
        let id = CallerId::Token(name.into());
        Caller { id, rate: Rate::new(rate), ..Caller::anonymous(View::PUBLIC) }
    }

    #[test]
    fn a_second_has_as_many_requests_as_the_limit_says_and_each_has_its_own() {
        let (limits, start) = (RateLimits::default(), Instant::now());
        let (site, bot, free) = (caller("site", 50), caller("bot", 1), caller("free", 0));
        for _ in 0..50 {
            assert_eq!(limits.take(&site, start), Ok(()));
        }
        let refill = Duration::from_millis(20);
        assert_eq!(limits.take(&site, start), Err(refill));
        assert_eq!(limits.take(&site, start), Err(refill), "what is refused does not count");
        assert_eq!(limits.take(&bot, start), Ok(()));
        assert_eq!(limits.take(&bot, start), Err(Duration::from_secs(1)));
        let half = start + Duration::from_millis(500);
        assert_eq!((0..100).filter(|_| limits.take(&site, half).is_ok()).count(), 25);
        assert_eq!(limits.take(&bot, half), Err(Duration::from_millis(500)));
        let later = start + Duration::from_secs(9);
        assert_eq!((0..100).filter(|_| limits.take(&site, later).is_ok()).count(), 50);
        assert_eq!((0..100).filter(|_| limits.take(&free, start).is_ok()).count(), 100);
    }

    #[test]
    fn the_memory_is_bounded_and_who_sent_most_is_not_forgotten() {
        let (limits, start) = (RateLimits::default(), Instant::now());
        let busy = caller("busy", 3);
        for _ in 0..3 {
            assert_eq!(limits.take(&busy, start), Ok(()));
        }
        for number in 0..CALLERS + 50 {
            assert_eq!(limits.take(&caller(&number.to_string(), 3), start), Ok(()));
        }
        assert_eq!(limits.lock().len(), CALLERS);
        assert!(limits.take(&busy, start).is_err());
        let later = start + Duration::from_secs(1);
        assert_eq!(limits.take(&caller("new", 3), later), Ok(()));
        assert_eq!(limits.lock().len(), 1, "full buckets are forgotten");
    }
}
