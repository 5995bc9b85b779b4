//! How much work an answer may cost.
//!
//! Whoever answers counts what it does in units, and asks the budget whether to go on. The budget
//! itself knows no clock: it asks its owner once in a while, who may look at one, or at whether
//! anybody still waits for the answer.

use std::cell::Cell;

/// After so many units the owner is asked.
const PACE: usize = 64 << 10;

/// What a step over a key or a posting costs, in units.
pub const STEP: usize = 32;

/// The work that an answer may cost, in units of about a byte of text that is read.
///
/// Once it is used up it stays so: every loop that spends from it ends early, and what it has so
/// far is no answer. [`Budget::check`] tells, at the end.
pub struct Budget {
    /// How many units are spent before the owner is asked again.
    left: Cell<usize>,
    is_used_up: Cell<bool>,
    may_go_on: Box<dyn Fn() -> bool>,
}

/// An answer would cost more work than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer exceeds its budget")]
pub struct TooCostly;

impl Budget {
    /// Returns a budget that lasts for as long as `may_go_on` says so. It is asked about every
    /// 65,536 units, which is often within a millisecond.
    pub fn while_true(may_go_on: impl Fn() -> bool + 'static) -> Self {
        let (left, is_used_up) = (Cell::new(PACE), Cell::new(false));
        Self { left, is_used_up, may_go_on: Box::new(may_go_on) }
    }

    /// Returns a budget that is never used up.
    pub fn unlimited() -> Self {
        Self::while_true(|| true)
    }

    /// Spends so many units. Returns `false` where the budget is used up, so that the caller
    /// breaks off.
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
        let goes_on = (self.may_go_on)();
        self.is_used_up.set(!goes_on);
        goes_on
    }

    /// Says whether what was made within the budget is whole.
    ///
    /// # Errors
    ///
    /// [`TooCostly`] where the budget was used up on the way.
    pub fn check(&self) -> Result<(), TooCostly> {
        if self.is_used_up.get() { Err(TooCostly) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").field("is_used_up", &self.is_used_up.get()).finish_non_exhaustive()
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
    fn one_large_piece_of_work_is_asked_about_at_once() {
        let budget = Budget::while_true(|| false);
        assert!(budget.spend(1));
        assert!(!budget.spend(PACE));
        assert_eq!(Budget::unlimited().check(), Ok(()));
    }
}
