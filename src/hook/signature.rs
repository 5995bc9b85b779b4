//! The signatures of forges on a delivery. They cover the raw body and are checked while it
//! arrives, before any of it is parsed.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

use super::{HookHeaders, Media, Payload, media_type, sender};
use crate::config::Secret;
use crate::hmac::Mac;

/// How far the signed time of a sender may differ from ours.
const TOLERANCE: Duration = Duration::from_secs(300);

/// The headers of Gitea, Forgejo and Gogs, with only hexadecimal digits.
const BARE: [&str; 3] = ["x-gitea-signature", "x-forgejo-signature", "x-gogs-signature"];

/// The headers of GitHub (and Gitea) and of Bitbucket, which begin with the algorithm.
const HUB: [&str; 2] = ["x-hub-signature-256", "x-hub-signature"];

/// A signature in a request. A malformed one counts as made by no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The codes, one of which must be right.
    tags: Vec<Vec<u8>>,
    /// What is signed in front of the body; `None` if only the body is signed.
    standard: Option<Standard>,
}

/// The parts that Standard Webhooks sign in front of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standard {
    id: Vec<u8>,
    timestamp: Vec<u8>,
}

/// The bytes that a signature covers.
#[derive(Debug)]
pub enum Covered {
    /// The body as it arrives.
    Body,
    /// The JSON inside a form.
    Payload(Payload),
}

impl Covered {
    /// Returns what the signatures of this webhook cover.
    pub fn of(headers: &dyn HookHeaders) -> Self {
        let is_inside = sender(headers).is_some_and(|forge| forge.signs_payload());
        match media_type(headers) {
            Some(Media::Form) if is_inside => Self::Payload(Payload::default()),
            _ => Self::Body,
        }
    }

    /// Returns the covered bytes in a piece of the body.
    pub fn read<'p>(&mut self, piece: &'p [u8]) -> Cow<'p, [u8]> {
        match self {
            Self::Body => Cow::Borrowed(piece),
            Self::Payload(payload) => Cow::Owned(payload.read(piece)),
        }
    }
}

/// A signature that is checked against several secrets while the body arrives.
pub struct Check {
    macs: Vec<Mac>,
    tags: Vec<Vec<u8>>,
    fresh: bool,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// The secret at this place made the signature.
    Valid(usize),
    /// A secret made it, at another time: it is a replay, or one of the clocks is wrong.
    Stale,
    /// None of the secrets made it.
    Wrong,
}

/// Lists the signatures in the headers: of GitHub and Bitbucket, of Gitea, Forgejo and Gogs, and of
/// Standard Webhooks, which GitLab uses.
///
/// The SHA-1 signature that GitHub and Gitea still send as well is ignored.
pub fn signatures(headers: &dyn HookHeaders) -> Vec<Signature> {
    let bare = BARE.iter().flat_map(|name| headers.all(name)).map(hexadecimal);
    let hub = HUB.iter().flat_map(|name| headers.all(name));
    let hub = hub.filter(|value| !value.starts_with(b"sha1="));
    let hub = hub.map(|value| hexadecimal(value.strip_prefix(b"sha256=").unwrap_or_default()));
    bare.chain(hub).chain(standard(headers)).collect()
}

fn hexadecimal(digits: &[u8]) -> Signature {
    Signature { tags: HEXLOWER_PERMISSIVE.decode(digits).into_iter().collect(), standard: None }
}

fn standard(headers: &dyn HookHeaders) -> Option<Signature> {
    let shown = headers.all("webhook-signature");
    if shown.is_empty() {
        return None;
    }
    // Versions other than v1 are signed with other algorithms.
    let entries = shown.iter().flat_map(|value| value.split(|byte| *byte == b' '));
    let entries = entries.filter_map(|entry| BASE64.decode(entry.strip_prefix(b"v1,")?).ok());
    let (ids, timestamps) = (headers.all("webhook-id"), headers.all("webhook-timestamp"));
    let (tags, id, timestamp) = match (&ids[..], &timestamps[..]) {
        ([id], [timestamp]) => (entries.collect(), id.to_vec(), timestamp.to_vec()),
        _ => (Vec::new(), Vec::new(), Vec::new()),
    };
    Some(Signature { tags, standard: Some(Standard { id, timestamp }) })
}

