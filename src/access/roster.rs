//! Everybody who has a credential, as the files say at one moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use headwater_engine::view::View;

use super::caller::{Author, Caller, CallerId};
use super::file::{AccessFile, AccessToken};
use super::fingerprint::{Fingerprint, SecretMap};
use super::grants::{Grants, view_of};
use super::issuer::Issuer;
use super::jwt::Claimed;
use super::key_cache::KeyCache;
use crate::config::{ConfigError, Token, Tokens};

/// The callers of the access file and of the file of write tokens, together.
pub(super) struct Roster {
    anonymous: Arc<Caller>,
    holders: SecretMap<Holder>,
    issuers: Vec<Issuer>,
}

/// The holder of a token.
struct Holder {
    caller: Arc<Caller>,
    expires: Option<SystemTime>,
}

impl Roster {
    /// Combines the files. A write token reads what callers without a credential read. The keys of
    /// the issuers of `before` stay known.
    ///
    /// # Errors
    /// Fails if both files have a token of the same name or with the same secret.
    pub(super) fn of(
        access: Option<&AccessFile>,
        writers: Option<&Tokens>,
        before: Option<&Self>,
    ) -> Result<Self, ConfigError> {
        let view = access.map_or(View::PUBLIC, |file| file.anonymous.clone());
        let mut names = BTreeSet::new();
        let mut holders = SecretMap::new();
        for token in access.iter().flat_map(|file| &file.tokens) {
            names.insert(&*token.name);
            let (caller, expires) = (Arc::new(caller(token, &view)), token.expires);
            holders.insert(token.fingerprint, Holder { caller, expires });
        }
        for token in writers.iter().flat_map(|tokens| tokens.iter()) {
            if !names.insert(&token.name) {
                return Err(ConfigError::TokenTwice { name: token.name.clone() });
            }
            let fingerprint = Fingerprint::of(token.secret().expose());
            let holder = Holder { caller: Arc::new(writer(token, &view)), expires: None };
            if holders.insert(fingerprint, holder).is_some() {
                return Err(ConfigError::TokenTwice { name: token.name.clone() });
            }
        }
        let issuers = access.iter().flat_map(|file| &file.issuers);
        let issuers = issuers.map(|settings| {
            let mut known = before.iter().flat_map(|before| &before.issuers).map(Issuer::keys);
            let keys = known.find(|keys| *keys.place() == settings.keys).cloned();
            let keys = keys.unwrap_or_else(|| Arc::new(KeyCache::of(settings.keys.clone())));
            Issuer::new(settings.clone(), view.clone(), keys)
        });
        let issuers = issuers.collect();
        Ok(Self { anonymous: Arc::new(Caller::anonymous(view)), holders, issuers })
    }

    /// Returns the caller without a credential.
    pub(super) fn anonymous(&self) -> Arc<Caller> {
        self.anonymous.clone()
    }

    /// Returns the holder of the token with this secret, if it is valid at `now`.
    fn holder(&self, secret: &[u8], now: SystemTime) -> Option<Arc<Caller>> {
        let holder = self.holders.get(Fingerprint::of(secret))?;
        let is_valid = holder.expires.is_none_or(|expires| now < expires);
        is_valid.then(|| holder.caller.clone())
    }
}

impl Roster {
    /// Asks issuers for their keys in the background where these are old.
    pub(super) fn renew_keys(&self) {
        self.issuers.iter().for_each(|issuer| issuer.keys().renew());
    }

    /// Returns the caller with this credential, if it is valid at `now`: the holder of a token, or a
    /// person with a token of an issuer.
    pub(super) async fn caller(&self, credential: &[u8], now: SystemTime) -> Option<Arc<Caller>> {
        if let Some(holder) = self.holder(credential, now) {
            return Some(holder);
        }
        if self.issuers.is_empty() {
            return None;
        }
        let token = Claimed::read(credential)?;
        let issuer = self.issuers.iter().find(|issuer| issuer.name() == token.issuer)?;
        issuer.person(&token, now).await
    }
}

fn caller(token: &AccessToken, anonymous: &View) -> Caller {
    let view = match &token.read {
        Some(sheets) => view_of(sheets, token.hidden),
        None => View { hidden: token.hidden, ..anonymous.clone() },
    };
    Caller {
        id: CallerId::Token(token.name.clone()),
        grants: Grants { view, write: token.write.clone() },
        rate: token.rate,
        author: token.author.clone(),
    }
}

fn writer(token: &Token, anonymous: &View) -> Caller {
    let author = token.author.clone();
    let author = if token.names_author { Author::Default(author) } else { Author::Fixed(author) };
    Caller {
        id: CallerId::Token(token.name.as_str().into()),
        grants: Grants { view: anonymous.clone(), write: token.scope.clone() },
        rate: None,
        author,
    }
}
