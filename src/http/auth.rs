//! Decides who may call the internal routes. This is the only module that inspects credentials:
//! keys in headers, and the signatures of forges over the body.

use std::borrow::Cow;
use std::time::SystemTime;

use axum::http::{HeaderMap, header};
use data_encoding::BASE64;

use crate::config::{Keys, Match, Role};
use crate::hook::{self, Check, Checked, Covered, GiteeToken};
use crate::wire::{ApiError, Code};

/// The headers that carry a plain key.
const KEY_HEADERS: [&str; 3] = ["x-headwater-key", "x-cfp-webhook-key", "x-gitlab-token"];

/// The number of signatures that a caller may show. Forgejo shows four. Each costs a pass over the
/// body for every secret, before anything is known of the caller.
const SIGNATURES: usize = 4;

/// The credentials of a caller, correct as far as the headers show. The body proves the signatures.
pub(super) struct Credentials {
    /// What the given keys matched.
    keys: Vec<Match>,
    /// Whether one of these is a code, which is valid for minutes and for a webhook only.
    has_code: bool,
    signatures: Vec<Check>,
    /// The bytes that the signatures cover.
    covered: Covered,
    /// The secrets that the signatures are checked against, in order.
    signers: Vec<Match>,
}

/// What a caller may do, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof {
    /// The weakest role that the credentials allow.
    pub(super) role: Role,
    /// The secrets that the credentials matched.
    pub(super) matches: Vec<Match>,
}

/// Returns what the caller may do on a route that takes no body.
///
/// # Errors
/// As [`Credentials::of`]; 401 with a signature, which means nothing without a body.
pub(super) fn authenticate(keys: &Keys, headers: &HeaderMap) -> Result<Proof, ApiError> {
    let credentials = Credentials::of(keys, headers)?;
    let is_key_alone = credentials.signatures.is_empty() && !credentials.has_code;
    if is_key_alone { credentials.prove() } else { Err(Code::Unauthorized.into()) }
}

impl Credentials {
    /// Checks the headers of the caller. Every credential must be correct. [`Self::prove`] checks
    /// the signatures.
    ///
    /// # Errors
    /// 401 without a credential, with a wrong one or with too many signatures, with the same text
    /// for all causes; 503 with a credential if no secret is set.
    pub(super) fn of(secrets: &Keys, headers: &HeaderMap) -> Result<Self, ApiError> {
        let (mut keys, signatures) = (keys(headers), hook::signatures(headers));
        let tokens = GiteeToken::all(headers);
        if keys.is_empty() && signatures.is_empty() && tokens.is_empty() {
            keys.push(Cow::Owned(password(headers).ok_or(Code::Unauthorized)?));
        }
        if secrets.secrets().next().is_none() {
            return Err(Code::ReloadNotConfigured.into());
        }
        if signatures.len() > SIGNATURES {
            return Err(Code::Unauthorized.into());
        }
        // Every credential is compared before any is judged, so that the time does not reveal which
        // was wrong.
        let now = SystemTime::now();
        let shared = || secrets.secrets().map(|(_, secret)| secret);
        let signers: Vec<Match> = secrets.secrets().map(|(matched, _)| matched).collect();
        let has_code = tokens.iter().any(|token| !token.is_one_of(shared()));
        let tokens: Vec<_> = tokens.iter().map(|token| token.check(shared(), now)).collect();
        let keys = keys.iter().map(|key| secrets.matching(key));
        let keys: Vec<_> = keys.chain(made_by(&signers, tokens)).collect();
        let keys: Option<Vec<Match>> = keys.into_iter().collect();
        let check = |signature: hook::Signature| signature.check(shared(), now);
        Ok(Self {
            keys: keys.ok_or(Code::Unauthorized)?,
            has_code,
            signatures: signatures.into_iter().map(check).collect(),
            covered: Covered::of(headers),
            signers,
        })
    }

