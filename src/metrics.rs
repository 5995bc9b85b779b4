//! What `/metrics` counts: requests, credentials and reloads. Gauges are read from the state when they are
//! asked for.

mod credentials;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use headwater_engine::engine::{EngineStatus, Report};
use headwater_engine::report::{OutcomeKind, Trigger};
use headwater_engine::snapshot::Snapshot;

use self::credentials::Credentials;
use crate::hook::Ignored;
use crate::http::Match;
use crate::http::error::Code;
use crate::http::view::{failure_code, lag_seconds};

/// The kinds of route that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteClass {
    /// One record.
    Record,
    /// A list of records.
    List,
    /// A search.
    Search,
    /// `_sheets`, `_status` and `_problems`.
    State,
    /// The routes of reloads.
    Internal,
    /// Health and metrics.
    Health,
    /// Everything else.
    Other,
}

impl RouteClass {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Record, "record"),
        (Self::List, "list"),
        (Self::Search, "search"),
        (Self::State, "state"),
        (Self::Internal, "internal"),
        (Self::Health, "health"),
        (Self::Other, "other"),
    ];

    /// Returns the class of a path without base path.
    pub fn of(path: &str) -> Self {
        let Some(rest) = path.strip_prefix("/api/") else {
            let health = path.starts_with("/health/") || path == "/metrics";
            return if health { Self::Health } else { Self::Other };
        };
        match rest.split_once('/').map_or((rest, false), |(first, _)| (first, true)) {
            ("_internal", true) => Self::Internal,
            ("_search", false) => Self::Search,
            ("_sheets" | "_status" | "_problems", false) => Self::State,
            (name, _) if name.starts_with('_') || name.is_empty() => Self::Other,
            (_, true) => Self::Record,
            (_, false) => Self::List,
        }
    }
}

/// Statuses from 100 to 599.
const STATUSES: usize = 500;

/// The upper bounds of the histogram of reload durations, in seconds.
const BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Counters since the process began.
pub struct Metrics {
    /// A count for each class and status.
    requests: Vec<AtomicU64>,
    reloads: Mutex<Reloads>,
    credentials: Mutex<Credentials>,
}

#[derive(Default)]
struct Reloads {
    by_outcome: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    ignored: BTreeMap<Ignored, u64>,
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
    found_by_poll: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        let requests = (0..RouteClass::ALL.len() * STATUSES).map(|_| AtomicU64::new(0)).collect();
        Self { requests, reloads: Mutex::default(), credentials: Mutex::default() }
    }
}

