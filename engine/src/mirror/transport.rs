//! The line to a remote: a child process or an http connection, both under one budget.
//!
//! gix looks at its interrupt flag only between packet lines, so a remote that says nothing, or one
//! byte a second, would hold it for ever. Every read goes through [`Metered`], and a watchdog ends
//! what is blocked.

pub(super) mod http;
pub(super) mod process;

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use gix::protocol::transport::client::blocking_io::Transport;

use super::FetchLimits;

/// A transport of gix, whatever is behind it.
pub(super) type Line = Box<dyn Transport>;

/// What one conversation with a remote may cost.
#[derive(Debug)]
pub(super) struct Budget {
    started: Instant,
    total: Duration,
    stall: Duration,
    max_bytes: u64,
    received: AtomicU64,
    /// Milliseconds from the start at which the read that is going on began, plus one. Zero: none.
    waiting: AtomicU64,
    overrun: OnceLock<Overrun>,
    /// gix's way of being told to stop while it indexes.
    pub(super) interrupt: AtomicBool,
}

/// Which part of a budget was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overrun {
    /// The conversation took too long as a whole.
    Total,
    /// The remote said nothing for too long.
    Stall,
    /// The remote sent too much.
    Bytes,
}

impl Budget {
    pub(super) fn new(limits: &FetchLimits) -> Self {
        Self {
            started: Instant::now(),
            total: limits.timeout,
            stall: limits.stall,
            max_bytes: limits.max_bytes,
            received: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            overrun: OnceLock::new(),
            interrupt: AtomicBool::new(false),
        }
    }

    /// Returns what was used up, if anything was.
    pub(super) fn overrun(&self) -> Option<Overrun> {
        self.overrun.get().copied()
    }

    /// Returns the bytes received.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Returns the most bytes that may be received.
    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Returns the longest silence that is waited for.
    pub(super) fn stall(&self) -> Duration {
        self.stall
    }

    /// Notes that the budget is used up. The first reason stays.
    pub(super) fn exceed(&self, overrun: Overrun) -> io::Error {
        let overrun = *self.overrun.get_or_init(|| overrun);
        self.interrupt.store(true, Ordering::Relaxed);
        io::Error::new(io::ErrorKind::TimedOut, overrun.text())
    }

    fn check(&self) -> io::Result<()> {
        match self.overrun() {
            Some(overrun) => Err(self.exceed(overrun)),
            None if self.started.elapsed() >= self.total => Err(self.exceed(Overrun::Total)),
            None => Ok(()),
        }
    }

    fn count(&self, bytes: usize) -> io::Result<()> {
        let bytes = bytes as u64;
        let received = self.received.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if received > self.max_bytes { Err(self.exceed(Overrun::Bytes)) } else { Ok(()) }
    }

    fn begin_wait(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.waiting.store(now + 1, Ordering::Relaxed);
    }

    fn end_wait(&self) {
        self.waiting.store(0, Ordering::Relaxed);
    }

    /// Returns the time until something is used up unless a byte comes, or what is.
    fn remaining(&self) -> Result<Duration, Overrun> {
        let elapsed = self.started.elapsed();
        let total = self.total.checked_sub(elapsed).ok_or(Overrun::Total)?;
        let stall = match self.waiting.load(Ordering::Relaxed) {
            0 => self.stall,
            since => (Duration::from_millis(since - 1) + self.stall)
                .checked_sub(elapsed)
                .ok_or(Overrun::Stall)?,
        };
        Ok(total.min(stall).max(Duration::from_millis(1)))
    }
}

impl Overrun {
    fn text(self) -> &'static str {
        match self {
            Self::Total => "the remote took too long",
            Self::Stall => "the remote fell silent",
            Self::Bytes => "the remote sent too much",
        }
    }
}

/// A reader whose bytes and waits are booked on a budget.
pub(super) struct Metered<R> {
    inner: R,
    budget: std::sync::Arc<Budget>,
}

impl<R> Metered<R> {
    pub(super) fn new(inner: R, budget: std::sync::Arc<Budget>) -> Self {
        Self { inner, budget }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.budget.check()?;
        self.budget.begin_wait();
        let read = self.inner.read(buffer);
        self.budget.end_wait();
        // What was cut off by the watchdog looks like an end or an error of the line.
        self.budget.check()?;
        let read = read?;
        self.budget.count(read)?;
        Ok(read)
    }
}

/// Runs `work` with a second thread that calls `cut` once when the budget is used up.
pub(super) fn watched<T>(budget: &Budget, cut: impl Fn() + Sync, work: impl FnOnce() -> T) -> T {
    let done = Mutex::new(false);
    let ended = Condvar::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut finished = done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            while !*finished {
                match budget.remaining() {
                    Ok(wait) => {
                        finished = match ended.wait_timeout(finished, wait) {
                            Ok((finished, _)) => finished,
                            Err(poisoned) => poisoned.into_inner().0,
                        };
                    }
                    Err(overrun) => {
                        budget.exceed(overrun);
                        cut();
                        return;
                    }
                }
            }
        });
        // Also when `work` panics: the thread must not outlive its scope waiting.
        let _release = Release { done: &done, ended: &ended };
        work()
    })
}

struct Release<'a> {
    done: &'a Mutex<bool>,
    ended: &'a Condvar,
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        *self.done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = true;
        self.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(3600);

    fn limited(timeout: Duration, stall: Duration, max_bytes: u64) -> Budget {
        Budget::new(&FetchLimits { timeout, stall, max_bytes })
    }

    #[test]
    fn more_bytes_than_allowed_are_an_error_and_an_interrupt() {
        let budget = Arc::new(limited(LONG, LONG, 10));
        let mut reader = Metered::new(&[0_u8; 11][..], Arc::clone(&budget));
        let mut read = Vec::new();
        assert!(reader.read_to_end(&mut read).is_err());
        assert_eq!(budget.overrun(), Some(Overrun::Bytes));
        assert!(budget.interrupt.load(Ordering::Relaxed));
        let budget = Arc::new(limited(LONG, LONG, 10));
        let mut reader = Metered::new(&[0_u8; 10][..], Arc::clone(&budget));
        assert_eq!(reader.read_to_end(&mut read).unwrap(), 10);
        assert_eq!((budget.received(), budget.overrun()), (10, None));
    }

    /// A reader that says nothing until it is cut off.
    struct Silent(mpsc::Receiver<()>);

    impl Read for Silent {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other).map(|()| 0)
        }
    }

    #[test]
    fn a_silent_line_is_cut_by_whichever_limit_comes_first() {
        let short = Duration::from_millis(20);
        for (total, stall, expected) in
            [(LONG, short, Overrun::Stall), (short, LONG, Overrun::Total)]
        {
            let budget = Arc::new(limited(total, stall, u64::MAX));
            let (cut, silent) = mpsc::sync_channel(1);
            let mut reader = Metered::new(Silent(silent), Arc::clone(&budget));
            let result = watched(
                &budget,
                || cut.send(()).unwrap(),
                || reader.read(&mut [0; 10]).map_err(|error| error.kind()),
            );
            assert_eq!(result, Err(io::ErrorKind::TimedOut));
            assert_eq!(budget.overrun(), Some(expected));
        }
    }

    #[test]
    fn work_that_ends_in_time_is_not_cut() {
        let budget = limited(LONG, LONG, u64::MAX);
        assert_eq!(watched(&budget, || panic!("cut"), || 7), 7);
        assert_eq!(budget.overrun(), None);
    }
}
