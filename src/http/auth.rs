//! Who may call the internal routes. The one module that looks at credentials; signatures of
//! forges join [`Credential`] as further kinds.

use axum::http::{HeaderMap, header};

use super::error::{ApiError, Code};
use crate::config::Secrets;

/// The headers that carry a key as it is.
const KEY_HEADERS: [&str; 2] = ["x-headwater-key", "x-cfp-webhook-key"];

/// What a caller shows.
#[derive(Debug, PartialEq, Eq)]
enum Credential<'a> {
    /// The secret itself.
    Key(&'a [u8]),
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Trigger reloads and read their reports.
    Reload,
    /// Let held pushes through, too.
    Operator,
}

/// The secrets of the two roles.
#[derive(Clone, Default)]
pub struct Keys {
    /// Trigger reloads and read their reports.
    pub reload: Secrets,
    /// Let held pushes through, too.
    pub operator: Secrets,
}

impl Keys {
    /// Returns what the caller may do. Every credential that is shown must be right.
    ///
    /// # Errors
    /// 401 without a credential or with a wrong one, with one text for all causes; 503 with a
    /// credential when no secret is set.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Role, ApiError> {
        let shown = credentials(headers);
        if shown.is_empty() {
            return Err(Code::Unauthorized.into());
        }
        if self.reload.is_empty() && self.operator.is_empty() {
            return Err(Code::ReloadNotConfigured.into());
        }
        // Every credential is compared before any is judged: the time does not tell which was wrong.
        let roles: Vec<_> = shown.iter().map(|credential| self.role(credential)).collect();
        let roles: Option<Vec<Role>> = roles.into_iter().collect();
        let weakest = roles.and_then(|roles| roles.into_iter().min());
        weakest.ok_or_else(|| Code::Unauthorized.into())
    }

    /// Lets only the operator pass.
    ///
    /// # Errors
    /// As [`Self::authenticate`]; 403 with the reload secret, 503 with it when no operator secret
    /// is set.
    pub fn authenticate_operator(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        match self.authenticate(headers)? {
            Role::Operator => Ok(()),
            Role::Reload if self.operator.is_empty() => Err(Code::OperatorNotConfigured.into()),
            Role::Reload => Err(Code::OperatorOnly.into()),
        }
    }

    fn role(&self, credential: &Credential<'_>) -> Option<Role> {
        let Credential::Key(key) = credential;
        let (reload, operator) = (self.reload.accept(key), self.operator.accept(key));
        if operator { Some(Role::Operator) } else { reload.then_some(Role::Reload) }
    }
}

/// Lists what the caller shows. An `Authorization` of another scheme belongs to somebody else.
fn credentials(headers: &HeaderMap) -> Vec<Credential<'_>> {
    let keys = KEY_HEADERS.iter().flat_map(|name| headers.get_all(*name));
    let keys = keys.map(|value| Credential::Key(value.as_bytes()));
    let tokens = headers.get_all(header::AUTHORIZATION).iter();
    let tokens = tokens.filter_map(|value| bearer(value.as_bytes()).map(Credential::Key));
    keys.chain(tokens).collect()
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELOAD: &str = "the-reload-secret";
    const OPERATOR: &str = "the-operator-secret";

    fn secrets(text: &str) -> Secrets {
        Secrets::read("s", Some(text), None).unwrap_or_default()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn outcome(keys: &Keys, pairs: &[(&'static str, &str)]) -> Result<Role, Code> {
        keys.authenticate(&headers(pairs)).map_err(|error| error.code())
    }

    #[test]
    fn each_header_carries_a_key() {
        let keys = Keys { reload: secrets(RELOAD), operator: secrets(OPERATOR) };
        let bearer = format!("Bearer {RELOAD}");
        assert_eq!(outcome(&keys, &[("authorization", &bearer)]), Ok(Role::Reload));
        assert_eq!(outcome(&keys, &[("x-cfp-webhook-key", RELOAD)]), Ok(Role::Reload));
        assert_eq!(outcome(&keys, &[("x-headwater-key", OPERATOR)]), Ok(Role::Operator));
    }

    #[test]
    fn a_missing_or_wrong_credential_is_one_answer() {
        let keys = Keys { reload: secrets(RELOAD), operator: Secrets::default() };
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
    fn without_a_secret_only_a_caller_with_a_credential_is_told_so() {
        let keys = Keys::default();
        assert_eq!(outcome(&keys, &[]), Err(Code::Unauthorized));
        assert_eq!(outcome(&keys, &[("x-headwater-key", "x")]), Err(Code::ReloadNotConfigured));
    }

    #[test]
    fn only_the_operator_passes_where_the_operator_is_asked_for() {
        let both = Keys { reload: secrets(RELOAD), operator: secrets(OPERATOR) };
        let one = Keys { reload: secrets(RELOAD), operator: Secrets::default() };
        let operator = |keys: &Keys, key: &str| {
            let headers = headers(&[("x-headwater-key", key)]);
            keys.authenticate_operator(&headers).map_err(|error| error.code())
        };
        assert_eq!(operator(&both, OPERATOR), Ok(()));
        assert_eq!(operator(&both, RELOAD), Err(Code::OperatorOnly));
        assert_eq!(operator(&one, RELOAD), Err(Code::OperatorNotConfigured));
        assert_eq!(operator(&both, "wrong"), Err(Code::Unauthorized));
    }
}
