//! Random ids and jitter. Not for anything that must not be guessed.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Returns 32 random hexadecimal digits.
pub fn id() -> String {
    format!("{:016x}{:016x}", number(), number())
}

/// Returns a random duration between nine and eleven tenths of `duration`, so that many servers do
/// not ask one remote at the same moment.
pub fn jittered(duration: Duration) -> Duration {
    let share = (number() % 1_000) as f64 / 1_000.0;
    duration.mul_f64(0.9 + 0.2 * share)
}

/// The keys of every `RandomState` differ, and come from the system's source of randomness.
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

    #[test]
    fn jitter_stays_near_the_duration() {
        let second = Duration::from_secs(1);
        for _ in 0..100 {
            let jittered = jittered(second);
            assert!(jittered >= second.mul_f64(0.9) && jittered <= second.mul_f64(1.1));
        }
    }
}
