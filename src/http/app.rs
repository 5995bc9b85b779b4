//! The state that handlers share.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use headwater_engine::snapshot::Snapshot;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::answer_scheduler::Answers;
use super::body_stream::{BodyStreams, StreamPermit};
use super::changes::followers::Audience;
use super::client::Client;
use super::cluster_access::ClusterAccess;
use super::concurrency_limit::ConcurrencyLimit;
use super::connection::Connection;
use super::dry_runs::DryRuns;
use super::historical_states::HistoricalStates;
use super::peer_access::PeerAccess;
use super::source::Source;
use super::unsent_bytes::UnsentBytes;
use super::waiting_writes::WaitingWrites;
use crate::coming::Coming;
use crate::config::{BasePath, Cors, TrustedProxies};
use crate::exit::Failure;
use crate::feed::Feed;
use crate::hook::Deliveries;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::openapi::Document;
use crate::pending::PendingReloads;
use crate::wire::ApiError;

/// The state that handlers share; cheap to clone.
pub type App = Arc<AppState>;

/// The parts of [`App`].
pub struct AppState {
    /// The engine, perhaps still loading.
    pub live: Arc<Live>,
    /// Admits the callers of the internal routes and of writes.
    pub access: Access,
    /// The proxies that are trusted to report where a request comes from.
    pub proxies: TrustedProxies,
    /// Webhooks whose reload succeeded.
    pub deliveries: Deliveries,
    /// Calls that did not wait for their verdict.
    pub pending: PendingReloads,
    /// The largest attachment, in bytes.
    pub attachment_limit: usize,
    /// Limits how many attachments are read at once.
    pub attachments: BodyStreams,
    /// Limits how many lists are streamed at once.
    pub streams: BodyStreams,
    /// Counts the answers that callers have not read yet.
    pub unsent: UnsentBytes,
    /// Computes answers from a state.
    pub answers: Answers,
    /// Runs work that may take long for other reasons.
    pub blocking: ConcurrencyLimit,
    /// Runs the dry runs of writes.
    pub dry_runs: DryRuns,
    /// The memory of writes that wait.
    pub waiting_writes: WaitingWrites,
    /// Finds earlier states.
    pub past: HistoricalStates,
    /// What may be served soon.
    pub coming: Arc<Coming>,
    /// Passes publications on.
    pub feed: Arc<Feed>,
    /// The callers that follow the feed.
    pub audience: Arc<Audience>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Whether a change of a record must name the version that it is based on.
    pub require_if_match: bool,
    /// Whether a write is answered only once it is pushed, unless its caller asks for something
    /// else.
    pub push_first: bool,
    /// Whether a write is answered only once it is in two places, so that no single machine can lose
    /// it.
    pub replicate_first: bool,
    /// Is cancelled as soon as the server is told to end. It answers for a while after that.
    pub ending: CancellationToken,
    /// The cluster that this server is a replica of; `None` if it is alone.
    pub cluster: Option<ClusterAccess>,
    /// The other replicas, which fetch from this one; `None` if there are none.
    pub peers: Option<PeerAccess>,
    /// The push that everybody may trigger, in the demonstration only.
    pub demo: Option<Demo>,
    /// The description of the public API.
    pub document: Document,
    /// The prefix of every route.
    pub base_path: BasePath,
    /// The address of a line of a file at the forge, with `{commit}`, `{path}` and `{line}`.
    pub source_url: Option<String>,
    /// The origins whose pages may read.
    pub cors: Cors,
    /// The branch and the remote as configured, for webhooks that arrive before the first load.
    pub configured: Configured,
}

impl AppState {
    /// Takes a place for an answer with a whole list of `snapshot`.
    ///
    /// # Errors
    /// 503 if none gets free in time.
    pub(super) async fn list_place(
        &self,
        source: Source,
        snapshot: &Snapshot,
    ) -> Result<StreamPermit, ApiError> {
        match self.live.snapshot() {
            Some(now) if now.commit() != snapshot.commit() => {
                self.streams.place_at_earlier(source).await
            }
            _ => self.streams.place(source).await,
        }
    }
}

/// What the settings specify about the source.
#[derive(Debug, Clone, Default)]
pub struct Configured {
    /// The branch.
    pub branch: Option<String>,
    /// The address of the remote.
    pub remote: Option<String>,
}

/// Pushes changes to the sample remote.
pub struct Demo(Box<dyn Fn() -> Result<String, Failure> + Send + Sync>);

impl Demo {
    /// Returns a demonstration that calls `push` to commit and push the next change. `push` may
    /// block, and returns the message of the commit.
    pub fn new(push: impl Fn() -> Result<String, Failure> + Send + Sync + 'static) -> Self {
        Self(Box::new(push))
    }
    /// Pushes the next change, and returns the message of its commit.
    pub(super) fn push(&self) -> Result<String, Failure> {
        let Self(push) = self;
        push()
    }
}

impl FromRequestParts<App> for Source {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self::of_request(&parts.extensions, &parts.headers, &app.proxies))
    }
}

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let source = Source::from_request_parts(parts, app).await?;
        let connection = Connection::from_request_parts(parts, app).await?;
        Ok(Self { source, connection })
    }
}
