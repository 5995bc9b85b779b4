//! The places of those who follow: so many in all, and shared fairly by the addresses that want
//! them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::queue::Queue;
use crate::http::source::Source;

/// How many follow at once; each has a connection of its own.
const PLACES: usize = 1_000;

/// The places of those who follow.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    held: Mutex<HashMap<Source, Vec<Arc<Queue>>>>,
}

/// A place, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    source: Source,
    /// What waits for whoever has it.
    pub(super) queue: Arc<Queue>,
}

impl Default for Places {
    fn default() -> Self {
        Self { most: PLACES, held: Mutex::default() }
    }
}

impl Places {
    /// Returns a place for a caller from `source`, if there is one. Where all are taken, the address
    /// with the most of them gives one to an address that has fewer: its last stream ends.
    pub(super) fn take(self: &Arc<Self>, source: Source) -> Option<Place> {
        let mut held = self.held();
        if held.values().map(Vec::len).sum::<usize>() >= self.most {
            let mine = held.get(&source).map_or(0, Vec::len);
            let most = held.values_mut().max_by_key(|queues| queues.len())?;
            if !gives_way(most.len(), mine) {
                return None;
            }
            if let Some(last) = most.pop() {
                last.close();
            }
        }
        let queue = Arc::new(Queue::default());
        held.entry(source).or_default().push(queue.clone());
        drop(held);
        Some(Place { places: self.clone(), source, queue })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Source, Vec<Arc<Queue>>>> {
        // The map is whole after every statement, so a poisoned lock holds a usable one.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says whether an address that has `most` places gives one to an address that has `mine`: both have
/// their share then, and do not take it from each other for ever.
fn gives_way(most: usize, mine: usize) -> bool {
    most > mine + 1
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        if let Some(queues) = held.get_mut(&self.source) {
            // One that gave way is not there any more.
            queues.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
            if queues.is_empty() {
                held.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::{IpAddr, Ipv4Addr};

    use axum::http::HeaderMap;

    use super::*;
    use crate::config::TrustedProxies;

    fn source(n: u32) -> Source {
        let address = IpAddr::V4(Ipv4Addr::from_bits(n));
        Source::of(address, &HeaderMap::new(), &TrustedProxies::default())
    }

    fn with_places(most: usize) -> Arc<Places> {
        Arc::new(Places { most, ..Places::default() })
    }

    #[test]
    fn there_are_so_many_places_and_each_is_free_again_when_its_owner_goes() {
        let places = Arc::new(Places::default());
        for _ in 0..3 {
            let all: Vec<_> = (0..PLACES).map_while(|_| places.take(source(1))).collect();
            assert_eq!(all.len(), PLACES);
            assert!(places.take(source(1)).is_none());
        }
        assert!(places.held().is_empty());
    }

    #[tokio::test]
    async fn an_address_with_many_places_gives_way_to_one_with_few() {
        let places = with_places(4);
        let mut first: Vec<_> = (0..4).map(|_| places.take(source(1)).unwrap()).collect();
        let second = [places.take(source(2)).unwrap(), places.take(source(2)).unwrap()];
        assert!(places.take(source(2)).is_none(), "each has its share");
        assert!(places.take(source(1)).is_none());
        for place in first.drain(2..) {
            let end = poll_fn(|context| place.queue.poll_next(context)).await;
            assert!(end.is_none(), "the stream of whoever gave way ends");
        }
        drop(second);
        assert_eq!(places.held()[&source(1)].len(), 2, "what was given away is not given back");
        assert!(places.take(source(1)).is_some());
    }

    #[test]
    fn places_go_from_those_who_have_more() {
        for (most, mine, gives) in [(1_000, 0, true), (2, 0, true), (1, 0, false), (2, 1, false)] {
            assert_eq!(gives_way(most, mine), gives, "{most} {mine}");
        }
    }
}
