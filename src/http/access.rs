//! Access to the internal routes and to those that write: credentials are compared with the secrets that
//! hold now, and the log and the metrics are told which of them was used, by its number.
//!
//! A right credential always gives access. Wrong ones are counted against their source; a source with
//! too many gets another answer, and its signed bodies are taken in one at a time. So an attacker
//! behind the address of a forge, such as that of a proxy, delays the forge and never shuts it out.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderMap, header};

use super::auth::{Claim, Proof, authenticate, bearer_token};
use super::body::{Arrived, BodyReader, Caller, Sender, Trust};
use super::source::Source;
use super::throttle::Throttle;
use crate::config::{Keyring, Keys, Match, Role, Token, Tokens, Watched};
use crate::metrics::Metrics;
use crate::wire::{ApiError, Code};

/// The keys of each group of routes.
pub struct AccessKeys {
    /// Those that trigger and show reloads.
    pub reload: Keyring,
    /// Those that let held pushes through.
    pub operator: Keyring,
    /// The metrics, beside the two others.
    pub metrics: Keyring,
    /// Those that write; `None` where nothing is written.
    pub writers: Option<Watched<Tokens>>,
}

/// Decides about access to the internal routes and to those that write.
pub struct Access {
    keys: AccessKeys,
    bodies: BodyReader,
    throttle: Throttle,
    metrics: Arc<Metrics>,
}

impl Access {
    /// Returns what decides by these keys, and counts in `metrics`.
    pub fn new(keys: AccessKeys, metrics: Arc<Metrics>) -> Self {
        let (bodies, throttle) = (BodyReader::default(), Throttle::default());
        Self { keys, bodies, throttle, metrics }
    }

    /// Says whether anything is written here at all.
    pub(super) fn lets_write(&self) -> bool {
        self.keys.writers.is_some()
    }

    /// Lets somebody pass who may write, and takes in what is to be written, up to `max` bytes.
    ///
    /// # Errors
    /// 405 where nothing is written; 401 without a token, 429 when the source has failed too often;
    /// as [`BodyReader::read`].
    pub(super) async fn receive_write(
        &self,
        max: usize,
        source: Source,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Token, Arrived), ApiError> {
        let writers = self.keys.writers.as_ref().ok_or(Code::MethodNotAllowed)?;
        let tokens = writers.current().await;
        let token = bearer_token(headers).and_then(|given| tokens.matching(given)).cloned();
        let token = token.ok_or_else(|| self.refusal(source, Code::Unauthorized.into()))?;
        let caller = Caller { sender: Sender::Token(token.name.clone()), trust: Trust::Proven };
        let arrived = self.bodies.read_up_to(max, headers, body, caller, |_| ());
        Ok((token, arrived.await?))
    }

    /// Lets a caller pass on a route that takes no body.
    ///
    /// # Errors
    /// As [`authenticate`]; 429 instead of 401 when the source has failed too often.
    pub(super) async fn pass(&self, source: Source, headers: &HeaderMap) -> Result<(), ApiError> {
        self.judge(source, authenticate(&self.keys().await, headers)).map(drop)
    }

    /// Lets a caller pass who may read the metrics.
    ///
    /// # Errors
    /// As [`Self::pass`].
    pub(super) async fn pass_metrics(
        &self,
        source: Source,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        let keys = Keys { metrics: self.keys.metrics.current().await, ..self.keys().await };
        self.judge(source, authenticate(&keys, headers)).map(drop)
    }

    /// Lets only the operator pass.
    ///
    /// # Errors
    /// As [`Self::pass`]; 403 with the reload secret, 503 with it when no operator secret is set.
    pub(super) async fn pass_operator(
        &self,
        source: Source,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        let keys = self.keys().await;
        match self.judge(source, authenticate(&keys, headers))? {
            Role::Operator => Ok(()),
            _ if keys.operator.is_empty() => Err(Code::OperatorNotConfigured.into()),
            Role::Reload | Role::Metrics => Err(Code::OperatorOnly.into()),
        }
    }

    /// Takes in the body of a webhook, and lets its caller pass.
    ///
    /// # Errors
    /// As [`Self::pass`], for keys before the body arrives; as [`BodyReader::read`].
    pub(super) async fn receive(
        &self,
        source: Source,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Arrived, ApiError> {
        let claim = Claim::of(&self.keys().await, headers);
        let mut claim = claim.map_err(|error| self.refusal(source, error))?;
        let trust = match claim.has_key() {
            true => Trust::Proven,
            false if self.throttle.is_spent(source, Instant::now()) => Trust::Suspect,
            false => Trust::Unproven,
        };
        let caller = Caller { sender: Sender::Address(source), trust };
        let arrived = self.bodies.read(headers, body, caller, |piece| claim.update(piece)).await;
        let wasted = arrived.as_ref().is_err_and(|error| error.code() != Code::Busy);
        if wasted && trust != Trust::Proven {
            // The answer is about the body, whoever sent it.
            let _ = self.throttle.fail(source, Instant::now());
        }
        let arrived = arrived?;
        self.judge(source, claim.prove())?;
        Ok(arrived)
    }

    async fn keys(&self) -> Keys {
        let AccessKeys { reload, operator, .. } = &self.keys;
        let (reload, operator) = (reload.current().await, operator.current().await);
        Keys { reload, operator, metrics: Arc::default() }
    }

    fn judge(&self, source: Source, proof: Result<Proof, ApiError>) -> Result<Role, ApiError> {
        let proof = proof.map_err(|error| self.refusal(source, error))?;
        for matched in &proof.matches {
            let Match { role, number } = matched;
            tracing::debug!(role = role.as_str(), secret_number = number, "credential accepted");
            self.metrics.credential_accepted(*matched);
        }
        Ok(proof.role)
    }

    /// Returns the answer to a caller who was not let through.
    fn refusal(&self, source: Source, error: ApiError) -> ApiError {
        if error.code() != Code::Unauthorized {
            return error;
        }
        let error = match self.throttle.fail(source, Instant::now()) {
            Ok(()) => error,
            Err(wait) => ApiError::from(Code::TooManyFailures)
                .header(header::RETRY_AFTER, wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
        };
        tracing::debug!(%source, code = error.code().as_str(), "credential refused");
        self.metrics.credential_refused(error.code());
        error
    }
}
