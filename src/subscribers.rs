//! Outgoing webhooks: each subscriber gets a signed POST with what changed, in the manner of
//! Standard Webhooks.
//!
//! A subscriber is told the net change from the commit that it has acknowledged. One that was away
//! gets what it missed in one message, so nothing is queued for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64;
use headwater_engine::id::CommitId;
use reqwest::{Client, StatusCode, Url, redirect};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Keyring;
use crate::feed::{Heard, Listener};
use crate::http::view::{ChangesView, Watched, changes, time};
use crate::http::{App, changes_between};

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The first wait behind an attempt that failed, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// The most records of one message; where more differ, the subscriber reads everything anew.
const MOST: usize = 10_000;

/// Begins to tell `receivers` of every publication; a task each, which ends with `stop`.
pub fn start(
    app: &App,
    receivers: Vec<Url>,
    keys: Keyring,
    stop: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let keys = Arc::new(keys);
    let start = |receiver: Url| {
        let (app, keys, stop) = (app.clone(), keys.clone(), stop.clone());
        tokio::spawn(async move {
            let Some(subscriber) = Subscriber::new(app, receiver, keys) else { return };
            tokio::select! {
                () = subscriber.tell() => {}
                () = stop.cancelled() => {}
            }
        })
    };
    receivers.into_iter().map(start).collect()
}

struct Subscriber {
    app: App,
    /// May hold a token: it is never logged but for its host.
    url: Url,
    keys: Arc<Keyring>,
    client: Client,
}

/// What a subscriber said to a message.
enum Said {
    /// It has it.
    Taken,
    /// It wants no more, ever.
    Gone,
    /// Something else, or nothing.
    Failed(String),
}

impl Subscriber {
    fn new(app: App, url: Url, keys: Arc<Keyring>) -> Option<Self> {
        // A redirection would send the records to an address that nobody has set.
        let client = Client::builder().timeout(ATTEMPT_TIMEOUT).redirect(redirect::Policy::none());
        match client.build() {
            Ok(client) => Some(Self { app, url, keys, client }),
            Err(error) => {
                tracing::error!(%error, "subscribers cannot be told: no HTTP client");
                None
            }
        }
    }

    /// Tells every publication until the server stops, or the subscriber wants no more.
    async fn tell(self) {
        let mut listener = self.app.feed.listen();
        // The commit that the subscriber has; the first state is told to nobody.
        let mut has: Option<CommitId> = None;
        let [first, longest] = PAUSES;
        let mut pause = first;
        let host = self.url.host_str().unwrap_or_default().to_owned();
        loop {
            let heard = listener.wait().await;
            if !self.note(heard, &mut listener, &mut has) {
                return;
            }
            while let Some(from) = has.filter(|has| *has != listener.at) {
                match self.send(from, listener.at).await {
                    Said::Taken => (has, pause) = (Some(listener.at), first),
                    Said::Gone => {
                        tracing::warn!(host, "the subscriber wants no more webhooks");
                        return;
                    }
                    Said::Failed(error) => {
                        tracing::warn!(host, %error, ?pause, "webhook not delivered");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(longest);
                        // What was published meanwhile is told together with it.
                        let mut more = true;
                        while more {
                            let heard = listener.next(Duration::ZERO).await;
                            more = self.note(heard, &mut listener, &mut has);
                        }
                    }
                }
            }
        }
    }

    /// Notes what was heard; says whether it was something.
    fn note(&self, heard: Heard, listener: &mut Listener, has: &mut Option<CommitId>) -> bool {
        match heard {
            Heard::Published(publication) => {
                has.get_or_insert(publication.delta.from);
            }
            Heard::Missed => {
                *listener = self.app.feed.listen();
                has.get_or_insert(listener.at);
            }
            Heard::Nothing | Heard::Closed => return false,
        }
        true
    }

    async fn send(&self, from: CommitId, to: CommitId) -> Said {
        let told = match changes_between(&self.app, from, to).await {
            Ok(delta) => changes(&delta, &Watched::default(), MOST),
            // The branch was rewritten.
            Err(_) => None,
        };
        let now = SystemTime::now();
        let data = told.as_ref().unwrap_or(&ChangesView::default()).text(
            &from.to_string(),
            &to.to_string(),
            told.is_none(),
        );
        let body =
            format!("{{\"type\":\"changes\",\"timestamp\":\"{}\",\"data\":{data}}}", time(now));
        let id = format!("msg_{:.16}{:.16}", from.to_string(), to.to_string());
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let keys = self.keys.current().await;
        // One for each key, so that a key can be changed for another without a gap.
        let signed = keys.numbered().map(|(_, key)| sign(key.token_mac(), &id, seconds, &body));
        let signatures: Vec<String> = signed.collect();
        let request = self.client.post(self.url.clone());
        let request = request.header("content-type", "application/json");
        let request = request.header("webhook-id", id).header("webhook-timestamp", seconds);
        let request = request.header("webhook-signature", signatures.join(" ")).body(body);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Said::Taken,
            Ok(answer) if answer.status() == StatusCode::GONE => Said::Gone,
            Ok(answer) => Said::Failed(format!("it answered {}", answer.status())),
            Err(error) => Said::Failed(error.without_url().to_string()),
        }
    }
}

/// Returns the signature of a message as Standard Webhooks write it.
fn sign(mut mac: crate::mac::Mac, id: &str, seconds: u64, body: &str) -> String {
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", BASE64.encode(mac.finish().as_bytes()))
}
