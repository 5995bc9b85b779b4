//! HMAC-SHA256 (RFC 2104), computed piece by piece.

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use subtle::ConstantTimeEq;

/// A code for a message that is still arriving. It has no `Debug`, because it holds its key.
pub struct Mac(Context);

/// The code of a whole message.
///
/// It has no `PartialEq`, which would compare it in data-dependent time.
pub struct Tag([u8; 32]);

impl Mac {
    /// Starts a message under `key`.
    pub fn new(key: &[u8]) -> Self {
        Self(Context::with_key(&Key::new(HMAC_SHA256, key)))
    }

    /// Adds the next piece of the message.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Ends the message.
    pub fn finish(self) -> Tag {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.sign().as_ref());
        Tag(bytes)
    }
}

impl Tag {
    /// Returns whether `given` is this code, in a time that depends only on its length.
    pub fn matches(&self, given: &[u8]) -> bool {
        self.0[..].ct_eq(given).into()
    }

    /// Returns the bytes, for the sender of the message.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn the_codes_are_those_of_rfc_4231() {
        let cases: [(&[u8], &str, &str); 3] = [
            (
                &[0x0b; 20],
                "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, message, expected) in cases {
            let mut mac = Mac::new(key);
            message.as_bytes().chunks(7).for_each(|piece| mac.update(piece));
            assert_eq!(HEXLOWER.encode(mac.finish().as_bytes()), expected);
        }
    }

    #[test]
    fn a_code_matches_itself_and_no_part_of_it() {
        let tag = Mac::new(b"key").finish();
        let bytes = *tag.as_bytes();
        assert!(tag.matches(&bytes));
        assert!(!tag.matches(&bytes[..31]) && !tag.matches(b""));
        let mut other = bytes;
        other[31] ^= 1;
        assert!(!tag.matches(&other));
    }
}
