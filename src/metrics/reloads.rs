//! Counts reloads: their results, the duration of each stage, and their triggers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::SystemTime;

use headwater_engine::engine::Report;
use headwater_engine::report::{OutcomeKind, Timings, Trigger};

use super::exposition::{head, timestamp};
use crate::histogram::Histogram;
use crate::hook::Ignored;
use crate::wire::failure_code;

/// The upper bounds of the histograms, in seconds.
const BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Counts reloads and their triggers.
pub(super) struct Reloads {
    by_outcome: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    deliveries: BTreeMap<(&'static str, &'static str), u64>,
    ignored: BTreeMap<Ignored, u64>,
    durations: Histogram,
    stages: [(&'static str, Histogram); 6],
    found_by_poll: u64,
    last_success: Option<SystemTime>,
}

impl Default for Reloads {
    fn default() -> Self {
        let stages = Timings::default().stages();
        Self {
            by_outcome: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            ignored: BTreeMap::new(),
            durations: Histogram::new(&BUCKETS),
            stages: stages.map(|(stage, _)| (stage, Histogram::new(&BUCKETS))),
            found_by_poll: 0,
            last_success: None,
        }
    }
}

impl Reloads {
    pub(super) fn done(&mut self, report: &Report) {
        let (outcome, reason, moved) = match &report.result {
            Ok(outcome) => (
                outcome.kind.as_str(),
                outcome.reason.map_or("", |reason| reason.as_str()),
                outcome.kind != OutcomeKind::Unchanged && outcome.old != outcome.new,
            ),
            Err(error) => ("failed", failure_code(error.kind()).as_str(), false),
        };
        let labels = (report.trigger.as_str(), outcome, reason);
        *self.by_outcome.entry(labels).or_default() += 1;
        self.durations.observe(report.duration);
        self.found_by_poll += u64::from(moved && report.trigger == Trigger::Poll);
        let Ok(outcome) = &report.result else { return };
        if outcome.kind != OutcomeKind::Held {
            self.last_success = Some(SystemTime::now());
        }
        if matches!(outcome.kind, OutcomeKind::Applied | OutcomeKind::Rebuilt) {
            for ((_, histogram), (_, time)) in self.stages.iter().zip(outcome.timings.stages()) {
                histogram.observe(time);
            }
        }
    }

    pub(super) fn ignored(&mut self, reason: Ignored) {
        *self.ignored.entry(reason).or_default() += 1;
    }

    pub(super) fn delivered(&mut self, sender: &'static str, result: &'static str) {
        *self.deliveries.entry((sender, result)).or_default() += 1;
    }

    pub(super) fn render(&self, out: &mut String) {
        let name = "headwater_reloads_total";
        head(out, name, "counter", "Finished reloads.");
        for ((trigger, outcome, reason), count) in &self.by_outcome {
            let labels = format!("trigger=\"{trigger}\",outcome=\"{outcome}\",reason=\"{reason}\"");
            let _ = writeln!(out, "{name}{{{labels}}} {count}");
        }
        let name = "headwater_webhook_deliveries_total";
        head(out, name, "counter", "Webhooks, by sender and answer.");
        for ((sender, result), count) in &self.deliveries {
            let _ = writeln!(out, "{name}{{sender=\"{sender}\",result=\"{result}\"}} {count}");
        }
        let name = "headwater_webhooks_ignored_total";
        head(out, name, "counter", "Ignored webhooks.");
        for (reason, count) in &self.ignored {
            let _ = writeln!(out, "{name}{{reason=\"{}\"}} {count}", reason.as_str());
        }
        let name = "headwater_reload_duration_seconds";
        head(out, name, "histogram", "How long reloads take, fetch included.");
        self.durations.render(out, name, "");
        let name = "headwater_reload_stage_duration_seconds";
        head(out, name, "histogram", "How long each stage of a successful reload takes.");
        for (stage, histogram) in &self.stages {
            histogram.render(out, name, &format!("stage=\"{stage}\""));
        }
        let name = "headwater_heads_found_by_poll_total";
        head(out, name, "counter", "New heads found without a webhook.");
        let _ = writeln!(out, "{name} {}", self.found_by_poll);
        if let Some(time) = self.last_success {
            let name = "headwater_last_success_timestamp_seconds";
            timestamp(out, name, "When a reload last succeeded.", time);
        }
    }
}
