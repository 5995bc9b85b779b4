//! The line to a remote: a child process or an http connection, both under one budget.
//!
//! gix checks its interrupt flag only between packet lines, so a remote that sends nothing, or one
//! byte a second, would block it forever. Every read goes through [`Metered`], and a watchdog ends
//! blocked ones.

pub(super) mod ahead;
pub(super) mod greeting;
pub(super) mod http;
pub(super) mod process;
pub(super) mod pack_limits;

use std::fmt;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use gix::protocol::transport::client::blocking_io::Transport;

use self::pack_limits::Work;
use super::FetchLimits;
use super::group_memory::GroupMemory;

/// A gix transport of any kind.
pub(super) type Line = Box<dyn Transport>;

/// The most bytes that a remote may send before its pack: they are kept in memory, at twice their
/// size. This is enough for a hundred thousand references.
const TALK_BYTES: u64 = 16 << 20;

/// The most bytes of references that are skipped as they arrive: the protocol cannot ask for one
/// branch without those whose names begin alike.
const SKIPPED_BYTES: u64 = 128 << 20;
/// How often the work on a pack is checked.
const WORK_INTERVAL: Duration = Duration::from_millis(100);

/// The phase of a conversation with a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// The remote has not answered the greeting.
    Greeting,
    /// The remote lists its references.
    References,
    /// The remote lists references, of which only one is kept.
    OtherReferences,
    /// A pack is requested, and the remote acknowledges known commits.
    Negotiation,
    /// The remote sends the pack, which is indexed while it arrives and afterwards.
    Pack,
    /// What it sent is checked.
    Check,
}

impl Phase {
    const ALL: [Self; 6] = [
        Self::Greeting,
        Self::References,
        Self::OtherReferences,
        Self::Negotiation,
        Self::Pack,
        Self::Check,
    ];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "to answer",
            Self::References | Self::OtherReferences => "to send its references",
            Self::Negotiation => "to begin a pack",
            Self::Pack => "to send its pack",
            Self::Check => "to be checked",
        })
    }
}

/// What one conversation with a remote may cost.
#[derive(Debug)]
pub(super) struct Budget {
    phase: AtomicU8,
    work: Work,
    started: Instant,
    total: Duration,
    stall: Duration,
    max_bytes: u64,
    max_held: u64,
    memory: Option<GroupMemory>,
    received: AtomicU64,
    /// Those of the bytes received that were skipped as they arrived.
    skipped: AtomicU64,
    /// When the current read began, in milliseconds from the start, plus one. Zero if there is
    /// none.
    waiting: AtomicU64,
    overrun: OnceLock<Overrun>,
    /// The flag that stops gix while it indexes.
    pub(super) interrupt: AtomicBool,
}

/// The part of a budget that was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overrun {
    /// The conversation took too long as a whole.
    Total,
    /// The remote was silent for too long.
    Stall,
    /// The remote sent too much.
    Bytes,
    /// The remote sent too much before its pack.
    Talk,
    /// Its pack was too expensive to unpack.
    Work,
    /// A program held too much of what the remote sent.
    Memory,
}

impl Budget {
    pub(super) fn new(limits: &FetchLimits) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Greeting as u8),
            work: Work::up_to(limits.max_made),
            started: Instant::now(),
            total: limits.timeout,
            stall: limits.stall,
            max_bytes: limits.max_bytes,
            max_held: limits.max_held,
            memory: None,
            received: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            overrun: OnceLock::new(),
            interrupt: AtomicBool::new(false),
        }
    }

    /// Limits the memory of a process group as well.
    pub(super) fn with_memory(self, memory: Option<GroupMemory>) -> Self {
        Self { memory, ..self }
    }

    /// Returns the part that was used up, if any.
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

    /// Returns the most bytes that a chain of deltas may hold.
    pub(super) fn max_held(&self) -> u64 {
        self.max_held
    }

    /// Records that the conversation has entered a phase.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Returns the phase of the conversation.
    pub(super) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Ordering::Relaxed))]
    }

    /// Returns the counter of the work on the pack.
    pub(super) fn work(&self) -> &Work {
        &self.work
    }

    /// Returns the longest silence to wait for.
    pub(super) fn stall(&self) -> Duration {
        self.stall
    }

    /// Records that the budget is used up. The first reason stays.
    pub(super) fn exceed(&self, overrun: Overrun) -> io::Error {
        let overrun = *self.overrun.get_or_init(|| overrun);
        self.interrupt.store(true, Ordering::Relaxed);
        io::Error::new(io::ErrorKind::TimedOut, overrun.text())
    }

    /// Fails once any part is used up.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.overrun() {
            Some(overrun) => Err(self.exceed(overrun)),
            None if self.work.is_too_much(self.received()) => Err(self.exceed(Overrun::Work)),
            None if self.started.elapsed() >= self.total => Err(self.exceed(Overrun::Total)),
            None => Ok(()),
        }
    }

    fn count(&self, bytes: usize) -> io::Result<()> {
        let bytes = bytes as u64;
        let received = self.received.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if received > self.max_bytes {
            return Err(self.exceed(Overrun::Bytes));
        }
        let (counted, most) = match self.phase() {
            Phase::Pack => return Ok(()),
            Phase::OtherReferences => {
                (self.skipped.fetch_add(bytes, Ordering::Relaxed) + bytes, SKIPPED_BYTES)
            }
            _ => (received - self.skipped.load(Ordering::Relaxed).min(received), TALK_BYTES),
        };
        if counted > most {
            return Err(self.exceed(Overrun::Talk));
        }
        Ok(())
    }

    fn begin_wait(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.waiting.store(now + 1, Ordering::Relaxed);
    }

    fn end_wait(&self) {
        self.waiting.store(0, Ordering::Relaxed);
    }

    /// Returns the time until some part may be used up if no byte arrives, or the part that is used
    /// up.
    fn remaining(&self) -> Result<Duration, Overrun> {
        if self.work.is_too_much(self.received()) {
            return Err(Overrun::Work);
        }
        let elapsed = self.started.elapsed();
        let total = self.total.checked_sub(elapsed).ok_or(Overrun::Total)?;
        let stall = match self.waiting.load(Ordering::Relaxed) {
            0 => self.stall,
            since => (Duration::from_millis(since - 1) + self.stall)
                .checked_sub(elapsed)
                .ok_or(Overrun::Stall)?,
        };
        let most = if self.phase() == Phase::Pack { WORK_INTERVAL } else { Duration::MAX };
        let unread = self.memory.as_ref().map_or(Some(Duration::MAX), GroupMemory::check);
        let most = most.min(unread.ok_or(Overrun::Memory)?);
        Ok(total.min(stall).min(most).max(Duration::from_millis(1)))
    }
}

