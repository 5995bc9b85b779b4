//! A lane: a bounded number of places for work that takes long, shared fairly by those who ask.
//!
//! Nobody who asks from one address keeps all places, and of those who wait the one goes next whose
//! address has the fewest. Who waits is told that the lane is busy only when his patience ends, or
//! too many wait already. Coming and going costs the logarithm of how many wait.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::header::RETRY_AFTER;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::crowd::Crowd;
use super::error::{ApiError, Code};
use super::source::Source;

/// A bounded number of places, shared by those who ask: by their addresses, or by another name.
pub(super) struct Lane<K: Asks = Source> {
    shared: Arc<Shared<K>>,
    crowd: Crowd<K>,
}

/// What tells those apart who ask.
pub(super) trait Asks: Clone + Ord + Hash + Send + 'static {}

impl<K: Clone + Ord + Hash + Send + 'static> Asks for K {}

struct Shared<K: Asks> {
    places: usize,
    /// How many one source may have.
    each: usize,
    state: Mutex<State<K>>,
}

struct State<K: Asks> {
    /// How many have come.
    came: u64,
    /// How many places are taken.
    taken: usize,
    lines: HashMap<K, Line<K>>,
    /// The lines that may have a place: how many they have, who came first, and whose they are.
    open: BTreeSet<(usize, u64, K)>,
}

/// What one source has and wants.
struct Line<K: Asks> {
    taken: usize,
    /// By when they came.
    waiting: BTreeMap<u64, oneshot::Sender<Place<K>>>,
}

/// A place, which whoever waits gets when it is dropped.
pub(super) struct Place<K: Asks = Source> {
    lane: Arc<Shared<K>>,
    source: K,
}

/// One who waits, and leaves his line when this is dropped.
struct Waiting<'a, K: Asks> {
    lane: &'a Shared<K>,
    source: K,
    number: u64,
}

impl<K: Asks> Lane<K> {
    /// Returns a lane of so many places, of which one source may have all but one.
    pub(super) fn new(places: usize) -> Self {
        Self::shared(places, places.saturating_sub(1).max(1))
    }

    /// Returns a lane of so many places, of which one source may have `each`.
    pub(super) fn shared(places: usize, each: usize) -> Self {
        let state = State { came: 0, taken: 0, lines: HashMap::new(), open: BTreeSet::new() };
        let shared = Arc::new(Shared { places, each, state: Mutex::new(state) });
        Self { shared, crowd: Crowd::default() }
    }

    /// Runs `work` for `source` when there is a place; `until` none gets free, nobody waits longer.
    ///
    /// # Errors
    /// 503 when no place gets free in time, or too many wait; 500 when `work` panics; what `work`
    /// returns.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        source: K,
        until: Option<Instant>,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.place(source);
        let place = match until {
            Some(until) => tokio::time::timeout_at(until, place).await.ok().flatten(),
            None => place.await,
        };
        let Some(place) = place else {
            return Err(ApiError::from(Code::Busy).header(RETRY_AFTER, 1));
        };
        // The work goes on when its caller hangs up, so it is the work that keeps the place.
        let work = move || {
            let _place = place;
            work()
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|panic| Err(ApiError::caused_by(Code::Internal, &panic)))
    }

    /// Waits for a place. Returns `None` where too many wait already.
    pub(super) async fn place(&self, source: K) -> Option<Place<K>> {
        let _member = self.crowd.join(source.clone())?;
        let (place, mut granted) = oneshot::channel();
        let number = self.shared.lock().join(&source, place, self.shared.each);
        // Declared behind the channel, and so dropped before it: nobody is given what he won't take.
        let _waiting = Waiting { lane: &self.shared, source, number };
        self.shared.grant();
        (&mut granted).await.ok()
    }
}

