//! Pushing: carries writes to the remote, and informs the waiting callers.

mod backoff;
mod moves;
pub(super) mod queue;
pub(super) mod report;
mod schedule;
pub(super) mod waiters;
pub(super) mod worker;
