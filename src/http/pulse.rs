//! Signs of life of a connection of HTTP/2. Its streams share one connection, so a caller who takes
//! nothing of an answer is not known by a write that waits, as in HTTP/1: the protocol's own windows
//! hold the answer back, and the state that it is of.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::sync::Notify;
use tower::Service;

use super::accept::Interface;

/// What is going on on one connection.
#[derive(Clone, Default)]
pub(super) struct Pulse(Arc<State>);

#[derive(Default)]
struct State {
    /// How many requests are being answered.
    working: AtomicUsize,
    beat: Notify,
}

impl Pulse {
    /// Waits until no request has come, none has been worked on and no piece of an answer has been
    /// taken for `patience`.
    pub(super) async fn stopped(&self, patience: Duration) {
        loop {
            let beat = tokio::time::timeout(patience, self.0.beat.notified()).await;
            if beat.is_err() && self.0.working.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }

    fn beat(&self) {
        self.0.beat.notify_one();
    }

    fn work(&self) -> Work {
        self.0.working.fetch_add(1, Ordering::Relaxed);
        self.beat();
        Work(self.clone())
    }
}

/// A request that is being answered.
struct Work(Pulse);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.0.working.fetch_sub(1, Ordering::Relaxed);
        self.0.beat();
    }
}

/// An interface whose requests and answers are signs of life.
#[derive(Clone)]
pub(super) struct Living<S> {
    interface: S,
    pulse: Pulse,
}

impl<S> Living<S> {
    /// Returns `interface` with its signs of life told to `pulse`.
    pub(super) fn new(interface: S, pulse: Pulse) -> Self {
        Self { interface, pulse }
    }
}

impl<S: Interface> Service<Request<Incoming>> for Living<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.interface.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let (work, pulse) = (self.pulse.work(), self.pulse.clone());
        let answer = self.interface.call(request);
        Box::pin(async move {
            let _work = work;
            let answer = answer.await?;
            Ok(answer.map(|body| Body::new(Taken { body, pulse })))
        })
    }
}

/// The body of an answer. It is asked for its next piece when there is room for one.
struct Taken {
    body: Body,
    pulse: Pulse,
}

impl HttpBody for Taken {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            self.pulse.beat();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_dead_when_nothing_has_happened_for_long_enough() {
        let pulse = Pulse::default();
        let (patience, longer) = (Duration::from_millis(20), Duration::from_millis(100));
        let mut stopped = std::pin::pin!(pulse.stopped(patience));
        let work = pulse.work();
        let waited = tokio::time::timeout(longer, &mut stopped).await;
        assert!(waited.is_err(), "a request is worked on");
        drop(work);
        stopped.await;
    }
}