    /// Returns whether the caller sent a key; it was then correct.
    pub(super) fn has_key(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Takes the next piece of the body.
    pub(super) fn update(&mut self, piece: &[u8]) {
        let covered = self.covered.read(piece);
        self.signatures.iter_mut().for_each(|check| check.update(&covered));
    }

    /// Returns what the caller may do, now that the whole body has arrived.
    ///
    /// # Errors
    /// 401 if a signature is wrong.
    pub(super) fn prove(self) -> Result<Proof, ApiError> {
        let Self { keys, signatures, signers, has_code: _, covered: _ } = self;
        let checked: Vec<_> = signatures.into_iter().map(Check::finish).collect();
        let signed = made_by(&signers, checked);
        let matches: Option<Vec<Match>> = keys.into_iter().map(Some).chain(signed).collect();
        let matches = matches.ok_or(Code::Unauthorized)?;
        let role = matches.iter().map(|matched| matched.role).min().ok_or(Code::Unauthorized)?;
        Ok(Proof { role, matches })
    }
}

/// Returns the signer of each credential, and logs one that is stale.
fn made_by(signers: &[Match], checked: Vec<Checked>) -> impl Iterator<Item = Option<Match>> {
    if checked.contains(&Checked::Stale) {
        tracing::warn!(
            "the time of a signed webhook is minutes away from ours: a replay, or a wrong clock"
        );
    }
    checked.into_iter().map(|checked| match checked {
        Checked::Valid(place) => signers.get(place).copied(),
        Checked::Stale | Checked::Wrong => None,
    })
}

/// Returns whether the caller shows any credential.
pub(super) fn shows_credential(headers: &HeaderMap) -> bool {
    !keys(headers).is_empty()
        || !hook::signatures(headers).is_empty()
        || !GiteeToken::all(headers).is_empty()
}

/// Lists the keys in the headers. An `Authorization` with another scheme is for somebody else.
fn keys(headers: &HeaderMap) -> Vec<Cow<'_, [u8]>> {
    let keys = KEY_HEADERS.iter().flat_map(|name| headers.get_all(*name));
    let tokens = headers.get_all(header::AUTHORIZATION).iter();
    let tokens = tokens.filter_map(|value| bearer(value.as_bytes()));
    keys.map(|value| value.as_bytes()).chain(tokens).map(Cow::Borrowed).collect()
}

/// Returns the password of basic authentication, for any user. It is a key only if there is no
/// other credential, because it may be for a proxy in front.
pub(super) fn password(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, account) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked(6)?;
    let account = scheme.eq_ignore_ascii_case(b"basic ").then_some(account.trim_ascii())?;
    let account = BASE64.decode(account).ok()?;
    let colon = account.iter().position(|byte| *byte == b':')?;
    Some(account[colon + 1..].to_vec())
}

/// Returns the bearer token, if there is exactly one.
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut tokens = headers.get_all(header::AUTHORIZATION).iter();
    let token = bearer(tokens.next()?.as_bytes())?;
    tokens.next().is_none().then_some(token)
}

/// More than one credential for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AmbiguousCredential;

/// Returns the credential of a caller that reads or writes records. An `Authorization` with another
/// scheme is for somebody else, such as a proxy in front.
///
/// # Errors
/// Fails if there is more than one `Authorization`.
pub(super) fn reader_credential(headers: &HeaderMap) -> Result<Option<&[u8]>, AmbiguousCredential> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(AmbiguousCredential),
        (one, None) => Ok(one.and_then(|value| bearer(value.as_bytes()))),
    }
}

