//! The public keys of an issuer (RFC 7517).

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// The most keys of an issuer.
const MAX_KEYS: usize = 64;

/// The keys of an issuer that this server can use.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

/// A key, which is for one algorithm: what a token says of itself chooses nothing.
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// Why an answer has no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeySetFlaw {
    /// It is not a set of keys.
    #[error("it is not a JWK set")]
    Form,
    /// It has more keys than any issuer needs.
    #[error("it has more than {MAX_KEYS} keys")]
    TooMany,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// The members of a key that matter here. Private ones are ignored.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Parses a JWK set. Keys for other purposes or of other kinds are passed over, so the result
    /// may be empty: an issuer may withdraw its last key.
    ///
    /// # Errors
    /// Fails if it is none, or is longer than that of any issuer.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, KeySetFlaw> {
        let Document { keys } = serde_json::from_slice(bytes).map_err(|_| KeySetFlaw::Form)?;
        if keys.len() > MAX_KEYS {
            return Err(KeySetFlaw::TooMany);
        }
        let read = |key| serde_json::from_value(key).ok().and_then(Key::of);
        Ok(Self(keys.into_iter().filter_map(read).collect()))
    }

    /// Returns whether this server can use none of the keys.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the key that a token names by its id and its algorithm. A token without an id means
    /// the only key for the algorithm.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let is_meant = |key: &&Key| {
            key.algorithm == algorithm && id.is_none_or(|id| key.id.as_deref() == Some(id))
        };
        let mut found = self.0.iter().filter(is_meant);
        let key = found.next()?;
        // Two keys that a token does not tell apart are none: neither is tried in turn.
        found.next().is_none().then_some(key)
    }
}

impl Key {
    fn of(jwk: Jwk) -> Option<Self> {
        let Jwk { kty, kid, usage, key_ops, alg, crv, n, e, x, y } = jwk;
        let is_for_signatures = usage.is_none_or(|usage| usage == "sig");
        let verifies = key_ops.is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !is_for_signatures || !verifies {
            return None;
        }
        let (algorithm, names, decoding) = match (kty.as_str(), crv.as_deref()) {
            ("RSA", _) => {
                let key = DecodingKey::from_rsa_components(&n?, &e?).ok()?;
                (Algorithm::RS256, &["RS256"][..], key)
            }
            ("EC", Some("P-256")) => {
                let key = DecodingKey::from_ec_components(&x?, &y?).ok()?;
                (Algorithm::ES256, &["ES256"][..], key)
            }
            ("OKP", Some("Ed25519")) => {
                let key = DecodingKey::from_ed_components(&x?).ok()?;
                (Algorithm::EdDSA, &["EdDSA", "Ed25519"][..], key)
            }
            _ => return None,
        };
        let is_for_it = alg.is_none_or(|alg| names.contains(&alg.as_str()));
        is_for_it.then_some(Self { id: kid, algorithm, decoding })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"#;

    fn parse(keys: &[String]) -> Result<KeySet, KeySetFlaw> {
        KeySet::parse(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
    }

    #[test]
    fn only_keys_for_signatures_of_the_three_kinds_are_used() {
        let key = |rest: &str| format!("{ED}\"{rest}}}");
        for good in ["", ",\"use\":\"sig\"", ",\"alg\":\"EdDSA\"", ",\"key_ops\":[\"verify\"]"] {
            let set = parse(&[key(good)]).unwrap();
            assert!(set.find(None, Algorithm::EdDSA).is_some(), "{good}");
            assert!(set.find(None, Algorithm::RS256).is_none(), "{good}");
            assert!(set.find(None, Algorithm::HS256).is_none(), "{good}");
        }
        for wrong in [",\"use\":\"enc\"", ",\"alg\":\"ES256\"", ",\"key_ops\":[\"encrypt\"]"] {
            assert!(parse(&[key(wrong)]).unwrap().is_empty(), "{wrong}");
        }
        let others = [
            r#"{"kty":"oct","k":"c2VjcmV0LXNlY3JldA"}"#,
            r#"{"kty":"oct","k":"c2VjcmV0LXNlY3JldA","alg":"HS256","use":"sig"}"#,
            r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#,
            r#"{"kty":"RSA","n":"%","e":"AQAB"}"#,
            r#"{"kty":"RSA"}"#,
            "17",
        ];
        let others = others.map(str::to_owned);
        assert!(parse(&others).unwrap().is_empty());
        assert!(parse(&[]).unwrap().is_empty());
        assert!(!parse(&[others.to_vec(), vec![key("")]].concat()).unwrap().is_empty());
        assert_eq!(parse(&vec![key(""); 65]).err(), Some(KeySetFlaw::TooMany));
        for text in ["", "[]", "{}", "{\"keys\":{}}", "<html>"] {
            assert_eq!(KeySet::parse(text.as_bytes()).err(), Some(KeySetFlaw::Form), "{text}");
        }
    }

    #[test]
    fn a_token_names_its_key_and_without_a_name_there_is_only_one() {
        let named = |id: &str| format!("{ED}\",\"kid\":\"{id}\"}}");
        let set = parse(&[named("a"), named("b")]).unwrap();
        let found =
            |id: Option<&str>| set.find(id, Algorithm::EdDSA).and_then(|key| key.id.clone());
        assert_eq!(found(Some("a")).as_deref(), Some("a"));
        assert_eq!((found(Some("c")), found(None)), (None, None));
        let twice = parse(&[named("a"), named("a")]).unwrap();
        assert!(twice.find(Some("a"), Algorithm::EdDSA).is_none());
        let one = parse(&[named("a")]).unwrap();
        assert!(one.find(None, Algorithm::EdDSA).is_some());
        assert!(one.find(Some("b"), Algorithm::EdDSA).is_none());
    }
}
