//! Counts the bytes of answers that are not sent yet: in total, and per address. Without a bound,
//! callers that ask and read nothing would make the server keep any number of finished answers.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};

use super::source::Source;
use crate::wire::{ApiError, Code};

/// Answers up to this size, in bytes, are not counted: the limits on connections and streams bound
/// them.
const UNCOUNTED: u64 = 4 << 10;

/// Answers above this size, in bytes, are large.
const LARGE: u64 = 64 << 10;

/// The most bytes that may wait to be sent.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// For all addresses; answers that are not large may take as much again.
    all: u64,
    /// For one address.
    each: u64,
}

const BOUNDS: Bounds = Bounds { all: 256 << 20, each: 64 << 20 };

/// The account of bytes that are not sent yet. Cheap to clone.
#[derive(Clone)]
pub struct UnsentBytes(Arc<Mutex<Account>>);

impl Default for UnsentBytes {
    fn default() -> Self {
        Self::within(BOUNDS)
    }
}

impl UnsentBytes {
    fn within(bounds: Bounds) -> Self {
        Self(Arc::new(Mutex::new(Account { bounds, all: 0, each: HashMap::new() })))
    }

    /// Returns the answer to `source`, counted, or a 503 `busy` if there is no room for it. An
    /// answer of unknown length is never refused: it is counted piece by piece, as it is made.
    pub(super) fn offered(&self, source: Source, response: Response) -> Response {
        let size = response.body().size_hint().exact().unwrap_or(0);
        if size > UNCOUNTED && !self.account().has_room(source, size) {
            return ApiError::from(Code::Busy).header(header::RETRY_AFTER, 1).into_response();
        }
        self.counted(source, response)
    }

    /// Counts the body of an answer to `source` until its last byte is sent or dropped.
    pub(super) fn counted(&self, source: Source, response: Response) -> Response {
        let size = response.body().size_hint().exact();
        if size.is_some_and(|size| size <= UNCOUNTED) {
            return response;
        }
        let mut none = CountedBytes { unsent: self.clone(), source, bytes: 0 };
        let held = none.part(size.unwrap_or(0));
        response.map(|body| Body::new(Counted { body, held }))
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        // The account is consistent after every statement that may panic, so a poisoned lock holds
        // a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes by the address that they wait for.
struct Account {
    bounds: Bounds,
    all: u64,
    each: HashMap<Source, u64>,
}

impl Account {
    /// Returns whether an answer of `bytes` may wait for `source`. An answer that exceeds a bound
    /// is allowed if it is alone, so that every answer is sent eventually.
    fn has_room(&self, source: Source, bytes: u64) -> bool {
        let each = self.each.get(&source).copied().unwrap_or(0);
        let most = if bytes > LARGE { self.bounds.all } else { self.bounds.all.saturating_mul(2) };
        (each == 0 || each + bytes <= self.bounds.each)
            && (self.all == 0 || self.all + bytes <= most)
    }

    fn add(&mut self, source: Source, bytes: u64) {
        self.all += bytes;
        *self.each.entry(source).or_default() += bytes;
    }

    fn remove(&mut self, source: Source, bytes: u64) {
        self.all -= bytes;
        if let Some(each) = self.each.get_mut(&source) {
            *each -= bytes;
            if *each == 0 {
                self.each.remove(&source);
            }
        }
    }
}

/// A number of bytes in the account, which are removed when this is dropped.
struct CountedBytes {
    unsent: UnsentBytes,
    source: Source,
    bytes: u64,
}

impl CountedBytes {
    /// Splits off `bytes` of this; those that are missing are added to the account.
    fn part(&mut self, bytes: u64) -> Self {
        let moved = bytes.min(self.bytes);
        self.bytes -= moved;
        if bytes > moved {
            self.unsent.account().add(self.source, bytes - moved);
        }
        Self { unsent: self.unsent.clone(), source: self.source, bytes }
    }
}

impl Drop for CountedBytes {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.unsent.account().remove(self.source, self.bytes);
        }
    }
}

