//! What a conversation with a remote may cost.

use std::time::Duration;

/// What a conversation with a remote may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// The time limit for the whole conversation.
    pub timeout: Duration,
    /// The longest silence. A forge that counts objects for a first clone is silent for a while.
    pub stall: Duration,
    /// The most bytes that the remote may send.
    pub max_bytes: u64,
    /// The most bytes that inflating the pack and applying its deltas may produce, in addition to
    /// 4,096 for each byte of the pack.
    pub max_made: u64,
    /// The most bytes of bases that the longest chain of deltas may hold while it is applied. Two
    /// chains are applied at once.
    pub max_held: u64,
    /// The most paths, together, at which the commits between the mirror and the new head may differ
    /// from their parents. Four KiB of folders that have to be read for that count as a path.
    pub max_paths: usize,
}

/// Fifty versions of a file of ten megabytes, the longest chain that git makes by itself.
const HELD_BYTES: u64 = 512 << 20;

/// The most bytes of a pack that is requested before it is known to be needed: the caller of the
/// webhook could name any commit of the remote. This is far more than a push that anybody waits
/// for.
const EARLY_BYTES: u64 = 32 << 20;

impl FetchLimits {
    /// Returns the limits of an early pack in a fetch with these limits.
    pub(super) fn of_early(&self) -> Self {
        Self { max_bytes: self.max_bytes.min(EARLY_BYTES), ..*self }
    }

    /// Returns the most bytes that may be produced from a pack in a fetch with this timeout. A core
    /// can produce thirty times as many.
    pub fn made_within(timeout: Duration) -> u64 {
        (16 << 20) * timeout.as_secs().max(1)
    }

    /// Returns the most paths that may be compared in a fetch with this timeout. A core can compare
    /// twenty times as many.
    pub fn paths_within(timeout: Duration) -> usize {
        usize::try_from(timeout.as_secs().max(1)).unwrap_or(usize::MAX).saturating_mul(20_000)
    }
}

impl Default for FetchLimits {
    /// Two minutes, 30 seconds of silence, 4 GiB: enough for a few commits. A first clone may need
    /// more.
    fn default() -> Self {
        let timeout = Duration::from_secs(120);
        Self {
            timeout,
            max_made: Self::made_within(timeout),
            stall: Duration::from_secs(30),
            max_bytes: 4 << 30,
            max_held: HELD_BYTES,
            max_paths: Self::paths_within(timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_early_has_a_limit_of_its_own() {
        let limits = FetchLimits::default();
        assert_eq!(limits.of_early().max_bytes, EARLY_BYTES);
        let tight = FetchLimits { max_bytes: 500, ..limits };
        assert_eq!(tight.of_early(), tight);
    }
}
