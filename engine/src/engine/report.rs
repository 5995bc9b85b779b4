//! The report of a reload: its result, for the ledger, the log and the waiting callers.

use std::time::{Duration, SystemTime};

use super::error::ReloadError;
use crate::id::CommitId;
use crate::report::{ReloadId, ReloadOutcome, Trigger};

/// The record of one reload.
#[derive(Debug)]
pub struct Report {
    /// Its id.
    pub id: ReloadId,
    /// The first origin of the request.
    pub trigger: Trigger,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// The commit that is served afterwards.
    pub serving: CommitId,
    /// The result.
    pub result: Result<ReloadOutcome, ReloadError>,
}
