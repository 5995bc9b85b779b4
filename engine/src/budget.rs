//! Limits how much work an answer may cost.
//!
//! The code that answers counts its work in units, and asks the budget whether to go on. The budget
//! itself knows no clock: once in a while it asks its owner, which may check a clock, or whether
//! anybody still waits for the answer.

use std::cell::Cell;

/// The number of units after which the owner is asked.
const PACE: usize = 64 << 10;

/// The cost of a step over a key or a posting, in units.
pub const STEP: usize = 32;

/// The most bytes that an answer may take while it is computed, in addition to its result.
const ROOM: usize = 64 << 20;

/// The work that an answer may cost, in units of about one byte of text read, and the memory that it
/// may take on the way.
///
/// Once it is used up, it stays so: every loop that spends from it ends early, and the partial
/// result is not an answer. At the end, [`Budget::check`] reports whether that happened.
pub struct Budget {
    /// The number of units left before the owner is asked again.
    left: Cell<usize>,
    is_used_up: Cell<bool>,
    /// How many bytes are taken, and how many may be.
    taken: Cell<usize>,
    room: usize,
    may_go_on: Box<dyn Fn(usize) -> bool>,
}

/// An answer that would cost more work than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer exceeds its budget")]
pub struct TooCostly;

impl Budget {
    /// Returns a budget that lasts as long as `may_go_on` returns true. It is called about every
    /// 65,536 units, which is often within a millisecond.
    pub fn while_true(may_go_on: impl Fn() -> bool + 'static) -> Self {
        Self::while_it_may(move |_| may_go_on())
    }

    /// As [`while_true`](Self::while_true), with an owner that gets the number of bytes that the answer
    /// has [taken](Self::take).
    pub fn while_it_may(may_go_on: impl Fn(usize) -> bool + 'static) -> Self {
        let (left, is_used_up, taken) = (Cell::new(PACE), Cell::new(false), Cell::new(0));
        Self { left, is_used_up, taken, room: ROOM, may_go_on: Box::new(may_go_on) }
    }

    /// Returns a budget that is never used up.
    pub fn unlimited() -> Self {
        Self { room: usize::MAX, ..Self::while_true(|| true) }
    }

    /// Spends `units`. Returns `false` if the budget is used up, so that the caller stops.
    pub fn spend(&self, units: usize) -> bool {
        if self.is_used_up.get() {
            return false;
        }
        let left = self.left.get();
        if units < left {
            self.left.set(left - units);
            return true;
        }
        self.left.set(PACE);
        let goes_on = (self.may_go_on)(self.taken.get());
        self.is_used_up.set(!goes_on);
        goes_on
    }

    /// Takes so many bytes of memory until the end of the answer, which is as much work as units.
    /// Returns `false` if the budget is used up, by this or before: an answer takes at most 64 MiB,
    /// unless its budget is unlimited.
    pub fn take(&self, bytes: usize) -> bool {
        let taken = self.taken.get().saturating_add(bytes);
        self.taken.set(taken);
        if taken > self.room {
            self.is_used_up.set(true);
        }
        self.spend(bytes)
    }

    /// Checks whether a result made within the budget is complete.
    ///
    /// # Errors
    ///
    /// [`TooCostly`] if the budget was used up on the way.
    pub fn check(&self) -> Result<(), TooCostly> {
        if self.is_used_up.get() { Err(TooCostly) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (is_used_up, left) = (self.is_used_up.get(), self.left.get());
        let mut shown = f.debug_struct("Budget");
        shown.field("is_used_up", &is_used_up).field("left", &left).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn the_owner_is_asked_once_in_a_while_and_a_no_is_final() {
        let asked = Rc::new(Cell::new(0));
        let counted = asked.clone();
        let budget = Budget::while_true(move || {
            counted.set(counted.get() + 1);
            counted.get() != 3
        });
        let spent = std::iter::from_fn(|| budget.spend(PACE / 4).then_some(())).take(100).count();
        assert_eq!((spent, asked.get()), (11, 3));
        assert!(!budget.spend(0));
        assert_eq!((budget.check(), asked.get()), (Err(TooCostly), 3));
    }

    #[test]
    fn an_answer_takes_so_much_memory_and_its_owner_is_told_how_much() {
        let told = Rc::new(Cell::new(0));
        let last = told.clone();
        let budget = Budget::while_it_may(move |taken| {
            last.set(taken);
            true
        });
        let taken = std::iter::from_fn(|| budget.take(1 << 20).then_some(())).take(100).count();
        assert_eq!((taken, told.get()), (ROOM >> 20, ROOM));
        assert_eq!(budget.check(), Err(TooCostly));
        assert!(Budget::unlimited().take(2 * ROOM));
    }

    #[test]
    fn one_large_piece_of_work_is_asked_about_at_once() {
        let budget = Budget::while_true(|| false);
        assert!(budget.spend(1));
        assert!(!budget.spend(PACE));
        assert_eq!(Budget::unlimited().check(), Ok(()));
    }
}
