//! Which reloads a role allows: a pure decision.

use super::error::ReloadError;
use super::role::Role;
use super::schedule::RequestKind;

/// Checks whether an engine in `role` may serve a request of `kind`.
///
/// It is asked when a reload begins, and again with the turn to publish: the role may have changed
/// meanwhile.
///
/// # Errors
///
/// [`ReloadError::NotLeading`] for what the leader decides, [`ReloadError::NotFollowing`] for going
/// where another leader is.
pub(super) fn check(role: Role, kind: RequestKind) -> Result<(), ReloadError> {
    let is_allowed = match kind {
        RequestKind::Reload | RequestKind::Rebuild => role.asks_the_remote(),
        RequestKind::Apply(_) | RequestKind::Pin(_) | RequestKind::Unpin => role.decides(),
        RequestKind::Audit => true,
        RequestKind::Follow => role == Role::Following,
    };
    match (is_allowed, kind) {
        (true, _) => Ok(()),
        (false, RequestKind::Follow) => Err(ReloadError::NotFollowing { role }),
        (false, _) => Err(ReloadError::NotLeading { role }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Ledger;
    use crate::id::CommitId;

    #[test]
    fn a_role_allows_what_it_does_by_itself() {
        use RequestKind::{Apply, Audit, Follow, Pin, Rebuild, Reload, Unpin};
        let held = Ledger::new().reserve();
        for (kind, allowed) in [
            (Reload, [true, true, false, true]),
            (Rebuild, [true, true, false, true]),
            (Apply(held), [true, true, false, false]),
            (Pin(CommitId::ZERO), [true, true, false, false]),
            (Unpin, [true, true, false, false]),
            (Audit, [true, true, true, true]),
            (Follow, [false, false, true, false]),
        ] {
            let found = Role::ALL.map(|role| check(role, kind).is_ok());
            assert_eq!(found, allowed, "{kind:?}: {:?}", Role::ALL);
        }
    }
}
