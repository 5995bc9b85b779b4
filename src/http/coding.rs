//! Content codings: compresses the answers that are worth it, as their reader asks.

use std::convert::Infallible;
use std::future::ready;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use tower::{Service, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::{Compression, Predicate};

use super::answer_scheduler::Answers;
use super::body_parts::{self, BodyParts};
use super::etag;
use super::source::Source;
use crate::header_fields::Preferences;

/// Smaller answers, in bytes, are sent uncompressed: they fill a packet or two in any case.
const WORTH: u64 = 1_024;

/// Larger answers, in bytes, are compressed apart: to compress this much takes a third of a
/// millisecond.
const LARGE: usize = 32 << 10;

/// What is compressed: texts. Events are not, because they must not wait for each other. Pictures
/// and archives are not, because they are compressed already.
const TEXTS: [&str; 9] = [
    "application/json",
    "application/problem+json",
    "application/x-ndjson",
    "application/toml",
    "application/yaml",
    "application/xml",
    "application/javascript",
    "image/svg+xml",
    "text/",
];

/// A supported coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    /// Every coding, the cheapest for its size first.
    const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Returns its name in `Accept-Encoding` and `Content-Encoding`.
    const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// Returns the coding that the caller of a public route prefers; `None` is uncompressed.
    pub(super) fn wanted(headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(header::ACCEPT_ENCODING) {
            return None;
        }
        let liked = Preferences::of(headers.get_all(header::ACCEPT_ENCODING));
        let quality = |coding: Self| {
            liked.quality(coding.name()).or_else(|| liked.quality("*")).unwrap_or(0.0)
        };
        // An uncompressed answer wins only if the caller prefers it explicitly.
        let plain = liked.quality("identity").unwrap_or(0.0);
        // If several are equally preferred, take the first.
        let best = Self::ALL.into_iter().rev().max_by(|a, b| quality(*a).total_cmp(&quality(*b)));
        best.filter(|best| quality(*best) > 0.0 && quality(*best) >= plain)
    }

    /// Lets `routes` answer a caller at `source`, and compresses the answer if it is worth it: a large
    /// one in a place of `answers`, because that takes milliseconds for each megabyte.
    ///
    /// The tag of a compressed answer ends in the name of its coding, because its bytes are
    /// different.
    pub(super) async fn call(
        self,
        (answers, source): (&Answers, Source),
        mut routes: impl Service<Request, Response = Response, Error = Infallible>,
        request: Request,
    ) -> Result<Response, Infallible> {
        let known = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned();
        let known: Vec<HeaderValue> = known.collect();
        let (parts, body) = routes.call(request).await?.into_parts();
        let mut response = match BodyParts::of(body, LARGE).await {
            BodyParts::Whole(bytes) => self.compressed_apart(answers, source, parts, bytes).await,
            BodyParts::Stream(body) => self.compressed(Response::from_parts(parts, body)).await,
        };
        let is_coded = response.headers().contains_key(header::CONTENT_ENCODING);
        let is_known = response.status() == StatusCode::NOT_MODIFIED;
        if (is_coded || is_known)
            && let Some(tag) = response.headers().get(header::ETAG)
            && let Some(coded) = etag::coded(tag, self.name())
            // The caller's copy may be an uncompressed one.
            && (is_coded || etag::names(&known, &coded))
        {
            response.headers_mut().insert(header::ETAG, coded);
        }
        Ok(response)
    }
}

impl Coding {
    /// Returns the answer with a body that is compressed as it is sent, if that is worth it.
    async fn compressed(self, response: Response) -> Response {
        let mut request = Request::new(Body::empty());
        let name = HeaderValue::from_static(self.name());
        request.headers_mut().insert(header::ACCEPT_ENCODING, name);
        let mut response = Some(response);
        let routes =
            service_fn(move |_| ready(Ok::<_, Infallible>(response.take().unwrap_or_default())));
        let compressing = Compression::new(routes).quality(CompressionLevel::Fastest);
        let Ok(response) = compressing.compress_when(Worth).call(request).await;
        response.map(Body::new)
    }

    /// Returns an answer whose whole body is `bytes`, compressed if that is worth it and there are
    /// the time and a place for it.
    async fn compressed_apart(
        self,
        answers: &Answers,
        source: Source,
        parts: Parts,
        bytes: Bytes,
    ) -> Response {
        let plain = Response::from_parts(parts.clone(), Body::from(bytes.clone()));
        let coded =
            self.compressed(Response::from_parts(parts, body_parts::in_pieces(bytes))).await;
        if !coded.headers().contains_key(header::CONTENT_ENCODING) {
            return plain;
        }
        let (parts, body) = coded.into_parts();
        match answers.make(source, move |budget| body_parts::collected(body, budget)).await {
            Ok(bytes) => Response::from_parts(parts, Body::from(bytes)),
            Err(_) => plain,
        }
    }
}

/// Decides which answers are worth compressing.
#[derive(Clone, Copy)]
struct Worth;

impl Predicate for Worth {
    fn should_compress<B: HttpBody>(&self, response: &axum::http::Response<B>) -> bool {
        let headers = response.headers();
        let size = response.body().size_hint().exact();
        // An answer to `HEAD` has the length of the body that it leaves out.
        let size = size
            .filter(|size| *size > 0)
            .or_else(|| headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok());
        if response.status() != StatusCode::OK || size.is_some_and(|size| size < WORTH) {
            return false;
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default();
        !kind.starts_with("text/event-stream") && TEXTS.iter().any(|text| kind.starts_with(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str) -> Option<&'static str> {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, accept.parse().unwrap())]);
        Coding::wanted(&headers).map(Coding::name)
    }

    #[test]
    fn the_caller_says_which_coding_it_is() {
        for (accept, coding) in [
            ("gzip", Some("gzip")),
            ("GZIP", Some("gzip")),
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("gzip, br", Some("br")),
            ("gzip;q=0.8, br;q=0.5", Some("gzip")),
            ("zstd;q=0, *", Some("br")),
            ("*", Some("zstd")),
            ("*;q=0", None),
            ("identity", None),
            ("identity, gzip;q=0.5", None),
            ("deflate", None),
            ("", None),
        ] {
            assert_eq!(wanted(accept), coding, "{accept}");
        }
    }

    #[test]
    fn long_texts_are_worth_it() {
        let worth = |kind: &'static str, size: usize, status: u16| {
            let mut response = Response::new(Body::from(vec![b'x'; size]));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let kind = HeaderValue::from_static(kind);
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            Worth.should_compress(&response)
        };
        assert!(worth("application/json", 1_024, 200));
        assert!(worth("text/csv; charset=utf-8", 1_024, 200));
        assert!(!worth("application/json", 1_023, 200));
        assert!(!worth("application/json", 1_024, 404));
        assert!(!worth("text/event-stream", 1_024, 200));
        assert!(!worth("image/png", 1_024, 200));
        assert!(!worth("application/zip", 1_024, 200));
    }
}
