//! Traces for OpenTelemetry: each reload is sent to a collector as a span with its stages, by OTLP
//! over HTTP in its JSON form.
//!
//! This does not use the libraries of OpenTelemetry, because they want spans while they happen, and
//! a report is there only when all is over. They would also add some forty crates.
//!
//! Reports wait in a bounded queue for a task of their own, so that a slow or unreachable collector
//! delays no reload.

mod spans;

use std::sync::Arc;
use std::time::Duration;

use headwater_engine::engine::Report;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::config::Collector;

/// The most reports that wait; further ones are dropped.
const WAITING: usize = 1_000;

/// The most reports in one request.
const BATCH: usize = 100;

/// The number of attempts; the waits between them double, so they take half a minute in all.
const ATTEMPTS: u32 = 6;

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The first wait before an undelivered request is sent again.
const PAUSE: Duration = Duration::from_secs(1);

/// The time for all reports that remain at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Passes reports on. Cheap to clone; does nothing without a collector.
#[derive(Clone)]
pub struct Exporter(Option<Sender<Arc<Report>>>);

impl Exporter {
    /// Starts to export. The returned task ends soon after `stop`, once everything still waiting
    /// has been tried once more.
    pub fn start(collector: Option<Collector>, stop: CancellationToken) -> (Self, JoinHandle<()>) {
        let Some(collector) = collector else {
            return (Self(None), tokio::spawn(std::future::ready(())));
        };
        let (sender, reports) = channel(WAITING);
        (Self(Some(sender)), tokio::spawn(export(collector, reports, PAUSE, stop)))
    }

    /// Sends a report, after those that wait.
    pub fn report(&self, report: &Arc<Report>) {
        if let Some(sender) = &self.0
            && sender.try_send(report.clone()).is_err()
        {
            tracing::debug!(id = %report.id, "trace dropped: too many are waiting");
        }
    }
}

async fn export(
    collector: Collector,
    mut reports: Receiver<Arc<Report>>,
    pause: Duration,
    stop: CancellationToken,
) {
    let client = Client::builder().timeout(ATTEMPT_TIMEOUT).redirect(Policy::none());
    let Ok(client) = client.default_headers(collector.headers.clone()).build() else {
        tracing::error!("traces cannot be sent: no HTTP client");
        return;
    };
    let mut batch = Vec::new();
    loop {
        let received = tokio::select! {
            received = reports.recv_many(&mut batch, BATCH) => received,
            () = stop.cancelled() => break,
        };
        if received == 0 {
            return;
        }
        tokio::select! {
            () = send(&client, &collector, &batch, pause) => batch.clear(),
            () = stop.cancelled() => break,
        }
    }
    let farewell = async {
        // The queue ends with the engine, whose last reload belongs to it.
        while reports.recv_many(&mut batch, WAITING).await > 0 {}
        if !batch.is_empty() && attempt(&client, &collector, &batch).await.is_err() {
            tracing::warn!(traces = batch.len(), "traces dropped");
        }
    };
    if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
        tracing::warn!("traces dropped: the server is stopping");
    }
}

async fn send(client: &Client, collector: &Collector, batch: &[Arc<Report>], pause: Duration) {
    let mut pauses = Backoff::new(pause, Duration::MAX);
    for number in 0..ATTEMPTS {
        let error = match attempt(client, collector, batch).await {
            Ok(_) => return,
            Err(error) => error,
        };
        tracing::debug!(attempt = number, %error, "traces not delivered");
        // A request that the collector rejects will always be rejected.
        let status = error.status();
        if status.is_some_and(|status| !matches!(status.as_u16(), 429 | 502 | 503 | 504)) {
            break;
        }
        if number + 1 < ATTEMPTS {
            tokio::time::sleep(pauses.take()).await;
        }
    }
    tracing::warn!(traces = batch.len(), "traces dropped");
}

async fn attempt(
    client: &Client,
    collector: &Collector,
    batch: &[Arc<Report>],
) -> Result<Response, reqwest::Error> {
    let body = spans::request(batch);
    let answer = client.post(collector.traces.clone()).json(&body).send().await;
    // The address may hold a secret, so the error is logged without it.
    answer.and_then(Response::error_for_status).map_err(reqwest::Error::without_url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_testkit::{Answer, ScriptedHttp};

    /// Sends one report to a collector with these answers; returns the number of its requests.
    fn asked(answers: &[u16]) -> usize {
        let answers = answers.iter().map(|status| Answer::json(*status, "{}"));
        let server = ScriptedHttp::start(answers);
        let collector = Collector::parse(&server.url("")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = Client::new();
            send(&client, &collector, &[spans::tests::report()], Duration::ZERO).await;
        });
        server.received().len()
    }

    #[test]
    fn a_collector_that_is_away_is_asked_again_and_one_that_refuses_is_not() {
        assert_eq!(asked(&[503, 429, 200]), 3);
        assert_eq!(asked(&[400]), 1);
        assert_eq!(asked(&[503]), ATTEMPTS as usize);
    }
}
