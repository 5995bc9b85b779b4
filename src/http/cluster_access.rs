//! The cluster as the routes see it: what this replica is, and the leader, to whom calls are passed
//! on that only the leader can answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::response::Response;
use reqwest::{Client, redirect};

use super::access::Access;
use crate::cluster::lead::Standing;
use crate::cluster::member::{ClusterView, MemberHandle};
use crate::config::{Role, Secret};
use crate::exit::{Exit, Failure};
use crate::wire::{ApiError, Code};

/// Names the replica that passes a call on. A call that has it is not passed on again.
pub(super) const HOP: HeaderName = HeaderName::from_static("x-headwater-hop");

/// How long a connection to the leader may take.
const CONNECTING: Duration = Duration::from_secs(2);

/// How long an operator waits for a pin or a release.
const OPERATOR: Duration = Duration::from_secs(600);

/// The headers of an answer that are passed on.
const PASSED: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::LOCATION, header::RETRY_AFTER, super::header_names::COMMIT];

/// The cluster as the routes see it.
pub struct ClusterAccess {
    member: MemberHandle,
    /// Whether this replica makes another state of a commit than its leader.
    is_diverged: Arc<AtomicBool>,
    client: Client,
}

/// A call that only the leader can answer.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// The path below the address of the leader, with its query.
    pub(super) path: &'a str,
    /// A secret of the role that the caller has shown here. All replicas have the same.
    pub(super) key: Option<Secret>,
    pub(super) body: Vec<u8>,
    /// How long the caller waits.
    pub(super) patience: Duration,
}

impl ClusterAccess {
    /// Returns the cluster of `member`.
    ///
    /// # Errors
    /// Fails if no HTTP client can be made.
    pub fn new(member: MemberHandle, is_diverged: Arc<AtomicBool>) -> Result<Self, Failure> {
        // A redirection would show the secret to somebody else.
        let client =
            Client::builder().connect_timeout(CONNECTING).redirect(redirect::Policy::none());
        let client = client.build().map_err(|error| Failure::caused_by(Exit::Software, &error))?;
        Ok(Self { member, is_diverged, client })
    }

    /// Returns the cluster as it is now.
    pub fn view(&self) -> Arc<ClusterView> {
        self.member.view()
    }

    /// Returns the name of the leader, if it is another replica that was at work lately.
    pub(super) fn leader_name(&self) -> Option<String> {
        self.view().leader.as_ref().map(|leader| leader.name.clone())
    }

    /// Returns whether this replica makes another state of a commit than its leader.
    pub(super) fn is_diverged(&self) -> bool {
        self.is_diverged.load(Ordering::Relaxed)
    }

    /// Returns whether a call is for the leader, which is another replica, and was not passed on
    /// before.
    pub(super) fn passes_on(&self, headers: &HeaderMap) -> bool {
        self.view().standing == Standing::Following && !headers.contains_key(HOP)
    }

    /// Passes a call on to the leader, and its answer back. The caller has shown its right here.
    ///
    /// # Errors
    /// [`Code::NoLeader`] without a leader; [`Code::LeaderUnreachable`] if it does not answer: then
    /// nobody knows what it did.
    pub(super) async fn pass_on(&self, call: Call<'_>) -> Result<Response, ApiError> {
        let Some(leader) = self.view().leader.clone() else {
            return Err(no_leader());
        };
        let key = call.key.ok_or(Code::ReloadNotConfigured)?;
        let request = self
            .client
            .request(call.method, format!("{}{}", leader.url, call.path))
            .timeout(call.patience + CONNECTING)
            .header(HOP, &self.view().me.name)
            .header(header::CONTENT_TYPE, "application/json")
            .header("prefer", format!("wait={}", call.patience.as_secs()))
            .header("x-headwater-key", key.expose())
            .body(call.body);
        let unreachable = |error: reqwest::Error| {
            let error = error.without_url();
            tracing::warn!(leader = leader.name, %error, "a call is not passed on");
            let detail = format!("{} leads, and does not answer", leader.name);
            ApiError::explained(Code::LeaderUnreachable, detail).member("ok", false)
        };
        let answer = request.send().await.map_err(unreachable)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status();
        for name in PASSED {
            if let Some(value) = answer.headers().get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        let body: Bytes = answer.bytes().await.map_err(unreachable)?;
        *response.body_mut() = Body::from(body);
        Ok(response)
    }

    /// Passes a call of the operator on to the leader.
    ///
    /// # Errors
    /// As [`Self::pass_on`].
    pub(super) async fn pass_on_to_operator(
        &self,
        access: &Access,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Response, ApiError> {
        let (method, key) = (Method::POST, access.own_key(Role::Operator).await);
        self.pass_on(Call { method, path, key, body, patience: OPERATOR }).await
    }
}

/// Returns the refusal of what only a leader can do, while there is none.
pub(super) fn no_leader() -> ApiError {
    let detail = "the cluster has no leader now; it has one again within seconds";
    ApiError::explained(Code::NoLeader, detail).header(header::RETRY_AFTER, 1).member("ok", false)
}
