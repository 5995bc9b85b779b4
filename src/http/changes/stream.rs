//! The body of a stream of events: where the client is, what it missed, and then every publication.
//!
//! `axum::response::sse` would serialize each event again for each client. Here its bytes are written
//! once and shared, and a large event is sent in pieces, between which others get their turn.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use tokio::time::{Instant, Sleep};

use super::followers::Follower;
use super::queue::resync;
use crate::access::{Admission, Ended};
use crate::http::connection::WaitingRequest;
use crate::wire::{ApiError, EventId};

/// How long the stream is silent before it sends a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A comment is not an event, and without an empty line after it no client takes it for one.
const SIGN_OF_LIFE: &[u8] = b": still here\n";

/// How much is sent before others get their turn, in bytes.
const PIECE: usize = 32 << 10;

/// Computed while the client waits; an error ends the stream.
type Missed = Pin<Box<dyn Future<Output = Result<Option<Bytes>, ApiError>> + Send>>;

/// The events for one client. Its seat is free when the client has gone and this is dropped.
pub(super) struct Events {
    follower: Follower,
    /// The rest of the event that is being sent.
    rest: Bytes,
    /// The event from where the client was to where it started to follow.
    missed: Option<Missed>,
    /// Whether the last thing sent was a piece of an event.
    had_turn: bool,
    heartbeat: Duration,
    silence: Pin<Box<Sleep>>,
    /// Whether its client may hear more, if its credential decides that.
    admitted: Option<Admitted>,
    /// Its request, as its connection knows it.
    _waiting: Option<WaitingRequest>,
}

/// The admission of the client of a stream.
struct Admitted {
    admission: Admission,
    /// Until the admission ends.
    ended: Pin<Box<dyn Future<Output = Ended> + Send>>,
    /// Until the client has to show its credential again in any case.
    lifetime: Pin<Box<Sleep>>,
}

impl Events {
    /// Returns the events for a client that first gets `hello` and then what it `missed`.
    pub(super) fn new(
        follower: Follower,
        hello: String,
        missed: impl Future<Output = Result<Option<Bytes>, ApiError>> + Send + 'static,
    ) -> Self {
        Self::with_heartbeat(follower, hello, missed, HEARTBEAT)
    }

    fn with_heartbeat(
        follower: Follower,
        hello: String,
        missed: impl Future<Output = Result<Option<Bytes>, ApiError>> + Send + 'static,
        heartbeat: Duration,
    ) -> Self {
        let (rest, missed) = (hello.into(), Some(Box::pin(missed) as Missed));
        let silence = Box::pin(tokio::time::sleep(heartbeat));
        Self {
            follower,
            rest,
            missed,
            had_turn: false,
            heartbeat,
            silence,
            admitted: None,
            _waiting: None,
        }
    }

    /// Returns these events, as the answer to a request that waits until they end.
    pub(super) fn noted_as(self, waiting: WaitingRequest) -> Self {
        Self { _waiting: Some(waiting), ..self }
    }

    /// Returns these events, which end with `admission`, and after `lifetime` in any case, but not
    /// within an event.
    pub(super) fn while_admitted(mut self, admission: Admission, lifetime: Duration) -> Self {
        let mut watched = admission.clone();
        let ended = Box::pin(async move { watched.ended().await });
        let lifetime = Box::pin(tokio::time::sleep(lifetime));
        self.admitted = Some(Admitted { admission, ended, lifetime });
        self
    }

