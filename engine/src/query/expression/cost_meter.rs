//! The cost of evaluating an expression: its work, and the values that it creates.

use std::cell::Cell;

use super::flaw::Fault;
use super::limits::MAX_MADE;
use crate::budget::Budget;

/// Counts what one evaluation costs.
///
/// Work is counted for the whole answer. Memory is counted for this evaluation: every value that it
/// created and still uses counts with all its parts, and a part in several places counts in each. So
/// no value is larger than the limit, however it is traversed.
#[derive(Debug)]
pub(super) struct Meter<'b> {
    budget: &'b Budget,
    /// The bytes of the values that are in use.
    made: Cell<usize>,
}

impl<'b> Meter<'b> {
    pub(super) fn new(budget: &'b Budget) -> Self {
        Self { budget, made: Cell::new(0) }
    }

    /// Spends units of work.
    ///
    /// # Errors
    ///
    /// Fails if the budget of the answer is used up.
    pub(super) fn spend(&self, units: usize) -> Result<(), Fault> {
        if self.budget.spend(units) { Ok(()) } else { Err(Fault::SPENT) }
    }

    /// Returns how many bytes the values take that are in use.
    pub(super) fn made(&self) -> usize {
        self.made.get()
    }

    /// Counts bytes that are in use from now on.
    ///
    /// # Errors
    ///
    /// Fails if that is more than one evaluation may create; they are not counted then.
    pub(super) fn make(&self, bytes: usize) -> Result<(), Fault> {
        let made = self.made.get().saturating_add(bytes);
        if made > MAX_MADE {
            return Err(Fault::LONG);
        }
        self.made.set(made);
        Ok(())
    }

    /// Forgets what was made since `made` bytes were in use.
    pub(super) fn forget(&self, made: usize) {
        self.made.set(made);
    }
}
