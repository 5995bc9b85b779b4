//! Runs work that may take long off the threads that answer, a bounded number at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::wire::{ApiError, Code};

/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(2);

/// A bounded number of places on the blocking threads.
pub struct Blocking {
    places: Arc<Semaphore>,
    turn: Duration,
}

impl Default for Blocking {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self::with_places(cores * 2)
    }
}

impl Blocking {
    /// Returns the given number of places.
    fn with_places(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), turn: TURN }
    }

    /// Runs `work` when there is a place.
    ///
    /// # Errors
    /// 503 if no place gets free in time; 500 if `work` panics; what `work` returns.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = tokio::time::timeout(self.turn, self.places.clone().acquire_owned()).await;
        let Ok(place) = place else { return Err(Code::Busy.into()) };
        // The work continues when its caller hangs up, so the work keeps the place.
        let work = move || {
            let _place = place;
            work()
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|panic| Err(ApiError::caused_by(Code::Internal, &panic)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_places(places: usize) -> Blocking {
        Blocking { turn: Duration::from_millis(20), ..Blocking::with_places(places) }
    }

    #[tokio::test]
    async fn work_whose_caller_hung_up_keeps_its_place_until_it_is_done() {
        let blocking = with_places(1);
        let (started, is_started) = std::sync::mpsc::channel();
        let (release, is_released) = std::sync::mpsc::channel::<()>();
        let work = move || {
            started.send(()).ok();
            is_released.recv().map_err(|_| Code::Internal.into())
        };
        let mut caller = Box::pin(blocking.run(work));
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut caller).await.is_err());
        is_started.recv().unwrap();
        drop(caller);
        let refused = blocking.run(|| Ok(())).await;
        assert_eq!(refused.map_err(|error| error.code()), Err(Code::Busy));
        release.send(()).unwrap();
        let place = blocking.places.acquire().await.unwrap();
        drop(place);
        assert!(blocking.run(|| Ok(())).await.is_ok());
    }

    #[tokio::test]
    async fn a_request_without_a_turn_is_told_to_come_back() {
        let blocking = with_places(0);
        let refused = blocking.run(|| Ok(())).await;
        assert_eq!(refused.map_err(|error| error.code()), Err(Code::Busy));
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let work = || -> Result<(), ApiError> { panic!("broken") };
        let failed = Blocking::default().run(work).await;
        assert_eq!(failed.map_err(|error| error.code()), Err(Code::Internal));
    }
}
