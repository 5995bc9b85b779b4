//! The gate in front of the internal routes: credentials are compared with the secrets that hold
//! now, and the log and the metrics are told which of them opened it, by its number.

use std::sync::Arc;

use axum::http::HeaderMap;

use super::auth::{Claim, Keys, Match, Proof, Role};
use super::error::{ApiError, Code};
use crate::config::Keyring;
use crate::metrics::Metrics;

/// The gate in front of the internal routes.
pub struct Gate {
    reload: Keyring,
    operator: Keyring,
    metrics: Arc<Metrics>,
}

impl Gate {
    /// Returns a gate that opens to the secrets of each role.
    pub fn new(reload: Keyring, operator: Keyring, metrics: Arc<Metrics>) -> Self {
        Self { reload, operator, metrics }
    }

    /// Lets a caller pass on a route that takes no body.
    ///
    /// # Errors
    /// As [`Keys::authenticate`].
    pub(super) async fn pass(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        self.told(self.keys().await.authenticate(headers)).map(drop)
    }

    /// Lets only the operator pass.
    ///
    /// # Errors
    /// As [`Keys::authenticate`]; 403 with the reload secret, 503 with it when no operator secret
    /// is set.
    pub(super) async fn pass_operator(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let keys = self.keys().await;
        match self.told(keys.authenticate(headers))? {
            Role::Operator => Ok(()),
            Role::Reload if keys.operator.is_empty() => Err(Code::OperatorNotConfigured.into()),
            Role::Reload => Err(Code::OperatorOnly.into()),
        }
    }

    /// Looks at what a caller shows before the body is taken in.
    ///
    /// # Errors
    /// As [`Keys::claim`].
    pub(super) async fn claim(&self, headers: &HeaderMap) -> Result<Claim, ApiError> {
        self.keys().await.claim(headers).inspect_err(|error| self.refused(error))
    }

    /// Lets a caller pass whose body was taken in.
    ///
    /// # Errors
    /// As [`Claim::prove`].
    pub(super) fn prove(&self, claim: Claim) -> Result<(), ApiError> {
        self.told(claim.prove()).map(drop)
    }

    async fn keys(&self) -> Keys {
        Keys { reload: self.reload.current().await, operator: self.operator.current().await }
    }

    fn told(&self, proof: Result<Proof, ApiError>) -> Result<Role, ApiError> {
        let proof = proof.inspect_err(|error| self.refused(error))?;
        for matched in &proof.matches {
            let Match { role, number } = matched;
            tracing::debug!(role = role.as_str(), secret_number = number, "credential accepted");
            self.metrics.credential_accepted(*matched);
        }
        Ok(proof.role)
    }

    fn refused(&self, error: &ApiError) {
        if error.code() == Code::Unauthorized {
            self.metrics.credential_refused();
        }
    }
}
