//! Outgoing webhooks: each subscriber gets a signed POST with what changed, as Standard Webhooks
//! specify.
//!
//! The message has the net change from the commit that the subscriber last acknowledged. A
//! subscriber that was unreachable gets what it missed in one message, so nothing is queued for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64;
use headwater_engine::budget::Budget;
use headwater_engine::delta::Delta;
use headwater_engine::id::CommitId;
use headwater_engine::view::View;
use reqwest::{Client, StatusCode, Url, redirect};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::cluster::lead::Standing;
use crate::cluster::member::ClusterView;
use crate::config::Keyring;
use crate::feed::{Heard, Listener};
use crate::http::{App, Asker};
use crate::wire::{Code, Watched, changes, resync, time};

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The first and the longest wait after a failed attempt.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// Starts one task for each receiver that reports every publication to it. The tasks end when
/// `stop` is set.
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
    /// The address, which may hold a token: only its host is ever logged.
    url: Url,
    keys: Arc<Keyring>,
    client: Client,
}

/// Why nothing more is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The server stops.
    Stopped,
    /// The subscriber wants no more.
    Gone,
}

/// The answer of a subscriber to a message.
enum Receipt {
    /// It accepted the message.
    Taken,
    /// It wants no more messages.
    Gone,
    /// Another answer, or none.
    Failed(String),
}

impl Subscriber {
    fn new(app: App, url: Url, keys: Arc<Keyring>) -> Option<Self> {
        // A redirection would send the records to an address that nobody configured.
        let client = Client::builder().timeout(ATTEMPT_TIMEOUT).redirect(redirect::Policy::none());
        match client.build() {
            Ok(client) => Some(Self { app, url, keys, client }),
            Err(error) => {
                tracing::error!(%error, "subscribers cannot be notified: no HTTP client");
                None
            }
        }
    }

    /// Reports every publication until the server stops, or the subscriber wants no more. In a cluster,
    /// only the leader does, and goes on where the one before it was.
    async fn tell(self) {
        let Some(member) = self.app.cluster.as_ref().map(|cluster| cluster.member().clone()) else {
            self.tell_from(None, |_| {}).await;
            return;
        };
        let name = blake3::hash(self.url.as_str().as_bytes()).to_hex()[..16].to_owned();
        let (mut leads, mut follows) = (member.watch(), member.watch());
        let is_leading = |view: &Arc<ClusterView>| view.standing == Standing::Leading;
        loop {
            let Ok(view) = leads.wait_for(is_leading).await.map(|view| view.clone()) else {
                return;
            };
            let has = view.value.as_ref().and_then(|value| value.told.get(&name)).copied();
            let took = |commit| member.told_subscriber(name.clone(), commit);
            tokio::select! {
                end = self.tell_from(has, took) => match end {
                    End::Stopped | End::Gone => return,
                },
                // The member ends with the server.
                is_member = async { follows.wait_for(|view| !is_leading(view)).await.is_ok() } => {
                    if !is_member {
                        return;
                    }
                }
            }
        }
    }

    /// Reports everything after the commit that the subscriber `has`; without one, everything from now
    /// on. Calls `took` with each commit to which it was led.
    async fn tell_from(&self, has: Option<CommitId>, took: impl Fn(CommitId)) -> End {
        let mut progress = Progress { listener: self.app.feed.listen(), has };
        if has.is_none() {
            took(progress.listener.at);
        }
        let host = self.url.host_str().unwrap_or_default().to_owned();
        loop {
            let mut pauses = PAUSES;
            let mut message: Option<Arc<Message>> = None;
            while let Some(leads) = progress.missing() {
                // A message is sent again unchanged, unless more was published meanwhile.
                let same = message.take().filter(|message| message.leads == leads);
                let said = match same {
                    Some(message) => Ok(message),
                    None => self.write(leads, progress.listener.when).await,
                };
                let said = match said {
                    Ok(written) => self.send(message.insert(written)).await,
                    Err(error) => Receipt::Failed(error),
                };
                match said {
                    Receipt::Taken => {
                        progress.has = Some(leads.to);
                        took(leads.to);
                        pauses.reset();
                    }
                    Receipt::Gone => {
                        tracing::warn!(host, "the subscriber ended its subscription");
                        return End::Gone;
                    }
                    Receipt::Failed(error) => {
                        let pause = pauses.take();
                        tracing::warn!(host, %error, ?pause, "webhook not delivered");
                        // What is published meanwhile goes into the same message.
                        let until = Instant::now() + pause;
                        while progress.listen_until(&self.app, until).await {}
                    }
                }
            }
            if !progress.listen(&self.app).await {
                return End::Stopped;
            }
        }
    }

    /// Writes the message that leads from one commit to another, which was published at `when`.
    ///
    /// # Errors
    /// Fails if the two cannot be compared now.
    async fn write(&self, leads: Leads, when: SystemTime) -> Result<Arc<Message>, String> {
        let Leads { from, to } = leads;
        let delta = match self.app.past.difference(Asker::Server, &View::PUBLIC, from, to).await {
            Ok(delta) => Some(delta),
            // The branch was rewritten.
            Err(error) if error.code() == Code::UnknownCommit => None,
            Err(error) => {
                let code = error.code().as_str();
                return Err(format!("cannot compare the commits now: {code}"));
            }
        };
        let written =
            tokio::task::spawn_blocking(move || Arc::new(Message::new(leads, when, delta)));
        written.await.map_err(|panic| panic.to_string())
    }

