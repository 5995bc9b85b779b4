//! Takes in the body of a webhook or a write, within a size, a time and a number of bodies at once.
//!
//! Nobody keeps a place without sending, and nobody has more than half of the places.

use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use tokio::time::{Instant, timeout_at};

use super::crowd::Crowd;
use super::permits::{Permit, Permits};
use super::source::Source;
use crate::hook;
use crate::wire::{ApiError, Code};

/// The largest body of a forge: what GitHub sends at most, for pushes of many commits.
const FORGE_MAX: usize = 25 << 20;

/// The largest body of our own form, which has two short fields.
const MAX: usize = 1 << 20;

/// How long a body may take to arrive, and how long it may wait for a place.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How fast a body has to come.
const PACE: Pace = Pace { grace: Duration::from_secs(1), rate: 64 << 10 };

/// How many bodies are held at once, which bounds the memory they take.
const PLACES: usize = 8;

/// How many of them may be of callers who have not proven anything yet. The others are left to those
/// who know a secret.
const UNPROVEN: usize = 6;

/// How far a caller is believed while the body arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Comes from where wrong credentials came from; such bodies arrive one at a time.
    Suspect,
    /// Shows a signature, which the body has to prove.
    Unproven,
    /// Showed the secret.
    Proven,
}

/// Whom a body counts against.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Sender {
    /// Where it comes from.
    Address(Source),
    /// The name of the token that it comes with, from wherever.
    Token(String),
}

/// Who sends a body.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) sender: Sender,
    pub(super) trust: Trust,
}

/// How fast a body has to come, on average.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How long it may take to begin.
    grace: Duration,
    /// In bytes a second.
    rate: u32,
}

impl Pace {
    /// Returns how long a body may take until there is more of it than these bytes.
    fn until_more_than(self, bytes: usize) -> Duration {
        self.grace + Duration::from_secs(bytes as u64) / self.rate
    }
}

/// Takes in bodies.
pub(super) struct BodyReader {
    /// One for each [`Trust`]; a caller needs a place in its own and in all that follow.
    lanes: [Permits<Sender>; 3],
    max: usize,
    forge_max: usize,
    timeout: Duration,
    pace: Pace,
}

impl Default for BodyReader {
    fn default() -> Self {
        let lane = |places: usize| Permits::new(places, places.div_ceil(2), Crowd::default());
        let lanes = [1, UNPROVEN, PLACES].map(lane);
        Self { lanes, max: MAX, forge_max: FORGE_MAX, timeout: TIMEOUT, pace: PACE }
    }
}

/// A body that has arrived. Its place is free for another one when it is dropped.
pub(super) struct Arrived {
    bytes: Vec<u8>,
    _places: Vec<Permit<Sender>>,
}