impl<K: Asks> Shared<K> {
    /// Gives free places to those who wait.
    fn grant(self: &Arc<Self>) {
        loop {
            let Some((source, place)) = self.lock().next(self.places, self.each) else { return };
            // Who waited may be gone; then the place is free again when it is dropped here.
            drop(place.send(Place { lane: self.clone(), source }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        // Whole after every statement: a poisoned lock holds a usable one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Asks> State<K> {
    /// Lets one more wait, and returns the number by which he leaves.
    fn join(&mut self, source: &K, place: oneshot::Sender<Place<K>>, each: usize) -> u64 {
        self.came += 1;
        let number = self.came;
        self.change(source, each, |line| drop(line.waiting.insert(number, place)));
        number
    }

    /// Takes out of those who wait the one who is next, whose source has the fewest places, and who
    /// came first of these; and counts the place that he is to have.
    fn next(&mut self, places: usize, each: usize) -> Option<(K, oneshot::Sender<Place<K>>)> {
        if self.taken >= places {
            return None;
        }
        let (_, number, source) = self.open.first()?.clone();
        let place = self.change(&source, each, |line| {
            line.taken += 1;
            line.waiting.remove(&number)
        })?;
        self.taken += 1;
        Some((source, place))
    }

    /// Changes the line of `source`, and keeps those that are open in order.
    fn change<T>(&mut self, source: &K, each: usize, change: impl FnOnce(&mut Line<K>) -> T) -> T {
        let empty = Line { taken: 0, waiting: BTreeMap::new() };
        let line = self.lines.entry(source.clone()).or_insert(empty);
        let turn =
            |line: &Line<K>| Some((line.taken, *line.waiting.keys().next()?, source.clone()));
        if let Some(turn) = turn(line) {
            self.open.remove(&turn);
        }
        let changed = change(line);
        match turn(line) {
            Some(turn) if line.taken < each => drop(self.open.insert(turn)),
            None if line.taken == 0 => drop(self.lines.remove(source)),
            _ => {}
        }
        changed
    }
}

impl<K: Asks> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        let each = self.lane.each;
        // What was in the channel is dropped without the lock, which the drop of a place takes.
        let place =
            self.lane.lock().change(&self.source, each, |line| line.waiting.remove(&self.number));
        drop(place);
    }
}

impl<K: Asks> Drop for Place<K> {
    fn drop(&mut self) {
        let mut state = self.lane.lock();
        state.taken -= 1;
        state.change(&self.source, self.lane.each, |line| line.taken -= 1);
        drop(state);
        self.lane.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn source(last: u8) -> Source {
        Source::at([10, 0, 0, last].into())
    }

    /// Returns how many places the sources have.
    fn taken(lane: &Lane) -> Vec<usize> {
        let state = lane.shared.lock();
        (1..=3).map(|last| state.lines.get(&source(last)).map_or(0, |line| line.taken)).collect()
    }

    type Asked<'a> = Pin<Box<dyn Future<Output = Option<Place>> + 'a>>;

    /// Asks for a place, and waits for it as long as what is returned is kept.
    fn ask(lane: &Lane, last: u8) -> Asked<'_> {
        let mut asked: Asked<'_> = Box::pin(lane.place(source(last)));
        match poll(&mut asked) {
            Poll::Pending => asked,
            Poll::Ready(place) => Box::pin(std::future::ready(place)),
        }
    }

    fn poll(asked: &mut Asked<'_>) -> Poll<Option<Place>> {
        asked.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn one_source_never_has_all_places_and_the_one_with_the_fewest_goes_next() {
        let lane = Lane::new(3);
        let mut first: Vec<_> = (0..5).map(|_| ask(&lane, 1)).collect();
        assert_eq!(taken(&lane), [2, 0, 0], "the third place is for others");
        let second = ask(&lane, 2);
        assert_eq!(taken(&lane), [2, 1, 0]);
        let third = ask(&lane, 3);
        drop(first.remove(0));
        assert_eq!(taken(&lane), [1, 1, 1], "who came later and has none is before who has one");
        drop(second);
        assert_eq!(taken(&lane), [2, 0, 1]);
        drop((first, third));
        assert_eq!(taken(&lane), [0; 3], "who is gone is passed over");
        let state = lane.shared.lock();
        assert!(state.lines.is_empty() && state.open.is_empty() && state.taken == 0);
    }

    #[tokio::test]
    async fn who_waits_is_told_that_it_is_busy_when_his_patience_ends_and_not_before() {
        let lane = Arc::new(Lane::new(1));
        let held = ask(&lane, 1);
        let run = |until| {
            let lane = lane.clone();
            async move { lane.run(source(1), until, || Ok(7)).await.map_err(|error| error.code()) }
        };
        assert_eq!(run(Some(Instant::now())).await, Err(Code::Busy));
        let waits = tokio::spawn(run(None));
        drop(held);
        assert_eq!(waits.await.unwrap(), Ok(7));
    }

    #[tokio::test]
    async fn so_many_wait_and_others_are_told_at_once_that_it_is_busy() {
        let lane = Lane { crowd: Crowd::new(3, 2), ..Lane::new(1) };
        let _held = ask(&lane, 1);
        let waiting = [ask(&lane, 1), ask(&lane, 1)];
        let busy = async |last| {
            let run = lane.run(source(last), None, || Ok(7));
            run.await.map_err(|error| error.code()) == Err(Code::Busy)
        };
        assert!(busy(1).await, "two of one address wait");
        let _third = ask(&lane, 2);
        assert!(busy(3).await, "three wait in all");
        drop(waiting);
        assert!(poll(&mut ask(&lane, 1)).is_pending(), "who has gone is not counted");
    }
}
