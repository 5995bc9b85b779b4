//! Alerts: one JSON POST per cause to one URL, when something needs a person.
//!
//! [`AlertBook`] decides, purely, which reports are news; [`deliver`] sends them with retries.

mod book;

use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

pub use book::{Alert, AlertBook};

/// How often a delivery is tried.
const ATTEMPTS: u32 = 8;

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends each alert to `url` until it is taken; the wait after a failure begins with `pause` and
/// doubles. Ends when `stop` is cancelled or nobody can send alerts any more.
pub async fn deliver(
    url: reqwest::Url,
    mut alerts: UnboundedReceiver<Alert>,
    pause: Duration,
    stop: CancellationToken,
) {
    let Ok(client) = reqwest::Client::builder().timeout(ATTEMPT_TIMEOUT).build() else {
        tracing::error!("alerts cannot be sent: no HTTP client");
        return;
    };
    let send_all = async {
        while let Some(alert) = alerts.recv().await {
            send(&client, &url, &alert, pause).await;
        }
    };
    tokio::select! {
        () = send_all => {}
        () = stop.cancelled() => {}
    }
}

async fn send(client: &reqwest::Client, url: &reqwest::Url, alert: &Alert, pause: Duration) {
    for attempt in 0..ATTEMPTS {
        let answer = client.post(url.clone()).json(&alert.body).send().await;
        match answer.and_then(reqwest::Response::error_for_status) {
            Ok(_) => return,
            Err(error) => {
                // The address may hold a token, so the error goes to the log without it.
                let error = error.without_url();
                tracing::warn!(event = alert.event, attempt, %error, "alert not delivered");
            }
        }
        if attempt + 1 < ATTEMPTS {
            tokio::time::sleep(pause * 2u32.saturating_pow(attempt)).await;
        }
    }
    tracing::error!(event = alert.event, "alert given up");
}
