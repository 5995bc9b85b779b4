//! An open connection, as far as its answers need to know it.

use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio_util::sync::CancellationToken;

/// A connection that can be closed for what its answers hold, or for the place that it takes. Cheap to
/// clone; each one is equal to its clones only.
#[derive(Debug, Clone, Default)]
pub(super) struct Connection(Arc<ConnectionState>);

#[derive(Debug, Default)]
struct ConnectionState {
    cut: CancellationToken,
    /// The number of requests that wait for a publication.
    waiting: AtomicUsize,
}

/// A request that waits for a publication, until this is dropped.
pub(super) struct WaitingRequest(Connection);

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

    /// Notes that one of its requests only waits for a publication. It loses nothing if it has to ask
    /// again, so the connection may be closed for another.
    pub(super) fn waits(&self) -> WaitingRequest {
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
        WaitingRequest(self.clone())
    }

    /// Returns the number of its requests that only wait for a publication.
    pub(super) fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Acquire)
    }
}

impl Drop for WaitingRequest {
    fn drop(&mut self) {
        self.0.0.waiting.fetch_sub(1, Ordering::AcqRel);
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
