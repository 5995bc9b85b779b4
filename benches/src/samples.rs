//! Recorded values. Percentiles are exact: every value is kept.

use std::time::{Duration, Instant};

/// The values of one measurement, in the order in which they were recorded.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Records a value.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Records a time, in milliseconds.
    pub fn push_time(&mut self, time: Duration) {
        self.push(time.as_secs_f64() * 1e3);
    }

    /// Runs `work` and records how long it took, in milliseconds.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = work();
        self.push_time(begun.elapsed());
        result
    }

    /// Adds the values of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// Returns the values, in the order of their recording.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// Returns how many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the smallest value that is at least as large as the `share` of all values.
    ///
    /// Without values it is NaN, which the table shows as a dash.
    pub fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
    }

    /// Returns the value in the middle.
    pub fn median(&self) -> f64 {
        self.percentile(0.5)
    }

    /// Returns the smallest value.
    pub fn min(&self) -> f64 {
        self.percentile(0.0)
    }

    /// Returns the largest value.
    pub fn max(&self) -> f64 {
        self.percentile(1.0)
    }

    /// Returns the median of the ratios to the value of `peer` in the same turn, so that other load
    /// on the machine affects both.
    pub fn ratio_by_turn(&self, peer: &Self) -> f64 {
        Self(self.0.iter().zip(&peer.0).map(|(ours, theirs)| ours / theirs).collect()).median()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_recorded_values() {
        let samples = Samples((1..=1_000).rev().map(f64::from).collect());
        assert_eq!((samples.min(), samples.max(), samples.median()), (1.0, 1_000.0, 500.0));
        assert_eq!((samples.percentile(0.99), samples.percentile(0.999)), (990.0, 999.0));
        assert!(Samples::default().median().is_nan());
    }

    #[test]
    fn what_was_measured_in_turns_is_compared_turn_by_turn() {
        let (ours, theirs) = (Samples(vec![1.0, 20.0, 3.0]), Samples(vec![2.0, 40.0, 3.0]));
        assert_eq!(ours.ratio_by_turn(&theirs), 0.5);
    }
}