impl Metrics {
    /// Counts a request.
    pub fn request(&self, class: RouteClass, status: u16) {
        let status = usize::from(status).saturating_sub(100).min(STATUSES - 1);
        self.requests[class as usize * STATUSES + status].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a webhook that was ignored.
    pub fn ignored(&self, reason: Ignored) {
        *self.lock().ignored.entry(reason).or_default() += 1;
    }

    /// Counts a credential that was right.
    pub fn credential_accepted(&self, matched: Match) {
        self.credentials().accepted(matched);
    }

    /// Counts a call without a credential, or with a wrong one.
    pub fn credential_refused(&self, code: Code) {
        self.credentials().refused(code);
    }

    /// Counts a reload that is done.
    pub fn reload(&self, report: &Report) {
        let (outcome, reason, moved) = match &report.result {
            Ok(outcome) => (
                outcome.kind.as_str(),
                outcome.reason.map_or("", |reason| reason.as_str()),
                outcome.kind != OutcomeKind::Unchanged && outcome.old != outcome.new,
            ),
            Err(error) => ("failed", failure_code(error.kind()).as_str(), false),
        };
        let seconds = report.duration.as_secs_f64();
        let mut reloads = self.lock();
        let labels = (report.trigger.as_str(), outcome, reason);
        *reloads.by_outcome.entry(labels).or_default() += 1;
        for (bucket, bound) in reloads.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= bound);
        }
        reloads.count += 1;
        reloads.seconds += seconds;
        reloads.found_by_poll += u64::from(moved && report.trigger == Trigger::Poll);
    }

    /// Writes everything in the text format of Prometheus; without a state before the first load.
    pub fn render(&self, state: Option<(&Snapshot, &EngineStatus)>) -> String {
        let mut out = String::new();
        self.render_requests(&mut out);
        self.render_reloads(&mut out);
        self.credentials().render(&mut out);
        let ready = u8::from(state.is_some());
        gauge(&mut out, "headwater_ready", "Whether a snapshot is published.", ready);
        if let Some((snapshot, status)) = state {
            render_state(&mut out, snapshot, status);
        }
        out
    }

    fn render_requests(&self, out: &mut String) {
        head(out, "headwater_http_requests_total", "counter", "Requests answered.");
        for (class, name) in RouteClass::ALL {
            for status in 0..STATUSES {
                let count =
                    self.requests[class as usize * STATUSES + status].load(Ordering::Relaxed);
                if count > 0 {
                    let labels = format!("route=\"{name}\",status=\"{}\"", status + 100);
                    let _ = writeln!(out, "headwater_http_requests_total{{{labels}}} {count}");
                }
            }
        }
    }

    fn render_reloads(&self, out: &mut String) {
        let reloads = self.lock();
        head(out, "headwater_reloads_total", "counter", "Reloads that are done.");
        for ((trigger, outcome, reason), count) in &reloads.by_outcome {
            let labels = format!("trigger=\"{trigger}\",outcome=\"{outcome}\",reason=\"{reason}\"");
            let _ = writeln!(out, "headwater_reloads_total{{{labels}}} {count}");
        }
        head(out, "headwater_webhooks_ignored_total", "counter", "Webhooks about something else.");
        for (reason, count) in &reloads.ignored {
            let reason = reason.as_str();
            let _ =
                writeln!(out, "headwater_webhooks_ignored_total{{reason=\"{reason}\"}} {count}");
        }
        let name = "headwater_reload_duration_seconds";
        head(out, name, "histogram", "How long reloads take, fetch included.");
        for (bucket, bound) in reloads.buckets.iter().zip(BUCKETS) {
            let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {bucket}");
        }
        let (count, seconds) = (reloads.count, reloads.seconds);
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum {seconds}\n{name}_count {count}");
        let name = "headwater_heads_found_by_poll_total";
        head(out, name, "counter", "Heads that no webhook told of.");
        let _ = writeln!(out, "{name} {}", reloads.found_by_poll);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reloads> {
        // Counters are whole after every statement, so a poisoned lock holds usable ones.
        self.reloads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn credentials(&self) -> std::sync::MutexGuard<'_, Credentials> {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn render_state(out: &mut String, snapshot: &Snapshot, status: &EngineStatus) {
    head(out, "headwater_records", "gauge", "Records that are served, hidden ones included.");
    for sheet in snapshot.sheets() {
        let name = &sheet.spec().name;
        let _ = writeln!(out, "headwater_records{{sheet={:?}}} {}", name.as_str(), sheet.len());
    }
    gauge(out, "headwater_problems", "Problems of the state.", snapshot.problems().len());
    gauge(
        out,
        "headwater_degraded",
        "Whether the first state had problems.",
        u8::from(status.degraded),
    );
    gauge(
        out,
        "headwater_pinned",
        "Whether an operator has pinned the state.",
        u8::from(status.pinned.is_some()),
    );
    gauge(out, "headwater_held", "Whether a push is held back.", u8::from(status.held.is_some()));
    gauge(out, "headwater_lag_seconds", "How long the remote has been ahead.", lag_seconds(status));
    gauge(out, "headwater_ahead_commits", "Commits that are not pushed.", status.ahead);
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn gauge(out: &mut String, name: &str, help: &str, value: impl std::fmt::Display) {
    head(out, name, "gauge", help);
    let _ = writeln!(out, "{name} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fall_into_classes() {
        let cases = [
            ("/api/people/a/b", RouteClass::Record),
            ("/api/people", RouteClass::List),
            ("/api/_search", RouteClass::Search),
            ("/api/_sheets", RouteClass::State),
            ("/api/_internal/reload-data", RouteClass::Internal),
            ("/api/_nothing", RouteClass::Other),
            ("/api/", RouteClass::Other),
            ("/health/ready", RouteClass::Health),
            ("/metrics", RouteClass::Health),
            ("/", RouteClass::Other),
        ];
        for (path, class) in cases {
            assert_eq!(RouteClass::of(path), class, "{path}");
        }
    }

    #[test]
    fn classes_are_listed_in_the_order_of_their_counters() {
        for (place, (class, _)) in RouteClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place);
        }
    }

    #[test]
    fn requests_are_counted_by_class_and_status() {
        let metrics = Metrics::default();
        metrics.request(RouteClass::Record, 200);
        metrics.request(RouteClass::Record, 200);
        metrics.request(RouteClass::Internal, 999);
        let text = metrics.render(None);
        assert!(text.contains("requests_total{route=\"record\",status=\"200\"} 2\n"), "{text}");
        assert!(text.contains("requests_total{route=\"internal\",status=\"599\"} 1\n"), "{text}");
        assert!(text.contains("headwater_ready 0\n"), "{text}");
    }
}
