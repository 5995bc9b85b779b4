//! Reads the body of a webhook or a write, with limits on its size, its time and the number of
//! bodies at once.
//!
//! A caller that proves itself before the body has places that nobody else can take. Bodies that
//! have to prove their sender themselves wait in lines, by what is known of the sender and by their
//! size. Small bodies, as nearly all pushes have, must arrive soon, and never wait for a large one.
//! Large ones are bounded by the memory that they take: once it is full, the sender that holds the most
//! gives way to one that holds less. Nobody keeps a place without sending, and nobody has more than half
//! of the places.

mod queues;

use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use tokio::time::{Instant, timeout_at};

use super::byte_quota::QuotaShare;
use super::permits::Permit;
use crate::hook;
use crate::wire::{ApiError, Code};
pub(super) use queues::{Caller, Sender, Trust};
use queues::{Lines, SMALL};

/// The largest body of a forge: the most that GitHub sends, for a push of many commits.
const FORGE_MAX: usize = 25 << 20;

/// The largest body of our own form, which has two short fields.
const MAX: usize = 1 << 20;

/// The pace that a body must keep.
const PACE: Pace = Pace { grace: Duration::from_secs(1), rate: 64 << 10 };

/// The average pace of a body.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How long it may take to start.
    grace: Duration,
    /// In bytes a second.
    rate: u32,
}

impl Pace {
    /// Returns how long a body may take until more than `bytes` bytes have arrived.
    fn until_more_than(self, bytes: usize) -> Duration {
        self.grace + Duration::from_secs(bytes as u64) / self.rate
    }
}

/// Reads bodies.
pub(super) struct BodyReader {
    lines: Lines,
    max: usize,
    forge_max: usize,
    pace: Pace,
}

impl Default for BodyReader {
    fn default() -> Self {
        Self { lines: Lines::default(), max: MAX, forge_max: FORGE_MAX, pace: PACE }
    }
}

/// A place for one body, which reads it.
pub(super) struct BodySlot {
    permit: Permit<Sender>,
    held: Option<QuotaShare<Sender>>,
    max: usize,
    timeout: Duration,
    pace: Pace,
}

/// A body that has arrived. Its place gets free when this is dropped.
pub(super) struct Arrived {
    bytes: Vec<u8>,
    took: Duration,
    _place: Permit<Sender>,
    _held: Option<QuotaShare<Sender>>,
}

impl Arrived {
    /// Returns whether the body cost next to nothing: it is small and came within the grace of
    /// every body.
    pub(super) fn came_at_once(&self) -> bool {
        self.bytes.len() as u64 <= SMALL && self.took <= PACE.grace
    }

    /// Gives up the place and returns the body.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Deref for Arrived {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl BodyReader {
    /// Waits for a place for the body of a webhook.
    ///
    /// # Errors
    /// 413 if the announced length is too large; 503 if no place gets free within the patience of
    /// the line, or if the connection is wanted for another meanwhile.
    pub(super) async fn place(
        &self,
        headers: &HeaderMap,
        caller: Caller,
    ) -> Result<BodySlot, ApiError> {
        let max = if hook::sender(headers).is_some() { self.forge_max } else { self.max };
        self.place_up_to(max, headers, caller).await
    }

    /// Waits for a place for a body of up to `max` bytes.
    ///
    /// # Errors
    /// As [`Self::place`].
    pub(super) async fn place_up_to(
        &self,
        max: usize,
        headers: &HeaderMap,
        caller: Caller,
    ) -> Result<BodySlot, ApiError> {
        let announced = content_length(headers);
        if announced.is_some_and(|length| length > max as u64) {
            return Err(too_large(max));
        }
        let Caller { sender, trust, connection } = caller;
        let line = self.lines.of(trust, announced);
        let place = line.places.take_within(sender.clone(), line.patience);
        let permit = connection.gives_way(place).await.flatten().ok_or_else(busy)?;
        let held = line.room.as_ref().map(|room| room.enter(sender));
        Ok(BodySlot { permit, held, max, timeout: line.timeout, pace: self.pace })
    }
}

