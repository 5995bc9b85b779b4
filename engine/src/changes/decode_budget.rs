//! What the decoding of a difference may cost: memory and time.
//!
//! Neither is known from the sizes of a push: a few kilobytes can name one file at millions of paths.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::memory::MemoryProbe;

/// The memory from which on the free memory is asked for, in bytes: that takes as long as a small push.
const ASK: u64 = 64 << 20;

/// Why the files that differ were not all decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooCostly {
    /// Their records do not fit into memory.
    #[error("its changed records take more than the {most} bytes of memory that are free")]
    Memory {
        /// The free memory, in bytes.
        most: u64,
    },
    /// It takes too long.
    #[error("decoding its files takes longer than {} s", .limit.as_secs())]
    Time {
        /// The limit.
        limit: Duration,
    },
}

/// How much of the free memory may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All of it: the state is needed.
    All,
    /// A quarter: others need the rest more.
    Quarter,
}

impl Share {
    fn divisor(self) -> u64 {
        match self {
            Self::All => 1,
            Self::Quarter => 4,
        }
    }
}

/// The memory and time that are left. Shared by all threads that decode.
pub struct DecodeBudget {
    memory: MemoryProbe,
    share: Share,
    /// The most memory that may be taken, in bytes; found out once [`ASK`] is taken, and `None` if nobody
    /// knows.
    most: OnceLock<Option<u64>>,
    taken: AtomicU64,
    begun: Instant,
    /// The time limit, if there is one.
    limit: Option<Duration>,
    is_late: AtomicBool,
}

impl Default for DecodeBudget {
    /// Returns a budget without limits.
    fn default() -> Self {
        Self::new(MemoryProbe::default(), Share::All, None)
    }
}

impl DecodeBudget {
    /// Returns a budget of this share of the free memory, and of time up to `limit` from now on.
    pub fn new(memory: MemoryProbe, share: Share, limit: Option<Duration>) -> Self {
        let (taken, is_late) = (AtomicU64::new(0), AtomicBool::new(false));
        let most = OnceLock::new();
        Self { memory, share, most, taken, begun: Instant::now(), limit, is_late }
    }

    /// Calls `decode` and takes the memory of its result, which is `weight` bytes, unless there is none or
    /// no time left. Then the result means nothing, and [`check`](Self::check) says why.
    pub(super) fn decode<T: Default>(
        &self,
        decode: impl FnOnce() -> T,
        weight: impl FnOnce(&T) -> u64,
    ) -> T {
        if self.check().is_err() {
            return T::default();
        }
        let found = decode();
        self.taken.fetch_add(weight(&found), Ordering::Relaxed);
        if self.limit.is_some_and(|limit| self.begun.elapsed() > limit) {
            self.is_late.store(true, Ordering::Relaxed);
        }
        found
    }

    /// Checks whether everything was decoded so far.
    pub(super) fn check(&self) -> Result<(), TooCostly> {
        let taken = self.taken.load(Ordering::Relaxed);
        if taken > ASK {
            let most = self.most.get_or_init(|| {
                let available = self.memory.available()?;
                Some(taken + available / self.share.divisor())
            });
            if let Some(most) = most.filter(|most| taken > *most) {
                return Err(TooCostly::Memory { most });
            }
        }
        match self.limit {
            Some(limit) if self.is_late.load(Ordering::Relaxed) => Err(TooCostly::Time { limit }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    /// Returns how many files of ten megabytes are decoded, and the reason for the end.
    fn decoded(budget: &DecodeBudget) -> (usize, Result<(), TooCostly>) {
        let decode = || budget.decode(|| true, |_| 10 << 20);
        ((0..12).filter(|_| decode()).count(), budget.check())
    }

    #[test]
    fn decoding_ends_when_memory_or_time_are_used_up() {
        let hour = Duration::from_secs(3_600);
        let free = |bytes: u64| {
            let memory = Memory { held: 0, available: bytes };
            MemoryProbe::new(move || Some(memory))
        };
        // It is asked for after seven files, and has room for one more, if not two.
        let most = (70 << 20) + (15 << 20);
        let short = Err(TooCostly::Memory { most });
        let late = TooCostly::Time { limit: Duration::ZERO };
        use Share::{All, Quarter};
        for (name, memory, share, limit, expected) in [
            ("nobody knows", MemoryProbe::default(), All, None, (12, Ok(()))),
            ("enough of both", free(1 << 30), Quarter, Some(hour), (12, Ok(()))),
            ("little memory", free(15 << 20), All, Some(hour), (9, short)),
            ("little memory and any time", free(15 << 20), All, None, (9, short)),
            ("little of the memory", free(60 << 20), Quarter, None, (9, short)),
            ("no time", MemoryProbe::default(), All, Some(Duration::ZERO), (1, Err(late))),
        ] {
            assert_eq!(decoded(&DecodeBudget::new(memory, share, limit)), expected, "{name}");
        }
    }
}
