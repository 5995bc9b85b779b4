//! A lane: a bounded number of places for work that takes long, shared fairly by those who ask.
//!
//! Nobody who asks from one address keeps all places, and of those who wait the one goes next whose
//! address has the fewest. Who waits is told that the lane is busy only when his patience ends.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::{ApiError, Code};
use super::source::Source;

/// A bounded number of places.
pub(super) struct Lane(Arc<Shared>);

struct Shared {
    places: usize,
    /// How many one source may have.
    each: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: HashMap<Source, usize>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    source: Source,
    place: oneshot::Sender<Place>,
}

/// A place, which whoever waits gets when it is dropped.
struct Place {
    lane: Arc<Shared>,
    source: Source,
}

impl Lane {
    /// Returns a lane of so many places, of which one source may have all but one.
    pub(super) fn new(places: usize) -> Self {
        let each = places.saturating_sub(1).max(1);
        Self(Arc::new(Shared { places, each, state: Mutex::default() }))
    }

    /// Runs `work` for `source` when there is a place; `until` none gets free, nobody waits longer.
    ///
    /// # Errors
    /// 503 when no place gets free in time; 500 when `work` panics; what `work` returns.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        source: Source,
        until: Option<Instant>,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.place(source);
        let place = match until {
            Some(until) => tokio::time::timeout_at(until, place).await.ok().flatten(),
            None => place.await,
        };
        let Some(place) = place else { return Err(Code::Busy.into()) };
        // The work goes on when its caller hangs up, so it is the work that keeps the place.
        let work = move || {
            let _place = place;
            work()
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|panic| Err(ApiError::caused_by(Code::Internal, &panic)))
    }

    async fn place(&self, source: Source) -> Option<Place> {
        let (place, granted) = oneshot::channel();
        self.0.lock().waiting.push_back(Waiting { source, place });
        self.0.grant();
        granted.await.ok()
    }
}

impl Shared {
    /// Gives free places to those who wait.
    fn grant(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            let Some(Waiting { source, place }) = state.next(self.places, self.each) else {
                return;
            };
            *state.taken.entry(source).or_default() += 1;
            drop(state);
            // Who waited may be gone; then the place is free again when it is dropped here.
            drop(place.send(Place { lane: self.clone(), source }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whole after every statement: a poisoned lock holds a usable one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes out of those who wait the one who is next: whose source has the fewest places, and who
    /// came first of these.
    fn next(&mut self, places: usize, each: usize) -> Option<Waiting> {
        self.waiting.retain(|waiting| !waiting.place.is_closed());
        if self.taken.values().sum::<usize>() >= places {
            return None;
        }
        let taken = |waiting: &Waiting| self.taken.get(&waiting.source).copied().unwrap_or(0);
        let open = self.waiting.iter().enumerate().map(|(at, waiting)| (taken(waiting), at));
        let (_, at) = open.filter(|(taken, _)| *taken < each).min()?;
        self.waiting.remove(at)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.lane.lock();
        if let Some(taken) = state.taken.get_mut(&self.source) {
            *taken -= 1;
            if *taken == 0 {
                state.taken.remove(&self.source);
            }
        }
        drop(state);
        self.lane.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use axum::http::HeaderMap;

    use super::*;
    use crate::config::TrustedProxies;

    fn source(last: u8) -> Source {
        Source::of(IpAddr::from([10, 0, 0, last]), &HeaderMap::new(), &TrustedProxies::default())
    }

    /// Returns the sources that have a place.
    fn taken(lane: &Lane) -> Vec<usize> {
        let state = lane.0.lock();
        (1..=3).map(|last| state.taken.get(&source(last)).copied().unwrap_or(0)).collect()
    }

    fn ask(lane: &Lane, last: u8) -> oneshot::Receiver<Place> {
        let (place, granted) = oneshot::channel();
        lane.0.lock().waiting.push_back(Waiting { source: source(last), place });
        lane.0.grant();
        granted
    }

    #[test]
    fn one_source_never_has_all_places_and_the_one_with_the_fewest_goes_next() {
        let lane = Lane::new(3);
        let mut first: Vec<_> = (0..5).map(|_| ask(&lane, 1)).collect();
        assert_eq!(taken(&lane), [2, 0, 0], "the third place is for others");
        let second = ask(&lane, 2);
        assert_eq!(taken(&lane), [2, 1, 0]);
        let third = ask(&lane, 3);
        drop(first.remove(0).try_recv().unwrap());
        assert_eq!(taken(&lane), [1, 1, 1], "who came later and has none is before who has one");
        drop(second);
        assert_eq!(taken(&lane), [2, 0, 1]);
        drop((first, third));
        assert_eq!(taken(&lane), [0; 3], "who is gone is passed over");
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
}
