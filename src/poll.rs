//! Polling: the backstop for webhooks that were lost.

use std::sync::Arc;
use std::time::Duration;

use headwater_engine::engine::{FailureKind, Report, RequestKind};
use headwater_engine::report::Trigger;
use tokio_util::sync::CancellationToken;

use crate::live::Live;
use crate::random::jittered;

/// The longest wait between two polls of a remote that fails, unless the interval is longer.
const LONGEST: Duration = Duration::from_secs(300);

/// Asks for a reload about every `interval` until `stop` is cancelled; less often while the remote
/// fails.
pub async fn poll(live: Arc<Live>, interval: Duration, stop: CancellationToken) {
    let mut failures = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(jittered(pause(interval, failures))) => {}
            () = stop.cancelled() => return,
        }
        let ticket = live.submit(RequestKind::Reload, Trigger::Poll);
        let report = tokio::select! {
            report = ticket.report => report,
            () = stop.cancelled() => return,
        };
        match report {
            Ok((report, _)) if remote_failed(&report) => failures += 1,
            Ok(_) => failures = 0,
            Err(_) => return,
        }
    }
}

/// Returns the wait after so many failures in a row: twice as long for each.
fn pause(interval: Duration, failures: u32) -> Duration {
    interval.saturating_mul(2u32.saturating_pow(failures)).min(LONGEST.max(interval))
}

fn remote_failed(report: &Report) -> bool {
    use FailureKind::{ContentRejected, RemoteAuth, TimedOut, Unreachable};
    let kind = report.result.as_ref().err().map(|error| error.kind());
    matches!(kind, Some(Unreachable | RemoteAuth | TimedOut | ContentRejected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_with_each_failure_up_to_a_bound() {
        let seconds = |interval, failures| pause(Duration::from_secs(interval), failures).as_secs();
        assert_eq!(
            [0, 1, 2, 3, 99].map(|failures| seconds(60, failures)),
            [60, 120, 240, 300, 300]
        );
        assert_eq!(seconds(600, 3), 600);
    }
}
