//! What a credential opens.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use super::caller::Caller;

/// A credential that is valid.
pub(super) struct Valid {
    /// Who shows it.
    pub(super) caller: Arc<Caller>,
    /// From when on it is valid no more, if it expires.
    pub(super) until: Option<SystemTime>,
}

/// Why a credential opens nothing. There is one answer to all of them, so a caller cannot tell which
/// it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credential opens nothing")]
pub enum Refused {
    /// It is genuine, but its time has passed: whoever shows it has not guessed it.
    Expired,
    /// It is unknown, forged or of somebody else.
    Wrong,
}

/// Tells that a credential may open something else than before: the files or the keys of an issuer
/// have changed.
pub(super) type Changes = Arc<watch::Sender<()>>;
