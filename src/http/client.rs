//! Who sends a request, as far as places and turns are concerned.

use super::connection::Connection;
use super::source::Source;

/// The sender of a request.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// Whose share of the places it takes.
    pub(super) source: Source,
    /// On which it waits, and which gives way to others meanwhile.
    pub(super) connection: Connection,
}
