//! Decides who may keep an answer, and for how long. A cache knows an address and the headers that
//! `Vary` names, so an answer may be kept forever only if its address alone determines it.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::header_names::{AT, MIN_COMMIT};

/// No cache keeps the answer.
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// A cache revalidates the answer on every use.
pub(super) const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// The answer never changes.
pub(super) const FOREVER: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

/// The request headers that change an answer that may be kept. Headers for credentials or waiting
/// (`Authorization`, `Prefer`) are not among them.
const VARY: HeaderValue =
    HeaderValue::from_static("accept, accept-encoding, x-headwater-at, x-headwater-min-commit");

/// Forbids caching of an answer that would be different at another time.
pub(super) fn unless(depends_on_clock: bool, mut response: Response) -> Response {
    if depends_on_clock {
        response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    }
    response
}

/// How long an answer holds, according to its request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lasting {
    /// A header selects the state.
    pub(super) is_by_header: bool,
    /// The address names the full commit.
    pub(super) is_fixed: bool,
}

impl Lasting {
    /// Reads this from the headers of a request.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let names = [AT, MIN_COMMIT];
        Self { is_by_header: names.iter().any(|name| headers.contains_key(name)), is_fixed: false }
    }

    /// Returns the `Cache-Control` of an answer with `status`, if its handler set `said`. Nothing
    /// is kept by default, and neither are errors.
    fn control(self, status: StatusCode, said: Option<&HeaderValue>) -> HeaderValue {
        let is_answer = status.is_success() || status == StatusCode::NOT_MODIFIED;
        match said.filter(|said| is_answer && !self.is_by_header && **said != NO_STORE) {
            Some(_) if self.is_fixed => FOREVER,
            Some(said) => said.clone(),
            None => NO_STORE,
        }
    }

    /// Sets `Cache-Control` and `Vary` of an answer with `status`.
    pub(super) fn mark(self, status: StatusCode, headers: &mut HeaderMap) {
        let control = self.control(status, headers.get(header::CACHE_CONTROL));
        if control == NO_STORE {
            headers.remove(header::VARY);
        } else {
            headers.insert(header::VARY, VARY);
        }
        headers.insert(header::CACHE_CONTROL, control);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_for_ever_only_where_its_address_says_what_it_is() {
        let plain = Lasting::default();
        let fixed = Lasting { is_fixed: true, ..plain };
        let by_header = Lasting { is_by_header: true, ..plain };
        let both = Lasting { is_by_header: true, is_fixed: true };
        let cases = [
            (plain, 200, Some(ASK_AGAIN), ASK_AGAIN),
            (plain, 206, Some(ASK_AGAIN), ASK_AGAIN),
            (plain, 304, Some(FOREVER), FOREVER),
            (plain, 200, None, NO_STORE),
            (plain, 404, Some(ASK_AGAIN), NO_STORE),
            (fixed, 200, Some(ASK_AGAIN), FOREVER),
            (fixed, 304, Some(ASK_AGAIN), FOREVER),
            (fixed, 200, Some(NO_STORE), NO_STORE),
            (fixed, 503, None, NO_STORE),
            (fixed, 412, Some(FOREVER), NO_STORE),
            (by_header, 200, Some(ASK_AGAIN), NO_STORE),
            (by_header, 200, Some(FOREVER), NO_STORE),
            (both, 200, Some(ASK_AGAIN), NO_STORE),
        ];
        for (lasting, status, said, expected) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            let control = lasting.control(status, said.as_ref());
            assert_eq!(control, expected, "{lasting:?} {status} {said:?}");
        }
    }

    #[test]
    fn what_may_be_kept_says_which_headers_it_was_made_for() {
        for (said, varies) in [(Some(ASK_AGAIN), true), (Some(FOREVER), true), (None, false)] {
            let mut headers = HeaderMap::new();
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
            said.map(|said| headers.insert(header::CACHE_CONTROL, said));
            Lasting::default().mark(StatusCode::OK, &mut headers);
            assert_eq!(headers.get(header::VARY).is_some_and(|vary| *vary == VARY), varies);
            assert_eq!(headers.get_all(header::VARY).iter().count(), usize::from(varies));
        }
    }
}
