//! The text format of Prometheus.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Starts a metric: its help and its kind.
pub(super) fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Writes a gauge of one value.
pub(super) fn gauge(out: &mut String, name: &str, help: &str, value: impl std::fmt::Display) {
    head(out, name, "gauge", help);
    let _ = writeln!(out, "{name} {value}");
}

/// Writes a gauge that is a time, in seconds since 1970.
pub(super) fn timestamp(out: &mut String, name: &str, help: &str, time: SystemTime) {
    gauge(out, name, help, time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
}
