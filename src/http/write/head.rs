//! The head of a write request.

use axum::http::{HeaderMap, Method, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::told_commits::ToldCommits;
use crate::http::source::Source;

/// What a path cannot have unencoded (RFC 3986, section 3.3), besides the `%` of what is encoded and
/// the `\` that no replica passes on.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The request, as far as the route is concerned.
pub(super) struct WriteHead {
    pub(super) method: Method,
    /// The path, percent-encoded and without the base path; the message quotes it. A request has the
    /// same one at each replica: whoever passes it on encodes what was received unencoded.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) source: Source,
    /// The commits that its caller is told of. Until that one is known, these are its own.
    pub(super) told: ToldCommits,
}

impl WriteHead {
    /// Returns the head of a request.
    pub(super) fn new(method: Method, uri: &Uri, headers: HeaderMap, source: Source) -> Self {
        let path = utf8_percent_encode(uri.path(), ENCODED).to_string();
        let query = uri.query().map(str::to_owned);
        Self { method, path, query, headers, source, told: ToldCommits::Own }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::*;

    #[test]
    fn the_path_of_a_request_is_the_same_after_it_was_passed_on() {
        let head = |path: &str| {
            let uri = path.parse().unwrap();
            let source = Source::at([192, 0, 2, 1].into());
            WriteHead::new(Method::PUT, &uri, HeaderMap::new(), source).path
        };
        for (received, expected) in [
            ("/api/pub/plain", "/api/pub/plain"),
            ("/api/pub/a%2fb%C3%A9", "/api/pub/a%2fb%C3%A9"),
            ("/api/pub/é", "/api/pub/%C3%A9"),
            ("/api/pub/a{b}|^\"", "/api/pub/a%7Bb%7D%7C%5E%22"),
            ("/api/pub/a[b]!$&'()*+,;=:@~", "/api/pub/a%5Bb%5D!$&'()*+,;=:@~"),
        ] {
            assert_eq!(head(received), expected, "{received}");
            let passed_on = Url::parse(&format!("http://leader{expected}")).unwrap();
            assert_eq!(passed_on.path(), expected, "{received}");
            assert_eq!(head(passed_on.path()), expected, "{received}");
        }
    }
}
