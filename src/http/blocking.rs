//! Runs what may take long off the threads that answer, a bounded number at once.

use std::time::Duration;

use tokio::sync::Semaphore;

use super::error::{ApiError, Code};

/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(2);

/// A bounded number of places on the blocking threads.
pub struct Blocking {
    places: Semaphore,
    turn: Duration,
}

impl Default for Blocking {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { places: Semaphore::new(cores * 2), turn: TURN }
    }
}

impl Blocking {
    /// Runs `work` when there is a place.
    ///
    /// # Errors
    /// 503 when no place gets free in time; 500 when `work` panics; what `work` returns.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = tokio::time::timeout(self.turn, self.places.acquire()).await;
        let Ok(_place) = place else { return Err(Code::Busy.into()) };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|panic| Err(ApiError::caused_by(Code::Internal, &panic)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_without_a_turn_is_told_to_come_back() {
        let blocking = Blocking { places: Semaphore::new(0), turn: Duration::from_millis(20) };
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
