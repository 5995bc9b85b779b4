//! The cluster as the routes see it: what this replica is, and the leader, to whom calls are passed
//! on that only the leader can answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::response::Response;
use reqwest::{Client, redirect};

use super::access::Access;
use super::addressee::{Addressee, Way};
use super::header_names::{COMMIT, HOP};
use super::staleness;
use crate::cluster::counts::Forwarding;
use crate::cluster::member::{ClusterView, MemberHandle};
use crate::cluster::register::Leader;
use crate::config::{Alone, Role, Secret};
use crate::exit::{Exit, Failure};
use crate::wire::{ApiError, Code};

/// How long a connection to the leader may take.
pub(super) const CONNECTING: Duration = Duration::from_secs(2);

/// How long a connection to the leader is kept that is not used. The leader closes it later, so no call
/// is sent over one that is just being closed.
const IDLE: Duration = Duration::from_secs(5);

/// How long a call of an operator, or a write, waits for a leader. One that was stopped is replaced
/// sooner.
pub(super) const TAKEOVER: Duration = Duration::from_secs(5);

/// How long an operator waits for a pin or a release.
const OPERATOR: Duration = Duration::from_secs(600);

/// The headers of an answer that are passed on.
const PASSED: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::LOCATION, header::RETRY_AFTER, COMMIT];

/// The cluster as the routes see it.
pub struct ClusterAccess {
    pub(super) member: MemberHandle,
    /// Whether this replica makes another state of a commit than its leader.
    is_diverged: Arc<AtomicBool>,
    alone: Alone,
    pub(super) client: Client,
    /// The key that this replica shows to the others.
    pub(super) peer_key: String,
}

/// A call that only the leader can answer.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// The path below the address of the leader, with its query.
    pub(super) path: &'a str,
    /// A secret of the role that the caller has shown here. All replicas have the same.
    pub(super) key: Option<Secret>,
    pub(super) body: Bytes,
    /// How long the caller waits for the answer of the leader.
    pub(super) patience: Duration,
}

/// What became of a call that only a leader can answer.
pub(super) enum Handled {
    /// Nothing yet: this replica answers it.
    NotYet,
    /// The leader has answered.
    ByLeader(Response),
    /// There is no leader. The next one asks the remote first of all.
    ByNobody,
}

/// A leader that did not answer.
struct Failed {
    leader: String,
    error: ApiError,
}

impl ClusterAccess {
    /// Returns the cluster of `member`.
    ///
    /// # Errors
    /// Fails if no HTTP client can be made.
    pub fn new(
        member: MemberHandle,
        is_diverged: Arc<AtomicBool>,
        alone: Alone,
        peer_key: String,
    ) -> Result<Self, Failure> {
        // A redirection would show the secret to somebody else.
        let client = Client::builder()
            .connect_timeout(CONNECTING)
            .pool_idle_timeout(IDLE)
            .redirect(redirect::Policy::none());
        let client = client.build().map_err(|error| Failure::caused_by(Exit::Software, &error))?;
        Ok(Self { member, is_diverged, alone, client, peer_key })
    }

    /// Returns what tells the cluster of this replica, and what it is told.
    pub fn member(&self) -> &MemberHandle {
        &self.member
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

    /// Returns for how long nobody has told this replica what is published.
    pub(super) fn unheard(&self) -> Duration {
        let since = staleness::unheard_since(&self.view(), self.alone);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Has the leader answer a call, which came with `headers` and may come twice: it is sent again if
    /// the leader is another one meanwhile. The caller has shown its right here. Without a leader, the
    /// call waits for one until `until`.
    ///
    /// # Errors
    /// [`Code::LeaderUnreachable`] if the leader does not answer, so that nobody knows what it did;
    /// [`Code::Misdirected`] if another replica took this one for the leader.
    pub(super) async fn pass_on(
        &self,
        headers: &HeaderMap,
        call: &Call<'_>,
        until: Instant,
    ) -> Result<Handled, ApiError> {
        let way = Way::of(headers);
        let mut failed: Option<Failed> = None;
        let counts = self.view().counts.clone();
        loop {
            let failed_leader = failed.as_ref().map(|failed| &*failed.leader);
            match Addressee::wait(&self.member, way, failed_leader, until).await {
                Addressee::Here => return Ok(Handled::NotYet),
                Addressee::Elsewhere => return Err(Code::Misdirected.into()),
                Addressee::Nobody => {
                    counts.forwarded(Forwarding::NoLeader);
                    return Ok(Handled::ByNobody);
                }
                Addressee::Leader(leader) => match failed {
                    Some(failed) if failed.leader == leader.id => return Err(failed.error),
                    _ => match self.ask(&leader, call).await {
                        Ok(response) => {
                            counts.forwarded(Forwarding::Answered);
                            return Ok(Handled::ByLeader(response));
                        }
                        Err(error) => {
                            counts.forwarded(match error.code() {
                                Code::NoLeader => Forwarding::Misdirected,
                                _ => Forwarding::Unreachable,
                            });
                            failed = Some(Failed { leader: leader.id, error });
                        }
                    },
                },
            }
        }
    }

    /// Sends a call to the leader, and returns its answer.
    async fn ask(&self, leader: &Leader, call: &Call<'_>) -> Result<Response, ApiError> {
        let key = call.key.as_ref().ok_or(Code::ReloadNotConfigured)?;
        let request = self
            .client
            .request(call.method.clone(), format!("{}{}", leader.url, call.path))
            .timeout(call.patience + CONNECTING)
            .header(HOP, &self.view().me.name)
            .header(header::CONTENT_TYPE, "application/json")
            .header("prefer", format!("wait={}", call.patience.as_secs()))
            .header("x-headwater-key", key.expose())
            .body(call.body.clone());
        let unreachable = |error: reqwest::Error| {
            let error = error.without_url();
            tracing::warn!(leader = leader.name, %error, "a call is not passed on");
            let detail = format!("{} leads, and does not answer", leader.name);
            ApiError::explained(Code::LeaderUnreachable, detail).member("ok", false)
        };
        let answer = request.send().await.map_err(unreachable)?;
        if answer.status() == Code::Misdirected.status() {
            return Err(no_leader());
        }
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

    /// Has the leader answer a call of the operator; `None` if this replica is to answer it.
    ///
    /// # Errors
    /// As [`Self::pass_on`], and [`Code::NoLeader`] if there is none for some seconds.
    pub(super) async fn pass_on_to_operator(
        &self,
        headers: &HeaderMap,
        access: &Access,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Option<Response>, ApiError> {
        let (method, key) = (Method::POST, access.own_key(Role::Operator).await);
        let call = Call { method, path, key, body: body.into(), patience: OPERATOR };
        match self.pass_on(headers, &call, Instant::now() + TAKEOVER).await? {
            Handled::NotYet => Ok(None),
            Handled::ByLeader(response) => Ok(Some(response)),
            Handled::ByNobody => Err(no_leader()),
        }
    }
}

/// Returns the refusal of what only a leader can do, while there is none.
pub(super) fn no_leader() -> ApiError {
    let detail = "the cluster has no leader now; it has one again within seconds";
    ApiError::explained(Code::NoLeader, detail).header(header::RETRY_AFTER, 1).member("ok", false)
}
