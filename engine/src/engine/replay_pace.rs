//! The pace of writers during a replay: they may not write faster than their commits are put on top of the
//! remote's head, or the replay would never end.

use std::sync::Condvar;
use std::time::{Duration, Instant};

use super::locks::{Lock, Rank};

/// How many commits may be written before the first one is put on top, and again for each judgement of what came of
/// them.
const AHEAD: u64 = 16;

/// How long a writer waits at most, however long a commit takes.
const LONGEST: Duration = Duration::from_secs(5);

/// How far a replay is, and who writes meanwhile.
pub(super) struct ReplayPace {
    progress: Lock<Option<Progress>>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// How many commits were put on top, each counted once.
    put: u64,
    judgements: u64,
    written: u64,
}

impl Progress {
    /// Returns whether another commit may be written. For two that are put on top, one may: so half as many
    /// are left after each round.
    fn has_room(self) -> bool {
        self.written < AHEAD * (1 + self.judgements) + self.put / 2
    }
}

/// A replay that is going on. Dropping it lets everybody write.
pub(super) struct PacedReplay<'a>(&'a ReplayPace);

impl ReplayPace {
    pub(super) fn new() -> Self {
        Self { progress: Lock::new(Rank::Pace, None), changed: Condvar::new() }
    }

    /// Begins a replay.
    pub(super) fn begin(&self) -> PacedReplay<'_> {
        *self.progress.lock() = Some(Progress::default());
        PacedReplay(self)
    }

    /// Waits until a commit may be written, if a replay is going on. The caller holds no lock.
    pub(super) fn keep(&self) {
        let until = Instant::now() + LONGEST;
        let mut progress = self.progress.lock();
        while progress.is_some_and(|progress| !progress.has_room()) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            progress = progress.wait_for(&self.changed, left);
        }
    }

    /// Records how many commits were written.
    pub(super) fn note(&self, commits: u64) {
        if let Some(progress) = &mut *self.progress.lock() {
            progress.written += commits;
        }
    }
}

impl PacedReplay<'_> {
    /// Records how many commits are on top. Those that are put again after others were left out make no room: who
    /// writes what does not fit would write as much again each time.
    pub(super) fn reached(&self, put: usize) {
        self.update(|progress| progress.put = progress.put.max(put as u64));
    }

    /// Records that the state which came of them was judged.
    pub(super) fn judged(&self) {
        self.update(|progress| progress.judgements += 1);
    }

    fn update(&self, change: impl FnOnce(&mut Progress)) {
        if let Some(progress) = &mut *self.0.progress.lock() {
            change(progress);
        }
        self.0.changed.notify_all();
    }
}

impl Drop for PacedReplay<'_> {
    fn drop(&mut self) {
        *self.0.progress.lock() = None;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_two_commits_that_are_put_one_may_be_written_and_a_few_for_each_judgement() {
        for (put, judgements, written, expected) in [
            (0, 0, AHEAD - 1, true),
            (0, 0, AHEAD, false),
            (1, 0, AHEAD, false),
            (2, 0, AHEAD, true),
            (2, 0, AHEAD + 1, false),
            (1_000, 0, AHEAD + 499, true),
            (1_000, 0, AHEAD + 500, false),
            (2, 1, 2 * AHEAD, true),
            (2, 1, 2 * AHEAD + 1, false),
        ] {
            let progress = Progress { put, judgements, written };
            assert_eq!(progress.has_room(), expected, "{progress:?}");
        }
    }

    #[test]
    fn a_replay_with_an_endless_writer_ends() {
        // Whatever a commit costs, the writer writes as many as it may.
        let (mut progress, mut left) = (Progress::default(), 1_000_u64);
        while left > 0 && progress.put < 10_000 {
            (progress.put, left) = (progress.put + 1, left - 1);
            while progress.has_room() {
                (progress.written, left) = (progress.written + 1, left + 1);
            }
        }
        assert!(left == 0 && progress.put <= 2 * (1_000 + AHEAD), "{progress:?}");
    }

    #[test]
    fn a_writer_waits_for_the_replay_and_no_longer() {
        let pace = ReplayPace::new();
        pace.note(1_000);
        let replay = pace.begin();
        pace.keep();
        pace.note(AHEAD);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                pace.keep();
                pace.note(1);
            });
            replay.reached(2);
            writer.join().unwrap();
            assert_eq!(pace.progress.lock().unwrap().written, AHEAD + 1);
            // They are put again.
            replay.reached(1);
            assert_eq!(pace.progress.lock().unwrap().put, 2);
            let writer = scope.spawn(|| pace.keep());
            drop(replay);
            writer.join().unwrap();
        });
        assert!(pace.progress.lock().is_none());
    }
}
