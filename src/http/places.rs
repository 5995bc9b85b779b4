//! A number of places, which go to those who wait by turns: one address after the other, however
//! many requests each of them has. One address may have only a part of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::source::Source;

/// A number of places. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// How many places each address has.
    taken: HashMap<Source, usize>,
    /// The most places that one address has.
    each: usize,
    waiting: Turns<oneshot::Sender<Place>>,
}

/// A place, which the next one gets when it is dropped.
pub(super) struct Place {
    places: Places,
    source: Source,
}

/// Those who wait, by address: each address has its turn, and within it who came first.
struct Turns<T> {
    lines: VecDeque<(Source, VecDeque<T>)>,
    /// The most that wait for one address.
    most: usize,
}

impl Places {
    /// Returns so many places, for which at most `most` requests of one address wait.
    pub(super) fn new(count: usize, most: usize) -> Self {
        Self::shared(count, count, most)
    }

    /// Returns so many places, of which one address has at most `each`.
    pub(super) fn shared(count: usize, each: usize, most: usize) -> Self {
        let waiting = Turns { lines: VecDeque::new(), most };
        Self(Arc::new(Mutex::new(State { free: count, taken: HashMap::new(), each, waiting })))
    }

    /// Takes a place, when there is one. Returns `None` where there is none within `patience`, or
    /// too many wait already.
    pub(super) async fn take(&self, source: Source, patience: Duration) -> Option<Place> {
        let mut given = {
            let mut state = self.state();
            if state.free > 0 && state.may_have(source) {
                state.free -= 1;
                return Some(self.given_to(source, &mut state));
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

    /// Returns a place that is not free any more.
    fn given_to(&self, source: Source, state: &mut State) -> Place {
        *state.taken.entry(source).or_default() += 1;
        Place { places: self.clone(), source }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after every statement: a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn may_have(&self, source: Source) -> bool {
        self.taken.get(&source).copied().unwrap_or(0) < self.each
    }

    fn give_back(&mut self, source: Source) {
        if let Some(taken) = self.taken.get_mut(&source) {
            *taken -= 1;
            if *taken == 0 {
                self.taken.remove(&source);
            }
        }
    }
}

impl Place {
    /// Says whether somebody waits who would get this place.
    pub(super) fn is_wanted(&self) -> bool {
        let state = self.places.state();
        state.waiting.lines.iter().any(|(source, line)| {
            let gets = *source == self.source || (state.free == 0 && state.may_have(*source));
            gets && line.iter().any(|waiting| !waiting.is_closed())
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = {
            let mut guard = self.places.state();
            let state = &mut *guard;
            state.give_back(self.source);
            let (taken, each) = (&state.taken, state.each);
            let may_have = |source| taken.get(&source).copied().unwrap_or(0) < each;
            let next = state.waiting.next(may_have, |waiting| !waiting.is_closed());
            match next {
                Some((source, next)) => Some((next, self.places.given_to(source, state))),
                None => {
                    state.free += 1;
                    None
                }
            }
        };
        if let Some((next, place)) = next {
            // Where that one has gone meanwhile, this comes back and is dropped, too.
            drop(next.send(place));
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

    /// Returns whose turn it is of those who are `still_there` and whose address `may_have` a place.
    fn next(
        &mut self,
        may_have: impl Fn(Source) -> bool,
        still_there: impl Fn(&T) -> bool,
    ) -> Option<(Source, T)> {
        loop {
            let at = self.lines.iter().position(|(source, _)| may_have(*source))?;
            let (source, mut line) = self.lines.remove(at)?;
            let next = std::iter::from_fn(|| line.pop_front()).find(&still_there);
            if !line.is_empty() {
                self.lines.push_back((source, line));
            }
            if let Some(next) = next {
                return Some((source, next));
            }
        }
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
            std::iter::from_fn(|| turns.next(|_| true, |name| !["a2", "c1"].contains(name)))
                .map(|(_, name)| name)
                .collect();
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
    async fn one_address_has_a_part_of_the_places_and_waits_only_for_its_own() {
        let places = Places::shared(3, 1, 8);
        let first = places.take(source(1), LONG).await.unwrap();
        let mut again = Box::pin(places.take(source(1), LONG));
        assert!(poll(&mut again).is_pending(), "it has its part");
        let second = places.take(source(2), LONG).await.unwrap();
        assert!(first.is_wanted() && !second.is_wanted());
        drop(second);
        assert!(poll(&mut again).is_pending());
        drop(first);
        assert!(matches!(poll(&mut again), Poll::Ready(Some(_))));
        drop(again);
        let state = places.state();
        assert_eq!((state.free, state.taken.len()), (3, 0));
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
