//! Counts the bytes of answers that are not sent yet: in total, and per address. Without a bound,
//! callers that ask and read nothing would make the server keep any number of finished answers.
//!
//! When there is no room for an answer, the address that holds the most loses its connections, so
//! that addresses that read nothing keep no others out.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};

use super::byte_quota::{self, Verdict};
use super::connection::Connection;
use super::source::Source;
use crate::wire::{ApiError, Code};

/// Answers up to this size, in bytes, are not counted: the limits on connections and streams bound
/// them.
const UNCOUNTED: usize = 4 << 10;

/// The most bytes that may wait to be sent.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// For all addresses.
    all: usize,
    /// For one address.
    each: usize,
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

    /// Returns the answer to `source`, counted, or a 503 `busy` if there is no room for it. The
    /// address that holds the most makes room for another that stays within its fair share. An answer
    /// of unknown length is never refused: it is counted piece by piece, as it is made.
    pub(super) fn offered(
        &self,
        source: Source,
        connection: &Connection,
        response: Response,
    ) -> Response {
        let size = size_of(&response).unwrap_or(0);
        if size > UNCOUNTED && !self.account().makes_room(source, size) {
            return ApiError::from(Code::Busy).header(header::RETRY_AFTER, 1).into_response();
        }
        self.counted(source, connection, response)
    }

    /// Returns the answer to a write of `source`, counted. The write may have happened, so it is answered in any case,
    /// but without a body if there is no room for it.
    pub(super) fn told(
        &self,
        source: Source,
        connection: &Connection,
        mut response: Response,
    ) -> Response {
        let size = size_of(&response).unwrap_or(0);
        if size <= UNCOUNTED || self.account().makes_room(source, size) {
            return self.counted(source, connection, response);
        }
        if response.status() == StatusCode::OK {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.map(|_| Body::empty())
    }

    /// Counts the body of an answer to `source` until its last byte is sent or dropped.
    pub(super) fn counted(
        &self,
        source: Source,
        connection: &Connection,
        response: Response,
    ) -> Response {
        let size = size_of(&response);
        if size.is_some_and(|size| size <= UNCOUNTED) {
            return response;
        }
        let (unsent, connection) = (self.clone(), connection.clone());
        let mut none = CountedBytes { unsent, source, connection, bytes: 0 };
        let held = none.part(size.unwrap_or(0));
        response.map(|body| Body::new(Counted { body, held }))
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        // The account is consistent after every statement that may panic, so a poisoned lock holds
        // a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the size of the body of an answer, if it is known.
fn size_of(response: &Response) -> Option<usize> {
    let size = response.body().size_hint().exact()?;
    Some(usize::try_from(size).unwrap_or(usize::MAX))
}

/// Bytes by the address that they wait for.
struct Account {
    bounds: Bounds,
    all: usize,
    each: HashMap<Source, Holding>,
}

/// The bytes that wait for one address.
#[derive(Default)]
struct Holding {
    bytes: usize,
    of: HashMap<Connection, usize>,
}

impl Account {
    /// Returns whether an answer of `bytes` may wait for `source`. Takes the room for it from the
    /// addresses that hold the most, if its own has no more than its fair share. An answer that
    /// exceeds a bound is allowed if it is alone, so that every answer is sent eventually.
    fn makes_room(&mut self, source: Source, bytes: usize) -> bool {
        let Bounds { all, each } = self.bounds;
        if self.all == 0 {
            return true;
        }
        if bytes > each && !self.each.contains_key(&source) {
            return self.all.saturating_add(bytes) <= all;
        }
        loop {
            let holders = self.each.iter().map(|(source, holding)| (source, holding.bytes));
            match byte_quota::Limits::shared(all, each).verdict(holders, &source, bytes) {
                Verdict::Granted => return true,
                Verdict::Refused => return false,
                Verdict::GrantedFrom(other) => {
                    let other = *other;
                    self.take_back(other);
                }
            }
        }
    }

    /// Closes the connections of `source` on which answers wait.
    fn take_back(&mut self, source: Source) {
        let Some(Holding { of: lost, .. }) = self.each.get(&source) else { return };
        let lost: Vec<Connection> = lost.keys().cloned().collect();
        for connection in lost {
            connection.cut();
            // Those of others that share a connection, behind a proxy, go with it.
            for holding in self.each.values_mut() {
                let bytes = holding.of.remove(&connection).unwrap_or(0);
                holding.bytes -= bytes;
                self.all -= bytes;
            }
        }
        self.each.retain(|_, holding| holding.bytes > 0);
    }

    /// Adds bytes, unless they will be dropped with their connection.
    fn add(&mut self, source: Source, connection: &Connection, bytes: usize) {
        if connection.is_cut() {
            return;
        }
        let holding = self.each.entry(source).or_default();
        *holding.of.entry(connection.clone()).or_default() += bytes;
        holding.bytes += bytes;
        self.all += bytes;
    }

    /// Removes bytes that were added, unless they were taken back.
    fn remove(&mut self, source: Source, connection: &Connection, bytes: usize) {
        let Some(holding) = self.each.get_mut(&source) else { return };
        let Some(of) = holding.of.get_mut(connection) else { return };
        // What came after the connection was closed for another was not added.
        let gone = bytes.min(*of);
        *of -= gone;
        if *of == 0 {
            holding.of.remove(connection);
        }
        holding.bytes -= gone;
        self.all -= gone;
        if holding.bytes == 0 {
            self.each.remove(&source);
        }
    }
}

/// A number of bytes in the account, which are removed when this is dropped.
struct CountedBytes {
    unsent: UnsentBytes,
    source: Source,
    connection: Connection,
    bytes: usize,
}

impl CountedBytes {
    /// Splits off `bytes` of this; those that are missing are added to the account.
    fn part(&mut self, bytes: usize) -> Self {
        let moved = bytes.min(self.bytes);
        self.bytes -= moved;
        let Self { unsent, source, connection, .. } = &*self;
        if bytes > moved {
            unsent.account().add(*source, connection, bytes - moved);
        }
        Self { unsent: unsent.clone(), source: *source, connection: connection.clone(), bytes }
    }
}

impl Drop for CountedBytes {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.unsent.account().remove(self.source, &self.connection, self.bytes);
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
            let held = self.held.part(data.len());
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
    use std::time::Duration;

    use axum::extract::Path;
    use axum::routing::get;
    use axum::{Extension, Router};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::http::accept_loop::{Limits, serve};

    fn source(number: u8) -> Source {
        Source::at([192, 0, 2, number].into())
    }

    #[test]
    fn what_waits_on_a_connection_that_is_closed_for_another_is_removed_with_it() {
        let mut account = Account { bounds: BOUNDS, all: 0, each: HashMap::new() };
        let (closed, other) = (Connection::default(), Connection::default());
        account.add(source(1), &closed, 50);
        account.add(source(1), &other, 20);
        closed.cut();
        account.add(source(1), &closed, 7);
        account.remove(source(1), &closed, 30);
        account.remove(source(1), &closed, 27);
        assert_eq!((account.all, account.each[&source(1)].of.len()), (20, 1));
        account.remove(source(1), &other, 20);
        assert_eq!((account.all, account.each.len()), (0, 0));
    }

    #[test]
    fn there_is_room_for_so_much_of_all_and_of_each_address() {
        const MIB: usize = 1 << 20;
        let full: &[_] = &[(2, 64 * MIB), (3, 64 * MIB), (4, 64 * MIB), (5, 64 * MIB)];
        for (held, asked, expected, lost) in [
            (&[][..], (1, MIB), true, &[][..]),
            (&[(1, 63 * MIB)], (1, MIB), true, &[]),
            (&[(1, 64 * MIB)], (1, 1), false, &[]),
            (&[(1, 64 * MIB)], (2, MIB), true, &[]),
            // An answer that exceeds a bound may be alone within it.
            (&[], (1, 300 * MIB), true, &[]),
            (&[(2, MIB)], (1, 255 * MIB), true, &[]),
            (&[(2, MIB)], (1, 300 * MIB), false, &[]),
            (&[(1, MIB)], (1, 64 * MIB), false, &[]),
            // Who holds the most makes room for a fair share.
            (&[(2, 300 * MIB)], (1, MIB), true, &[2]),
            (&[(2, 65 * MIB), (3, 64 * MIB), (4, 63 * MIB), (5, 64 * MIB)], (1, MIB), true, &[2]),
            (full, (1, 52 * MIB), false, &[]),
            (full, (5, 1), false, &[]),
            // What was added without being asked for may be more than there is room for.
            (&[(2, 300 * MIB), (3, 100 * MIB), (4, 90 * MIB)], (1, 60 * MIB), true, &[2]),
            (&[(2, 300 * MIB), (3, 280 * MIB)], (1, 60 * MIB), true, &[2, 3]),
        ] {
            let mut account = Account { bounds: BOUNDS, all: 0, each: HashMap::new() };
            let waiting: Vec<_> =
                held.iter().map(|held: &(u8, usize)| (*held, Connection::default())).collect();
            for ((address, bytes), connection) in &waiting {
                account.add(source(*address), connection, *bytes);
            }
            assert_eq!(
                account.makes_room(source(asked.0), asked.1),
                expected,
                "{held:?} {asked:?}"
            );
            let cut = waiting.iter().filter(|(_, connection)| connection.is_cut());
            let cut: Vec<u8> = cut.map(|((address, _), _)| *address).collect();
            assert_eq!(cut, lost, "{held:?} {asked:?}");
            for ((address, bytes), connection) in &waiting {
                account.remove(source(*address), connection, *bytes);
            }
            assert_eq!((account.all, account.each.len()), (0, 0));
        }
    }

    #[test]
    fn an_answer_to_a_write_for_which_there_is_no_room_has_no_body() {
        let unsent = UnsentBytes::within(Bounds { all: 100_000, each: 50_000 });
        let connection = Connection::default();
        let told = |status, size| {
            let response = (status, "x".repeat(size)).into_response();
            unsent.told(source(1), &connection, response)
        };
        let first = told(StatusCode::OK, 40_000);
        assert_eq!((first.status(), size_of(&first)), (StatusCode::OK, Some(40_000)));
        for (status, size, expected, left) in [
            (StatusCode::OK, 40_000, StatusCode::NO_CONTENT, 0),
            (StatusCode::CREATED, 40_000, StatusCode::CREATED, 0),
            (StatusCode::ACCEPTED, 40_000, StatusCode::ACCEPTED, 0),
            (StatusCode::OK, UNCOUNTED, StatusCode::OK, UNCOUNTED),
            // Who reads nothing is not told why nothing was written.
            (StatusCode::UNPROCESSABLE_ENTITY, 40_000, StatusCode::UNPROCESSABLE_ENTITY, 0),
        ] {
            let answer = told(status, size);
            assert_eq!((answer.status(), size_of(&answer)), (expected, Some(left)), "{status}");
            assert_eq!(answer.headers().contains_key(header::CONTENT_TYPE), left > 0, "{status}");
        }
    }

    #[test]
    fn what_is_taken_back_is_taken_back_once_and_a_closed_connection_holds_no_more() {
        let mut account =
            Account { bounds: Bounds { all: 100, each: 60 }, all: 0, each: HashMap::new() };
        let [shared, other] = [(), ()].map(|()| Connection::default());
        // Behind a proxy, a connection may have the answers of several addresses.
        account.add(source(1), &shared, 50);
        account.add(source(2), &shared, 10);
        account.add(source(2), &other, 30);
        assert!(account.makes_room(source(3), 30) && shared.is_cut() && !other.is_cut());
        assert_eq!((account.all, account.each.len()), (30, 1));
        account.add(source(1), &shared, 50);
        account.remove(source(1), &shared, 50);
        account.remove(source(2), &shared, 10);
        assert_eq!(account.all, 30);
        account.remove(source(2), &other, 30);
        assert_eq!((account.all, account.each.len()), (0, 0));
    }

    #[tokio::test]
    async fn an_answer_counts_until_its_last_byte_is_sent_or_dropped() {
        let unsent = UnsentBytes::within(Bounds { all: 200 << 10, each: 100 << 10 });
        let connection = Connection::default();
        let answer = |size| {
            let response = Response::new(Body::from(vec![b'x'; size]));
            unsent.offered(source(1), &connection, response)
        };
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
    async fn an_address_that_reads_nothing_loses_its_connection_to_one_that_reads() {
        const MIB: usize = 1 << 20;
        let unsent = UnsentBytes::within(Bounds { all: 40 * MIB, each: 30 * MIB });
        let answer = move |Extension(connection): Extension<Connection>,
                           Path(path): Path<(u8, usize)>| {
            let (address, size) = path;
            let response = Response::new(Body::from(vec![b'x'; size * MIB]));
            std::future::ready(unsent.offered(source(address), &connection, response))
        };
        let router = Router::new().route("/{address}/{size}", get(answer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, drain) = (CancellationToken::new(), Duration::from_secs(20));
        let serving = serve(listener, router, Limits::default(), stop.clone(), drain);
        let serving = tokio::spawn(serving);
        let ask = async |path: &str| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut begin = [0; 12];
            stream.read_exact(&mut begin).await.unwrap();
            assert_eq!(&begin, b"HTTP/1.1 200", "{path}");
            stream
        };
        let read = async |mut stream: TcpStream| {
            let mut rest = Vec::new();
            // A connection that is closed early may be reset.
            let _ = stream.read_to_end(&mut rest).await;
            rest.len()
        };
        let greedy = ask("/1/30").await;
        assert!(read(ask("/2/15").await).await > 15 * MIB);
        assert!(read(greedy).await < 30 * MIB);
        stop.cancel();
        assert!(serving.await.unwrap());
    }

    #[tokio::test]
    async fn what_has_no_known_length_counts_by_its_pieces() {
        let unsent = UnsentBytes::within(Bounds { all: 1, each: 1 });
        let (sender, body) = tokio::sync::mpsc::channel(1);
        let body = Body::new(Trickle(body));
        let counted = unsent.counted(source(1), &Connection::default(), Response::new(body));
        let mut body = counted.into_body();
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
