//! Decides whether there is memory for a second state next to the served one, and for the records of a
//! commit. The memory of the process and of the system is measured outside the engine, which only asks.

use std::fmt;
use std::sync::Arc;

/// An amount of memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// The private memory of the process.
    pub held: u64,
    /// The memory that it could still get.
    pub available: u64,
}

impl Memory {
    /// Returns whether a state can be rebuilt next to the existing ones.
    ///
    /// A rebuild is assumed to need as much again as the process holds. That is an upper bound: it
    /// includes states that are kept or still read, and free space within the heap.
    pub fn has_room(self) -> bool {
        self.available >= self.held
    }
}

/// Returns the amount of memory, if known.
type Tell = dyn Fn() -> Option<Memory> + Send + Sync;

/// Measures the memory on demand. The default never knows.
#[derive(Clone, Default)]
pub struct MemoryProbe(Option<Arc<Tell>>);

impl MemoryProbe {
    /// Returns a probe that calls `tell`, which should take no longer than reading a few small
    /// files.
    pub fn new(tell: impl Fn() -> Option<Memory> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    /// Returns the memory that the process could still get, in bytes, if known.
    pub(crate) fn available(&self) -> Option<u64> {
        self.0.as_ref().and_then(|tell| tell()).map(|memory| memory.available)
    }

    /// Returns the amount of memory if there is no room for a second state.
    pub(crate) fn shortage(&self) -> Option<Memory> {
        self.0.as_ref().and_then(|tell| tell()).filter(|memory| !memory.has_room())
    }
}

impl fmt::Debug for MemoryProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryProbe")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_must_fit_once_more() {
        let short = Memory { held: 100, available: 99 };
        assert_eq!(MemoryProbe::new(move || Some(short)).shortage(), Some(short));
        let enough = Memory { held: 100, available: 100 };
        assert_eq!(MemoryProbe::new(move || Some(enough)).shortage(), None);
        assert_eq!(MemoryProbe::new(|| None).shortage(), None);
        assert_eq!(MemoryProbe::default().shortage(), None);
    }
}
