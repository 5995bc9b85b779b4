//! The token of Gitee: the password of the webhook or, if it signs, a code that only a holder of
//! the secret can make for the time of sending.
//!
//! The code does not cover the body, so whoever sees one can send another body with it for as long
//! as its time is near. That gains nothing: a webhook only decides when to ask the remote, and
//! never for what.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64;
use percent_encoding::percent_decode;

use super::HookHeaders;
use super::signature::{Checked, is_near};
use crate::config::Secret;

/// A token in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiteeToken<'h> {
    shown: &'h [u8],
    /// The time of sending, in milliseconds since 1970. It is present with a password, too.
    timestamp: Option<&'h [u8]>,
}

impl<'h> GiteeToken<'h> {
    /// Lists the tokens in the headers.
    pub fn all(headers: &'h dyn HookHeaders) -> Vec<Self> {
        let timestamp = match headers.all("x-gitee-timestamp")[..] {
            [timestamp] => Some(timestamp),
            _ => None,
        };
        let shown = headers.all("x-gitee-token").into_iter();
        shown.map(|shown| Self { shown, timestamp }).collect()
    }

    /// Returns which of `secrets` the token is, or was made with. Every secret is tried, so the
    /// time does not reveal which was right.
    pub fn check<'s>(&self, secrets: impl Iterator<Item = &'s Secret>, now: SystemTime) -> Checked {
        let signed = self.timestamp.zip(self.code());
        let is_fresh = self.timestamp.is_some_and(|timestamp| is_fresh(timestamp, now));
        let checked = secrets.enumerate().map(|(place, secret)| {
            let is_signed = signed.as_ref().is_some_and(|(timestamp, code)| {
                let mut mac = secret.mac();
                [*timestamp, b"\n", secret.expose()].iter().for_each(|piece| mac.update(piece));
                mac.finish().matches(code)
            });
            match (secret.matches(self.shown), is_signed, is_fresh) {
                (true, ..) | (_, true, true) => Checked::Valid(place),
                (false, true, false) => Checked::Stale,
                (false, false, _) => Checked::Wrong,
            }
        });
        checked.fold(Checked::Wrong, |found, checked| match found {
            Checked::Wrong => checked,
            found => found,
        })
    }

    /// Returns whether the token is one of `secrets` itself, and not a code. Every secret is
    /// compared.
    pub fn is_one_of<'s>(&self, secrets: impl Iterator<Item = &'s Secret>) -> bool {
        secrets.fold(false, |found, secret| found | secret.matches(self.shown))
    }

    /// Decodes the token as a code. It is percent-encoded if it was made as the manual of Gitee
    /// says.
    fn code(&self) -> Option<Vec<u8>> {
        let text: Cow<'_, [u8]> = percent_decode(self.shown).into();
        BASE64.decode(&text).ok()
    }
}

fn is_fresh(timestamp: &[u8], now: SystemTime) -> bool {
    let milliseconds = std::str::from_utf8(timestamp).ok().and_then(|text| text.parse().ok());
    milliseconds.map(Duration::from_millis).is_some_and(|since| is_near(since, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the code was made, in milliseconds.
    const SENT_AT: u64 = 1_576_754_827_988;
    const SECRET: &str = "this is secret of the hook";
    const CODE: &str = "2PiZ4blz/gAozoN323RqzPgehcLHnuiFgJuVZ2UpL7A=";

    fn check(after: i64, token: &str, timestamps: &[&str]) -> Checked {
        let secrets = ["another secret of ours", SECRET]
            .map(|text| Secret::new("s", text).unwrap_or_else(|error| panic!("{error}")));
        let mut headers = vec![("x-gitee-token", token)];
        headers.extend(timestamps.iter().map(|timestamp| ("x-gitee-timestamp", *timestamp)));
        let now = Duration::from_millis(SENT_AT.saturating_add_signed(after));
        let tokens = GiteeToken::all(&headers);
        assert_eq!(tokens.len(), 1);
        tokens[0].check(secrets.iter(), SystemTime::UNIX_EPOCH + now)
    }

    #[test]
    fn a_code_over_the_time_is_valid_while_that_is_near() {
        let sent = SENT_AT.to_string();
        for (after, expected) in [
            (0, Checked::Valid(1)),
            (299_000, Checked::Valid(1)),
            (-299_000, Checked::Valid(1)),
            (301_000, Checked::Stale),
            (-301_000, Checked::Stale),
        ] {
            assert_eq!(check(after, CODE, &[&sent]), expected, "{after}");
        }
        let escaped = CODE.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        assert_eq!(check(0, &escaped, &[&sent]), Checked::Valid(1));
    }

    #[test]
    fn the_password_is_valid_whatever_the_time() {
        let sent = SENT_AT.to_string();
        for timestamps in [&[][..], &[&*sent], &["soon"], &["0"]] {
            assert_eq!(check(0, SECRET, timestamps), Checked::Valid(1), "{timestamps:?}");
        }
    }

    #[test]
    fn another_time_another_code_and_none_are_wrong() {
        let sent = SENT_AT.to_string();
        let later = (SENT_AT + 1).to_string();
        for timestamps in [&[][..], &[&*later], &[&*sent, &*sent], &["x"]] {
            assert_eq!(check(0, CODE, timestamps), Checked::Wrong, "{timestamps:?}");
        }
        for token in ["", "no base64", "AAAA", "this is secret of the hooK"] {
            assert_eq!(check(0, token, &[&sent]), Checked::Wrong, "{token}");
        }
    }
}
