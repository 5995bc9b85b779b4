//! Signs of life of an HTTP/2 connection. Its streams share one connection, so a waiting write does
//! not reveal a caller that reads nothing of an answer, as it does in HTTP/1: the windows of the
//! protocol hold the answer back, and the state behind it.
//!
//! Each answer has its own patience. Whatever else is requested on the connection, the silence of
//! the connection is that of the answer that has gone unread for the longest time.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::Instant;
use tower::Service;

use super::service::Interface;

/// How much of an answer is sent at once, in bytes. Taking that much is a sign of life.
const PIECE: usize = 16 << 10;

/// The activity of one connection.
#[derive(Clone)]
pub(super) struct Http2Activity(Arc<Mutex<ConnectionState>>);

struct ConnectionState {
    /// Since when the caller has had data to read of each open request; `None` while we have to
    /// make more of it.
    open: HashMap<u64, Option<Instant>>,
    next: u64,
    /// When the last request ended.
    idle: Instant,
}

impl ConnectionState {
    /// Returns since when an expected event has not happened; `None` while we are working.
    fn silent_since(&self) -> Option<Instant> {
        let longest = self.open.values().flatten().min().copied();
        longest.or_else(|| self.open.is_empty().then_some(self.idle))
    }
}

impl Http2Activity {
    /// Returns the pulse of a connection that starts now.
    pub(super) fn new() -> Self {
        let (open, idle) = (HashMap::new(), Instant::now());
        Self(Arc::new(Mutex::new(ConnectionState { open, next: 0, idle })))
    }

    /// Waits until, for `patience`, either nothing has been read of an available answer, or no
    /// request has been open.
    pub(super) async fn stopped(&self, patience: Duration) {
        loop {
            let now = Instant::now();
            let since = self.state().silent_since().unwrap_or(now);
            if since + patience <= now {
                return;
            }
            tokio::time::sleep_until(since + patience).await;
        }
    }

    fn begin(&self) -> Open {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.open.insert(id, None);
        Open { pulse: self.clone(), id }
    }

    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        // The state is consistent after every statement, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, until the last byte of its answer is sent or dropped.
struct Open {
    pulse: Http2Activity,
    id: u64,
}

impl Open {
    /// Notes whose turn it is.
    fn turn(&self, of: WaitingOn) {
        let since = match of {
            WaitingOn::Caller => Some(Instant::now()),
            WaitingOn::Ours => None,
        };
        self.pulse.state().open.insert(self.id, since);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.pulse.state();
        state.open.remove(&self.id);
        state.idle = Instant::now();
    }
}

/// Who has to act for an answer to proceed.
#[derive(Clone, Copy)]
enum WaitingOn {
    /// The caller has to read what there is.
    Caller,
    /// We have to make more of it.
    Ours,
}

/// An interface whose requests and answers are signs of life.
#[derive(Clone)]
pub(super) struct ObservedService<S> {
    interface: S,
    pulse: Http2Activity,
}

impl<S> ObservedService<S> {
    /// Returns `interface`, with its signs of life reported to `pulse`.
    pub(super) fn new(interface: S, pulse: Http2Activity) -> Self {
        Self { interface, pulse }
    }
}

impl<S: Interface> Service<Request<Incoming>> for ObservedService<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.interface.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let open = self.pulse.begin();
        let answer = self.interface.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            open.turn(WaitingOn::Caller);
            let (open, rest) = (Arc::new(open), Bytes::new());
            Ok(answer.map(|body| Body::new(Taken { body, rest, open })))
        })
    }
}

/// The body of an answer. The protocol asks for its next piece when there is room for one.
struct Taken {
    body: Body,
    /// The rest of the last piece of `body`.
    rest: Bytes,
    open: Arc<Open>,
}

impl HttpBody for Taken {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                self.open.turn(WaitingOn::Ours);
                return Poll::Pending;
            };
            self.open.turn(WaitingOn::Caller);
            let frame = match frame {
                Some(Ok(frame)) => frame,
                ended => return Poll::Ready(ended),
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            // The protocol drops the bytes when they are sent.
            self.rest = Bytes::from_owner(Sent { data, _open: self.open.clone() });
        }
        self.open.turn(WaitingOn::Caller);
        let most = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(most)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

/// Bytes of an answer, which stays open as long as they exist.
struct Sent {
    data: Bytes,
    _open: Arc<Open>,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_dead_when_nothing_has_happened_for_long_enough() {
        let pulse = Http2Activity::new();
        let (patience, longer) = (Duration::from_millis(20), Duration::from_millis(100));
        let mut stopped = std::pin::pin!(pulse.stopped(patience));
        let work = pulse.begin();
        let waited = tokio::time::timeout(longer, &mut stopped).await;
        assert!(waited.is_err(), "a request is in progress");
        drop(work);
        stopped.await;
    }

    #[test]
    fn the_answer_that_waits_longest_says_how_long_nothing_was_taken() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        for (open, expected) in [
            (&[][..], Some(at(9))),
            (&[None], None),
            (&[Some(at(3))], Some(at(3))),
            (&[Some(at(3)), None, Some(at(8))], Some(at(3))),
        ] {
            let open = (0..).zip(open.iter().copied()).collect();
            let state = ConnectionState { open, next: 9, idle: at(9) };
            assert_eq!(state.silent_since(), expected);
        }
    }
}
