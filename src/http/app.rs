//! What handlers share.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::access::Access;
use super::answers::Answers;
use super::blocking::Blocking;
use super::body_stream::BodyStreams;
use super::changes::audience::Audience;
use super::past::Past;
use super::source::Source;
use super::unsent::Unsent;
use crate::config::{BasePath, Cors, TrustedProxies};
use crate::exit::Failure;
use crate::feed::Feed;
use crate::hook::Deliveries;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::openapi::Document;
use crate::pending::PendingVerdicts;

/// What handlers share; cheap to clone.
pub type App = Arc<AppState>;

/// The parts of [`App`].
pub struct AppState {
    /// The engine, perhaps still loading.
    pub live: Arc<Live>,
    /// Lets callers of the internal routes pass.
    pub access: Access,
    /// Whose word on where a request comes from is taken.
    pub proxies: TrustedProxies,
    /// Webhooks whose reload succeeded.
    pub deliveries: Deliveries,
    /// Calls that did not wait for their verdict.
    pub pending: PendingVerdicts,
    /// How large an attachment may be, in bytes.
    pub attachment_limit: usize,
    /// Lets few attachments be read at once.
    pub attachments: BodyStreams,
    /// Lets few lists be streamed at once.
    pub streams: BodyStreams,
    /// Counts what is answered and not taken yet.
    pub unsent: Unsent,
    /// Makes what is computed from a state.
    pub answers: Answers,
    /// Runs what may take long for other reasons.
    pub blocking: Blocking,
    /// The ways to earlier states.
    pub past: Past,
    /// Passes on what is published.
    pub feed: Arc<Feed>,
    /// Those who follow it.
    pub audience: Arc<Audience>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Whether a change of a record must name the version that it is based on.
    pub require_if_match: bool,
    /// Whether a write is answered only when it is pushed, unless its caller says otherwise.
    pub push_first: bool,
    /// What everybody may push, in the demonstration and nowhere else.
    pub demo: Option<Demo>,
    /// Describes what is answered to the public.
    pub document: Document,
    /// In front of every route.
    pub base_path: BasePath,
    /// Whose pages may read.
    pub cors: Cors,
    /// The branch and the remote as configured, for webhooks before the first load.
    pub configured: Configured,
}

/// What the settings say of the source, where they say it.
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
    /// Returns what commits and pushes the next change by calling `push`, which may block and returns
    /// the message of the commit.
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
