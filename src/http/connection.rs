//! An open connection, as far as its answers need to know it.

use std::convert::Infallible;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A connection that can be closed for what its answers hold, or for the place that it takes. Cheap to
/// clone; each one is equal to its clones only.
#[derive(Debug, Clone, Default)]
pub(super) struct Connection(Arc<ConnectionState>);

#[derive(Debug, Default)]
struct ConnectionState {
    cut: CancellationToken,
    leave: CancellationToken,
    /// When it was asked to leave.
    asked: OnceLock<Instant>,
    /// The requests that only wait before they are answered.
    polling: AtomicUsize,
    /// The requests whose answer waits for publications.
    following: AtomicUsize,
}

/// A request that only waits, until this is dropped.
pub(super) struct WaitingRequest {
    connection: Connection,
    is_answered: bool,
}

/// How many of the requests of a connection only wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct WaitingRequests {
    /// Those that are not answered yet.
    pub(super) polling: usize,
    /// Those whose answer has begun.
    pub(super) following: usize,
}

impl Connection {
    /// Closes the connection at once. Its answers break off.
    pub(super) fn cut(&self) {
        self.0.cut.cancel();
    }

    /// Returns whether the connection was closed by [`Self::cut`].
    pub(super) fn is_cut(&self) -> bool {
        self.0.cut.is_cancelled()
    }

    /// Waits until the connection is to be closed.
    pub(super) async fn was_cut(&self) {
        self.0.cut.cancelled().await;
    }

    /// Asks those of its requests that only wait to be answered now, and the connection to end
    /// then. A proxy takes a connection without an answer for a broken server.
    pub(super) fn ask_to_leave(&self) {
        self.0.asked.get_or_init(Instant::now);
        self.0.leave.cancel();
    }

    /// Returns how long ago it was asked to leave.
    pub(super) fn asked_ago(&self) -> Option<Duration> {
        self.0.asked.get().map(Instant::elapsed)
    }

    /// Waits until the connection is asked to leave.
    pub(super) async fn was_asked_to_leave(&self) {
        self.0.leave.cancelled().await;
    }

    /// Notes that one of its requests only waits, for a publication or a push, before it is answered. It can ask
    /// again, so the connection may be closed for another.
    pub(super) fn polls(&self) -> WaitingRequest {
        self.0.polling.fetch_add(1, Ordering::AcqRel);
        WaitingRequest { connection: self.clone(), is_answered: false }
    }

    /// Waits for what a request needs before it is answered. Returns `None` if its connection is asked to leave
    /// meanwhile: the request can come again.
    pub(super) async fn gives_way<T>(&self, needed: impl Future<Output = T>) -> Option<T> {
        let _waiting = self.polls();
        tokio::select! {
            biased;
            found = needed => Some(found),
            () = self.was_asked_to_leave() => None,
        }
    }

    /// Notes the same of a request whose answer tells of publications as they come.
    pub(super) fn follows(&self) -> WaitingRequest {
        self.0.following.fetch_add(1, Ordering::AcqRel);
        WaitingRequest { connection: self.clone(), is_answered: true }
    }

    /// Returns how many of its requests only wait for a publication.
    pub(super) fn waiting(&self) -> WaitingRequests {
        WaitingRequests {
            polling: self.0.polling.load(Ordering::Acquire),
            following: self.0.following.load(Ordering::Acquire),
        }
    }
}

impl Drop for WaitingRequest {
    fn drop(&mut self) {
        let Self { connection, is_answered } = self;
        let count = match is_answered {
            true => &connection.0.following,
            false => &connection.0.polling,
        };
        count.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<S: Sync> FromRequestParts<S> for Connection {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Only a test has no connection.
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Connection {}

impl Hash for Connection {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}
