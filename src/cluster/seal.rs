//! What goes over the bus is signed with the secret of the cluster, so that whoever can write to the
//! bus and does not know the secret can delay and not mislead. Whoever can also change the stream, and
//! answer in the name of NATS, can show each replica another register: no signature helps against that.
//!
//! A sealed text is one line of 64 hexadecimal digits, the code, and then the body as it is. The code
//! covers the kind of the message and the name of the cluster, so no message passes for another.

use std::sync::Arc;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

use crate::config::{Secret, Secrets};
use crate::hmac::Mac;

/// The most bytes of a body.
pub const LIMIT: usize = 16 * 1024;

/// The hexadecimal digits of a code.
pub(super) const DIGITS: usize = 64;

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The value of the register.
    Register,
    /// Who is here.
    Here,
    /// The register has changed.
    Say,
    /// The key of git between replicas, which is no message.
    Peer,
}

/// Why a text is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Its code is of another secret, or there is none.
    #[error("it is not signed with the secret of this cluster")]
    OtherSecret,
    /// It has more bytes than it may.
    #[error("it is longer than {LIMIT} bytes")]
    TooLong,
}

/// Signs and checks the messages of one cluster.
#[derive(Clone)]
pub struct Seal {
    secrets: Arc<Secrets>,
    cluster: Arc<str>,
}

impl Seal {
    /// Returns the seal of the cluster `name`. The first secret signs, and each of them is accepted,
    /// so that a secret can be replaced one replica at a time.
    pub fn new(secrets: Arc<Secrets>, name: &str) -> Self {
        Self { secrets, cluster: name.into() }
    }

    /// Signs `body`.
    ///
    /// # Errors
    /// [`SealError::TooLong`]; [`SealError::OtherSecret`] if there is no secret.
    pub fn close(&self, kind: Kind, body: &[u8]) -> Result<Vec<u8>, SealError> {
        if body.len() > LIMIT {
            return Err(SealError::TooLong);
        }
        let secret = self.secrets.first().ok_or(SealError::OtherSecret)?;
        let code = self.code(secret.mac(), kind, body).finish();
        let mut text = HEXLOWER.encode(code.as_bytes()).into_bytes();
        text.push(b'\n');
        text.extend_from_slice(body);
        Ok(text)
    }

    /// Returns the body of a sealed text.
    ///
    /// # Errors
    /// [`SealError::TooLong`]; [`SealError::OtherSecret`] if this cluster did not sign it.
    pub fn open<'a>(&self, kind: Kind, text: &'a [u8]) -> Result<&'a [u8], SealError> {
        if text.len() > LIMIT + DIGITS + 1 {
            return Err(SealError::TooLong);
        }
        let (code, rest) = text.split_at_checked(DIGITS).ok_or(SealError::OtherSecret)?;
        let body = rest.strip_prefix(b"\n").ok_or(SealError::OtherSecret)?;
        let code = HEXLOWER_PERMISSIVE.decode(code).map_err(|_| SealError::OtherSecret)?;
        let is_signed = self
            .secrets
            .numbered()
            .any(|(_, secret)| self.code(secret.mac(), kind, body).finish().matches(&code));
        if is_signed { Ok(body) } else { Err(SealError::OtherSecret) }
    }

    /// Returns the keys by which replicas get objects from each other, one for each secret. They open
    /// nothing on the bus.
    pub fn peer_keys(&self) -> Vec<String> {
        let key = |(_, secret): (usize, &Secret)| {
            HEXLOWER.encode(self.code(secret.mac(), Kind::Peer, b"").finish().as_bytes())
        };
        self.secrets.numbered().map(key).collect()
    }

    fn code(&self, mut mac: Mac, kind: Kind, body: &[u8]) -> Mac {
        let kind: &[u8] = match kind {
            Kind::Register => b"register",
            Kind::Here => b"here",
            Kind::Say => b"say",
            Kind::Peer => b"peer",
        };
        // A name has no line break, so no two messages are covered by the same bytes.
        for piece in [b"headwater cluster 1\n", kind, b"\n", self.cluster.as_bytes(), b"\n", body] {
            mac.update(piece);
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(secrets: &str, name: &str) -> Seal {
        Seal::new(Arc::new(Secrets::parse("s", secrets).unwrap()), name)
    }

    const OURS: &str = "the-secret-of-the-cluster";

    #[test]
    fn what_is_sealed_is_opened_with_the_same_secret_name_and_kind_only() {
        let ours = seal(OURS, "data");
        let text = ours.close(Kind::Register, b"{}").unwrap();
        assert_eq!(ours.open(Kind::Register, &text), Ok(&b"{}"[..]));
        assert_eq!(ours.open(Kind::Here, &text), Err(SealError::OtherSecret));
        for other in [seal(OURS, "other"), seal("the-secret-of-somebody-else", "data")] {
            assert_eq!(other.open(Kind::Register, &text), Err(SealError::OtherSecret));
        }
        for at in [0, 63, 64, 65] {
            let mut changed = text.clone();
            changed[at] ^= 1;
            let opened = ours.open(Kind::Register, &changed);
            assert_eq!(opened, Err(SealError::OtherSecret), "{at}");
        }
        for end in [0, 10, 64] {
            assert!(ours.open(Kind::Register, &text[..end]).is_err());
        }
    }

    #[test]
    fn a_secret_is_replaced_one_replica_at_a_time() {
        let old = seal(OURS, "data");
        let both = seal(&format!("the-secret-that-follows\n{OURS}"), "data");
        let text = old.close(Kind::Say, b"7").unwrap();
        assert_eq!(both.open(Kind::Say, &text), Ok(&b"7"[..]));
        assert!(old.open(Kind::Say, &both.close(Kind::Say, b"7").unwrap()).is_err());
    }

    #[test]
    fn a_body_that_is_too_long_is_neither_sealed_nor_opened() {
        let ours = seal(OURS, "data");
        assert!(ours.close(Kind::Register, &[b'a'; LIMIT]).is_ok());
        assert_eq!(ours.close(Kind::Register, &[b'a'; LIMIT + 1]), Err(SealError::TooLong));
        assert_eq!(ours.open(Kind::Here, &[b'a'; LIMIT + 66]), Err(SealError::TooLong));
    }
}
