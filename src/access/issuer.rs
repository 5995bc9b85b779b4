//! An issuer of OpenID Connect: from its tokens to people.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use headwater_engine::view::View;
use lru::LruCache;

use super::caller::{Author, Caller, CallerId};
use super::credential::{Refused, Valid};
use super::fingerprint::Fingerprint;
use super::issuer_settings::IssuerSettings;
use super::jwt::{Claimed, Proven};
use super::key_cache::KeyCache;
use super::key_set::KeySet;
use super::sign_in::SignIn;

/// How many proven tokens are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not 0");

/// An issuer, with its keys and the tokens that were proven lately.
pub(super) struct Issuer {
    settings: IssuerSettings,
    /// What everybody sees, and so each of its people.
    anonymous: View,
    keys: Arc<KeyCache>,
    proven: Mutex<LruCache<Fingerprint, Remembered>>,
}

/// A token that was proven.
struct Remembered {
    caller: Arc<Caller>,
    until: SystemTime,
    /// The keys that it was proven by. By other keys it has to be proven again.
    keys: Arc<KeySet>,
}

impl Issuer {
    /// Returns the issuer. `keys` are those at the place that `settings` names.
    pub(super) fn new(settings: IssuerSettings, anonymous: View, keys: Arc<KeyCache>) -> Self {
        let proven = Mutex::new(LruCache::new(REMEMBERED));
        Self { settings, anonymous, keys, proven }
    }

    /// Returns its name.
    pub(super) fn name(&self) -> &str {
        &self.settings.issuer
    }

    /// Returns how its people sign in on a page, if they can.
    pub(super) fn sign_in(&self) -> Option<&SignIn> {
        self.settings.sign_in.as_ref()
    }

    /// Returns its keys.
    pub(super) fn keys(&self) -> &Arc<KeyCache> {
        &self.keys
    }

    /// Returns the person whose token this is, if it is valid at `now`.
    pub(super) async fn person(
        &self,
        token: &Claimed<'_>,
        now: SystemTime,
    ) -> Result<Valid, Refused> {
        let keys = self.keys.with_key(token.key_id.as_deref(), token.algorithm).await;
        self.person_by(keys.ok_or(Refused::Wrong)?, token, now)
    }

    /// Does the same by the keys that are known.
    pub(super) fn known_person(
        &self,
        token: &Claimed<'_>,
        now: SystemTime,
    ) -> Result<Valid, Refused> {
        self.person_by(self.keys.known(), token, now)
    }

    fn person_by(
        &self,
        keys: Arc<KeySet>,
        token: &Claimed<'_>,
        now: SystemTime,
    ) -> Result<Valid, Refused> {
        let fingerprint = token.fingerprint();
        if let Some(valid) = self.remembered(fingerprint, &keys, now) {
            return Ok(valid);
        }
        let key = keys.find(token.key_id.as_deref(), token.algorithm).ok_or(Refused::Wrong)?;
        let proven = token.prove(key, &self.settings.issuer, &self.settings.audience);
        let proven = proven.ok_or(Refused::Wrong)?;
        let until = proven.until;
        if until <= now {
            return Err(Refused::Expired);
        }
        let caller = Arc::new(self.caller(proven));
        let remembered = Remembered { caller: caller.clone(), until, keys };
        self.lock().put(fingerprint, remembered);
        Ok(Valid { caller, until: Some(until) })
    }

    fn remembered(&self, token: Fingerprint, keys: &Arc<KeySet>, now: SystemTime) -> Option<Valid> {
        let mut proven = self.lock();
        let Remembered { caller, until, keys: by } = proven.get(&token)?;
        let is_valid = Arc::ptr_eq(by, keys) && now < *until;
        is_valid.then(|| Valid { caller: caller.clone(), until: Some(*until) })
    }

    fn caller(&self, Proven { subject, claims, .. }: Proven) -> Caller {
        let author = match &self.settings.author {
            None => Author::Nobody,
            Some(template) => match template.author(&claims) {
                Ok(author) => Author::Fixed(author),
                Err(flaw) => Author::Lacking(flaw),
            },
        };
        let issuer = self.settings.issuer.clone();
        Caller {
            id: CallerId::Person { issuer, subject: subject.into() },
            grants: self.settings.grants(&claims, &self.anonymous),
            rate: self.settings.rate,
            author,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<Fingerprint, Remembered>> {
        // The cache is consistent after every statement, so a poisoned lock holds a usable one.
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
