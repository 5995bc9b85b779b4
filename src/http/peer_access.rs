//! Access for the other replicas, which fetch from this one.

use super::body_stream::BodyStreams;
use crate::config::Keyring;

/// The number of packs that are sent at once to replicas that name a commit they have. Each is a
/// process of its own.
const FETCHES: usize = 14;

/// The same for replicas that have none. Each of these packs is the whole history.
const CLONES: usize = 2;

/// Lets other replicas fetch, a few at a time.
pub struct PeerAccess {
    /// The keys, one of which a replica shows.
    pub(super) keys: Keyring,
    pub(super) fetches: BodyStreams,
    pub(super) clones: BodyStreams,
}

impl PeerAccess {
    /// Returns access for replicas that know one of `keys`.
    pub fn new(keys: Keyring) -> Self {
        Self { keys, fetches: BodyStreams::new(FETCHES), clones: BodyStreams::new(CLONES) }
    }
}
