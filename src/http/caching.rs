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

/// The answer never changes, and is for the caller's own cache only.
const FOREVER_PRIVATE: HeaderValue =
    HeaderValue::from_static("private, max-age=31536000, immutable");

/// The caller's own cache revalidates the answer on every use, and no other keeps it.
const ASK_AGAIN_PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// The request headers that change an answer that may be kept. `Prefer`, which only waits, is not
/// among them, and neither is `Authorization` if everybody reads alike.
const VARY: HeaderValue =
    HeaderValue::from_static("accept, accept-encoding, x-headwater-at, x-headwater-min-commit");

/// The same if a credential decides what an answer shows.
const VARY_BY_CREDENTIAL: HeaderValue = HeaderValue::from_static(
    "accept, accept-encoding, authorization, x-headwater-at, x-headwater-min-commit",
);

/// For whom an answer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Readers {
    /// Everybody.
    #[default]
    All,
    /// Everybody without a credential.
    Anonymous,
    /// The holder of a credential.
    Credentialed,
}

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
    /// For whom the answer is.
    pub(super) readers: Readers,
}

impl Lasting {
    /// Reads this from the headers of a request.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let names = [AT, MIN_COMMIT];
        let is_by_header = names.iter().any(|name| headers.contains_key(name));
        Self { is_by_header, ..Self::default() }
    }

    /// Returns the `Cache-Control` of an answer with `status`, if its handler set `said`. Nothing
    /// is kept by default, and neither are errors.
    fn control(self, status: StatusCode, said: Option<&HeaderValue>) -> HeaderValue {
        let is_answer = status.is_success() || status == StatusCode::NOT_MODIFIED;
        let Some(said) = said.filter(|said| is_answer && !self.is_by_header && **said != NO_STORE)
        else {
            return NO_STORE;
        };
        let is_fixed = self.is_fixed || *said == FOREVER;
        match (self.readers, is_fixed) {
            (Readers::Credentialed, true) => FOREVER_PRIVATE,
            (Readers::Credentialed, false) => ASK_AGAIN_PRIVATE,
            (Readers::All | Readers::Anonymous, true) => FOREVER,
            (Readers::All | Readers::Anonymous, false) => said.clone(),
        }
    }

    /// Sets `Cache-Control` and `Vary` of an answer with `status`.
    pub(super) fn mark(self, status: StatusCode, headers: &mut HeaderMap) {
        let control = self.control(status, headers.get(header::CACHE_CONTROL));
        if control == NO_STORE {
            headers.remove(header::VARY);
        } else {
            let vary = match self.readers {
                Readers::All => VARY,
                Readers::Anonymous | Readers::Credentialed => VARY_BY_CREDENTIAL,
            };
            headers.insert(header::VARY, vary);
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
        let both = Lasting { is_by_header: true, ..fixed };
        let private = Lasting { readers: Readers::Credentialed, ..plain };
        let private_and_fixed = Lasting { is_fixed: true, ..private };
        let anonymous = Lasting { readers: Readers::Anonymous, ..plain };
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
            (private, 200, Some(ASK_AGAIN), ASK_AGAIN_PRIVATE),
            (private, 200, Some(FOREVER), FOREVER_PRIVATE),
            (private, 304, Some(ASK_AGAIN), ASK_AGAIN_PRIVATE),
            (private, 200, Some(NO_STORE), NO_STORE),
            (private, 404, Some(ASK_AGAIN), NO_STORE),
            (private_and_fixed, 200, Some(ASK_AGAIN), FOREVER_PRIVATE),
            (Lasting { is_by_header: true, ..private_and_fixed }, 200, Some(FOREVER), NO_STORE),
            (anonymous, 200, Some(FOREVER), FOREVER),
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
