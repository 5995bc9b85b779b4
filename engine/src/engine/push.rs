//! Pushing: carries writes to the remote, and informs the waiting callers.

mod backoff;
pub(super) mod queue;
pub(super) mod report;
pub(super) mod waiters;
pub(super) mod worker;
