//! Whether anything can be written now: one decision for writes and dry runs.

use std::sync::Arc;

use super::hold_reason::HeldReason;
use super::role::Role;
use super::status::StatusBoard;
use crate::write::WritesClosed;

/// Decides whether anything can be written.
pub(super) struct WriteGate {
    pub(super) status: Arc<StatusBoard>,
    /// How many commits may wait to be pushed before writes are refused; `None` for any number.
    pub(super) unpushed_limit: Option<u64>,
}

impl WriteGate {
    /// Returns why nothing can be written now in `role`, if so.
    pub(super) fn check(&self, role: Role) -> Result<(), WritesClosed> {
        writes_in(role)?;
        self.status.read(|status| {
            if let Some(pinned) = &status.pinned {
                return Err(WritesClosed::Pinned { commit: pinned.commit });
            }
            if self.unpushed_limit.is_some_and(|limit| status.ahead >= limit) {
                return Err(WritesClosed::Unpushed { commits: status.ahead });
            }
            match &status.held {
                Some(held) => {
                    let diverged = held.reason == HeldReason::Diverged;
                    Err(WritesClosed::Held { id: held.id, diverged })
                }
                None => Ok(()),
            }
        })
    }
}

/// Checks whether writes are taken in `role`.
pub(super) fn writes_in(role: Role) -> Result<(), WritesClosed> {
    match role {
        Role::Alone | Role::Leading => Ok(()),
        Role::Following => Err(WritesClosed::Following),
        Role::Orphaned => Err(WritesClosed::Orphaned),
    }
}
