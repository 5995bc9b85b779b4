//! The keys of an issuer, asked for when they are needed and kept while it is away.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use reqwest::{Client, Url, redirect};
use tokio::sync::OwnedMutexGuard;

use super::credential::Changes;
use super::key_schedule::{KeySchedule, Need, PAUSE};
use super::key_set::{KeySet, KeySetFlaw};
use crate::exit::chain;

/// How long an issuer may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes of its answer.
const MAX_BYTES: usize = 256 << 10;

/// Where the keys of an issuer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyPlace {
    /// At an address.
    Url(Url),
    /// In a file.
    File(PathBuf),
}

/// The keys of one issuer.
///
/// One question is asked at a time, and a caller that hangs up does not end it. While the issuer
/// does not answer, or answers with something that is no JWK set, the last keys stay valid. A set
/// without a usable key is an answer: the issuer has withdrawn them all.
pub(super) struct KeyCache {
    place: KeyPlace,
    pause: Duration,
    state: Mutex<State>,
    /// Held while a question is being asked.
    asking: Arc<tokio::sync::Mutex<()>>,
    /// Is told of each answer.
    changes: Changes,
}

struct State {
    keys: Arc<KeySet>,
    schedule: KeySchedule,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
enum KeyError {
    #[error("no HTTP client")]
    Client(#[source] reqwest::Error),
    #[error("no answer")]
    Answer(#[source] reqwest::Error),
    #[error("the file cannot be read")]
    File(#[source] std::io::Error),
    #[error("there are more than {MAX_BYTES} bytes")]
    TooLong,
    #[error("there are no keys")]
    Keys(#[source] KeySetFlaw),
}

impl KeyCache {
    /// Returns a cache without keys. They are asked for when a token needs them, and `changes` is
    /// told of each answer.
    pub(super) fn of(place: KeyPlace, changes: Changes) -> Self {
        Self::with_pause(place, PAUSE, changes)
    }

    /// The same, with another time between two questions.
    pub(super) fn with_pause(place: KeyPlace, pause: Duration, changes: Changes) -> Self {
        let (keys, schedule) = (Arc::default(), KeySchedule::default());
        let state = Mutex::new(State { keys, schedule });
        Self { place, pause, state, asking: Arc::default(), changes }
    }

    /// Returns where the keys are.
    pub(super) fn place(&self) -> &KeyPlace {
        &self.place
    }

    /// Returns the keys as they are known.
    pub(super) fn known(&self) -> Arc<KeySet> {
        self.lock().keys.clone()
    }

    /// Asks for the keys in the background if they are old.
    pub(super) fn renew(self: &Arc<Self>) {
        if let Ok(turn) = self.asking.clone().try_lock_owned()
            && self.take(Need::Renewal)
        {
            let cache = self.clone();
            tokio::spawn(async move { cache.ask(turn).await });
        }
    }

    /// Returns keys among which is the one that a token names, if the issuer has it. Asks for them
    /// at an unknown key, and waits.
    pub(super) async fn with_key(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Option<Arc<KeySet>> {
        let known = self.known();
        if known.find(id, algorithm).is_some() {
            return Some(known);
        }
        let turn = self.asking.clone().lock_owned().await;
        // Perhaps somebody else has asked meanwhile.
        let known = self.known();
        if known.find(id, algorithm).is_some() {
            return Some(known);
        }
        if !self.take(Need::Unknown) {
            return None;
        }
        let cache = self.clone();
        // The question outlives a caller that hangs up, so nobody can keep it from being answered.
        let _ = tokio::spawn(async move { cache.ask(turn).await }).await;
        let keys = self.known();
        keys.find(id, algorithm).is_some().then_some(keys)
    }

    fn take(&self, need: Need) -> bool {
        self.lock().schedule.take(need, self.pause, Instant::now())
    }

    /// Asks for the keys, while `turn` keeps others from asking.
    async fn ask(&self, turn: OwnedMutexGuard<()>) {
        let read = self.read().await;
        let keys = read.and_then(|bytes| KeySet::parse(&bytes).map_err(KeyError::Keys));
        match keys {
            Ok(keys) => {
                if keys.is_empty() {
                    tracing::warn!(
                        place = %self.place,
                        "an issuer has no key for RS256, ES256 or EdDSA; its tokens open nothing"
                    );
                }
                let mut state = self.lock();
                state.keys = Arc::new(keys);
                state.schedule.answered(Instant::now());
                drop(state);
                self.changes.send_replace(());
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(place = %self.place, error, "no new keys of an issuer");
            }
        }
        drop(turn);
    }

    async fn read(&self) -> Result<Vec<u8>, KeyError> {
        match &self.place {
            KeyPlace::File(path) => {
                let bytes = tokio::fs::read(path).await.map_err(KeyError::File)?;
                if bytes.len() > MAX_BYTES { Err(KeyError::TooLong) } else { Ok(bytes) }
            }
            KeyPlace::Url(url) => {
                let client = Client::builder().timeout(TIMEOUT);
                // Whoever answers for the issuer is the one whom the file names.
                let client = client.redirect(redirect::Policy::none()).build();
                let request = client.map_err(KeyError::Client)?.get(url.clone());
                let answer = request.send().await.map_err(answer_error)?;
                let mut answer = answer.error_for_status().map_err(answer_error)?;
                let mut bytes = Vec::new();
                while let Some(piece) = answer.chunk().await.map_err(answer_error)? {
                    if bytes.len() + piece.len() > MAX_BYTES {
                        return Err(KeyError::TooLong);
                    }
                    bytes.extend_from_slice(&piece);
                }
                Ok(bytes)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each value is replaced as a whole, so a poisoned lock holds a usable one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address is logged without its query, so the error is without any.
fn answer_error(error: reqwest::Error) -> KeyError {
    KeyError::Answer(error.without_url())
}

impl std::fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // A query may hold a key of the issuer's service.
            Self::Url(url) => write!(f, "{}{}", url.origin().ascii_serialization(), url.path()),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}
