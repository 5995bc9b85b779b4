//! Counts pushes, by their result.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::SystemTime;

use headwater_engine::engine::PushReport;

use super::exposition::{head, timestamp};

/// Counts pushes.
#[derive(Default)]
pub(super) struct Pushes {
    by_result: BTreeMap<&'static str, u64>,
    last_success: Option<SystemTime>,
}

impl Pushes {
    pub(super) fn tried(&mut self, report: &PushReport) {
        let result = match &report.result {
            Ok(()) => {
                self.last_success = Some(SystemTime::now());
                "pushed"
            }
            Err(failure) => failure.kind().as_str(),
        };
        *self.by_result.entry(result).or_default() += 1;
    }

    pub(super) fn render(&self, out: &mut String) {
        let name = "headwater_pushes_total";
        head(out, name, "counter", "Pushes to the remote, by result.");
        for (result, count) in &self.by_result {
            let _ = writeln!(out, "{name}{{result=\"{result}\"}} {count}");
        }
        if let Some(time) = self.last_success {
            let name = "headwater_last_push_timestamp_seconds";
            timestamp(out, name, "When a push last succeeded.", time);
        }
    }
}
