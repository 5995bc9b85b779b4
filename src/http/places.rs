//! A number of places, which go to those who wait by turns: one address after the other, however
//! many requests each of them has.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::source::Source;

/// A number of places. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places(Arc<Mutex<State>>);

struct State {
    free: usize,
    waiting: Turns<oneshot::Sender<Place>>,
}

/// A place, which the next one gets when it is dropped.
pub(super) struct Place(Places);

/// Those who wait, by address: each address has its turn, and within it who came first.
struct Turns<T> {
    lines: VecDeque<(Source, VecDeque<T>)>,
    /// The most that wait for one address.
    most: usize,
}

impl Places {
    /// Returns so many places, for which at most `most` requests of one address wait.
    pub(super) fn new(count: usize, most: usize) -> Self {
        let waiting = Turns { lines: VecDeque::new(), most };
        Self(Arc::new(Mutex::new(State { free: count, waiting })))
    }

    /// Takes a place, when there is one. Returns `None` where there is none within `patience`, or
    /// too many wait already.
    pub(super) async fn take(&self, source: Source, patience: Duration) -> Option<Place> {
        let mut given = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Some(Place(self.clone()));
            }
            let (sender, given) = oneshot::channel();
            state.waiting.join(source, sender).then_some(given)?
        };
        match tokio::time::timeout(patience, &mut given).await {
            Ok(given) => given.ok(),
            // It may have come in the last moment.
            Err(_) => given.try_recv().ok(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after every statement: a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state();
            let next = state.waiting.next(|waiting| !waiting.is_closed());
            if next.is_none() {
                state.free += 1;
            }
            next
        };
        if let Some(next) = next {
            // Where that one has gone meanwhile, this comes back and is dropped, too.
            drop(next.send(Self(self.0.clone())));
        }
    }
}

impl<T> Turns<T> {
    /// Lets one more wait at the end of the line of its address; `false` where that is too long.
    fn join(&mut self, source: Source, waiting: T) -> bool {
        match self.lines.iter_mut().find(|(other, _)| *other == source) {
            Some((_, line)) if line.len() >= self.most => return false,
            Some((_, line)) => line.push_back(waiting),
            None => self.lines.push_back((source, VecDeque::from([waiting]))),
        }
        true
    }

    /// Returns whose turn it is of those who are `still_there`.
    fn next(&mut self, still_there: impl Fn(&T) -> bool) -> Option<T> {
        while let Some((source, mut line)) = self.lines.pop_front() {
            let next = std::iter::from_fn(|| line.pop_front()).find(&still_there);
            if !line.is_empty() {
                self.lines.push_back((source, line));
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    const LONG: Duration = Duration::from_secs(600);

    fn source(number: u8) -> Source {
        Source::at([192, 0, 2, number].into())
    }

    fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn each_address_has_its_turn_and_those_who_went_lose_theirs() {
        let mut turns = Turns { lines: VecDeque::new(), most: 3 };
        for (address, name) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (2, "b2")] {
            assert!(turns.join(source(address), name));
        }
        assert!(!turns.join(source(1), "a4"), "one address has only so many");
        let order: Vec<_> =
            std::iter::from_fn(|| turns.next(|name| !["a2", "c1"].contains(name))).collect();
        assert_eq!(order, ["a1", "b1", "a3", "b2"]);
        assert!(turns.lines.is_empty());
    }

    #[tokio::test]
    async fn a_place_goes_from_hand_to_hand() {
        let places = Places::new(1, 8);
        let first = places.take(source(1), LONG).await.unwrap();
        let mut second = Box::pin(places.take(source(1), LONG));
        let mut third = Box::pin(places.take(source(2), LONG));
        assert!(poll(&mut second).is_pending() && poll(&mut third).is_pending());
        drop(first);
        let Poll::Ready(Some(place)) = poll(&mut second) else { panic!("it was given") };
        assert!(poll(&mut third).is_pending());
        drop(place);
        assert!(matches!(poll(&mut third), Poll::Ready(Some(_))));
        drop(third);
        assert!(places.take(source(3), Duration::ZERO).await.is_some());
        assert_eq!(places.state().free, 1);
    }

    #[tokio::test]
    async fn a_place_that_nobody_waits_for_any_more_is_free() {
        let places = Places::new(1, 8);
        let first = places.take(source(1), LONG).await.unwrap();
        assert!(places.take(source(2), Duration::ZERO).await.is_none(), "there was no place");
        let mut given = Box::pin(places.take(source(2), LONG));
        assert!(poll(&mut given).is_pending());
        drop(first);
        drop(given);
        assert_eq!(places.state().free, 1);
    }
}
