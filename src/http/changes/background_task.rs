//! Work that continues whether its client reads or not.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use crate::wire::{ApiError, Code};

/// Work in a task of its own, so that a body that nobody polls never holds a turn or a place. It
/// ends when this is dropped.
pub(super) struct Driven<T>(JoinHandle<Result<T, ApiError>>);

impl<T: Send + 'static> Driven<T> {
    /// Starts `work` at once.
    pub(super) fn begin(work: impl Future<Output = Result<T, ApiError>> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl<T> Future for Driven<T> {
    type Output = Result<T, ApiError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = Pin::new(&mut self.0).poll(context);
        ended.map(|ended| ended.unwrap_or_else(|_| Err(Code::Internal.into())))
    }
}

impl<T> Drop for Driven<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{Semaphore, oneshot};

    use super::*;

    #[tokio::test]
    async fn a_turn_goes_on_although_nobody_polls_and_ends_with_its_owner() {
        let turns = Arc::new(Semaphore::new(1));
        let busy = turns.clone().acquire_owned().await.unwrap();
        let ask = |done: oneshot::Sender<()>| {
            let turns = turns.clone();
            Driven::begin(async move {
                let _turn = turns.acquire_owned().await;
                done.send(()).map_err(|()| ApiError::from(Code::Internal))
            })
        };
        let (done, is_done) = oneshot::channel();
        let unpolled = ask(done);
        drop(busy);
        is_done.await.unwrap();
        let _free = turns.acquire().await.unwrap();
        let (done, is_done) = oneshot::channel();
        drop((ask(done), unpolled));
        assert!(is_done.await.is_err(), "it was cancelled while it waited");
    }
}
