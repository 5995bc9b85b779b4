//! Pushing: what was written here is carried to the remote, and whoever waits for it is told.

pub(super) mod backoff;
pub(super) mod report;
pub(super) mod waiters;
pub(super) mod worker;
