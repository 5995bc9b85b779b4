//! Whether a second state has room beside the one that is served. What the process holds and what
//! the system could still give it is known outside the engine, which only asks.

use std::fmt;
use std::sync::Arc;

/// How much memory there is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What the process holds of its own.
    pub held: u64,
    /// What it could still get.
    pub available: u64,
}

impl Memory {
    /// Says whether a state can be built anew beside those that are there.
    ///
    /// A rebuild is taken to need as much again as the process holds. That is an upper bound: what
    /// is held includes states that are kept or still read, and what is free within the heap.
    pub fn has_room(self) -> bool {
        self.available >= self.held
    }
}

/// Tells how much memory there is, where that is known.
type Tell = dyn Fn() -> Option<Memory> + Send + Sync;

/// Knows how much memory there is whenever it is asked. The default never knows.
#[derive(Clone, Default)]
pub struct MemoryProbe(Option<Arc<Tell>>);

impl MemoryProbe {
    /// Returns one that asks `tell`, which should take no longer than reading a few small files.
    pub fn new(tell: impl Fn() -> Option<Memory> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    /// Returns how much memory there is if a second state has no room in it.
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