impl BodySlot {
    /// Reads `body`, and passes each piece to `seen` as it arrives.
    ///
    /// # Errors
    /// 413 if it is too large; 408 if it does not arrive in time or comes too slowly; 422 if it
    /// breaks off; 503 if there is no memory for it, or its sender holds the most and others need it.
    pub(super) async fn read(
        self,
        mut body: Body,
        mut seen: impl FnMut(&[u8]),
    ) -> Result<Arrived, ApiError> {
        let Self { permit: _place, mut held, max, timeout, pace } = self;
        let (began, mut bytes) = (Instant::now(), Vec::new());
        loop {
            let until = began + timeout.min(pace.until_more_than(bytes.len()));
            let next = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
            let next = tokio::select! {
                biased;
                () = lost(held.as_ref()) => return Err(busy()),
                next = timeout_at(until, next) => next,
            };
            let next = next.map_err(|_| ApiError::from(Code::RequestTimeout))?;
            let Some(frame) = next else {
                return Ok(Arrived { bytes, took: began.elapsed(), _place, _held: held });
            };
            let frame = frame.map_err(|error| {
                ApiError::explained(Code::InvalidBody, format!("the body ended early: {error}"))
            })?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > max {
                    return Err(too_large(max));
                }
                if held.as_mut().is_some_and(|held| !held.grows(data.len())) {
                    return Err(busy());
                }
                seen(&data);
                bytes.extend_from_slice(&data);
            }
        }
    }
}

/// Waits until the memory of a body is given to others.
async fn lost(held: Option<&QuotaShare<Sender>>) {
    match held {
        Some(held) => held.lost().await,
        None => std::future::pending().await,
    }
}

