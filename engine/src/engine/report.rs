//! The report of a reload: what it came to, for the ledger, the log and whoever waits.

use std::time::{Duration, SystemTime};

use super::error::ReloadError;
use crate::id::CommitId;
use crate::report::{ReloadId, ReloadOutcome, Trigger};

/// The record of one reload.
#[derive(Debug)]
pub struct Report {
    /// Its name.
    pub id: ReloadId,
    /// Who asked first.
    pub trigger: Trigger,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// The commit that serves after it.
    pub serving: CommitId,
    /// What it came to.
    pub result: Result<ReloadOutcome, ReloadError>,
}