/// Returns the token of the scheme `Bearer`, which is empty where nothing stands behind the scheme:
/// a credential that opens nothing, and not the lack of one.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let (scheme, token) = value.split_at(end);
    scheme.eq_ignore_ascii_case(b"bearer").then_some(token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use std::sync::Arc;

    use super::*;
    use crate::config::Secrets;
    use crate::hmac::Mac;

    const RELOAD: &str = "the-reload-secret";
    const OPERATOR: &str = "the-operator-secret";

    fn secrets(text: &str) -> Arc<Secrets> {
        Arc::new(Secrets::parse("s", text).unwrap_or_default())
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn outcome(keys: &Keys, pairs: &[(&'static str, &str)]) -> Result<Role, Code> {
        let proof = authenticate(keys, &headers(pairs));
        proof.map(|proof| proof.role).map_err(|error| error.code())
    }

    fn with_body(keys: &Keys, pairs: &[(&'static str, &str)], body: &[u8]) -> Result<Role, Code> {
        let proven = Credentials::of(keys, &headers(pairs)).and_then(|mut credentials| {
            credentials.update(body);
            credentials.prove()
        });
        proven.map(|proof| proof.role).map_err(|error| error.code())
    }

    fn signature(secret: &str, body: &[u8]) -> String {
        let mut mac = Mac::new(secret.as_bytes());
        mac.update(body);
        format!("sha256={}", HEXLOWER.encode(mac.finish().as_bytes()))
    }

    #[test]
    fn each_header_carries_a_key() {
        let keys = Keys { reload: secrets(RELOAD), operator: secrets(OPERATOR), ..Keys::default() };
        let bearer = format!("Bearer {RELOAD}");
        assert_eq!(outcome(&keys, &[("authorization", &bearer)]), Ok(Role::Reload));
        assert_eq!(outcome(&keys, &[("x-cfp-webhook-key", RELOAD)]), Ok(Role::Reload));
        assert_eq!(outcome(&keys, &[("x-gitlab-token", RELOAD)]), Ok(Role::Reload));
        assert_eq!(outcome(&keys, &[("x-gitee-token", RELOAD)]), Ok(Role::Reload));
        assert_eq!(outcome(&keys, &[("x-headwater-key", OPERATOR)]), Ok(Role::Operator));
    }

    #[test]
    fn a_code_of_gitee_opens_a_webhook_and_no_other_route() {
        let keys = Keys { reload: secrets(RELOAD), operator: secrets(OPERATOR), ..Keys::default() };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let sent = now.as_millis().to_string();
        for (secret, role) in [(RELOAD, Role::Reload), (OPERATOR, Role::Operator)] {
            let mut mac = Mac::new(secret.as_bytes());
            mac.update(format!("{sent}\n{secret}").as_bytes());
            let code = data_encoding::BASE64.encode(mac.finish().as_bytes());
            let shown = [("x-gitee-token", &*code), ("x-gitee-timestamp", &sent)];
            assert_eq!(with_body(&keys, &shown, b"{}"), Ok(role));
            assert_eq!(outcome(&keys, &shown), Err(Code::Unauthorized));
            let beside = [shown[0], shown[1], ("x-headwater-key", OPERATOR)];
            assert_eq!(outcome(&keys, &beside), Err(Code::Unauthorized));
            let password = [("x-gitee-token", secret), ("x-gitee-timestamp", &sent)];
            assert_eq!(outcome(&keys, &password), Ok(role));
        }
    }

    #[test]
    fn the_password_of_basic_authentication_is_a_key_where_no_other_is_shown() {
        let keys = Keys { reload: secrets(RELOAD), ..Keys::default() };
        let basic =
            |account: &str| format!("Basic {}", data_encoding::BASE64.encode(account.as_bytes()));
        for (account, expected) in [
            (format!("any:{RELOAD}"), Ok(Role::Reload)),
            (format!(":{RELOAD}"), Ok(Role::Reload)),
            (format!("{RELOAD}:"), Err(Code::Unauthorized)),
            (format!("a:b:{RELOAD}"), Err(Code::Unauthorized)),
            (RELOAD.to_owned(), Err(Code::Unauthorized)),
        ] {
            assert_eq!(outcome(&keys, &[("authorization", &basic(&account))]), expected);
        }
        let right = basic(&format!("any:{RELOAD}"));
        let wrong_too = [("authorization", &*right), ("x-headwater-key", "wrong-wrong-wrong")];
        assert_eq!(outcome(&keys, &wrong_too), Err(Code::Unauthorized));
    }

    #[test]
    fn gitea_and_gogs_sign_the_json_inside_a_form_and_github_the_form() {
        let keys = Keys { reload: secrets(RELOAD), ..Keys::default() };
        let (form, inside) = (&b"payload=%7B%22a%22%3A1%7D"[..], &b"{\"a\":1}"[..]);
        let content = ("content-type", "application/x-www-form-urlencoded");
        for (event, name, signed) in [
            ("x-gitea-event", "x-gitea-signature", inside),
            ("x-gogs-event", "x-gogs-signature", inside),
            ("x-gitea-event", "x-hub-signature-256", inside),
            ("x-github-event", "x-hub-signature-256", form),
        ] {
            let other = if signed == form { inside } else { form };
            let outcome = |signed: &[u8]| {
                let full = signature(RELOAD, signed);
                let bare = full.trim_start_matches("sha256=");
                let shown = if name.contains("hub") { &*full } else { bare };
                with_body(&keys, &[content, (event, "push"), (name, shown)], form)
            };
            assert_eq!(outcome(signed), Ok(Role::Reload), "{name}");
            assert_eq!(outcome(other), Err(Code::Unauthorized), "{name}");
        }
    }

    #[test]
    fn a_scheme_without_a_token_is_a_wrong_credential_and_another_scheme_is_none() {
        for (value, expected) in [
            ("Bearer", Some("")),
            ("bearer", Some("")),
            ("Bearer\ttoken", Some("token")),
            ("BEARER   token", Some("token")),
            ("Bearertoken", None),
            ("Basic dXNlcjpwYXNzd29yZA==", None),
            ("", None),
        ] {
            let headers = headers(&[("authorization", value)]);
            let credential = reader_credential(&headers);
            assert_eq!(credential, Ok(expected.map(str::as_bytes)), "{value:?}");
        }
    }

    #[test]
    fn a_missing_or_wrong_credential_is_one_answer() {
        let keys = Keys { reload: secrets(RELOAD), ..Keys::default() };
        let basic = "Basic dXNlcjpwYXNzd29yZA==";
        for pairs in [
            &[][..],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer wrong-wrong-wrong")],
            &[("authorization", basic)],
            &[("x-headwater-key", "")],
            &[("x-headwater-key", RELOAD), ("x-cfp-webhook-key", "wrong-wrong-wrong")],
        ] {
            assert_eq!(outcome(&keys, pairs), Err(Code::Unauthorized), "{pairs:?}");
        }
        assert!(outcome(&keys, &[("authorization", basic), ("x-headwater-key", RELOAD)]).is_ok());
    }

    #[test]
    fn a_signature_over_the_body_is_a_credential() {
        let keys = Keys { reload: secrets(RELOAD), operator: secrets(OPERATOR), ..Keys::default() };
        let name = "x-hub-signature-256";
        for (secret, role) in [(RELOAD, Role::Reload), (OPERATOR, Role::Operator)] {
            let signature = signature(secret, b"{}");
            assert_eq!(with_body(&keys, &[(name, &signature)], b"{}"), Ok(role));
            let refused = with_body(&keys, &[(name, &signature)], b"{ }");
            assert_eq!(refused, Err(Code::Unauthorized));
            assert_eq!(outcome(&keys, &[(name, &signature)]), Err(Code::Unauthorized));
        }
        let forged = signature("a secret that is not ours", b"{}");
        assert_eq!(with_body(&keys, &[(name, &forged)], b"{}"), Err(Code::Unauthorized));
        let none = with_body(&Keys::default(), &[(name, &forged)], b"{}");
        assert_eq!(none, Err(Code::ReloadNotConfigured));
    }

    #[test]
    fn a_key_and_a_signature_must_both_be_right_and_the_weaker_counts() {
        let keys = Keys { reload: secrets(RELOAD), operator: secrets(OPERATOR), ..Keys::default() };
        let (right, wrong) = (signature(RELOAD, b"{}"), signature("not ours", b"{}"));
        let outcome = |key: &str, signature: &str| {
            let pairs = [("x-headwater-key", key), ("x-hub-signature-256", signature)];
            with_body(&keys, &pairs, b"{}")
        };
        assert_eq!(outcome(OPERATOR, &right), Ok(Role::Reload));
        assert_eq!(outcome(OPERATOR, &wrong), Err(Code::Unauthorized));
        assert_eq!(outcome("wrong", &right), Err(Code::Unauthorized));
    }

    #[test]
    fn more_signatures_than_any_forge_sends_are_not_looked_at() {
        let keys = Keys { reload: secrets(RELOAD), ..Keys::default() };
        let signature = signature(RELOAD, b"{}");
        let shown = [("x-hub-signature-256", &*signature); SIGNATURES + 1];
        assert_eq!(with_body(&keys, &shown[1..], b"{}"), Ok(Role::Reload));
        assert_eq!(with_body(&keys, &shown, b"{}"), Err(Code::Unauthorized));
    }

    #[test]
    fn a_signature_of_an_empty_body_opens_no_route_without_one() {
        let keys = Keys { reload: secrets(RELOAD), ..Keys::default() };
        let signature = signature(RELOAD, b"");
        let pairs = [("x-hub-signature-256", &*signature)];
        assert_eq!(outcome(&keys, &pairs), Err(Code::Unauthorized));
        assert_eq!(with_body(&keys, &pairs, b""), Ok(Role::Reload));
    }

    #[test]
    fn the_secret_of_the_metrics_is_the_weakest_and_opens_nothing_where_it_is_not_asked_for() {
        let metrics = [("x-headwater-key", "the-metrics-secret")];
        let keys = Keys { metrics: secrets("the-metrics-secret"), ..Keys::default() };
        assert_eq!(outcome(&keys, &metrics), Ok(Role::Metrics));
        let keys = Keys { reload: secrets(RELOAD), ..keys };
        assert_eq!(outcome(&keys, &[("x-headwater-key", RELOAD)]), Ok(Role::Reload));
        let keys = Keys { metrics: Arc::default(), ..keys };
        assert_eq!(outcome(&keys, &metrics), Err(Code::Unauthorized));
    }

    #[test]
    fn without_a_secret_only_a_caller_with_a_credential_is_told_so() {
        let keys = Keys::default();
        assert_eq!(outcome(&keys, &[]), Err(Code::Unauthorized));
        assert_eq!(outcome(&keys, &[("x-headwater-key", "x")]), Err(Code::ReloadNotConfigured));
    }

    #[test]
    fn the_secret_that_matched_is_told_by_its_number() {
        let keys = Keys { reload: secrets(&format!("{OPERATOR}-2\n{RELOAD}")), ..Keys::default() };
        let signature = signature(RELOAD, b"{}");
        let shown = headers(&[("x-headwater-key", RELOAD), ("x-hub-signature", &signature)]);
        let mut credentials = Credentials::of(&keys, &shown).unwrap();
        credentials.update(b"{}");
        let second = Match { role: Role::Reload, number: 2 };
        assert_eq!(credentials.prove().unwrap().matches, [second, second]);
    }
}
