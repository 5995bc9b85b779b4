//! Pushing: what was written here is carried to the remote, and whoever waits for it is told.

mod backoff;
pub(super) mod queue;
pub(super) mod report;
pub(super) mod waiters;
pub(super) mod worker;
