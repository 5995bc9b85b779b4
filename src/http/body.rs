//! Takes in the body of a webhook, within a size, a time and a number of bodies at once.

use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::{ApiError, Code};
use crate::hook;

/// The largest body of a forge: what GitHub sends at most, for pushes of many commits.
const FORGE_MAX: usize = 25 << 20;

/// The largest body of our own form, which has two short fields.
const MAX: usize = 1 << 20;

/// How long a body may take to arrive, and how long it may wait for a place.
const TIMEOUT: Duration = Duration::from_secs(30);

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

/// Takes in bodies.
pub(super) struct BodyReader {
    /// One for each [`Trust`]; a caller needs a place in its own and in all that follow.
    lanes: [Semaphore; 3],
    max: usize,
    forge_max: usize,
    timeout: Duration,
}

impl Default for BodyReader {
    fn default() -> Self {
        let lanes = [1, UNPROVEN, PLACES].map(Semaphore::new);
        Self { lanes, max: MAX, forge_max: FORGE_MAX, timeout: TIMEOUT }
    }
}

/// A body that has arrived. Its place is free for another one when it is dropped.
pub(super) struct Arrived<'a> {
    bytes: Vec<u8>,
    _places: Vec<SemaphorePermit<'a>>,
}

impl Arrived<'_> {
    /// Gives up the place and keeps the body.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Deref for Arrived<'_> {
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
    /// arrive in time, 422 when it breaks off; 503 when there is no place for it for as long.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        trust: Trust,
        seen: impl FnMut(&[u8]),
    ) -> Result<Arrived<'_>, ApiError> {
        let max = if hook::sender(headers).is_some() { self.forge_max } else { self.max };
        self.read_up_to(max, headers, body, trust, seen).await
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
        trust: Trust,
        seen: impl FnMut(&[u8]),
    ) -> Result<Arrived<'_>, ApiError> {
        if content_length(headers).is_some_and(|length| length > max as u64) {
            return Err(too_large(max));
        }
        let places = tokio::time::timeout(self.timeout, self.places(trust)).await;
        let places = places.map_err(|_| ApiError::from(Code::Busy).header(RETRY_AFTER, 1))?;
        let bytes = tokio::time::timeout(self.timeout, collect(body, max, seen)).await;
        let bytes = bytes.map_err(|_| ApiError::from(Code::RequestTimeout))??;
        Ok(Arrived { bytes, _places: places })
    }

    /// Waits for a place in each lane, the narrowest first: who waits there is in nobody's way.
    async fn places(&self, trust: Trust) -> Vec<SemaphorePermit<'_>> {
        let mut places = Vec::new();
        for lane in &self.lanes[trust as usize..] {
            places.push(lane.acquire().await.expect("the lanes are never closed"));
        }
        places
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(
    mut body: Body,
    max: usize,
    mut seen: impl FnMut(&[u8]),
) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| {
            ApiError::explained(Code::InvalidBody, format!("the body broke off: {error}"))
        })?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > max {
                return Err(too_large(max));
            }
            seen(&data);
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

fn too_large(max: usize) -> ApiError {
    ApiError::explained(Code::BodyTooLarge, format!("a body may have {max} bytes"))
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

    /// A body that never ends.
    struct Never;

    impl HttpBody for Never {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    fn small() -> BodyReader {
        let timeout = Duration::from_millis(50);
        BodyReader { max: 4, forge_max: 8, timeout, ..BodyReader::default() }
    }

    async fn read_with(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Code> {
        let reader = small();
        let mut seen = Vec::new();
        let shown = |piece: &[u8]| seen.extend_from_slice(piece);
        let read = reader.read(headers, body, Trust::Unproven, shown).await;
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
        assert_eq!(read(Body::new(Never)).await, Err(Code::RequestTimeout));
    }

    #[tokio::test]
    async fn callers_who_prove_nothing_leave_places_for_those_who_do() {
        let reader = small();
        let headers = HeaderMap::new();
        let four = |trust| reader.read(&headers, Body::from("four"), trust, |_| {});
        let code = |read: Result<Arrived<'_>, ApiError>| read.err().map(|error| error.code());
        let suspect = four(Trust::Suspect).await;
        assert_eq!(code(four(Trust::Suspect).await), Some(Code::Busy));
        let mut held = Vec::new();
        for _ in 1..UNPROVEN {
            held.push(four(Trust::Unproven).await.unwrap());
        }
        assert_eq!(code(four(Trust::Unproven).await), Some(Code::Busy));
        for _ in UNPROVEN..PLACES {
            held.push(four(Trust::Proven).await.unwrap());
        }
        assert_eq!(code(four(Trust::Proven).await), Some(Code::Busy));
        drop(suspect);
        assert_eq!(code(four(Trust::Suspect).await), None);
    }

    #[tokio::test]
    async fn a_slow_body_is_answered_over_its_connection_and_cut_off() {
        let reader = Arc::new(small());
        let take = async move |headers: HeaderMap, body: Body| match reader
            .read(&headers, body, Trust::Proven, |_| {})
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
