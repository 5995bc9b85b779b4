//! What the evaluation of an expression costs: work, and the values that it makes.

use std::cell::Cell;

use super::flaw::Fault;
use super::limits::MAX_MADE;
use crate::budget::Budget;

/// Counts what one evaluation costs.
///
/// Work is that of the whole answer. Memory is that of this evaluation: every value that was made and
/// is still in use counts with all its parts, and a part that is in several places counts in each. So
/// no value is larger than its bound, whoever walks through it.
#[derive(Debug)]
pub(super) struct Meter<'b> {
    budget: &'b Budget,
    /// How many bytes the values take that are in use.
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
    /// Where the budget of the answer is used up.
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
    /// Where that is more than one evaluation may make; they are not counted then.
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
