//! The places of dry runs. They are none of those of reads and writes, and no token has all of them.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;

use super::permits::Permits;
use super::waiter_limit::WaiterLimit;
use crate::wire::{ApiError, Code};

/// The number of dry runs at once.
const PLACES: usize = 2;

/// The most of them of one token.
const EACH: usize = 1;

/// How long a dry run waits for its turn.
const TURN: Duration = Duration::from_secs(2);

/// The places of dry runs, which tokens share.
pub struct DryRuns {
    places: Permits<String>,
    turn: Duration,
}

impl Default for DryRuns {
    fn default() -> Self {
        Self { places: Permits::new(PLACES, EACH, WaiterLimit::new(256, 16)), turn: TURN }
    }
}

impl DryRuns {
    /// Runs `work` for the token `actor` when there is a place.
    ///
    /// # Errors
    /// 503 if no place gets free in time, or too many wait; 500 if `work` panics; what `work` returns.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        actor: &str,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.places.take_within(actor.to_owned(), self.turn).await;
        let place = place.ok_or_else(|| ApiError::from(Code::Busy).header(RETRY_AFTER, 1))?;
        place.run(work).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    #[tokio::test]
    async fn a_token_whose_dry_runs_take_long_leaves_a_place_for_others() {
        let dry_runs = DryRuns { turn: Duration::from_millis(20), ..DryRuns::default() };
        let dry_runs = Arc::new(dry_runs);
        let code = |done: Result<(), ApiError>| done.map_err(|error| error.code());
        let (started, is_started) = mpsc::channel();
        let (release, is_released) = mpsc::channel::<()>();
        let long = {
            let dry_runs = dry_runs.clone();
            let work = move || {
                started.send(()).ok();
                is_released.recv().map_err(|_| Code::Internal.into())
            };
            tokio::spawn(async move { dry_runs.run("greedy", work).await })
        };
        tokio::task::spawn_blocking(move || is_started.recv().unwrap()).await.unwrap();
        assert_eq!(code(dry_runs.run("greedy", || Ok(())).await), Err(Code::Busy));
        assert_eq!(code(dry_runs.run("other", || Ok(())).await), Ok(()));
        release.send(()).unwrap();
        assert_eq!(code(long.await.unwrap()), Ok(()));
        assert_eq!(code(dry_runs.run("greedy", || Ok(())).await), Ok(()));
    }
}
