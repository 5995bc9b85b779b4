//! What a conversation with a remote may cost.

use std::time::Duration;

/// What a conversation with a remote may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// The time for all of it.
    pub timeout: Duration,
    /// The longest silence. A forge that counts objects for a first clone is silent for a while.
    pub stall: Duration,
    /// The most bytes the remote may send.
    pub max_bytes: u64,
    /// The most bytes that may be made of its pack by inflating it and by applying deltas, beside
    /// 4,096 for each byte that it has.
    pub max_made: u64,
}

/// The most bytes of a pack that is asked for before it is known to be wanted: whoever calls the webhook
/// could name any commit of the remote. It is far more than a push that anybody waits for.
const EARLY_BYTES: u64 = 32 << 20;

impl FetchLimits {
    /// Returns the limits of a pack that is asked for early, in a fetch with these.
    pub(super) fn of_early(&self) -> Self {
        Self { max_bytes: self.max_bytes.min(EARLY_BYTES), ..*self }
    }

    /// Returns how many bytes may be made of a pack in a fetch that may take so long. A core makes
    /// thirty times as many.
    pub fn made_within(timeout: Duration) -> u64 {
        (16 << 20) * timeout.as_secs().max(1)
    }
}

impl Default for FetchLimits {
    /// Two minutes, 30 seconds of silence, 4 GiB: for a few commits. A first clone may want more.
    fn default() -> Self {
        let timeout = Duration::from_secs(120);
        Self {
            timeout,
            max_made: Self::made_within(timeout),
            stall: Duration::from_secs(30),
            max_bytes: 4 << 30,
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
