//! Reads the files of tokens again while the server runs, and tells when one cannot be used.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::access::Authenticator;
use crate::alert::Pager;
use crate::live::Live;

/// How often the files are read: a change holds after this time at the latest.
const PERIOD: Duration = Duration::from_secs(1);

/// Keeps `authenticator` up to date until every request is `answered`: also one that is still read or
/// waits while the server ends loses what is revoked.
pub(super) async fn follow(
    authenticator: Arc<Authenticator>,
    live: Arc<Live>,
    pager: Pager,
    answered: CancellationToken,
) {
    let mut told = None;
    loop {
        tokio::select! {
            () = answered.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => authenticator.refresh().await,
        }
        let trouble = authenticator.trouble();
        // Alerts name the served commit, so the first one waits for the first state.
        if let Some(snapshot) = live.snapshot().filter(|_| trouble != told) {
            pager.access(trouble.clone(), snapshot.commit());
            told = trouble;
        }
    }
}
