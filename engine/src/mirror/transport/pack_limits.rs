//! The limit on the work that a pack may cause.
//!
//! A few thousand bytes of deltas can expand to hundreds of gigabytes of objects, each of which is
//! built and hashed. Bytes are counted rather than seconds: the same pack is refused on every
//! machine.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gix::odb::pack::index::write::ProgressId;
use gix::progress::{
    Count, Id, MessageLevel, NestedProgress, Progress, Step, StepShared, UNKNOWN, Unit,
};

/// The bytes that may be produced from each received byte: each commit to a folder of a hundred
/// thousand records produces four million bytes from the thousand that it sends.
const A_BYTE: u64 = 4096;

/// The bytes that were produced from a pack.
#[derive(Debug)]
pub(in crate::mirror) struct Work {
    done: StepShared,
    most: u64,
}

impl Work {
    /// Allows `most` bytes, and more for each received byte.
    pub(super) fn up_to(most: u64) -> Self {
        Self { done: StepShared::default(), most }
    }

    /// Returns whether that limit is exceeded.
    pub(super) fn is_too_much(&self, received: u64) -> bool {
        let most = self.most.saturating_add(received.saturating_mul(A_BYTE));
        self.done.load(Ordering::Relaxed) as u64 > most
    }

    /// Returns the progress to which gix reports.
    pub(in crate::mirror) fn progress(&self) -> WorkProgress {
        WorkProgress { all: Arc::clone(&self.done), own: Arc::default() }
    }

    #[cfg(test)]
    pub(super) fn counter(&self) -> &StepShared {
        &self.done
    }
}

/// A progress that counts only the bytes that were inflated or produced from deltas.
pub(in crate::mirror) struct WorkProgress {
    /// The total of all.
    all: StepShared,
    /// The count of this one.
    own: StepShared,
}

impl Count for WorkProgress {
    fn set(&self, step: Step) {
        self.own.store(step, Ordering::Relaxed);
    }

    fn step(&self) -> Step {
        self.own.load(Ordering::Relaxed)
    }

    fn inc_by(&self, step: Step) {
        self.own.fetch_add(step, Ordering::Relaxed);
    }

    fn counter(&self) -> StepShared {
        Arc::clone(&self.own)
    }
}

impl Progress for WorkProgress {
    fn init(&mut self, _max: Option<Step>, _unit: Option<Unit>) {}

    fn set_name(&mut self, _name: String) {}

    fn name(&self) -> Option<String> {
        None
    }

    fn id(&self) -> Id {
        UNKNOWN
    }

    fn message(&self, _level: MessageLevel, _message: String) {}
}

impl NestedProgress for WorkProgress {
    type SubProgress = Self;

    fn add_child(&mut self, name: impl Into<String>) -> Self {
        self.add_child_with_id(name, UNKNOWN)
    }

    fn add_child_with_id(&mut self, _name: impl Into<String>, id: Id) -> Self {
        let is_work = [ProgressId::DecompressedBytes, ProgressId::DecodedBytes]
            .into_iter()
            .any(|counted| Id::from(counted) == id);
        let own = if is_work { Arc::clone(&self.all) } else { Arc::default() };
        Self { all: Arc::clone(&self.all), own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_allows_more_work() {
        let work = Work::up_to(1000);
        let most = 1000 + 5 * A_BYTE;
        for (done, expected) in [(0, false), (most, false), (most + 1, true)] {
            work.done.store(usize::try_from(done).unwrap(), Ordering::Relaxed);
            assert_eq!(work.is_too_much(5), expected, "{done}");
        }
        assert!(!work.is_too_much(u64::MAX));
    }

    #[test]
    fn only_bytes_that_are_made_count() {
        let work = Work::up_to(1000);
        let mut progress = work.progress();
        progress.inc_by(1);
        progress.add_child("objects").inc_by(2);
        let mut below = progress.add_child_with_id("index", ProgressId::IndexObjects.into());
        below.add_child_with_id("bytes", ProgressId::DecompressedBytes.into()).inc_by(4);
        let decoded = below.add_child_with_id("bytes", ProgressId::DecodedBytes.into());
        decoded.counter().fetch_add(8, Ordering::Relaxed);
        assert_eq!(work.counter().load(Ordering::Relaxed), 12);
    }
}