    /// Takes the next event; `None` at the end.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(missed) = &mut self.missed {
            let Poll::Ready(event) = missed.as_mut().poll(context) else { return Poll::Pending };
            self.missed = None;
            match event {
                Ok(None) => {}
                Ok(event) => return Poll::Ready(event),
                Err(error) => {
                    tracing::debug!(code = error.code().as_str(), "a stream cannot begin");
                    self.follower.queue().close();
                    return Poll::Ready(None);
                }
            }
        }
        self.follower.queue().poll_next(context)
    }

    /// Ends the stream, and returns what its client still hears: that it has to start over, if it
    /// reads something else now.
    fn last_event(&mut self, ended: Option<Ended>) -> Option<Bytes> {
        self.follower.queue().end();
        (self.missed, self.admitted) = (None, None);
        match ended {
            Some(Ended::OtherView(view)) if !view.is_empty() => {
                Some(resync(EventId::of(self.follower.at, &view)))
            }
            _ => None,
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.rest.is_empty() {
            let end = self.admitted.as_mut().map(|admitted| admitted.poll_end(context));
            if let Some(Poll::Ready(end)) = end {
                return Poll::Ready(self.last_event(end));
            }
            match self.poll_next(context) {
                Poll::Ready(Some(event)) => {
                    // Checked after the event was taken: what was published later than the grants
                    // were taken away is told to nobody.
                    let checked = self.admitted.as_mut().map(|it| it.admission.check());
                    if let Some(Err(ended)) = checked {
                        return Poll::Ready(self.last_event(Some(ended)));
                    }
                    self.rest = event;
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    if self.silence.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    self.rest = Bytes::from_static(SIGN_OF_LIFE);
                }
            }
        } else if std::mem::take(&mut self.had_turn) {
            // A thousand clients that get a large push do not keep anybody else waiting.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.had_turn = true;
        self.silence.as_mut().reset(Instant::now() + self.heartbeat);
        Poll::Ready(Some(self.rest.split_to(self.rest.len().min(PIECE))))
    }
}

impl Admitted {
    /// Waits for the end of the stream, and says why the admission has ended, if it has.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Option<Ended>> {
        if self.lifetime.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        self.ended.as_mut().poll(context).map(Some)
    }
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.poll_piece(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn, ready};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::super::delta_text::tests::commit;
    use super::super::followers::tests::Hall;
    use super::*;
    use crate::access::door::{Door, FILE, READER};
    use crate::wire::Code;

    async fn next(events: &mut Events) -> Option<Bytes> {
        let next = poll_fn(|context| events.poll_piece(context));
        tokio::time::timeout(Duration::from_secs(30), next).await.unwrap()
    }

    #[tokio::test]
    async fn a_client_is_greeted_told_what_it_missed_and_then_what_comes() {
        let follower = Hall::at(1).join(&[]);
        follower.queue().push("event".into(), commit(2));
        let missed = ready(Ok(Some("missed".into())));
        let mut events = Events::new(follower, "hello".to_owned(), missed);
        for expected in ["hello", "missed", "event"] {
            assert_eq!(next(&mut events).await, Some(expected.into()));
        }
        events.follower.queue().close();
        assert_eq!(next(&mut events).await, None);
    }

    #[tokio::test]
    async fn everybody_gets_a_sign_of_life_also_while_what_was_missed_is_made() {
        let heartbeat = Duration::from_millis(10);
        let hall = Hall::at(1);
        for missed in [Box::pin(pending()) as Missed, Box::pin(ready(Ok(None)))] {
            let hello = "hello".to_owned();
            let mut events = Events::with_heartbeat(hall.join(&[]), hello, missed, heartbeat);
            assert_eq!(next(&mut events).await, Some("hello".into()));
            for _ in 0..3 {
                let sign = next(&mut events).await.unwrap();
                assert!(sign.starts_with(b":") && sign.ends_with(b"\n"));
                assert!(!sign.ends_with(b"\n\n"), "no client takes it for an event");
            }
        }
    }

    #[tokio::test]
    async fn a_stream_that_cannot_tell_what_was_missed_ends() {
        let follower = Hall::at(1).join(&[]);
        follower.queue().push("event".into(), commit(2));
        let busy = ready(Err(Code::Busy.into()));
        let mut events = Events::new(follower, "hello".to_owned(), busy);
        assert_eq!(next(&mut events).await, Some("hello".into()));
        assert_eq!(next(&mut events).await, None, "the stream ends; the client comes back");
    }

    #[tokio::test]
    async fn a_stream_ends_after_its_lifetime_but_not_within_an_event() {
        let follower = Hall::at(1).join(&[]);
        follower.queue().push(Bytes::from(vec![b'x'; 2 * PIECE]), commit(2));
        let mut events = Events::new(follower, "hello".to_owned(), ready(Ok(None)));
        assert_eq!(next(&mut events).await, Some("hello".into()));
        assert_eq!(next(&mut events).await.map(|piece| piece.len()), Some(PIECE));
        let admission = Door::open(FILE).admit(Some(READER)).await;
        let mut events = events.while_admitted(admission, Duration::ZERO);
        assert_eq!(next(&mut events).await.map(|piece| piece.len()), Some(PIECE), "the rest");
        assert_eq!(next(&mut events).await, None);
    }

    #[tokio::test]
    async fn a_stream_ends_with_the_grants_of_its_client_and_tells_nothing_that_came_later() {
        let without = FILE.split_once('\n').unwrap().0;
        let other_sheet = FILE.replace("[\"team\"]", "[\"tags\"]");
        for (text, starts_over) in [(without, false), (other_sheet.as_str(), true)] {
            for is_published in [true, false] {
                let door = Door::open(FILE);
                let follower = Hall::at(1).join(&[]);
                let events = Events::new(follower, "hello".to_owned(), ready(Ok(None)));
                let admission = door.admit(Some(READER)).await;
                let mut events = events.while_admitted(admission, HEARTBEAT);
                assert_eq!(next(&mut events).await, Some("hello".into()));
                events.follower.queue().push("before".into(), commit(2));
                assert_eq!(next(&mut events).await, Some("before".into()));
                // A change that gives the client the same does not end its stream.
                door.change(&format!("# a note\n{FILE}")).await;
                events.follower.queue().push("beside".into(), commit(3));
                assert_eq!(next(&mut events).await, Some("beside".into()));
                let end = match is_published {
                    true => {
                        door.change(text).await;
                        events.follower.queue().push("later".into(), commit(4));
                        next(&mut events).await
                    }
                    // Nothing has to be published for it.
                    false => tokio::join!(next(&mut events), door.change(text)).0,
                };
                let view = door.callers.reader(Some(READER)).await.map(|it| it.grants.view.clone());
                // From there on it follows what it reads now.
                let last = view.ok().map(|view| resync(EventId::of(commit(1), &view)));
                assert_eq!((end, last.is_some()), (last.clone(), starts_over));
                events.follower.queue().push("much later".into(), commit(5));
                assert_eq!(next(&mut events).await, None);
            }
        }
    }

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_large_event_is_sent_in_pieces_and_others_have_a_turn_between_them() {
        let follower = Hall::at(1).join(&[]);
        let large = Bytes::from(vec![b'x'; 3 * PIECE]);
        follower.queue().push(large.clone(), commit(2));
        let mut events = Events::new(follower, "hello".to_owned(), ready(Ok(None)));
        next(&mut events).await;
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        for n in 0..3 {
            let Poll::Ready(Some(piece)) = events.poll_piece(&mut context) else {
                panic!("there is more");
            };
            // A slice of the shared bytes, not a copy.
            assert_eq!((piece.len(), piece.as_ptr()), (PIECE, large[n * PIECE..].as_ptr()));
            assert!(events.poll_piece(&mut context).is_pending());
            assert_eq!(woken.0.load(Ordering::Relaxed), 2.min(n + 1), "the task is woken again");
        }
    }
}
