//! Gauges that are read from the state on each request.

use std::fmt::Write;

use headwater_engine::engine::EngineStatus;
use headwater_engine::snapshot::Snapshot;

use super::exposition::{gauge, head, timestamp};
use crate::wire::lag_seconds;

/// The readers of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A reader without a secret: nobody else who calls is named, and the state is given as everybody
    /// may read it, so anything that is not public there is neither named nor counted.
    Public,
    /// A reader with a secret.
    Operator,
}

pub(super) fn render(
    out: &mut String,
    snapshot: &Snapshot,
    status: &EngineStatus,
    audience: Audience,
) {
    let name = "headwater_records";
    let help = "Records of each sheet; hidden records and private sheets only with a secret.";
    head(out, name, "gauge", help);
    let sheets = snapshot.sheets().filter_map(|sheet| match audience {
        Audience::Operator => Some((sheet, sheet.len())),
        Audience::Public => sheet.spec().public.then(|| (sheet, sheet.shown())),
    });
    for (sheet, records) in sheets {
        let label = escaped(sheet.spec().name.as_str());
        let _ = writeln!(out, "{name}{{sheet=\"{label}\"}} {records}");
    }
    let problems = match audience {
        Audience::Operator => snapshot.problem_count(),
        Audience::Public => snapshot.public_problem_count(),
    };
    let flag = |out: &mut String, name: &str, help: &str, value: bool| {
        gauge(out, name, help, u8::from(value));
    };
    let help = "Segments of the text index, which are merged in the background.";
    gauge(out, "headwater_text_segments", help, snapshot.text().segments());
    gauge(out, "headwater_problems", "Problems of the state.", problems);
    let name = "headwater_opened_info";
    head(out, name, "gauge", "How the first state was loaded, and why.");
    let _ = writeln!(out, "{name}{{reason=\"{}\"}} 1", status.opened);
    flag(
        out,
        "headwater_degraded",
        "Whether the state has problems that would refuse a push.",
        status.degraded,
    );
    flag(out, "headwater_pinned", "Whether an operator pinned the state.", status.pinned.is_some());
    flag(out, "headwater_held", "Whether a push is held.", status.held.is_some());
    let help = "Whether the branch is missing on the remote.";
    flag(out, "headwater_branch_missing", help, status.branch_missing);
    gauge(out, "headwater_lag_seconds", "How long the remote has been ahead.", lag_seconds(status));
    gauge(out, "headwater_ahead_commits", "Commits that are not pushed yet.", status.ahead);
    let since = status.push.unpushed_since.and_then(|since| since.elapsed().ok());
    let help = "How long the oldest commit that is not pushed has waited.";
    gauge(out, "headwater_unpushed_seconds", help, since.unwrap_or_default().as_secs());
    // If a clock was set back, the age of a snapshot is 0.
    let age = status.published_at.elapsed().unwrap_or_default().as_secs();
    gauge(out, "headwater_snapshot_age_seconds", "How long ago the state was published.", age);
    let help = "States kept for pins and past reads.";
    gauge(out, "headwater_snapshots_retained", help, status.retained);
    let help = "States in memory: published, kept, or being read.";
    gauge(out, "headwater_snapshots_alive", help, status.alive);
    if let Some(time) = status.fetched_at {
        let name = "headwater_remote_checked_timestamp_seconds";
        timestamp(out, name, "When the remote last answered.", time);
    }
}

/// Escapes the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_line() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
