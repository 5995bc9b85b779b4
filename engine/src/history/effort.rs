//! How much a page of a history may cost.

use crate::budget::Budget;

/// The limits on the work for one page of a history.
#[derive(Debug, Clone, Copy)]
pub struct Effort<'a> {
    /// Lasts as long as the page is awaited; then the work is abandoned.
    pub awaited: &'a Budget,
    /// The cost that the page may have; then it ends, after at least one commit.
    pub part: &'a Budget,
}
