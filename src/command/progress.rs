//! A progress bar on the terminal, for work that takes seconds.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the spinner moves.
const FRAME: Duration = Duration::from_millis(100);

/// Shows the progress of a command on a terminal. It disappears when this is dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Starts to count to `length` records.
    pub(super) fn new(length: usize) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(length as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} records {eta}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Counts finished records.
    pub(super) fn add(&self, records: usize) {
        self.0.inc(records as u64);
    }

    /// Shows that the commit is being made, which has no parts to count.
    pub(super) fn commit(&self) {
        if let Ok(style) = ProgressStyle::with_template("{spinner} writing {len} records") {
            self.0.set_style(style);
        }
        self.0.enable_steady_tick(FRAME);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
