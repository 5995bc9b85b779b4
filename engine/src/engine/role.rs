//! The role of an engine among replicas: what it does by itself, and what it leaves to the leader.

use std::sync::atomic::{AtomicU8, Ordering};

/// The role of an engine, which may change at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// There are no other replicas.
    #[default]
    Alone,
    /// It decides for all replicas what is published. Each publication needs their consent.
    Leading,
    /// It goes where the leader is, and nowhere else.
    Following,
    /// It has lost the others. It reads the remote by itself, and goes forward only.
    Orphaned,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Alone, Self::Leading, Self::Following, Self::Orphaned];

    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Leading => "leading",
            Self::Following => "following",
            Self::Orphaned => "orphaned",
        }
    }

    /// Returns whether it decides: writes, pushes, pins, and what becomes of held pushes.
    pub const fn decides(self) -> bool {
        matches!(self, Self::Alone | Self::Leading)
    }

    /// Returns whether it asks the remote what is new.
    pub const fn asks_the_remote(self) -> bool {
        !matches!(self, Self::Following)
    }
}

/// The present role. Whatever makes a state reads it once, with its turn to publish.
#[derive(Debug)]
pub(super) struct CurrentRole(AtomicU8);

impl CurrentRole {
    pub(super) fn new(role: Role) -> Self {
        Self(AtomicU8::new(role as u8))
    }

    pub(super) fn get(&self) -> Role {
        let number = usize::from(self.0.load(Ordering::SeqCst));
        Role::ALL.get(number).copied().unwrap_or_default()
    }

    pub(super) fn set(&self, role: Role) {
        self.0.store(role as u8, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_kept_as_it_was_set() {
        let current = CurrentRole::new(Role::Orphaned);
        assert_eq!(current.get(), Role::Orphaned);
        for role in Role::ALL {
            current.set(role);
            assert_eq!(current.get(), role);
        }
    }
}
