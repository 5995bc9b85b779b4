//! Histograms of durations, and how Prometheus reads them.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The counts of durations below each bound, and their sum. Counting takes no lock.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than there are bounds: the last is for durations above all of them.
    counts: Vec<AtomicU64>,
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// Returns an empty histogram; `bounds` are seconds, in order.
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, nanoseconds: AtomicU64::new(0) }
    }

    /// Counts `duration`.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let place = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Writes the lines of one series; `labels` are like `stage="fetch"`, or empty.
    pub fn render(&self, out: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        let bounds = self.bounds.iter().map(ToString::to_string);
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&self.counts) {
            below += count.load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}");
        }
        let seconds = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(out, "{name}_sum{braced} {seconds}\n{name}_count{braced} {below}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_below_every_bound_that_they_do_not_exceed() {
        let histogram = Histogram::new(&[0.001, 0.1]);
        for millis in [1, 2, 2_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut text = String::new();
        histogram.render(&mut text, "x_seconds", "stage=\"diff\"");
        let expected = "x_seconds_bucket{stage=\"diff\",le=\"0.001\"} 1\n\
                        x_seconds_bucket{stage=\"diff\",le=\"0.1\"} 2\n\
                        x_seconds_bucket{stage=\"diff\",le=\"+Inf\"} 3\n\
                        x_seconds_sum{stage=\"diff\"} 2.003\n\
                        x_seconds_count{stage=\"diff\"} 3\n";
        assert_eq!(text, expected);
        text.clear();
        Histogram::new(&[]).render(&mut text, "x", "");
        assert_eq!(text, "x_bucket{le=\"+Inf\"} 0\nx_sum 0\nx_count 0\n");
    }
}
