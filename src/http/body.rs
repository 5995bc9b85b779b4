//! Reads the body of a webhook, within a size, a time and a number of bodies at once.

use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, header};
use tokio::sync::Semaphore;

use super::error::{ApiError, Code};

/// The largest body: what GitHub sends at most, for pushes of many commits.
pub(super) const MAX_BODY: usize = 25 << 20;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How many bodies are read at once, which bounds the memory they take.
const BODIES: usize = 8;

/// Reads bodies.
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

impl BodyReader {
    /// Reads `body` and hands it to `read`; the place is free again when `read` is done.
    ///
    /// # Errors
    /// 413 when it is too big, before it is read where its length is told; 408 when it does not
    /// arrive in time; what `read` returns.
    pub async fn read<T>(
        &self,
        headers: &HeaderMap,
        body: Body,
        read: impl FnOnce(&[u8]) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        if content_length(headers).is_some_and(|length| length > self.max as u64) {
            return Err(too_large(self.max));
        }
        let collected = async {
            let place = self.places.acquire().await;
            let bytes = collect(body, self.max).await?;
            Ok::<_, ApiError>((place, bytes))
        };
        let collected = tokio::time::timeout(self.timeout, collected).await;
        let (_place, bytes) = collected.map_err(|_| ApiError::from(Code::RequestTimeout))??;
        read(&bytes)
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(mut body: Body, max: usize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| {
            ApiError::explained(Code::InvalidBody, format!("the body broke off: {error}"))
        })?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > max {
                return Err(too_large(max));
            }
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
        let read = small().read(&HeaderMap::new(), body, |bytes| Ok(bytes.to_vec())).await;
        read.map_err(|error| error.code())
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
        let refused = small().read(&told, Body::empty(), |_| Ok(())).await;
        assert_eq!(refused.map_err(|error| error.code()), Err(Code::BodyTooLarge));
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
