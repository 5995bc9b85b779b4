//! Cross-origin reads: what a browser may show to a page of another origin. A page may read and
//! nothing else: no credentials, no other method.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::config::Cors;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// The headers that a page may send besides those that every page may.
const SENT: HeaderValue = HeaderValue::from_static(
    "x-headwater-at, x-headwater-min-commit, prefer, if-none-match, if-match, range, if-range",
);

/// The response headers that a page may read.
const SHOWN: HeaderValue = HeaderValue::from_static(
    "x-headwater-commit, x-headwater-skipped, etag, link, retry-after, accept-ranges, content-range",
);

const ORIGIN: HeaderValue = HeaderValue::from_static("origin");

/// Answers a browser that asks what a page may do. Returns `None` for every other request.
pub(super) fn preflight(cors: &Cors, method: &Method, headers: &HeaderMap) -> Option<Response> {
    let asks =
        *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if *cors == Cors::Off || !asks {
        return None;
    }
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, SENT),
    ];
    Some((StatusCode::NO_CONTENT, allowed).into_response())
}

/// Allows the page of `origin` to read an answer, if it may.
pub(super) fn allow(cors: &Cors, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
    let allowed = match cors {
        Cors::Off => return,
        Cors::Any => HeaderValue::from_static("*"),
        Cors::Origins(origins) => {
            // The permission depends on the origin that asks.
            vary(answer);
            let Some(origin) = origin.filter(|origin| origins.contains(origin)) else { return };
            origin.clone()
        }
    };
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
}

/// Adds the origin to `Vary`. It is on one line with the other names, because some caches read only
/// the last line.
fn vary(answer: &mut HeaderMap) {
    let names = answer.get(header::VARY);
    let names =
        names.map(|names| HeaderValue::from_bytes(&[names.as_bytes(), b", origin"].concat()));
    answer.insert(header::VARY, names.and_then(Result::ok).unwrap_or(ORIGIN));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_depends_on_is_said_in_one_line() {
        let cors = Cors::parse("https://a.org").unwrap();
        for (before, after) in [(None, "origin"), (Some("accept, x-a"), "accept, x-a, origin")] {
            let mut answer = HeaderMap::new();
            before.map(|names| answer.insert(header::VARY, HeaderValue::from_static(names)));
            allow(&cors, None, &mut answer);
            assert!(answer.get_all(header::VARY).iter().eq([after]), "{answer:?}");
        }
    }

    fn allowed(cors: &str, origin: Option<&str>) -> (Option<String>, bool) {
        let mut answer = HeaderMap::new();
        let origin = origin.map(|origin| HeaderValue::from_str(origin).unwrap());
        allow(&Cors::parse(cors).unwrap(), origin.as_ref(), &mut answer);
        let allowed = answer.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        let allowed = allowed.map(|value| value.to_str().unwrap().to_owned());
        (allowed, answer.get(header::VARY).is_some())
    }

    #[test]
    fn only_the_origins_of_the_settings_may_read() {
        let listed = "https://a.org, https://b.org";
        for (cors, origin, expected) in [
            ("", Some("https://a.org"), (None, false)),
            ("*", Some("https://a.org"), (Some("*"), false)),
            ("*", None, (Some("*"), false)),
            (listed, Some("https://b.org"), (Some("https://b.org"), true)),
            (listed, Some("https://c.org"), (None, true)),
            (listed, Some("https://b.org.evil"), (None, true)),
            (listed, None, (None, true)),
        ] {
            let (allowed, varies) = allowed(cors, origin);
            assert_eq!((allowed.as_deref(), varies), expected, "{cors} {origin:?}");
        }
    }

    #[test]
    fn a_question_of_a_browser_is_told_from_other_requests() {
        let asks = HeaderMap::from_iter([(
            header::ACCESS_CONTROL_REQUEST_METHOD,
            HeaderValue::from_static("PUT"),
        )]);
        let answered = |cors, method, headers: &HeaderMap| {
            preflight(&Cors::parse(cors).unwrap(), &method, headers).is_some()
        };
        assert!(answered("*", Method::OPTIONS, &asks));
        assert!(!answered("", Method::OPTIONS, &asks));
        assert!(!answered("*", Method::OPTIONS, &HeaderMap::new()));
        assert!(!answered("*", Method::GET, &asks));
    }
}
