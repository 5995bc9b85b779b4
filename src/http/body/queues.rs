//! The lines in which bodies wait, by how far their sender is trusted and how large they are.

use std::time::Duration;

use crate::http::byte_quota::ByteQuota;
use crate::http::connection::Connection;
use crate::http::permits::Permits;
use crate::http::source::Source;
use crate::http::waiter_limit::WaiterLimit;

/// How long a body may take to arrive, and how long it may wait for a place.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// The largest small body, by its announced length.
pub(super) const SMALL: u64 = 256 << 10;

/// How long a small body may take that has to prove its sender. It may wait twice as long: by then
/// the places of others are free, and forges give up after ten seconds.
pub(super) const SOON: Duration = Duration::from_secs(3);

/// How far a caller is trusted while its body arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::http) enum Trust {
    /// Comes from a source of wrong credentials; such bodies arrive one at a time.
    Suspect,
    /// Shows a signature, which the body has to prove.
    Unproven,
    /// The same, from a source of a recent correct signature.
    Known,
    /// Showed a token that may write.
    Writer,
    /// Showed the secret.
    Proven,
}

/// What a body counts against.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::http) enum Sender {
    /// The address that it comes from.
    Address(Source),
    /// The name of its token, from any address.
    Token(String),
}

/// The sender of a body.
#[derive(Debug, Clone)]
pub(in crate::http) struct Caller {
    pub(in crate::http) sender: Sender,
    pub(in crate::http) trust: Trust,
    /// On which it comes.
    pub(in crate::http) connection: Connection,
}

/// The lines, one for each kind of body. A body that waits in one never blocks another line.
pub(super) struct Lines {
    pub(super) proven: Line,
    pub(super) writers: Line,
    pub(super) known: Line,
    pub(super) small: Line,
    pub(super) large: Line,
    pub(super) small_suspect: Line,
    pub(super) large_suspect: Line,
}

/// The places for one kind of body.
pub(super) struct Line {
    pub(super) places: Permits<Sender>,
    /// How long a body may wait for a place.
    pub(super) patience: Duration,
    /// How long it may take to arrive.
    pub(super) timeout: Duration,
    /// The memory for them; `None` if the places bound it.
    pub(super) room: Option<ByteQuota<Sender>>,
}

impl Line {
    /// Returns the given number of places, of which one sender has at most `each`.
    pub(super) fn new(places: usize, each: usize, timeout: Duration) -> Self {
        let places = Permits::new(places, each, WaiterLimit::default());
        Self { places, patience: timeout, timeout, room: None }
    }

    /// The same, for small bodies that have to prove their sender.
    pub(super) fn soon(places: usize, each: usize) -> Self {
        Self { patience: SOON * 2, ..Self::new(places, each, SOON) }
    }

    /// The same, with this memory for all bodies, of which one sender has a part.
    pub(super) fn within(self, room: &ByteQuota<Sender>) -> Self {
        Self { room: Some(room.clone()), ..self }
    }
}

impl Default for Lines {
    fn default() -> Self {
        // A body that has to be proven must be read first, whoever sends it.
        let strangers = ByteQuota::shared(96 << 20, 32 << 20);
        let known = ByteQuota::shared(64 << 20, 32 << 20);
        Self {
            // Only admitted callers get into these two: 200 MiB each.
            proven: Line::new(8, 4, TIMEOUT),
            writers: Line::new(8, 4, TIMEOUT),
            known: Line::new(16, 8, TIMEOUT).within(&known),
            // 16 MiB.
            small: Line::soon(64, 16),
            large: Line::new(128, 16, TIMEOUT).within(&strangers),
            small_suspect: Line::soon(4, 1),
            large_suspect: Line::new(1, 1, TIMEOUT).within(&strangers),
        }
    }
}

impl Lines {
    /// Returns the line for a body with this announced length.
    pub(super) fn of(&self, trust: Trust, announced: Option<u64>) -> &Line {
        let is_small = announced.is_some_and(|bytes| bytes <= SMALL);
        match (trust, is_small) {
            (Trust::Proven, _) => &self.proven,
            (Trust::Writer, _) => &self.writers,
            (Trust::Known, _) => &self.known,
            (Trust::Unproven, true) => &self.small,
            (Trust::Unproven, false) => &self.large,
            (Trust::Suspect, true) => &self.small_suspect,
            (Trust::Suspect, false) => &self.large_suspect,
        }
    }
}
