//! The fingerprint of a secret: enough to recognize it, and nothing to show it by.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER_PERMISSIVE;

/// The SHA-256 of a secret. It has no `Debug`, because a file that holds a fingerprint is private.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Returns the fingerprint of `secret`.
    pub fn of(secret: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, secret).as_ref());
        Self(bytes)
    }

    /// Parses 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// Returns the 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        HEXLOWER_PERMISSIVE.encode(&self.0)
    }
}

/// Values by the secret that opens them.
///
/// A lookup hashes the given secret once, and takes the same time however many secrets there are.
/// The place of a secret in the table is a hash under a random key of this table, so the time tells
/// nothing about the secrets: nobody can choose a secret whose hash is close to another one.
pub(super) struct SecretMap<T> {
    key: [u8; 32],
    values: HashMap<[u8; 32], T>,
}

impl<T> SecretMap<T> {
    /// Returns an empty map.
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        // From the system: the generator of aws-lc gathers entropy of its own first, for 25 ms.
        // Without randomness the table is an ordinary one: nothing is open that should not be.
        if getrandom::fill(&mut key).is_err() {
            tracing::warn!("no randomness for the table of tokens");
        }
        Self { key, values: HashMap::new() }
    }

    /// Puts `value` behind the secret with this fingerprint. Returns the value that was there.
    pub(super) fn insert(&mut self, fingerprint: Fingerprint, value: T) -> Option<T> {
        self.values.insert(self.place(fingerprint), value)
    }

    /// Returns the value behind the secret with this fingerprint.
    pub(super) fn get(&self, fingerprint: Fingerprint) -> Option<&T> {
        self.values.get(&self.place(fingerprint))
    }

    fn place(&self, Fingerprint(bytes): Fingerprint) -> [u8; 32] {
        *blake3::keyed_hash(&self.key, &bytes).as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_sha_256_that_other_tools_print() {
        let printed = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Fingerprint::of(b"abc").to_hex(), printed);
        for text in [printed, &printed.to_uppercase()] {
            assert!(Fingerprint::parse(text) == Some(Fingerprint::of(b"abc")));
        }
        let wrong =
            ["", "ba78", &printed[1..], &format!("{printed}00"), &printed.replace('b', "g")];
        assert!(wrong.iter().all(|text| Fingerprint::parse(text).is_none()));
    }

    #[test]
    fn only_the_whole_secret_finds_its_value() {
        let mut map = SecretMap::new();
        for n in 0..100 {
            assert_eq!(map.insert(Fingerprint::of(format!("secret {n}").as_bytes()), n), None);
        }
        for n in 0..100 {
            let given = format!("secret {n}");
            assert_eq!(map.get(Fingerprint::of(given.as_bytes())), Some(&n));
        }
        for wrong in ["", "secret", "secret 100", "secret 1 ", "Secret 1"] {
            assert_eq!(map.get(Fingerprint::of(wrong.as_bytes())), None, "{wrong}");
        }
        assert_eq!(map.insert(Fingerprint::of(b"secret 7"), 0), Some(7));
    }
}