    async fn send(&self, message: &Arc<Message>) -> Receipt {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (keys, seconds, signed) = (self.keys.current().await, now.as_secs(), message.clone());
        // Each key signs, so that a key can be replaced without a gap.
        let signing = tokio::task::spawn_blocking(move || {
            let keys = keys.numbered();
            let signed = keys.map(|(_, key)| sign(key.token_mac(), &signed, seconds));
            signed.collect::<Vec<_>>().join(" ")
        });
        let signatures = match signing.await {
            Ok(signatures) => signatures,
            Err(panic) => return Receipt::Failed(panic.to_string()),
        };
        let request = self.client.post(self.url.clone());
        let request = request.header("content-type", "application/json");
        let request = request.header("webhook-id", &message.id);
        let request = request.header("webhook-timestamp", seconds);
        let request = request.header("webhook-signature", signatures);
        match request.body(message.body.clone()).send().await {
            Ok(answer) if answer.status().is_success() => Receipt::Taken,
            Ok(answer) if answer.status() == StatusCode::GONE => Receipt::Gone,
            Ok(answer) => Receipt::Failed(format!("it answered {}", answer.status())),
            Err(error) => Receipt::Failed(error.without_url().to_string()),
        }
    }
}

/// How far a subscriber lags behind the published state.
struct Progress {
    listener: Listener,
    /// The commit that the subscriber has; the first state is not reported.
    has: Option<CommitId>,
}

impl Progress {
    /// Waits for the next publication; returns false when the server stops.
    async fn listen(&mut self, app: &App) -> bool {
        let heard = self.listener.wait().await;
        self.note(app, heard)
    }

    /// Waits for the next publication, until `until` at most; returns false if there was none.
    async fn listen_until(&mut self, app: &App, until: Instant) -> bool {
        let heard = self.listener.next_until(until).await;
        self.note(app, heard)
    }

    fn note(&mut self, app: &App, heard: Heard) -> bool {
        match heard {
            Heard::Published(publication) => {
                self.has.get_or_insert(publication.from);
            }
            Heard::Missed => {
                self.listener = app.feed.listen();
                self.has.get_or_insert(self.listener.at);
            }
            Heard::Nothing | Heard::Closed => return false,
        }
        true
    }

    /// Returns the change that the subscriber lacks, if any.
    fn missing(&self) -> Option<Leads> {
        let to = self.listener.at;
        self.has.filter(|from| *from != to).map(|from| Leads { from, to })
    }
}

/// The two commits of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Leads {
    from: CommitId,
    to: CommitId,
}

/// A message, which is the same however often it is sent.
struct Message {
    leads: Leads,
    id: String,
    body: String,
}

impl Message {
    /// Writes the differences; `None` makes the subscriber start over.
    fn new(leads: Leads, when: SystemTime, delta: Option<Arc<Delta>>) -> Self {
        let mut body = format!("{{\"type\":\"changes\",\"timestamp\":\"{}\",\"data\":", time(when));
        let start = body.len();
        let (all, budget) = (Watched::default(), Budget::unlimited());
        let told = delta.and_then(|delta| changes(&mut body, &delta, &all, &budget));
        if told.is_none() {
            body.truncate(start);
            body.push_str(&resync(leads.from, leads.to));
        }
        body.push('}');
        // The id is a hash of the content, so that a receiver ignores exactly the messages it
        // already has.
        let id = format!("msg_{:.32}", blake3::hash(body.as_bytes()).to_hex());
        Self { leads, id, body }
    }
}

/// Returns the signature of a message in the format of Standard Webhooks.
fn sign(mut mac: crate::hmac::Mac, message: &Message, seconds: u64) -> String {
    mac.update(format!("{}.{seconds}.", message.id).as_bytes());
    mac.update(message.body.as_bytes());
    format!("v1,{}", BASE64.encode(mac.finish().as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn leads(from: u8, to: u8) -> Leads {
        let commit = |digit| CommitId::from_bytes([digit; 20]);
        Leads { from: commit(from), to: commit(to) }
    }

    #[test]
    fn a_message_has_the_time_of_its_event_and_the_id_of_its_content() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let message = Message::new(leads(1, 2), at(1_700_000_000), None);
        assert!(
            message.body.contains("\"timestamp\":\"2023-11-14T22:13:20Z\""),
            "{}",
            message.body
        );
        let again = Message::new(leads(1, 2), at(1_700_000_000), None);
        assert_eq!((&message.id, &message.body), (&again.id, &again.body));
        // The branch went back and forth: the same commits, but another event.
        let later = Message::new(leads(1, 2), at(1_700_000_001), None);
        let other = Message::new(leads(1, 3), at(1_700_000_000), None);
        assert!(message.id != later.id && message.id != other.id);
        assert_eq!(message.id.len(), "msg_".len() + 32);
    }
}