impl Signature {
    /// Starts to check whether one of `secrets` made the signature.
    pub fn check<'s>(self, secrets: impl Iterator<Item = &'s Secret>, now: SystemTime) -> Check {
        let Self { tags, standard } = self;
        let Some(standard) = standard else {
            return Check { macs: secrets.map(Secret::mac).collect(), tags, fresh: true };
        };
        let mut check =
            Check { macs: secrets.map(Secret::token_mac).collect(), tags, fresh: false };
        for piece in [&*standard.id, b".", &standard.timestamp, b"."] {
            check.update(piece);
        }
        Check { fresh: is_fresh(&standard.timestamp, now), ..check }
    }
}

/// Returns whether a time in seconds since 1970 is close enough to `now`.
fn is_fresh(timestamp: &[u8], now: SystemTime) -> bool {
    let seconds = std::str::from_utf8(timestamp).ok().and_then(|text| text.parse().ok());
    seconds.map(Duration::from_secs).is_some_and(|since| is_near(since, now))
}

/// Returns whether a signed time since 1970 is close enough to `now`.
pub(super) fn is_near(since: Duration, now: SystemTime) -> bool {
    let apart = SystemTime::UNIX_EPOCH.checked_add(since).map(|signed| {
        now.duration_since(signed).unwrap_or_else(|signed_later| signed_later.duration())
    });
    apart.is_some_and(|apart| apart <= TOLERANCE)
}

