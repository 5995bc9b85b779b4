//! The events that wait for one client: bounded, and independent of those of other clients.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use axum::body::Bytes;

use crate::wire::EventId;

/// The number of events that wait for a slow client.
const EVENTS: usize = 256;

/// The most bytes that they may have, unless there is only one event.
const BYTES: usize = 16 << 20;

/// The events that wait for a client.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Bytes>,
    bytes: usize,
    /// The commit that the client may be told to have after these, because nothing changed up to it.
    position: Option<EventId>,
    is_closed: bool,
    /// The task that waits for the next event.
    reader: Option<Waker>,
}

/// Returns the event that makes a client start over at `to`.
pub(super) fn resync(to: impl Into<EventId>) -> Bytes {
    let id = to.into();
    let commit = id.commit();
    format!("id: {id}\nevent: resync\ndata: {{\"commit\":\"{commit}\"}}\n\n").into()
}

/// Returns the text that moves a client to `at` without an event.
pub(super) fn position(at: impl Into<EventId>) -> Bytes {
    format!("id: {}\n\n", at.into()).into()
}

impl Queue {
    /// Adds the event that leads to `to`. If too much waits already, a single event that makes the
    /// client start over replaces all of it.
    pub(super) fn push(&self, event: Bytes, to: impl Into<EventId>) {
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return;
        }
        let is_full = waiting.events.len() >= EVENTS || waiting.bytes + event.len() > BYTES;
        let event = if is_full && !waiting.events.is_empty() {
            (waiting.events, waiting.bytes) = (VecDeque::new(), 0);
            resync(to)
        } else {
            event
        };
        waiting.bytes += event.len();
        waiting.events.push_back(event);
        waiting.position = None;
        waiting.wake();
    }

    /// Tells the client that nothing changes for it up to `to`. Of several such commits it hears of the
    /// last one, so they take no room.
    pub(super) fn move_to(&self, to: impl Into<EventId>) {
        let mut waiting = self.waiting();
        if !waiting.is_closed {
            waiting.position = Some(to.into());
            waiting.wake();
        }
    }

    /// Ends the stream after the events that wait. No more are added.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.is_closed = true;
        waiting.wake();
    }

    /// Ends the stream at once. The events that wait are dropped.
    pub(super) fn end(&self) {
        *self.waiting() = Waiting { is_closed: true, ..Waiting::default() };
    }

    /// Takes the next event, when there is one; `None` at the end.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut waiting = self.waiting();
        if let Some(event) = waiting.events.pop_front() {
            waiting.bytes -= event.len();
            return Poll::Ready(Some(event));
        }
        if let Some(at) = waiting.position.take() {
            return Poll::Ready(Some(position(at)));
        }
        if waiting.is_closed {
            return Poll::Ready(None);
        }
        waiting.reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // At worst a count is off by one event, so a poisoned lock holds a usable queue.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::super::delta_text::tests::commit;
    use super::*;

    /// Takes the waiting events, as text.
    async fn taken(queue: &Queue) -> Vec<String> {
        let mut taken = Vec::new();
        queue.close();
        while let Some(event) = poll_fn(|context| queue.poll_next(context)).await {
            taken.push(String::from_utf8(event.to_vec()).unwrap());
        }
        taken
    }

    fn begin_anew(at: u8) -> String {
        String::from_utf8(resync(commit(at)).to_vec()).unwrap()
    }

    #[tokio::test]
    async fn events_wait_in_order() {
        let queue = Queue::default();
        queue.push("a".into(), commit(1));
        queue.push("b".into(), commit(2));
        assert_eq!(taken(&queue).await, ["a", "b"]);
    }

    #[tokio::test]
    async fn a_client_is_told_its_last_position_behind_the_events_that_wait() {
        let queue = Queue::default();
        queue.push("a".into(), commit(1));
        (0..1_000).for_each(|_| queue.move_to(commit(2)));
        queue.move_to(commit(3));
        assert_eq!(taken(&queue).await, ["a".to_owned(), format!("id: {}\n\n", commit(3))]);
        let queue = Queue::default();
        queue.move_to(commit(2));
        queue.push("b".into(), commit(3));
        assert_eq!(taken(&queue).await, ["b"], "the event tells a later one");
    }

    #[tokio::test]
    async fn too_many_events_give_way_to_one_that_begins_anew() {
        let queue = Queue::default();
        (0..EVENTS).for_each(|_| queue.push("a".into(), commit(1)));
        queue.push("b".into(), commit(2));
        queue.push("c".into(), commit(3));
        assert_eq!(taken(&queue).await, [begin_anew(2), "c".to_owned()]);
    }

    #[tokio::test]
    async fn too_many_bytes_give_way_and_one_event_may_have_any_number() {
        let queue = Queue::default();
        let large = Bytes::from(vec![b'x'; BYTES + 1]);
        queue.push(large.clone(), commit(1));
        assert_eq!(queue.waiting().bytes, BYTES + 1);
        queue.push("b".into(), commit(2));
        assert!(queue.waiting().bytes < 1_000, "replaced events are not held");
        assert_eq!(taken(&queue).await, [begin_anew(2)]);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let queue = Queue::default();
        let mut next = std::pin::pin!(poll_fn(|context| queue.poll_next(context)));
        let push = async { queue.push("a".into(), commit(1)) };
        let (event, ()) = tokio::join!(&mut next, push);
        assert_eq!(event, Some(Bytes::from("a")));
    }
}
