//! A lane: a bounded number of places for work that takes long, shared fairly by the callers.
//!
//! No address keeps all places. Of the waiting callers, the one whose address has the fewest places
//! is next. A caller learns that the lane is busy only when its patience ends, or when too many
//! wait already. Joining and leaving cost the logarithm of the number that wait.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use tokio::time::Instant;

use super::permits::{Asks, Permit, Permits};
use super::source::Source;
use super::waiter_limit::WaiterLimit;
use crate::wire::{ApiError, Code};

/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(2);

/// Runs work on threads of its own, as many pieces at once as there are places.
pub struct ConcurrencyLimit(Permits);

/// A turn in a lane.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) lane: &'a ConcurrencyLimit,
    /// The source whose turn it is.
    pub(super) source: Source,
    /// When the wait ends; `None` is no limit.
    pub(super) until: Option<Instant>,
}

impl Turn<'_> {
    /// Waits for the turn.
    ///
    /// # Errors
    /// See [`ConcurrencyLimit::place`].
    pub(super) async fn comes(self) -> Result<Permit, ApiError> {
        self.lane.place(self.source, self.until).await
    }
}

impl ConcurrencyLimit {
    /// Returns a lane with the given number of places, of which one source may have all but one.
    pub(super) fn new(places: usize) -> Self {
        Self::with(places, WaiterLimit::default())
    }

    /// The same, where `waiters` bounds those who wait, also for other lanes.
    pub(super) fn with(places: usize, waiters: WaiterLimit) -> Self {
        Self(Permits::new(places, places.saturating_sub(1).max(1), waiters))
    }

    /// Returns a lane for short work that reads the disk: two places for each core.
    pub fn of_cores(waiters: WaiterLimit) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self::with(cores * 2, waiters)
    }

    /// Runs `work` on a thread of its own in the turn of `source`.
    ///
    /// # Errors
    /// 503 if the turn does not come within two seconds, or too many wait; 500 if `work` panics;
    /// what `work` returns.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        source: Source,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.place(source, Some(Instant::now() + TURN)).await?.run(work).await
    }

    /// Waits for a place for `source`, no longer than `until`.
    ///
    /// # Errors
    /// 503 if none gets free in time, or too many wait.
    pub(super) async fn place(
        &self,
        source: Source,
        until: Option<Instant>,
    ) -> Result<Permit, ApiError> {
        let place = self.0.take(source);
        let place = match until {
            Some(until) => tokio::time::timeout_at(until, place).await.ok().flatten(),
            None => place.await,
        };
        place.ok_or_else(|| ApiError::from(Code::Busy).header(RETRY_AFTER, 1))
    }
}

impl<K: Asks> Permit<K> {
    /// Runs `work` on a thread of its own, and keeps the place until it ends.
    ///
    /// # Errors
    /// 500 if `work` panics; what `work` returns.
    pub(super) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        // The work continues when its caller hangs up, so the work keeps the place.
        let work = move || {
            let _place = self;
            work()
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|panic| Err(ApiError::caused_by(Code::Internal, &panic)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn source(last: u8) -> Source {
        Source::at([10, 0, 0, last].into())
    }

    #[tokio::test]
    async fn who_waits_is_told_that_it_is_busy_when_his_patience_ends_and_not_before() {
        let lane = Arc::new(ConcurrencyLimit::new(1));
        let held = lane.0.take(source(1)).await;
        let run = |until| {
            let lane = lane.clone();
            async move {
                let place = lane.place(source(1), until).await.map_err(|error| error.code())?;
                place.run(|| Ok(7)).await.map_err(|error| error.code())
            }
        };
        assert_eq!(run(Some(Instant::now())).await, Err(Code::Busy));
        let waits = tokio::spawn(run(None));
        drop(held);
        assert_eq!(waits.await.unwrap(), Ok(7));
    }

    #[tokio::test]
    async fn work_whose_caller_hung_up_keeps_its_place_until_it_is_done() {
        let lane = ConcurrencyLimit::new(1);
        let (started, is_started) = std::sync::mpsc::channel();
        let (release, is_released) = std::sync::mpsc::channel::<()>();
        let work = move || {
            started.send(()).ok();
            is_released.recv().map_err(|_| Code::Internal.into())
        };
        let mut caller = Box::pin(lane.run(source(1), work));
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut caller).await.is_err());
        is_started.recv().unwrap();
        drop(caller);
        let refused = lane.place(source(1), Some(Instant::now())).await;
        assert_eq!(refused.err().map(|error| error.code()), Some(Code::Busy));
        release.send(()).unwrap();
        assert!(lane.place(source(1), None).await.is_ok());
    }

    #[tokio::test]
    async fn one_address_leaves_a_place_to_others() {
        let lane = ConcurrencyLimit::new(3);
        let _held = [lane.0.take(source(1)).await, lane.0.take(source(1)).await];
        let third = lane.place(source(1), Some(Instant::now())).await;
        assert_eq!(third.err().map(|error| error.code()), Some(Code::Busy));
        assert!(lane.run(source(2), || Ok(())).await.is_ok());
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let work = || -> Result<(), ApiError> { panic!("broken") };
        let failed = ConcurrencyLimit::of_cores(WaiterLimit::default()).run(source(1), work).await;
        assert_eq!(failed.map_err(|error| error.code()), Err(Code::Internal));
    }

    #[tokio::test]
    async fn so_many_wait_and_others_are_told_at_once_that_it_is_busy() {
        let lane = ConcurrencyLimit(Permits::new(1, 1, WaiterLimit::new(0, 0)));
        let _held = lane.0.take(source(1)).await;
        let refused = lane.place(source(2), None).await;
        assert_eq!(refused.err().map(|error| error.code()), Some(Code::Busy));
    }
}
