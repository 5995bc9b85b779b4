//! A shared secret: it can be compared, signed with and sent, never printed.

use data_encoding::BASE64;
use subtle::ConstantTimeEq;

use super::error::ConfigError;
use crate::hmac::Mac;

/// The fewest bytes of a secret. Shorter ones can be guessed.
const MIN_BYTES: usize = 16;

/// The prefix of a Standard Webhooks signing token, which is base64.
const SIGNING_PREFIX: &str = "whsec_";

/// A shared secret. It has neither `Debug` nor `PartialEq`, so that a derive cannot log it or
/// compare it in data-dependent time.
#[derive(Clone)]
pub struct Secret {
    text: Box<[u8]>,
    /// The decoded bytes, if the text is a signing token.
    token: Option<Box<[u8]>>,
}

/// What tells secrets apart: a code over the empty message, because HMAC treats several spellings
/// of a key as equal.
#[derive(PartialEq, Eq, Hash)]
pub struct SecretIdentity([u8; 32]);

impl Secret {
    /// Trims `text` and returns it as a secret. `setting` names the place in the error.
    ///
    /// # Errors
    /// Fails if it is empty or shorter than sixteen bytes, or begins like a signing token
    /// (`whsec_`) and is not one.
    pub fn new(setting: &str, text: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        let token = text.strip_prefix(SIGNING_PREFIX).map(|token| BASE64.decode(token.as_bytes()));
        let token = token.transpose();
        let token = token.map_err(|_| ConfigError::SigningToken { setting: setting.to_owned() })?;
        if token.as_ref().map_or(text.len(), Vec::len) < MIN_BYTES {
            return Err(ConfigError::ShortSecret { setting: setting.to_owned() });
        }
        Ok(Self { text: text.as_bytes().into(), token: token.map(Vec::into_boxed_slice) })
    }

    /// Returns whether `given` is this secret. The time reveals nothing about either: both are
    /// hashed first, which hides the length too.
    pub fn matches(&self, given: &[u8]) -> bool {
        let (ours, theirs) = (blake3::hash(&self.text), blake3::hash(given));
        ours.as_bytes().ct_eq(theirs.as_bytes()).into()
    }

    /// Returns whether the holder of one secret can show or sign what the other accepts, in
    /// whatever form each is written.
    pub fn is(&self, other: &Self) -> bool {
        let theirs = other.identities();
        self.identities().iter().any(|ours| theirs.contains(ours))
    }

    /// Returns an identity for each form of this secret. Two secrets that have one in common are
    /// one. To find equal ones among secrets of the settings; never compare one with what a caller
    /// sent, because that takes a time that depends on both.
    pub fn identities(&self) -> [SecretIdentity; 2] {
        [self.mac(), self.token_mac()].map(|mac| SecretIdentity(*mac.finish().as_bytes()))
    }

    /// Returns the bytes, to send them to a server that knows them. Never log them.
    pub fn expose(&self) -> &[u8] {
        &self.text
    }

    /// Starts a message signed with this secret.
    pub fn mac(&self) -> Mac {
        Mac::new(&self.text)
    }

    /// Starts a message signed as Standard Webhooks specify: with the decoded bytes of a signing
    /// token, or with the text of any other secret.
    pub fn token_mac(&self) -> Mac {
        Mac::new(self.token.as_ref().unwrap_or(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_and_nothing_else() {
        let secret = Secret::new("s", " sixteen-bytes-ok\n").unwrap();
        assert!(secret.matches(b"sixteen-bytes-ok"));
        assert!(!secret.matches(b"sixteen-bytes-oK"));
        assert!(!secret.matches(b""));
    }

    #[test]
    fn an_empty_or_short_secret_is_refused() {
        for text in ["", "   ", "fifteen-bytes--", "whsec_c2hvcnQgdG9rZW4="] {
            let refused = Secret::new("s", text).err();
            assert!(matches!(refused, Some(ConfigError::ShortSecret { .. })), "{text:?}");
        }
    }

    #[test]
    fn what_begins_like_a_signing_token_is_one() {
        let token = "whsec_MDEyMzQ1Njc4OWFiY2RlZg==";
        let secret = Secret::new("s", token).unwrap();
        let plain = Secret::new("s", "0123456789abcdef").unwrap();
        assert!(secret.token_mac().finish().matches(plain.mac().finish().as_bytes()));
        assert!(!secret.mac().finish().matches(plain.mac().finish().as_bytes()));
        assert!(secret.matches(token.as_bytes()) && !secret.matches(b"0123456789abcdef"));
        let refused = Secret::new("s", "whsec_not-base64-but-long-enough").err();
        assert!(matches!(refused, Some(ConfigError::SigningToken { .. })));
    }

    #[test]
    fn secrets_are_one_where_they_sign_alike_however_each_is_written() {
        let token = |key: &[u8]| format!("whsec_{}", BASE64.encode(key));
        let (plain, long) = ("0123456789abcdef", "0123456789abcdef".repeat(5));
        let hashed = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, long.as_bytes());
        let of_plain = token(plain.as_bytes());
        for (one, other, expected) in [
            (plain.to_owned(), plain.to_owned(), true),
            (plain.to_owned(), of_plain.clone(), true),
            (of_plain.clone(), of_plain.clone(), true),
            // The token is a plain secret to whoever signs with its text, and may be encoded again.
            (of_plain.clone(), token(of_plain.as_bytes()), true),
            // HMAC pads a short key with zeros, and uses the hash of a long one instead.
            (plain.to_owned(), token(b"0123456789abcdef\0"), true),
            (long, token(hashed.as_ref()), true),
            (plain.to_owned(), "0123456789abcdeF".to_owned(), false),
            (plain.to_owned(), token(b"0123456789abcdeF"), false),
            (of_plain, token(b"0123456789abcdeF"), false),
        ] {
            let [a, b] = [&one, &other].map(|text| Secret::new("s", text).unwrap());
            assert_eq!((a.is(&b), b.is(&a)), (expected, expected), "{one} {other}");
        }
    }
}
