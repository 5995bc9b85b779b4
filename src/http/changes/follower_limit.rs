//! The seats of followers: a fixed number, shared fairly by the addresses that want them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::queue::Queue;
use crate::http::source::Source;

/// The number of followers at once; each has a connection of its own.
const SEATS: usize = 1_000;

/// The seats of followers.
#[derive(Debug)]
pub(super) struct Seats {
    most: usize,
    held: Mutex<HashMap<Source, Vec<Arc<Queue>>>>,
}

/// A seat, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    source: Source,
    /// The events that wait for its follower.
    pub(super) queue: Arc<Queue>,
}

impl Default for Seats {
    fn default() -> Self {
        Self { most: SEATS, held: Mutex::default() }
    }
}

impl Seats {
    /// Returns a seat for a caller from `source`, if there is one. If all are taken, the address
    /// with the most seats gives one to an address that has fewer: its last stream ends.
    pub(super) fn take(self: &Arc<Self>, source: Source) -> Option<Seat> {
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
        Some(Seat { seats: self.clone(), source, queue })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Source, Vec<Arc<Queue>>>> {
        // The map is consistent after every statement, so a poisoned lock holds a usable one.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether an address that has `most` seats gives one to an address that has `mine`. After
/// that both have their share, and do not take it from each other forever.
fn gives_way(most: usize, mine: usize) -> bool {
    most > mine + 1
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.seats.held();
        if let Some(queues) = held.get_mut(&self.source) {
            // A seat that was given away is not in the list any more.
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

    fn with_seats(most: usize) -> Arc<Seats> {
        Arc::new(Seats { most, ..Seats::default() })
    }

    #[test]
    fn there_are_so_many_seats_and_each_is_free_again_when_its_owner_goes() {
        let seats = Arc::new(Seats::default());
        for _ in 0..3 {
            let all: Vec<_> = (0..SEATS).map_while(|_| seats.take(source(1))).collect();
            assert_eq!(all.len(), SEATS);
            assert!(seats.take(source(1)).is_none());
        }
        assert!(seats.held().is_empty());
    }

    #[tokio::test]
    async fn an_address_with_many_seats_gives_way_to_one_with_few() {
        let seats = with_seats(4);
        let mut first: Vec<_> = (0..4).map(|_| seats.take(source(1)).unwrap()).collect();
        let second = [seats.take(source(2)).unwrap(), seats.take(source(2)).unwrap()];
        assert!(seats.take(source(2)).is_none(), "each has its share");
        assert!(seats.take(source(1)).is_none());
        for seat in first.drain(2..) {
            let end = poll_fn(|context| seat.queue.poll_next(context)).await;
            assert!(end.is_none(), "the stream without a seat ends");
        }
        drop(second);
        assert_eq!(seats.held()[&source(1)].len(), 2, "a lost seat is not returned");
        assert!(seats.take(source(1)).is_some());
    }

    #[test]
    fn seats_go_from_those_who_have_more() {
        for (most, mine, gives) in [(1_000, 0, true), (2, 0, true), (1, 0, false), (2, 1, false)] {
            assert_eq!(gives_way(most, mine), gives, "{most} {mine}");
        }
    }
}
