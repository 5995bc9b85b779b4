//! Sends a queue of alerts to one receiver, with retries.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, StatusCode, redirect};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::message::Alert;
use crate::backoff::Backoff;
use crate::config::{Receiver, Shape};

/// The number of attempts; the waits between them double, so they take two minutes in all.
const ATTEMPTS: u32 = 8;

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for all alerts that remain at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a receiver does not have an alert.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    /// There is no answer. The address may hold a token, so the error is without it.
    #[error(transparent)]
    NoAnswer(reqwest::Error),
    #[error("the receiver sends elsewhere ({0}); set its new address")]
    Redirected(StatusCode),
    #[error("the receiver refused ({0})")]
    Refused(StatusCode),
}

/// Sends each alert until it is delivered; the wait after a failure starts with `pause` and
/// doubles. Ends with the queue. Once `stop` is cancelled, tries each alert once without waiting.
pub(super) async fn deliver(
    receiver: Receiver,
    mut alerts: UnboundedReceiver<Arc<Alert>>,
    pause: Duration,
    stop: CancellationToken,
) {
    // A redirection would send the alert to an address that nobody configured.
    let client = Client::builder().timeout(ATTEMPT_TIMEOUT).redirect(redirect::Policy::none());
    let Ok(client) = client.build() else {
        tracing::error!("alerts cannot be sent: no HTTP client");
        return;
    };
    let mut unsent = None;
    let send_all = async {
        while let Some(alert) = alerts.recv().await {
            send(&client, &receiver, unsent.insert(alert), pause).await;
            unsent = None;
        }
    };
    tokio::select! {
        () = send_all => return,
        () = stop.cancelled() => {}
    }
    let farewell = async {
        let mut next = unsent.or(alerts.recv().await);
        while let Some(alert) = next {
            if let Err(error) = attempt(&client, &receiver, &alert).await {
                tracing::error!(event = alert.event, %error, "alert dropped");
            }
            next = alerts.recv().await;
        }
    };
    if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
        tracing::error!("alerts dropped: the server is stopping");
    }
}

async fn send(client: &Client, receiver: &Receiver, alert: &Alert, pause: Duration) {
    let mut pauses = Backoff::new(pause, Duration::MAX);
    for number in 0..ATTEMPTS {
        match attempt(client, receiver, alert).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(event = alert.event, attempt = number, %error, "alert not delivered");
            }
        }
        if number + 1 < ATTEMPTS {
            tokio::time::sleep(pauses.take()).await;
        }
    }
    tracing::error!(event = alert.event, "alert dropped");
}

async fn attempt(client: &Client, receiver: &Receiver, alert: &Alert) -> Result<(), DeliveryError> {
    let body: &Value = match receiver.shape {
        Shape::Facts => &alert.body,
        Shape::Slack => &alert.slack(),
    };
    let answer = client.post(receiver.url.clone()).json(body).send().await;
    match answer.map_err(|error| DeliveryError::NoAnswer(error.without_url()))?.status() {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => Err(DeliveryError::Redirected(status)),
        status => Err(DeliveryError::Refused(status)),
    }
}