/// A body whose bytes are counted.
struct Counted {
    body: Body,
    held: CountedBytes,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let mut counted = |data: Bytes| {
            let held = self.held.part(data.len() as u64);
            // The sender of the bytes drops them when they are sent.
            Bytes::from_owner(Waiting { data, _held: held })
        };
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(&mut counted))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes that wait to be sent.
struct Waiting {
    data: Bytes,
    _held: CountedBytes,
}

impl AsRef<[u8]> for Waiting {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn source(number: u8) -> Source {
        Source::at([192, 0, 2, number].into())
    }

    #[test]
    fn there_is_room_for_so_much_of_all_and_of_each_address() {
        const MIB: u64 = 1 << 20;
        for (held, asked, expected) in [
            (&[][..], (1, MIB), true),
            (&[(1, 63 * MIB)], (1, MIB), true),
            (&[(1, 64 * MIB)], (1, 1), false),
            (&[(1, 64 * MIB)], (2, MIB), true),
            // An answer that exceeds a bound may be alone within it.
            (&[], (1, 300 * MIB), true),
            (&[(2, MIB)], (1, 255 * MIB), true),
            (&[(2, MIB)], (1, 300 * MIB), false),
            (&[(1, MIB)], (1, 64 * MIB), false),
            // Answers that are not large have more room.
            (&[(2, 64 * MIB), (3, 192 * MIB)], (1, LARGE + 1), false),
            (&[(2, 64 * MIB), (3, 192 * MIB)], (1, LARGE), true),
            (&[(2, 64 * MIB), (3, 448 * MIB)], (1, LARGE), false),
        ] {
            let mut account = Account { bounds: BOUNDS, all: 0, each: HashMap::new() };
            held.iter().for_each(|(address, bytes)| account.add(source(*address), *bytes));
            assert_eq!(account.has_room(source(asked.0), asked.1), expected, "{held:?} {asked:?}");
            held.iter().for_each(|(address, bytes)| account.remove(source(*address), *bytes));
            assert_eq!((account.all, account.each.len()), (0, 0));
        }
    }

    #[tokio::test]
    async fn an_answer_counts_until_its_last_byte_is_sent_or_dropped() {
        let unsent = UnsentBytes::within(Bounds { all: 200 << 10, each: 100 << 10 });
        let answer = |size| unsent.offered(source(1), Response::new(Body::from(vec![b'x'; size])));
        let all = || unsent.account().all;
        drop(answer(90 << 10));
        assert_eq!(all(), 0, "the answer was dropped");

        let mut first = answer(90 << 10).into_body();
        assert_eq!(all(), 90 << 10);
        let refused = answer(80 << 10);
        let error = refused.extensions().get::<ApiError>().unwrap();
        assert_eq!(error.code(), Code::Busy);
        assert_eq!(answer(4 << 10).status(), 200, "small answers are always sent");

        let frame = poll_fn(|cx| Pin::new(&mut first).poll_frame(cx)).await.unwrap().unwrap();
        let mut sent = frame.into_data().unwrap();
        drop(first);
        let rest = sent.split_off(10);
        drop(sent);
        assert_eq!(all(), 90 << 10, "the rest keeps the memory");
        drop(rest);
        assert_eq!(all(), 0);
    }

    #[tokio::test]
    async fn what_has_no_known_length_counts_by_its_pieces() {
        let unsent = UnsentBytes::within(Bounds { all: 1, each: 1 });
        let (sender, body) = tokio::sync::mpsc::channel(1);
        let body = Body::new(Trickle(body));
        let mut body = unsent.counted(source(1), Response::new(body)).into_body();
        sender.send(Bytes::from_static(b"12345678")).await.unwrap();
        let piece = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
        assert_eq!(unsent.account().all, 8);
        drop(piece);
        assert_eq!(unsent.account().all, 0);
    }

    /// A body of the frames that are sent into the channel.
    struct Trickle(tokio::sync::mpsc::Receiver<Bytes>);

    impl HttpBody for Trickle {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.0.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data))))
        }
    }
}