fn busy() -> ApiError {
    ApiError::from(Code::Busy).header(RETRY_AFTER, 1)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(max: usize) -> ApiError {
    ApiError::explained(Code::BodyTooLarge, format!("a body may have at most {max} bytes"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use axum::Router;
    use axum::body::Bytes;
    use axum::response::IntoResponse;
    use axum::routing::post;
    use hyper::body::Frame;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_util::sync::CancellationToken;

    use super::queues::{SOON, TIMEOUT};
    use super::*;
    use crate::http::accept_loop::{self, Limits};
    use crate::http::byte_quota::ByteQuota;
    use crate::http::connection::Connection;
    use crate::http::source::Source;

    /// A body that starts with the given number of bytes and never ends.
    pub(in crate::http) struct Never(pub(in crate::http) usize);

    impl HttpBody for Never {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match std::mem::take(&mut self.0) {
                0 => Poll::Pending,
                bytes => Poll::Ready(Some(Ok(Frame::data(vec![0; bytes].into())))),
            }
        }
    }

    /// Returns lines with the usual places, this timeout, and this much memory for strangers.
    fn lines(timeout: Duration, room: usize) -> Lines {
        let mut lines = Lines::default();
        let Lines { proven, writers, known, small, large, small_suspect, large_suspect } =
            &mut lines;
        for line in [proven, writers, known, small, large, small_suspect, large_suspect] {
            (line.patience, line.timeout) = (timeout, timeout);
        }
        lines.large.room = Some(ByteQuota::shared(room, room / 2));
        lines
    }

    impl BodyReader {
        /// Waits for a place, and reads the body.
        async fn read(
            &self,
            headers: &HeaderMap,
            body: Body,
            caller: Caller,
            seen: impl FnMut(&[u8]),
        ) -> Result<Arrived, ApiError> {
            self.place(headers, caller).await?.read(body, seen).await
        }
    }

    fn small() -> BodyReader {
        let lines = lines(Duration::from_millis(50), 1 << 20);
        BodyReader { lines, max: 4, forge_max: 8, ..BodyReader::default() }
    }

    /// Returns headers that announce this length.
    fn announcing(bytes: u64) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_LENGTH, bytes.into())])
    }

    fn caller(last: u8, trust: Trust) -> Caller {
        let sender = Sender::Address(Source::at([192, 0, 2, last].into()));
        Caller { sender, trust, connection: Connection::default() }
    }

    async fn read_with(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Code> {
        let reader = small();
        let mut seen = Vec::new();
        let shown = |piece: &[u8]| seen.extend_from_slice(piece);
        let read = reader.read(headers, body, caller(1, Trust::Unproven), shown).await;
        let read = read.map(|body| body.to_vec()).map_err(|error| error.code());
        assert!(read.as_ref().is_err() || read.as_ref() == Ok(&seen));
        read
    }

    async fn read(body: Body) -> Result<Vec<u8>, Code> {
        read_with(&HeaderMap::new(), body).await
    }

    #[tokio::test]
    async fn a_body_that_waits_for_its_place_gives_way_where_its_connection_is_wanted() {
        let (reader, headers) = (BodyReader::default(), HeaderMap::new());
        let mut held = Vec::new();
        // One sender has half of the eight places.
        for _ in 0..4 {
            held.push(reader.place(&headers, caller(1, Trust::Proven)).await.unwrap());
        }
        let waits = caller(1, Trust::Proven);
        let connection = waits.connection.clone();
        let mut place = Box::pin(reader.place(&headers, waits));
        tokio::select! {
            biased;
            _ = &mut place => panic!("there is no place"),
            () = std::future::ready(()) => assert_eq!(connection.waiting().polling, 1),
        }
        connection.ask_to_leave();
        assert_eq!(place.await.err().map(|error| error.code()), Some(Code::Busy));
        assert_eq!(connection.waiting().polling, 0);
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read() {
        assert_eq!(read(Body::from("four")).await, Ok(b"four".to_vec()));
        assert_eq!(read(Body::empty()).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_larger_body_is_refused_whether_its_length_is_told_or_not() {
        assert_eq!(read(Body::from("fives")).await, Err(Code::BodyTooLarge));
        let told = HeaderMap::from_iter([(CONTENT_LENGTH, "5".parse().unwrap())]);
        assert_eq!(read_with(&told, Body::empty()).await, Err(Code::BodyTooLarge));
    }

    #[tokio::test]
    async fn a_forge_may_send_more() {
        let mut forge = HeaderMap::new();
        forge.insert("x-github-event", "push".parse().unwrap());
        assert_eq!(read_with(&forge, Body::from("12345678")).await, Ok(b"12345678".to_vec()));
        let refused = read_with(&forge, Body::from("123456789")).await;
        assert_eq!(refused, Err(Code::BodyTooLarge));
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        assert_eq!(read(Body::new(Never(0))).await, Err(Code::RequestTimeout));
        assert_eq!(read(Body::new(Never(3))).await, Err(Code::RequestTimeout));
    }

    #[tokio::test]
    async fn a_body_that_stops_coming_is_given_up_long_before_the_time_for_all_of_it() {
        let pace = Pace { grace: Duration::from_millis(10), rate: 64 << 10 };
        let lines = lines(Duration::from_secs(3600), 1 << 20);
        let reader = BodyReader { lines, pace, ..BodyReader::default() };
        for begun in [0, 200, 2000] {
            let body = Body::new(Never(begun));
            let headers = HeaderMap::new();
            let read = reader.read(&headers, body, caller(1, Trust::Proven), |_| {});
            let code = read.await.err().map(|error| error.code());
            assert_eq!(code, Some(Code::RequestTimeout), "{begun}");
        }
    }

    #[test]
    fn a_body_has_a_grace_and_then_comes_at_a_rate() {
        for (bytes, millis) in [(0, 1000), (64 << 10, 2000), (96 << 10, 2500), (1 << 20, 17_000)] {
            assert_eq!(PACE.until_more_than(bytes), Duration::from_millis(millis), "{bytes}");
        }
    }

    #[tokio::test]
    async fn bodies_wait_for_none_of_another_kind_and_one_sender_has_a_part_of_the_places() {
        let reader = small();
        let code = |read: Result<Arrived, ApiError>| read.err().map(|error| error.code());
        let four = |headers: HeaderMap, caller| {
            let reader = &reader;
            async move { reader.read(&headers, Body::from("four"), caller, |_| {}).await }
        };
        let token =
            |name: &str| Caller { sender: Sender::Token(name.into()), ..caller(1, Trust::Proven) };
        // All of them are held, so each line is full when the next one is tested.
        let mut held = Vec::new();
        for (trust, length, places, each) in [
            (Trust::Suspect, announcing(4), 4, 1),
            (Trust::Suspect, HeaderMap::new(), 1, 1),
            (Trust::Unproven, HeaderMap::new(), 128, 16),
            (Trust::Unproven, announcing(4), 64, 16),
            (Trust::Known, announcing(4), 16, 8),
            (Trust::Writer, HeaderMap::new(), 8, 4),
            (Trust::Proven, HeaderMap::new(), 8, 4),
        ] {
            for n in 0..places {
                held.push(four(length.clone(), caller(n / each, trust)).await.unwrap());
                if n + 1 == each {
                    let greedy = four(length.clone(), caller(0, trust)).await;
                    assert_eq!(code(greedy), Some(Code::Busy), "{trust:?} {places}");
                }
            }
            let late = four(length.clone(), caller(places, trust)).await;
            assert_eq!(code(late), Some(Code::Busy), "{trust:?} {places}");
        }
        held.clear();
        for _ in 0..4 {
            held.push(four(HeaderMap::new(), token("a")).await.unwrap());
        }
        assert_eq!(code(four(HeaderMap::new(), token("a")).await), Some(Code::Busy));
        assert!(four(HeaderMap::new(), token("b")).await.is_ok());
    }

    #[tokio::test]
    async fn large_bodies_that_prove_nothing_yet_have_so_much_memory_together() {
        let reader =
            BodyReader { lines: lines(Duration::from_millis(50), 4_000), ..BodyReader::default() };
        let headers = HeaderMap::new();
        let body = |last, bytes| {
            let body = Body::from(vec![b' '; bytes]);
            reader.read(&headers, body, caller(last, Trust::Unproven), |_| {})
        };
        let code = |read: Result<Arrived, ApiError>| read.err().map(|error| error.code());
        let held = [body(1, 1_000).await.unwrap(), body(1, 1_000).await.unwrap()];
        assert_eq!(code(body(1, 1).await), Some(Code::Busy), "one has half of it");
        let others = [body(2, 1_000).await.unwrap(), body(2, 900).await.unwrap()];
        assert_eq!(code(body(3, 1_400).await), Some(Code::Busy), "this is more than a third");
        drop(others);
        assert!(body(3, 1_400).await.is_ok());
        drop(held);
    }

    /// A server that reads bodies of two thousand bytes for each sender, which names itself, and of
    /// four thousand in all.
    struct SmallServer {
        address: std::net::SocketAddr,
        room: ByteQuota<Sender>,
    }

    impl SmallServer {
        async fn start() -> Self {
            let lines = lines(Duration::from_secs(3600), 4_000);
            let room = lines.large.room.clone().unwrap();
            let pace = Pace { grace: Duration::from_secs(3600), ..PACE };
            let reader = Arc::new(BodyReader { lines, pace, ..BodyReader::default() });
            let take = async move |headers: HeaderMap, body: Body| {
                let name = headers["from"].to_str().unwrap().to_owned();
                let caller = Caller { sender: Sender::Token(name), ..caller(1, Trust::Unproven) };
                // Without a length it is in the line of large ones.
                let headers = HeaderMap::new();
                match reader.read(&headers, body, caller, |_| {}).await {
                    Ok(body) => format!("{} arrived", body.len()).into_response(),
                    Err(error) => error.into_response(),
                }
            };
            let router = Router::new().route("/", post(take));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, second) = (CancellationToken::new(), Duration::from_secs(1));
            tokio::spawn(accept_loop::serve(listener, router, Limits::default(), stop, second));
            Self { address, room }
        }

        /// Sends the first bytes of a body.
        async fn begin(&self, from: &str, bytes: usize, length: usize) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let head = format!(
                "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nFrom: {from}\r\n\
                 Content-Length: {length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b' '; bytes]).await.unwrap();
            stream
        }

        /// Waits until so many bytes are held.
        async fn holds(&self, bytes: usize) {
            let held = async {
                while self.room.used() != bytes {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), held).await.unwrap();
        }
    }

    async fn answer(mut stream: TcpStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn who_holds_the_most_memory_gives_way_to_a_body_within_its_fair_share() {
        let server = SmallServer::start().await;
        let mut first = server.begin("a", 500, 600).await;
        let _second = server.begin("a", 1_400, 2_000).await;
        let most = server.begin("b", 2_000, 2_001).await;
        server.holds(3_900).await;
        let told = answer(server.begin("c", 1_000, 1_000).await).await;
        assert!(told.starts_with("HTTP/1.1 200") && told.ends_with("1000 arrived"), "{told}");
        let told = answer(most).await;
        assert!(told.starts_with("HTTP/1.1 503") && told.contains("retry-after"), "{told}");
        server.holds(1_900).await;
        first.write_all(&[b' '; 100]).await.unwrap();
        let told = answer(first).await;
        assert!(told.ends_with("600 arrived"), "{told}");
    }

    #[tokio::test]
    async fn a_body_that_is_large_or_comes_slowly_costs_more_than_one_at_once() {
        let reader = BodyReader::default();
        for (bytes, expected) in [(1, true), (SMALL as usize, true), (SMALL as usize + 1, false)] {
            let caller = caller(1, Trust::Known);
            let place = reader.place_up_to(2 * bytes, &HeaderMap::new(), caller).await.unwrap();
            let arrived = place.read(Body::from(vec![b' '; bytes]), |_| ()).await.unwrap();
            assert_eq!(Arrived { took: Duration::ZERO, ..arrived }.came_at_once(), expected);
        }
        let place = reader.lines.small.places.take(caller(1, Trust::Known).sender).await.unwrap();
        let took = PACE.grace + Duration::from_millis(1);
        let slow = Arrived { bytes: Vec::new(), took, _place: place, _held: None };
        assert!(!slow.came_at_once());
    }

    #[test]
    fn a_small_body_that_proves_nothing_yet_has_to_come_soon() {
        let lines = Lines::default();
        for (trust, announced, expected) in [
            (Trust::Unproven, Some(SMALL), SOON),
            (Trust::Suspect, Some(1), SOON),
            (Trust::Unproven, Some(SMALL + 1), TIMEOUT),
            (Trust::Unproven, None, TIMEOUT),
            (Trust::Known, Some(1), TIMEOUT),
            (Trust::Writer, Some(1), TIMEOUT),
            (Trust::Proven, Some(1), TIMEOUT),
        ] {
            assert_eq!(lines.of(trust, announced).timeout, expected, "{trust:?} {announced:?}");
        }
    }

    #[tokio::test]
    async fn a_slow_body_is_answered_over_its_connection_and_cut_off() {
        let reader = Arc::new(small());
        let take = async move |headers: HeaderMap, body: Body| match reader
            .read(&headers, body, caller(1, Trust::Proven), |_| {})
            .await
        {
            Ok(_) => "arrived".into_response(),
            Err(error) => error.into_response(),
        };
        let router = Router::new().route("/", post(take));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, second) = (CancellationToken::new(), Duration::from_secs(1));
        tokio::spawn(accept_loop::serve(listener, router, Limits::default(), stop, second));
        for head in ["Content-Length: 4\r\n\r\nfou", "Transfer-Encoding: chunked\r\n\r\n1\r\nf"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("POST / HTTP/1.1\r\nHost: x\r\n{head}");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        }
    }
}
