//! The public view of the last reloads: how each went, where its time went, and how much changed in
//! public sheets, not counting hidden records. It has no text of an error, no problem and no path.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_engine::engine::{LedgerEntry, ReloadError, Report};
use headwater_engine::report::ReloadId;
use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;
use serde::Serialize;

use super::reload::{CountsView, TimingsView, failure_code, ms, reason};
use super::timestamp::time;

/// The outcome that is shown for a failed reload.
const FAILED: &str = "failed";

/// One finished reload.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicReload {
    id: String,
    at: String,
    trigger: &'static str,
    ok: bool,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    old_commit: String,
    new_commit: String,
    duration_ms: f64,
    /// The times of a failed reload are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<TimingsView>,
    changed: BTreeMap<String, CountsView>,
}

impl PublicReload {
    /// Returns the view of `report` for readers of the public sheets in `snapshot`.
    pub fn of(report: &Report, snapshot: &Snapshot) -> Self {
        let serving = report.serving.to_string();
        let view = Self {
            id: report.id.to_string(),
            at: time(report.started),
            trigger: report.trigger.as_str(),
            ok: false,
            outcome: FAILED,
            reason: None,
            code: None,
            old_commit: serving.clone(),
            new_commit: serving,
            duration_ms: ms(report.duration),
            timings: None,
            changed: BTreeMap::new(),
        };
        match &report.result {
            Err(error) => {
                let reason = match error {
                    ReloadError::Held { held, .. } => Some(held.reason.as_str()),
                    _ => None,
                };
                Self { reason, code: Some(failure_code(error.kind()).as_str()), ..view }
            }
            Ok(outcome) => {
                let is_public = |sheet: &Arc<Sheet>| sheet.spec().public;
                let changed = outcome
                    .shown
                    .iter()
                    .filter(|(name, _)| snapshot.sheet(name.as_str()).is_some_and(is_public));
                Self {
                    ok: true,
                    outcome: outcome.kind.as_str(),
                    reason: reason(outcome),
                    old_commit: outcome.old.to_string(),
                    new_commit: outcome.new.to_string(),
                    timings: Some(TimingsView::of(&outcome.timings)),
                    changed: changed
                        .map(|(sheet, counts)| (sheet.to_string(), CountsView::of(counts)))
                        .collect(),
                    ..view
                }
            }
        }
    }
}

/// The answer of `_reloads`, newest first.
#[derive(Debug, Serialize)]
pub struct PublicReloads {
    items: Vec<PublicReload>,
}

impl PublicReloads {
    /// Returns the view of the newest `limit` finished reloads in `recent`.
    pub fn of(recent: Vec<(ReloadId, LedgerEntry)>, limit: usize, snapshot: &Snapshot) -> Self {
        let done = recent.into_iter().filter_map(|(_, entry)| match entry {
            LedgerEntry::Done(report) => Some(report),
            LedgerEntry::Running => None,
        });
        let items = done.take(limit).map(|report| PublicReload::of(&report, snapshot));
        Self { items: items.collect() }
    }
}
