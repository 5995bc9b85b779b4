//! The greeting of an http remote, remembered from one conversation to the next.
//!
//! In protocol 2 a greeting contains only the capabilities of the server (gitprotocol-v2(5)), so
//! requesting it again is a round trip without news. In older protocols it contains the references,
//! and is requested each time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Url;

/// How long a greeting stays valid.
const LASTS: Duration = Duration::from_secs(3_600);
/// The longest greeting that is kept, in bytes; git's own is below 300.
const LONGEST: usize = 64 << 10;
/// The start of a greeting of protocol 2, after the announcement of the service, if any.
const PROTOCOL_2: &[u8] = b"000eversion 2\n";
const SERVICE: &[u8] = b"001e# service=git-upload-pack\n0000";

/// An answer to the request for the greeting.
#[derive(Debug, Clone)]
pub(super) struct Greeting {
    /// The lines of its header.
    pub(super) headers: Vec<u8>,
    pub(super) body: Vec<u8>,
    /// Its URL, after redirects.
    pub(super) from: Url,
}

impl Greeting {
    /// Returns whether it stays the same until the server itself changes.
    fn is_lasting(&self) -> bool {
        let body = self.body.strip_prefix(SERVICE).unwrap_or(&self.body);
        body.starts_with(PROTOCOL_2) && self.body.len() <= LONGEST
    }
}

/// The greeting of one remote, if it is known.
#[derive(Debug, Default)]
pub(in crate::mirror) struct KnownGreeting(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    /// The requested URL.
    url: String,
    greeting: Arc<Greeting>,
    since: Instant,
    /// Whether a later conversation began with it.
    used: bool,
}

impl KnownGreeting {
    /// Returns the greeting that a recent request for `url` got.
    pub(super) fn recall(&self, url: &str) -> Option<Arc<Greeting>> {
        let mut known = self.lock();
        let known = known.as_mut().filter(|known| known.url == url)?;
        if known.since.elapsed() >= LASTS {
            return None;
        }
        known.used = true;
        Some(known.greeting.clone())
    }

    /// Returns whether a valid greeting is known.
    pub(in crate::mirror) fn is_known(&self) -> bool {
        self.lock().as_ref().is_some_and(|known| known.since.elapsed() < LASTS)
    }

    /// Keeps the answer to a request for `url`, if it is lasting.
    pub(super) fn keep(&self, url: &str, greeting: &Arc<Greeting>) {
        let known = |greeting: &Arc<Greeting>| Known {
            url: url.to_owned(),
            greeting: greeting.clone(),
            since: Instant::now(),
            used: false,
        };
        *self.lock() = greeting.is_lasting().then(|| known(greeting));
    }

    /// Forgets the greeting and returns whether a conversation began with it: then it may be the
    /// reason for a failure.
    pub(in crate::mirror) fn forget(&self) -> bool {
        self.lock().take().is_some_and(|known| known.used)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(body: &str) -> Arc<Greeting> {
        let from = Url::parse("http://example.org/a.git").unwrap();
        Arc::new(Greeting { headers: Vec::new(), body: body.into(), from })
    }

    #[test]
    fn only_what_lasts_is_kept_and_only_for_the_address_that_was_asked() {
        for (body, lasts) in [
            ("000eversion 2\n000cls-refs\n0000", true),
            ("001e# service=git-upload-pack\n0000000eversion 2\n0000", true),
            ("001e# service=git-upload-pack\n0000000eversion 1\n0000", false),
            ("001e# service=git-upload-pack\n00000098be1bc27 HEAD\0multi_ack\n0000", false),
            ("", false),
            (&format!("000eversion 2\n{}", "a".repeat(LONGEST)), false),
        ] {
            let known = KnownGreeting::default();
            known.keep("a", &greeting(body));
            assert_eq!(known.recall("a").is_some(), lasts, "{body:.40}");
            assert!(known.recall("b").is_none());
        }
    }

    #[test]
    fn one_that_nobody_began_with_is_not_to_blame() {
        let known = KnownGreeting::default();
        assert!(!known.forget());
        known.keep("a", &greeting("000eversion 2\n0000"));
        assert!(!known.forget() && known.recall("a").is_none());
        known.keep("a", &greeting("000eversion 2\n0000"));
        assert!(known.recall("a").is_some());
        assert!(known.forget() && !known.forget());
    }
}
