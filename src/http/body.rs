//! Takes in the body of a webhook, within a size, a time and a number of bodies at once.

use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, header};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::{ApiError, Code};

/// The largest body: what GitHub sends at most, for pushes of many commits.
pub(super) const MAX_BODY: usize = 25 << 20;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How many bodies are held at once, which bounds the memory they take.
const BODIES: usize = 8;

/// Takes in bodies.
pub struct BodyReader {
    places: Semaphore,
    max: usize,
    timeout: Duration,
}

impl Default for BodyReader {
    fn default() -> Self {
        Self { places: Semaphore::new(BODIES), max: MAX_BODY, timeout: BODY_TIMEOUT }
    }
}

/// A body that has arrived. Its place is free for another one when it is dropped.
pub(super) struct Arrived<'a> {
    bytes: Vec<u8>,
    _place: SemaphorePermit<'a>,
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
    /// arrive in time, the wait for a place included; 422 when it breaks off.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        seen: impl FnMut(&[u8]),
    ) -> Result<Arrived<'_>, ApiError> {
        if content_length(headers).is_some_and(|length| length > self.max as u64) {
            return Err(too_large(self.max));
        }
        let arrived = async {
            let place = self.places.acquire().await.expect("the places are never closed");
            let bytes = collect(body, self.max, seen).await?;
            Ok(Arrived { bytes, _place: place })
        };
        let arrived = tokio::time::timeout(self.timeout, arrived).await;
        arrived.map_err(|_| ApiError::from(Code::RequestTimeout))?
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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
    use super::*;

    fn small() -> BodyReader {
        BodyReader { max: 4, timeout: Duration::from_millis(50), ..BodyReader::default() }
    }

    async fn read(body: Body) -> Result<Vec<u8>, Code> {
        let (reader, headers) = (small(), HeaderMap::new());
        let mut seen = Vec::new();
        let read = reader.read(&headers, body, |piece| seen.extend_from_slice(piece)).await;
        let read = read.map(|body| body.to_vec()).map_err(|error| error.code());
        assert!(read.as_ref().is_err() || read.as_ref() == Ok(&seen));
        read
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read() {
        assert_eq!(read(Body::from("four")).await, Ok(b"four".to_vec()));
        assert_eq!(read(Body::empty()).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_larger_body_is_refused_whether_its_length_is_told_or_not() {
        assert_eq!(read(Body::from("fives")).await, Err(Code::BodyTooLarge));
        let told = HeaderMap::from_iter([(header::CONTENT_LENGTH, "5".parse().unwrap())]);
        let reader = small();
        let refused = reader.read(&told, Body::empty(), |_| {}).await;
        assert_eq!(refused.err().map(|error| error.code()), Some(Code::BodyTooLarge));
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        struct Never;
        impl HttpBody for Never {
            type Data = axum::body::Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>>
            {
                std::task::Poll::Pending
            }
        }
        assert_eq!(read(Body::new(Never)).await, Err(Code::RequestTimeout));
    }
}