impl Overrun {
    fn text(self) -> &'static str {
        match self {
            Self::Total => "the remote took too long",
            Self::Stall => "the remote stopped responding",
            Self::Bytes => "the remote sent too much",
            Self::Talk => "the remote sent too much before its pack",
            Self::Work => "the pack costs too much to unpack",
            Self::Memory => "the answer of the remote takes too much memory",
        }
    }
}

/// A reader whose bytes and waits are charged to a budget.
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
        // A read that the watchdog cut off looks like an end or an error of the line.
        self.budget.check()?;
        let read = read?;
        self.budget.count(read)?;
        Ok(read)
    }
}

/// Runs `work` while a second thread waits to call `cut` when the budget is used up.
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
        // Also when `work` panics: the thread must not keep its scope waiting.
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
        Budget::new(&FetchLimits { timeout, stall, max_bytes, ..FetchLimits::default() })
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

    #[test]
    fn what_is_said_before_a_pack_is_bounded_and_the_pack_is_not() {
        let budget = Arc::new(limited(LONG, LONG, u64::MAX));
        let mut sink = io::sink();
        let endless = || Metered::new(io::repeat(b'a'), Arc::clone(&budget));
        budget.enter(Phase::Pack);
        assert_eq!(io::copy(&mut endless().take(2 * TALK_BYTES), &mut sink).unwrap(), 2 << 24);
        assert_eq!(budget.overrun(), None);
        for phase in [Phase::Greeting, Phase::References, Phase::Negotiation] {
            let budget = Arc::new(limited(LONG, LONG, u64::MAX));
            budget.enter(phase);
            let mut endless = Metered::new(io::repeat(b'a'), Arc::clone(&budget));
            assert!(io::copy(&mut endless, &mut sink).is_err());
            assert_eq!((budget.overrun(), budget.phase()), (Some(Overrun::Talk), phase));
            assert!(budget.received() <= TALK_BYTES + (1 << 20), "{}", budget.received());
        }
    }

    #[test]
    fn what_is_skipped_has_a_bound_of_its_own_and_does_not_count_for_what_follows() {
        let budget = Arc::new(limited(LONG, LONG, u64::MAX));
        let mut sink = io::sink();
        let endless = || Metered::new(io::repeat(b'a'), Arc::clone(&budget));
        budget.enter(Phase::OtherReferences);
        io::copy(&mut endless().take(2 * TALK_BYTES), &mut sink).unwrap();
        budget.enter(Phase::Negotiation);
        io::copy(&mut endless().take(TALK_BYTES - (1 << 20)), &mut sink).unwrap();
        assert_eq!(budget.overrun(), None);
        budget.enter(Phase::OtherReferences);
        assert!(io::copy(&mut endless(), &mut sink).is_err());
        assert_eq!(budget.overrun(), Some(Overrun::Talk));
        assert!(budget.received() <= SKIPPED_BYTES + TALK_BYTES, "{}", budget.received());
    }

    #[test]
    fn work_that_is_too_much_is_cut_while_it_goes_on() {
        let budget = limited(LONG, LONG, u64::MAX);
        budget.enter(Phase::Pack);
        let (cut, ended) = mpsc::sync_channel(1);
        watched(
            &budget,
            || cut.send(()).unwrap(),
            || {
                budget.work().counter().fetch_add(usize::MAX / 2, Ordering::Relaxed);
                ended.recv().unwrap();
            },
        );
        assert_eq!(budget.overrun(), Some(Overrun::Work));
        assert!(budget.interrupt.load(Ordering::Relaxed));
    }

    /// A reader that returns nothing until it is cut off.
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