impl Arrived {
    /// Gives up the place and keeps the body.
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
    /// Takes in `body`, and shows each piece to `seen` as it arrives.
    ///
    /// # Errors
    /// 413 when it is too big, before it is read where its length is told; 408 when it does not
    /// arrive in time or comes too slowly, 422 when it breaks off; 503 when there is no place for it for as long.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        caller: Caller,
        seen: impl FnMut(&[u8]),
    ) -> Result<Arrived, ApiError> {
        let max = if hook::sender(headers).is_some() { self.forge_max } else { self.max };
        self.read_up_to(max, headers, body, caller, seen).await
    }

    /// The same, up to `max` bytes.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) async fn read_up_to(
        &self,
        max: usize,
        headers: &HeaderMap,
        body: Body,
        caller: Caller,
        seen: impl FnMut(&[u8]),
    ) -> Result<Arrived, ApiError> {
        if content_length(headers).is_some_and(|length| length > max as u64) {
            return Err(too_large(max));
        }
        let places = tokio::time::timeout(self.timeout, self.places(&caller)).await.ok().flatten();
        let places = places.ok_or_else(|| ApiError::from(Code::Busy).header(RETRY_AFTER, 1))?;
        let bytes = self.collect(body, max, seen).await?;
        Ok(Arrived { bytes, _places: places })
    }

    /// Waits for a place in each lane, the narrowest first: who waits there is in nobody's way.
    /// Returns `None` where too many wait already.
    async fn places(&self, caller: &Caller) -> Option<Vec<Permit<Sender>>> {
        let mut places = Vec::new();
        for lane in &self.lanes[caller.trust as usize..] {
            places.push(lane.take(caller.sender.clone()).await?);
        }
        Some(places)
    }

    async fn collect(
        &self,
        mut body: Body,
        max: usize,
        mut seen: impl FnMut(&[u8]),
    ) -> Result<Vec<u8>, ApiError> {
        let (began, mut bytes) = (Instant::now(), Vec::new());
        loop {
            let until = began + self.timeout.min(self.pace.until_more_than(bytes.len()));
            let next = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
            let next = timeout_at(until, next).await;
            let next = next.map_err(|_| ApiError::from(Code::RequestTimeout))?;
            let Some(frame) = next else { return Ok(bytes) };
            let frame = frame.map_err(|error| {
                ApiError::explained(Code::InvalidBody, format!("the body ended early: {error}"))
            })?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > max {
                    return Err(too_large(max));
                }
                seen(&data);
                bytes.extend_from_slice(&data);
            }
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(max: usize) -> ApiError {
    ApiError::explained(Code::BodyTooLarge, format!("a body may have at most {max} bytes"))
}

#[cfg(test)]
mod tests {
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

    use super::*;
    use crate::http::accept::{self, Limits};

    /// A body that begins with so many bytes and never ends.
    struct Never(usize);

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

    fn small() -> BodyReader {
        let timeout = Duration::from_millis(50);
        BodyReader { max: 4, forge_max: 8, timeout, ..BodyReader::default() }
    }

    fn caller(last: u8, trust: Trust) -> Caller {
        let sender = Sender::Address(Source::at([192, 0, 2, last].into()));
        Caller { sender, trust }
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
        let reader =
            BodyReader { timeout: Duration::from_secs(3600), pace, ..BodyReader::default() };
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
    async fn callers_who_prove_nothing_leave_places_for_those_who_do() {
        let reader = small();
        let headers = HeaderMap::new();
        let four =
            |last, trust| reader.read(&headers, Body::from("four"), caller(last, trust), |_| {});
        let code = |read: Result<Arrived, ApiError>| read.err().map(|error| error.code());
        let suspect = four(1, Trust::Suspect).await;
        assert_eq!(code(four(2, Trust::Suspect).await), Some(Code::Busy));
        let mut held = Vec::new();
        for last in 1..UNPROVEN {
            held.push(four(last as u8, Trust::Unproven).await.unwrap());
        }
        assert_eq!(code(four(9, Trust::Unproven).await), Some(Code::Busy));
        for _ in UNPROVEN..PLACES {
            held.push(four(9, Trust::Proven).await.unwrap());
        }
        assert_eq!(code(four(10, Trust::Proven).await), Some(Code::Busy));
        drop(suspect);
        assert_eq!(code(four(3, Trust::Suspect).await), None);
    }

    #[tokio::test]
    async fn one_address_and_one_token_have_no_more_than_half_of_the_places() {
        let reader = small();
        let headers = HeaderMap::new();
        let four = |caller| reader.read(&headers, Body::from("four"), caller, |_| {});
        let code = |read: Result<Arrived, ApiError>| read.err().map(|error| error.code());
        let token =
            |name: &str| Caller { sender: Sender::Token(name.into()), trust: Trust::Proven };
        for (greedy, other, half) in [
            (caller(1, Trust::Unproven), caller(2, Trust::Unproven), UNPROVEN / 2),
            (caller(1, Trust::Proven), caller(2, Trust::Proven), PLACES / 2),
            (token("a"), token("b"), PLACES / 2),
        ] {
            let mut held = Vec::new();
            for _ in 0..half {
                held.push(four(greedy.clone()).await.unwrap());
            }
            assert_eq!(code(four(greedy.clone()).await), Some(Code::Busy), "{greedy:?}");
            held.push(four(other).await.unwrap());
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
        tokio::spawn(accept::serve(listener, router, Limits::default(), stop, second));
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
