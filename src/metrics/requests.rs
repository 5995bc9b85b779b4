//! Counts requests by kind of route: how many, with which status, and how long they took.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::exposition::head;
use crate::histogram::Histogram;

/// The kinds of routes that are counted separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteClass {
    /// One record.
    Record,
    /// A list of records.
    List,
    /// A search.
    Search,
    /// `_sheets`, `_status`, `_problems` and `_reloads`.
    State,
    /// `_changes`, which waits for changes.
    Changes,
    /// `_history`, `_commits` and `_diff`.
    Past,
    /// The routes of reloads.
    Internal,
    /// Health and metrics.
    Health,
    /// Everything else.
    Other,
}

impl RouteClass {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Record, "record"),
        (Self::List, "list"),
        (Self::Search, "search"),
        (Self::State, "state"),
        (Self::Changes, "changes"),
        (Self::Past, "past"),
        (Self::Internal, "internal"),
        (Self::Health, "health"),
        (Self::Other, "other"),
    ];

    /// Returns the stable name for the metrics.
    pub fn as_str(self) -> &'static str {
        let (_, name) = Self::ALL[self as usize];
        name
    }
}

/// Statuses from 100 to 599.
const STATUSES: usize = 500;

/// The upper bounds of the histogram, in seconds.
const BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// Counts requests.
pub(super) struct Requests {
    /// A count for each class and status.
    counts: Vec<AtomicU64>,
    durations: [Histogram; RouteClass::ALL.len()],
}

impl Default for Requests {
    fn default() -> Self {
        let counts = (0..RouteClass::ALL.len() * STATUSES).map(|_| AtomicU64::new(0)).collect();
        Self { counts, durations: RouteClass::ALL.map(|_| Histogram::new(&BUCKETS)) }
    }
}

impl Requests {
    pub(super) fn answered(&self, class: RouteClass, status: u16, duration: Duration) {
        let status = usize::from(status).saturating_sub(100).min(STATUSES - 1);
        self.counts[class as usize * STATUSES + status].fetch_add(1, Ordering::Relaxed);
        self.durations[class as usize].observe(duration);
    }

    pub(super) fn render(&self, out: &mut String) {
        let name = "headwater_http_requests_total";
        head(out, name, "counter", "Requests answered.");
        for (class, route) in RouteClass::ALL {
            for status in 0..STATUSES {
                let count = self.counts[class as usize * STATUSES + status].load(Ordering::Relaxed);
                if count > 0 {
                    let labels = format!("route=\"{route}\",status=\"{}\"", status + 100);
                    let _ = writeln!(out, "{name}{{{labels}}} {count}");
                }
            }
        }
        let name = "headwater_http_request_duration_seconds";
        head(out, name, "histogram", "How long requests took.");
        for ((_, route), durations) in RouteClass::ALL.iter().zip(&self.durations) {
            durations.render(out, name, &format!("route=\"{route}\""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_listed_in_the_order_of_their_counters() {
        for (place, (class, _)) in RouteClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place);
        }
    }

    #[test]
    fn requests_are_counted_by_class_and_status() {
        let requests = Requests::default();
        let millis = Duration::from_millis;
        requests.answered(RouteClass::Record, 200, millis(1));
        requests.answered(RouteClass::Record, 200, millis(20));
        requests.answered(RouteClass::Internal, 999, millis(1));
        let mut text = String::new();
        requests.render(&mut text);
        for line in [
            "headwater_http_requests_total{route=\"record\",status=\"200\"} 2",
            "headwater_http_requests_total{route=\"internal\",status=\"599\"} 1",
            "headwater_http_request_duration_seconds_bucket{route=\"record\",le=\"0.01\"} 1",
            "headwater_http_request_duration_seconds_count{route=\"record\"} 2",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }
}
