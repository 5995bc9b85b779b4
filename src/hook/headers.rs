//! The headers of a webhook, independent of the library that holds them.

use http::HeaderMap;

/// The headers of a webhook.
pub trait HookHeaders {
    /// Returns the header with this lower-case name; `None` if it is absent or not text.
    fn header(&self, name: &str) -> Option<&str>;

    /// Returns every header with this lower-case name, as sent.
    fn all(&self, name: &str) -> Vec<&[u8]>;
}

impl HookHeaders for HeaderMap {
    fn header(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| value.to_str().ok())
    }

    fn all(&self, name: &str) -> Vec<&[u8]> {
        self.get_all(name).iter().map(|value| value.as_bytes()).collect()
    }
}
