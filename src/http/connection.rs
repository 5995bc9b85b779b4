//! An open connection, as far as its answers need to know it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

/// A connection that can be closed for what its answers hold. Cheap to clone; each one is equal to its
/// clones only.
#[derive(Debug, Clone, Default)]
pub(super) struct Connection(Arc<CancellationToken>);

impl Connection {
    /// Closes the connection at once. Its answers break off.
    pub(super) fn cut(&self) {
        self.0.cancel();
    }

    /// Returns whether the connection is closed for what its answers held.
    pub(super) fn is_cut(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the connection is to be closed.
    pub(super) async fn was_cut(&self) {
        self.0.cancelled().await;
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
