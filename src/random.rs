//! Random ids. Not for anything that must not be guessed.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns 32 random hexadecimal digits.
pub fn id() -> String {
    format!("{:016x}{:016x}", number(), number())
}

/// The keys of every `RandomState` differ, and come from the randomness of the system, unlike those
/// of `fastrand`: the demonstration uses an id as its secret.
fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ids_differ() {
        assert_ne!(id(), id());
    }
}