impl Check {
    /// Takes the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        self.macs.iter_mut().for_each(|mac| mac.update(piece));
    }

    /// Ends the body. Every secret is tried, so the time does not reveal which was right.
    pub fn finish(self) -> Checked {
        let Self { macs, tags, fresh } = self;
        let made = macs.into_iter().map(|mac| {
            let tag = mac.finish();
            tags.iter().fold(false, |found, shown| found | tag.matches(shown))
        });
        let place = made
            .enumerate()
            .fold(None, |found: Option<usize>, (place, made)| found.or(made.then_some(place)));
        match place {
            Some(place) if fresh => Checked::Valid(place),
            Some(_) => Checked::Stale,
            None => Checked::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "It's a Secret to Everybody";
    const GITHUB: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const BITBUCKET: &str = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";

    const TOKEN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNED_AT: u64 = 1_614_265_330;
    const STANDARD: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const STANDARD_BODY: &str = "{\"test\": 2432232314}";

    fn check_at(seconds: u64, headers: &[(&str, &str)], body: &str) -> Vec<Checked> {
        let secrets = ["another secret of ours", SECRET, TOKEN]
            .map(|text| Secret::new("s", text).unwrap_or_else(|error| panic!("{error}")));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let shown = signatures(&headers.to_vec()).into_iter();
        let checked = shown.map(|signature| {
            let mut check = signature.check(secrets.iter(), now);
            body.as_bytes().chunks(5).for_each(|piece| check.update(piece));
            check.finish()
        });
        checked.collect()
    }

    fn check(headers: &[(&str, &str)], body: &str) -> Vec<Checked> {
        check_at(SIGNED_AT, headers, body)
    }

    fn standard_headers(signature: &str) -> [(&str, &str); 3] {
        [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", signature),
        ]
    }

    #[test]
    fn the_example_of_github_is_valid() {
        let signature = format!("sha256={GITHUB}");
        let headers = [("x-hub-signature-256", &*signature)];
        assert_eq!(check(&headers, "Hello, World!"), [Checked::Valid(1)]);
        assert_eq!(check(&headers, "Hello, World?"), [Checked::Wrong]);
        assert_eq!(check(&headers, ""), [Checked::Wrong]);
    }

    #[test]
    fn the_example_of_bitbucket_is_valid() {
        let signature = format!("sha256={BITBUCKET}");
        let headers = [("x-hub-signature", &*signature)];
        assert_eq!(check(&headers, "Hello World!"), [Checked::Valid(1)]);
    }

    #[test]
    fn gitea_forgejo_and_gogs_put_nothing_in_front() {
        for name in BARE {
            assert_eq!(check(&[(name, GITHUB)], "Hello, World!"), [Checked::Valid(1)], "{name}");
            let prefixed = format!("sha256={GITHUB}");
            assert_eq!(check(&[(name, &prefixed)], "Hello, World!"), [Checked::Wrong], "{name}");
        }
    }

    #[test]
    fn each_of_several_signatures_is_checked_on_its_own() {
        let right = format!("sha256={GITHUB}");
        let wrong = format!("sha256={BITBUCKET}");
        let headers = [("x-hub-signature-256", &*right), ("x-hub-signature-256", &wrong)];
        assert_eq!(check(&headers, "Hello, World!"), [Checked::Valid(1), Checked::Wrong]);
    }

    #[test]
    fn the_example_of_standard_webhooks_is_valid() {
        assert_eq!(check(&standard_headers(STANDARD), STANDARD_BODY), [Checked::Valid(2)]);
        let several = format!("v1,bm9uZQ== v1a,{} {STANDARD}", "AAAA");
        assert_eq!(check(&standard_headers(&several), STANDARD_BODY), [Checked::Valid(2)]);
        let twice = format!("{STANDARD} {STANDARD}");
        assert_eq!(check(&standard_headers(&twice), STANDARD_BODY), [Checked::Valid(2)]);
        assert_eq!(check(&standard_headers(STANDARD), "{}"), [Checked::Wrong]);
    }

    #[test]
    fn a_time_that_is_signed_must_be_near_ours() {
        let at = |seconds| check_at(seconds, &standard_headers(STANDARD), STANDARD_BODY);
        for near in [SIGNED_AT - 300, SIGNED_AT + 300] {
            assert_eq!(at(near), [Checked::Valid(2)]);
        }
        for far in [SIGNED_AT - 301, SIGNED_AT + 301, 0] {
            assert_eq!(at(far), [Checked::Stale]);
        }
        assert!(!is_fresh(b"soon", SystemTime::now()));
        assert!(!is_fresh(u64::MAX.to_string().as_bytes(), SystemTime::now()));
    }

    #[test]
    fn the_id_and_the_time_are_part_of_what_is_signed() {
        for (place, value) in [(0, "msg_2"), (1, "1614265331")] {
            let mut headers = standard_headers(STANDARD);
            headers[place].1 = value;
            assert_eq!(check(&headers, STANDARD_BODY), [Checked::Wrong], "{value}");
        }
        let signature_alone = [("webhook-signature", STANDARD)];
        assert_eq!(check(&signature_alone, STANDARD_BODY), [Checked::Wrong]);
        let mut twice = standard_headers(STANDARD).to_vec();
        twice.push(("webhook-id", "msg_2"));
        assert_eq!(check(&twice, STANDARD_BODY), [Checked::Wrong]);
    }

    #[test]
    fn what_cannot_be_read_is_a_signature_that_nobody_made() {
        for (name, value) in [
            ("x-hub-signature-256", ""),
            ("x-hub-signature-256", GITHUB),
            ("x-hub-signature-256", "sha256="),
            ("x-hub-signature-256", "sha256=75"),
            ("x-hub-signature", "sha512=757107"),
            ("x-gitea-signature", "not hexadecimal"),
            ("webhook-signature", "v1,not base64"),
            ("webhook-signature", ""),
        ] {
            assert_eq!(check(&[(name, value)], "Hello, World!"), [Checked::Wrong], "{value}");
        }
    }

    #[test]
    fn a_sha_1_signature_counts_as_none() {
        let sha1 = "sha1=4864d2759938a15468b5df9ade20bf161da9b4f7";
        assert_eq!(check(&[("x-hub-signature", sha1)], "Hello, World!"), []);
    }
}
