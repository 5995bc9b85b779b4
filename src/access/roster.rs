//! Everybody who has a credential, as the files say at one moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use headwater_engine::view::View;

use super::caller::{Author, Caller, CallerId};
use super::credential::{Changes, Refused, Valid};
use super::file::{AccessFile, AccessToken};
use super::fingerprint::{Fingerprint, SecretMap};
use super::grants::{Grants, view_of};
use super::issuer::Issuer;
use super::jwt::Claimed;
use super::key_cache::KeyCache;
use super::sign_in::SignIn;
use crate::config::{ConfigError, Token, Tokens};

/// The callers of the access file and of the file of write tokens, together.
pub(super) struct Roster {
    anonymous: Arc<Caller>,
    holders: SecretMap<Holder>,
    issuers: Vec<Issuer>,
    /// Whether the access file lets somebody write.
    grants_writes: bool,
}

/// The holder of a token.
struct Holder {
    caller: Arc<Caller>,
    expires: Option<SystemTime>,
}

impl Roster {
    /// Combines the files. A write token reads what callers without a credential read. The keys of
    /// the issuers of `before` stay known. New ones are told to `changes`.
    ///
    /// # Errors
    /// Fails if both files have a token of the same name or with the same secret.
    pub(super) fn of(
        access: Option<&AccessFile>,
        writers: Option<&Tokens>,
        before: Option<&Self>,
        changes: &Changes,
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
            let new = || Arc::new(KeyCache::of(settings.keys.clone(), changes.clone()));
            let keys = keys.unwrap_or_else(new);
            Issuer::new(settings.clone(), view.clone(), keys)
        });
        let issuers = issuers.collect();
        let anonymous = Arc::new(Caller::anonymous(view));
        let grants_writes = access.is_some_and(AccessFile::grants_writes);
        Ok(Self { anonymous, holders, issuers, grants_writes })
    }

    /// Returns whether the access file lets somebody write.
    pub(super) fn grants_writes(&self) -> bool {
        self.grants_writes
    }

    /// Returns how people sign in on a page, at each issuer where they can.
    pub(super) fn sign_ins(&self) -> Vec<SignIn> {
        self.issuers.iter().filter_map(Issuer::sign_in).cloned().collect()
    }

    /// Returns the caller without a credential.
    pub(super) fn anonymous(&self) -> Arc<Caller> {
        self.anonymous.clone()
    }

    /// Returns the holder of the token with this secret, if there is one and it is valid at `now`.
    fn holder(&self, secret: &[u8], now: SystemTime) -> Option<Result<Valid, Refused>> {
        let Holder { caller, expires } = self.holders.get(Fingerprint::of(secret))?;
        Some(match *expires {
            Some(expires) if expires <= now => Err(Refused::Expired),
            until => Ok(Valid { caller: caller.clone(), until }),
        })
    }

    /// Returns the issuer that a token says to be from.
    fn issuer_of(&self, token: &Claimed<'_>) -> Result<&Issuer, Refused> {
        let issuer = self.issuers.iter().find(|issuer| issuer.name() == token.issuer);
        issuer.ok_or(Refused::Wrong)
    }
}

impl Roster {
    /// Asks issuers for their keys in the background where these are old.
    pub(super) fn renew_keys(&self) {
        self.issuers.iter().for_each(|issuer| issuer.keys().renew());
    }

    /// Returns the caller with this credential, if it is valid at `now`: the holder of a token, or a
    /// person with a token of an issuer.
    pub(super) async fn caller(
        &self,
        credential: &[u8],
        now: SystemTime,
    ) -> Result<Valid, Refused> {
        if let Some(found) = self.holder(credential, now) {
            return found;
        }
        if self.issuers.is_empty() {
            return Err(Refused::Wrong);
        }
        let token = Claimed::read(credential).ok_or(Refused::Wrong)?;
        self.issuer_of(&token)?.person(&token, now).await
    }

    /// Does the same by the keys of the issuers that are known, and asks none of them.
    pub(super) fn known_caller(
        &self,
        credential: &[u8],
        now: SystemTime,
    ) -> Result<Valid, Refused> {
        if let Some(found) = self.holder(credential, now) {
            return found;
        }
        let token = Claimed::read(credential).ok_or(Refused::Wrong)?;
        self.issuer_of(&token)?.known_person(&token, now)
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
