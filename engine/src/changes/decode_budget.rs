//! What the decoding of a difference may cost: memory and time.
//!
//! Neither is known from the sizes of a push: a few kilobytes can name one file at millions of paths.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::memory::MemoryProbe;

/// How much memory may be taken, in bytes, until the free memory is asked for, and then again: asking takes
/// as long as a small push.
const STEP: u64 = 32 << 20;

/// The longest step that counts in full. A process that was stopped, or a machine that slept, has not decoded.
const LONGEST_STEP: Duration = Duration::from_secs(60);

/// Why the files that differ were not all decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooCostly {
    /// Their records do not fit into memory.
    #[error(
        "its changed records take more memory than is free; when decoding ended, {available} bytes were"
    )]
    Memory {
        /// The memory that was free, in bytes.
        available: u64,
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

/// The memory that decoded records take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weight {
    /// As soon as they are decoded.
    pub(super) now: u64,
    /// In addition, once they are in the maps and the text index.
    pub(super) later: u64,
}

/// The memory and time that are left. Shared by all threads that decode.
pub struct DecodeBudget {
    memory: MemoryProbe,
    share: Share,
    /// What is taken already, and what the rest of the load will take.
    now: AtomicU64,
    later: AtomicU64,
    /// How much of both it was when the free memory was asked for.
    asked: AtomicU64,
    /// How much was free when it was too little.
    short: OnceLock<u64>,
    begun: Instant,
    /// The time limit, if there is one.
    limit: Option<Duration>,
    spent: Mutex<Spent>,
    is_late: AtomicBool,
}

/// The time that decoding has taken, without pauses.
#[derive(Debug, Default)]
struct Spent {
    /// In all.
    total: Duration,
    /// When it was added up, after the beginning.
    at: Duration,
}

impl Spent {
    /// Adds the time until `now`, after the beginning, and returns all of it.
    fn until(&mut self, now: Duration) -> Duration {
        self.total += now.saturating_sub(self.at).min(LONGEST_STEP);
        self.at = self.at.max(now);
        self.total
    }
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
        Self {
            memory,
            share,
            now: AtomicU64::new(0),
            later: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            short: OnceLock::new(),
            begun: Instant::now(),
            limit,
            spent: Mutex::default(),
            is_late: AtomicBool::new(false),
        }
    }

    /// Calls `decode` and takes the memory of its result, unless there is none or no time left. Then the
    /// result means nothing, and [`check`](Self::check) says why.
    pub(super) fn decode<T: Default>(
        &self,
        decode: impl FnOnce() -> T,
        weight: impl FnOnce(&T) -> Weight,
    ) -> T {
        if self.check().is_err() {
            return T::default();
        }
        let found = decode();
        self.take(weight(&found));
        if let Some(limit) = self.limit {
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            if spent.until(self.begun.elapsed()) > limit {
                self.is_late.store(true, Ordering::Relaxed);
            }
        }
        found
    }

    fn take(&self, weight: Weight) {
        let now = self.now.fetch_add(weight.now, Ordering::Relaxed) + weight.now;
        let later = self.later.fetch_add(weight.later, Ordering::Relaxed) + weight.later;
        if now + later < self.asked.load(Ordering::Relaxed) + STEP {
            return;
        }
        self.asked.store(now + later, Ordering::Relaxed);
        if let Some(available) = self.memory.available()
            && available / self.share.divisor() < later
        {
            self.short.get_or_init(|| available);
        }
    }

    /// Checks whether everything was decoded so far.
    pub(super) fn check(&self) -> Result<(), TooCostly> {
        if let Some(available) = self.short.get() {
            return Err(TooCostly::Memory { available: *available });
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

    /// Returns how many files are decoded that take ten megabytes now and as many later, and the reason for
    /// the end.
    fn decoded(budget: &DecodeBudget) -> (usize, Result<(), TooCostly>) {
        let weight = Weight { now: 10 << 20, later: 10 << 20 };
        let decode = || budget.decode(|| true, |_| weight);
        ((0..12).filter(|_| decode()).count(), budget.check())
    }

    #[test]
    fn a_pause_is_not_time_that_decoding_takes() {
        let mut spent = Spent::default();
        let seconds = Duration::from_secs;
        let all = [1, 31, 30, 3_600, 3_605].map(|now| spent.until(seconds(now)).as_secs());
        assert_eq!(all, [1, 31, 31, 91, 96]);
    }

    #[test]
    fn decoding_ends_when_memory_or_time_are_used_up() {
        let hour = Duration::from_secs(3_600);
        let free = |bytes: u64| {
            let memory = Memory { held: 0, available: bytes };
            MemoryProbe::new(move || Some(memory))
        };
        let short = |available| Err(TooCostly::Memory { available });
        let late = TooCostly::Time { limit: Duration::ZERO };
        use Share::{All, Quarter};
        for (name, memory, share, limit, expected) in [
            ("nobody knows", MemoryProbe::default(), All, None, (12, Ok(()))),
            ("enough of both", free(1 << 30), Quarter, Some(hour), (12, Ok(()))),
            // It is asked for after two files, and then again after two more.
            ("nothing", free(0), All, Some(hour), (2, short(0))),
            ("little memory", free(35 << 20), All, Some(hour), (4, short(35 << 20))),
            ("some memory and any time", free(60 << 20), All, None, (8, short(60 << 20))),
            ("little of the memory", free(60 << 20), Quarter, None, (2, short(60 << 20))),
            ("no time", MemoryProbe::default(), All, Some(Duration::ZERO), (1, Err(late))),
        ] {
            assert_eq!(decoded(&DecodeBudget::new(memory, share, limit)), expected, "{name}");
        }
    }
}
