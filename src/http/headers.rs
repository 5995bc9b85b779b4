//! Headers that a request may have only once, and headers that no write accepts. If this server
//! ignored them, they could mean something else to a proxy in front of it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::header_names;
use crate::wire::{ApiError, Code};

/// Headers with one meaning, which two of them would contradict.
const ONCE: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::RANGE,
    header::IF_RANGE,
    header_names::AT,
    header_names::MIN_COMMIT,
    HeaderName::from_static("last-event-id"),
];

/// Refuses a request with a header that is not honored.
///
/// # Errors
/// 400 for one of [`ONCE`] that comes twice, and for `Content-Range` before a body, which would be
/// a part of a file (RFC 9110, section 14.4); 415 for a body in a content coding (section 8.4); 422
/// for a write on the condition of a date, since records have none.
pub(super) fn check(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    if let Some(name) = ONCE.iter().find(|name| headers.get_all(*name).iter().nth(1).is_some()) {
        let why = format!("the header `{name}` occurs more than once");
        return Err(ApiError::explained(Code::UnexpectedHeader, why));
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    if headers.contains_key(header::CONTENT_RANGE) {
        let why = "a write needs a whole body, without `Content-Range`";
        return Err(ApiError::explained(Code::UnexpectedHeader, why));
    }
    let coding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(IDENTITY.as_bytes())) {
        let why = "the body must have no content coding";
        let refused = ApiError::explained(Code::UnsupportedMediaType, why);
        return Err(refused.header(header::ACCEPT_ENCODING, HeaderValue::from_static(IDENTITY)));
    }
    if headers.contains_key(header::IF_UNMODIFIED_SINCE) {
        let why = "`If-Unmodified-Since` is not supported: name the version with `If-Match`";
        return Err(ApiError::explained(Code::InvalidHeader, why));
    }
    Ok(())
}

/// No content coding.
const IDENTITY: &str = "identity";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_to_is_refused() {
        let (bad, kind, invalid) =
            (Code::UnexpectedHeader, Code::UnsupportedMediaType, Code::InvalidHeader);
        type Case = (Method, &'static [(&'static str, &'static str)], Option<Code>);
        let cases: [Case; 13] = [
            (Method::GET, &[("x-headwater-at", "a")], None),
            (Method::GET, &[("x-headwater-at", "a"), ("x-headwater-at", "a")], Some(bad)),
            (
                Method::GET,
                &[("x-headwater-min-commit", "a"), ("x-headwater-min-commit", "b")],
                Some(bad),
            ),
            (Method::GET, &[("range", "bytes=0-1"), ("range", "bytes=1-2")], Some(bad)),
            (Method::PUT, &[("content-type", "a/b"), ("content-type", "a/b")], Some(bad)),
            (Method::PUT, &[("content-type", "a/b"), ("accept", "a/b"), ("accept", "a/c")], None),
            (Method::PUT, &[("content-range", "bytes 0-1/2")], Some(bad)),
            (Method::PUT, &[("content-encoding", "gzip")], Some(kind)),
            (Method::POST, &[("content-encoding", "Identity")], None),
            (Method::DELETE, &[("if-unmodified-since", "x")], Some(invalid)),
            // Nothing that is read has a date, so the condition is ignored.
            (Method::GET, &[("if-unmodified-since", "x")], None),
            (Method::HEAD, &[("content-encoding", "gzip")], None),
            (Method::OPTIONS, &[("content-range", "x")], None),
        ];
        for (method, pairs, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                let name: HeaderName = name.parse().unwrap();
                headers.append(name, value.parse().unwrap());
            }
            let told = check(&method, &headers).err().map(|error| error.code());
            assert_eq!(told, expected, "{method} {pairs:?}");
        }
    }
}
