//! Finished deliveries. A repeated or replayed delivery is answered without another fetch. A
//! delivery whose reload failed is not remembered, so that it can be redelivered.
//!
//! This only saves work: a forgotten or unknown delivery is reloaded once more.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::{HookHeaders, sender};

/// The number of remembered deliveries.
const KEPT: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not 0");

/// A delivery of a forge: its id and its content. The id alone is not enough: forges may share one
/// among several webhooks of one event, and it is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delivery(blake3::Hash);

impl Delivery {
    /// Identifies the delivery. Returns `None` if its sender gave it no id.
    pub fn of(headers: &dyn HookHeaders, body: &[u8]) -> Option<Self> {
        let names = sender(headers)?.delivery_headers();
        let (name, ids) =
            names.iter().map(|name| (*name, headers.all(name))).find(|(_, ids)| !ids.is_empty())?;
        let mut hasher = blake3::Hasher::new();
        for part in [name.as_bytes(), &ids.concat()] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Some(Self(hasher.update(body).finalize()))
    }
}

/// The newest deliveries whose reload succeeded.
pub struct Deliveries(Mutex<LruCache<Delivery, ()>>);

impl Default for Deliveries {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

impl Deliveries {
    /// Returns whether the reload of `delivery` succeeded.
    pub fn knows(&self, delivery: &Delivery) -> bool {
        self.lock().contains(delivery)
    }

    /// Remembers a delivery whose reload succeeded. Forgets the oldest if there are too many.
    pub fn remember(&self, delivery: Delivery) {
        self.lock().get_or_insert(delivery, || ());
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Delivery, ()>> {
        // The cache is consistent after every statement, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(headers: &[(&str, &str)], body: &str) -> Option<Delivery> {
        Delivery::of(&headers.to_vec(), body.as_bytes())
    }

    fn github(id: &str, body: &str) -> Delivery {
        let headers = [("x-github-event", "push"), ("x-github-delivery", id)];
        delivery(&headers, body).expect("it has an id")
    }

    #[test]
    fn each_forge_names_its_deliveries() {
        for headers in [
            [("x-github-event", "push"), ("x-github-delivery", "1")],
            [("x-gitea-event", "push"), ("x-gitea-delivery", "1")],
            [("x-gitlab-event", "Push Hook"), ("webhook-id", "1")],
            [("x-gitlab-event", "Push Hook"), ("idempotency-key", "1")],
            [("x-gitlab-event", "Push Hook"), ("x-gitlab-event-uuid", "1")],
            [("x-event-key", "repo:push"), ("x-request-uuid", "1")],
            [("x-event-key", "repo:refs_changed"), ("x-request-id", "1")],
        ] {
            assert!(delivery(&headers, "{}").is_some(), "{headers:?}");
        }
    }

    #[test]
    fn what_has_no_id_of_its_own_is_never_the_same() {
        for headers in [
            &[][..],
            &[("x-github-event", "push")],
            &[("x-github-delivery", "1")],
            // This header identifies the webhook, for all its deliveries.
            &[("x-gitlab-event", "Push Hook"), ("x-gitlab-webhook-uuid", "1")],
        ] {
            assert_eq!(delivery(headers, "{}"), None, "{headers:?}");
        }
    }

    #[test]
    fn a_delivery_is_known_by_its_id_and_its_body() {
        assert_eq!(github("1", "{}"), github("1", "{}"));
        assert_ne!(github("1", "{}"), github("2", "{}"));
        assert_ne!(github("1", "{}"), github("1", "{ }"));
        assert_ne!(github("1", "2"), github("12", ""));
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let deliveries = Deliveries::default();
        let nth = |n: usize| github(&n.to_string(), "{}");
        assert!(!deliveries.knows(&nth(0)));
        (0..KEPT.get()).for_each(|n| deliveries.remember(nth(n)));
        assert!(deliveries.knows(&nth(0)));
        deliveries.remember(nth(KEPT.get()));
        assert!(!deliveries.knows(&nth(0)) && deliveries.knows(&nth(1)));
        assert!(deliveries.knows(&nth(KEPT.get())));
    }
}
