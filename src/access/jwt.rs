//! The tokens of OpenID Connect: JWS in the compact form (RFC 7515, RFC 7519).

use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fingerprint::Fingerprint;
use super::key_set::Key;

/// The longest token. Real ones with many groups have a few kilobytes.
const MAX_BYTES: usize = 16 << 10;

/// The longest name of a person (OpenID Connect Core, section 2).
const MAX_SUBJECT: usize = 255;

/// By how many seconds the clocks may differ.
const SKEW: u64 = 60;

/// The algorithms. None has a key that could be confused with that of another.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// What a token says of itself, before anything is proven.
pub(super) struct Claimed<'t> {
    token: &'t str,
    /// Who is said to have made it.
    pub(super) issuer: String,
    /// The key that is said to have signed it.
    pub(super) key_id: Option<String>,
    /// The algorithm that is said to have been used.
    pub(super) algorithm: Algorithm,
}

/// What a genuine token says.
#[derive(Debug)]
pub(super) struct Proven {
    /// The person.
    pub(super) subject: String,
    /// From when on it is valid no more, the skew included.
    pub(super) until: SystemTime,
    /// Everything that it says, without an address that the issuer did not verify: anybody may
    /// have typed it.
    pub(super) claims: Map<String, Value>,
}

/// The issuer of a token: one text. The library also takes a list.
#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

impl<'t> Claimed<'t> {
    /// Reads a token; `None` if it is none, is too long, is not signed by one of the algorithms, or
    /// brings or names a key of its own.
    pub(super) fn read(token: &'t [u8]) -> Option<Self> {
        if token.len() > MAX_BYTES {
            return None;
        }
        let token = std::str::from_utf8(token).ok()?;
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let header = decode_header(token).ok()?;
        if !ALGORITHMS.contains(&header.alg) || !is_plain(&header) {
            return None;
        }
        let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
        let Issuer { iss } = serde_json::from_slice(&payload).ok()?;
        let Header { kid, alg, .. } = header;
        Some(Self { token, issuer: iss, key_id: kid, algorithm: alg })
    }

    /// Returns the fingerprint of the whole token.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.token.as_bytes())
    }

    /// Returns what the token says if `key` has signed it for `audience`, and if it is valid now or
    /// was before: whether its time has passed is for the caller.
    pub(super) fn prove(&self, key: &Key, issuer: &str, audience: &str) -> Option<Proven> {
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = SKEW;
        validation.validate_exp = false;
        validation.validate_nbf = true;
        let mut claims: Map<String, Value> =
            decode(self.token, &key.decoding, &validation).ok()?.claims;
        if !is_verified(claims.get("email_verified")) {
            claims.remove("email");
        }
        let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| {
            (1..=MAX_SUBJECT).contains(&subject.len()) && !subject.contains(char::is_control)
        });
        let expires = claims.get("exp").and_then(Value::as_f64)?;
        let expires = Duration::try_from_secs_f64(expires).ok()?;
        let until = SystemTime::UNIX_EPOCH.checked_add(expires)?;
        let until = until.checked_add(Duration::from_secs(SKEW))?;
        let subject = subject?.to_owned();
        Some(Proven { subject, until, claims })
    }
}

/// Returns whether an address with this claim beside it is one that the issuer verified, as far as
/// it tells. Some issuers write the answer as a text, and some never write it.
fn is_verified(claim: Option<&Value>) -> bool {
    match claim {
        None => true,
        Some(Value::Bool(is_verified)) => *is_verified,
        Some(Value::String(text)) => text == "true",
        Some(_) => false,
    }
}

/// Returns whether the header names nothing that would choose the key or change what is signed.
fn is_plain(header: &Header) -> bool {
    let Header { typ, jku, jwk, x5u, x5c, crit, enc, zip, .. } = header;
    let is_jwt = typ.as_deref().is_none_or(|typ| {
        ["jwt", "at+jwt", "application/at+jwt"].contains(&typ.to_ascii_lowercase().as_str())
    });
    let brings_key = jku.is_some() || jwk.is_some() || x5u.is_some() || x5c.is_some();
    is_jwt && !brings_key && crit.is_none() && enc.is_none() && zip.is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_verified_where_the_issuer_says_so_or_says_nothing() {
        assert!(is_verified(None));
        for (claim, expected) in [
            (json!(true), true),
            (json!("true"), true),
            (json!(false), false),
            (json!("false"), false),
            (json!("True"), false),
            (json!(""), false),
            (json!(0), false),
            (json!(1), false),
            (json!(null), false),
            (json!([true]), false),
        ] {
            assert_eq!(is_verified(Some(&claim)), expected, "{claim}");
        }
    }
}
