//! What a webhook says, and how it is signed.

use std::time::SystemTime;

use headwater::config::Secret;
use headwater::hook::{Checked, Delivery, HookHeaders, read, relevance, signatures};
use headwater::hook::{Hint, wait_seconds};

/// The headers before the first empty line, a name and a value each, and the body behind it.
struct Webhook<'b> {
    headers: Vec<(String, &'b [u8])>,
}

impl HookHeaders for Webhook<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name)?;
        std::str::from_utf8(value).ok()
    }

    fn all(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| *value).collect()
    }
}

/// Reads a webhook and checks its signatures against a secret that made none of them.
pub fn hook(bytes: &[u8]) {
    let (head, body) = match bytes.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&bytes[..end], &bytes[end + 2..]),
        None => (bytes, &[][..]),
    };
    let headers = head.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?.to_ascii_lowercase();
        Some((name, line[colon + 1..].trim_ascii()))
    });
    let webhook = Webhook { headers: headers.collect() };
    let hint = read(&webhook, body);
    assert_eq!(hint, read(&webhook, body), "reading is a function");
    if let Ok(Hint::Pushes(pushes)) = &hint {
        let _ = relevance(pushes, Some("main"), Some("https://example.org/owner/name.git"));
    }
    let _ = Delivery::of(&webhook, body);
    webhook.header("prefer").map(wait_seconds);
    let Ok(secret) = Secret::new("fuzz", "a secret that signed nothing") else { return };
    for signature in signatures(&webhook) {
        let mut check = signature.check(std::iter::once(&secret), SystemTime::UNIX_EPOCH);
        check.update(body);
        assert!(!matches!(check.finish(), Checked::Valid(_)), "a signature out of nothing");
    }
}
