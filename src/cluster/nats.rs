//! The register and the bus on NATS: core messages for hints, one key of JetStream for agreement. The
//! only room with async_nats.
//!
//! What the server may do is heeded here, so that nobody else needs to know it:
//!
//! - A read by direct get is answered by any server, also by one that is behind. This one asks the
//!   server that leads the stream, and even that may be an outdated one.
//! - A publish whose answer did not come in time is still sent after a reconnect. So only the refusal
//!   of the revision is a no; everything else is unknown. Nothing is sent while there is no
//!   connection: it would be kept, and sent late.
//! - A lost connection is noticed by pings, which come every three seconds.
//! - No watch, no time to live: both are known to fail.

use std::future::poll_fn;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::kv::{self, UpdateErrorKind};
use async_nats::jetstream::stream::{self, LastRawMessageErrorKind};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, ConnectOptions, ServerAddr, Subscriber};
use futures_core::Stream;
use headwater_engine::causes::chain;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::register::{Bus, BusAway, Entry, Message, Register, Swapped};
use crate::config::BusAddress;

/// The bucket of all clusters.
const BUCKET: &str = "headwater";

/// How long a call may take. Longer than a round trip by far, shorter than an election.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the connection is proved. Two pings may be missing.
const PING_EVERY: Duration = Duration::from_secs(3);

/// The longest wait before a server is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The oldest server with what is needed.
const OLDEST: (i64, i64) = (2, 10);

/// Why there is no connection to the bus, and will be none.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// An address cannot be used.
    #[error("the address {server} of the bus cannot be used")]
    Address {
        /// The address.
        server: String,
        /// Why.
        source: std::io::Error,
    },
    /// The credentials cannot be read.
    #[error("the credentials {} for the bus cannot be read", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The client cannot be started.
    #[error("the client of the bus cannot be started")]
    Client(#[from] async_nats::ConnectError),
    /// The messages of the cluster cannot be heard.
    #[error("the messages of the cluster cannot be heard")]
    Subscribe(#[from] async_nats::SubscribeError),
}

/// A connection to NATS, which is made again whenever it is lost.
pub struct Nats {
    client: Client,
    context: Context,
    replicas: usize,
    key: String,
    /// What messages are about begins with this.
    prefix: String,
    store: Mutex<Option<kv::Store>>,
    heard: Mutex<Heard>,
}

/// What comes from the bus.
struct Heard {
    subscriber: Subscriber,
    events: UnboundedReceiver<Message>,
}

impl Nats {
    /// Begins to connect, and returns at once: the bus may be away.
    ///
    /// # Errors
    /// See [`NatsError`].
    pub async fn connect(address: &BusAddress, creds: Option<PathBuf>) -> Result<Self, NatsError> {
        let parse = |server: &String| {
            let failed = |source| NatsError::Address { server: server.clone(), source };
            server.parse::<ServerAddr>().map_err(failed)
        };
        let servers = address.servers.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let (sender, events) = unbounded_channel();
        let mut options = ConnectOptions::new()
            .name(format!("headwater {}", address.name))
            .ping_interval(PING_EVERY)
            .connection_timeout(PATIENCE)
            .request_timeout(Some(PATIENCE))
            .reconnect_delay_callback(|attempts| RETRY.min(RETRY / 10 * attempts.min(10) as u32))
            .retry_on_initial_connect()
            .event_callback(move |event| {
                let sender = sender.clone();
                async move {
                    let message = match event {
                        async_nats::Event::Connected => Message::Reconnected,
                        async_nats::Event::Disconnected => Message::Disconnected,
                        other => {
                            tracing::warn!(event = %other, "the bus");
                            return;
                        }
                    };
                    // Nobody listens any more when the server shuts down.
                    let _ = sender.send(message);
                }
            });
        if let Some(path) = creds {
            options = match options.credentials_file(&path).await {
                Ok(options) => options,
                Err(source) => return Err(NatsError::Credentials { path, source }),
            };
        }
        let client = options.connect(servers).await?;
        let context = ContextBuilder::new().timeout(PATIENCE).build(client.clone());
        let prefix = format!("hw.{}.", address.name);
        // Whoever reads the register after this misses no message about a later change.
        let subscriber = client.subscribe(format!("{prefix}*")).await?;
        Ok(Self {
            client,
            context,
            replicas: address.replicas,
            key: address.name.clone(),
            prefix,
            store: Mutex::default(),
            heard: Mutex::new(Heard { subscriber, events }),
        })
    }

    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Returns the bucket, which is made if there is none.
    async fn store(&self) -> Result<kv::Store, BusAway> {
        let mut known = self.store.lock().await;
        if let Some(store) = &*known {
            return Ok(store.clone());
        }
        if !self.client.is_server_compatible(OLDEST.0, OLDEST.1, 0) {
            let version = self.client.server_info().version;
            let (major, minor) = OLDEST;
            let reason = format!("nats-server {version} is too old: {major}.{minor} is needed");
            tracing::error!(reason, "the bus cannot be used");
            return Err(BusAway { reason });
        }
        let store = match self.context.get_key_value(BUCKET).await {
            Ok(store) => store,
            Err(_) => {
                let bucket = kv::Config {
                    bucket: BUCKET.to_owned(),
                    description: "who leads each cluster of Headwater, and what it serves".into(),
                    history: 1,
                    num_replicas: self.replicas,
                    ..kv::Config::default()
                };
                self.context.create_key_value(bucket).await.map_err(|error| away(&error))?
            }
        };
        if let Some(what) = misdirects(&store.stream.cached_info().config) {
            let reason = format!("the stream KV_{BUCKET} is not as Headwater makes it: {what}");
            tracing::error!(reason, "the bus cannot be used");
            return Err(BusAway { reason });
        }
        self.warn_of_a_single_copy(&store);
        Ok(known.insert(store).clone())
    }

    /// Says that a cluster of servers keeps one copy only.
    fn warn_of_a_single_copy(&self, store: &kv::Store) {
        let is_single = store.stream.cached_info().config.num_replicas < 2;
        if is_single && self.client.server_info().cluster.is_some() {
            tracing::warn!(
                bucket = BUCKET,
                "one server of the bus keeps the register alone: add `?replicas=3`, and change the \
                 stream with `nats stream edit`"
            );
        }
    }

    /// Reads the register from the server that leads the stream.
    async fn read_now(&self) -> Result<Entry, BusAway> {
        let store = self.store().await?;
        let subject = format!("{}{}", store.prefix, self.key);
        let error = match store.stream.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => {
                let is_put = message.headers.get("KV-Operation").is_none();
                let text = is_put.then(|| message.payload.to_vec());
                return Ok(Entry { revision: message.sequence, text });
            }
            Err(error) => error,
        };
        match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(Entry { revision: 0, text: None }),
            LastRawMessageErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                // The bucket is gone. It is made anew at the next read.
                *self.store.lock().await = None;
                Ok(Entry { revision: 0, text: None })
            }
            _ => Err(away(&error)),
        }
    }
}

/// Returns what lets a stream hold something else than what was put into it, or lets it forget. Somebody
/// who may make or change streams could have replicas read different registers by it.
fn misdirects(config: &stream::Config) -> Option<&'static str> {
    let subject = format!("$KV.{BUCKET}.>");
    [
        (config.subjects != [subject], "it has other subjects"),
        (config.subject_transform.is_some(), "it changes subjects"),
        (config.mirror.is_some(), "it is the mirror of another one"),
        (config.sources.as_ref().is_some_and(|all| !all.is_empty()), "it has sources"),
        (config.republish.is_some(), "it republishes"),
        (config.no_ack, "it acknowledges nothing"),
        (config.storage != stream::StorageType::File, "it is in memory only"),
        (!config.max_age.is_zero(), "it forgets by age"),
    ]
    .into_iter()
    .find_map(|(is_so, what)| is_so.then_some(what))
}

impl Register for Nats {
    async fn read(&self) -> Result<Entry, BusAway> {
        if !self.is_connected() {
            return Err(BusAway { reason: "there is no connection".to_owned() });
        }
        let read = tokio::time::timeout(2 * PATIENCE, self.read_now()).await;
        read.unwrap_or_else(|_| Err(BusAway { reason: "it took too long".to_owned() }))
    }

    async fn swap(&self, expected: u64, text: Vec<u8>) -> Swapped {
        if !self.is_connected() {
            return Swapped::Unknown;
        }
        let swap = async {
            let Ok(store) = self.store().await else { return Swapped::Unknown };
            match store.update(&self.key, text.into(), expected).await {
                Ok(revision) => Swapped::Done(revision),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                    Swapped::Refused
                }
                Err(error) => {
                    tracing::debug!(error = chain(&error), "a change of the register is in doubt");
                    Swapped::Unknown
                }
            }
        };
        tokio::time::timeout(2 * PATIENCE, swap).await.unwrap_or(Swapped::Unknown)
    }
}

impl Bus for Nats {
    async fn say(&self, message: Message) {
        let (subject, text) = match message {
            Message::Say(text) => ("say", text),
            Message::Here(text) => ("here", text),
            Message::Reconnected | Message::Disconnected => return,
        };
        if self.is_connected() {
            let said = self.client.publish(format!("{}{subject}", self.prefix), text.into());
            // A hint may be lost.
            let _ = tokio::time::timeout(PATIENCE, said).await;
        }
    }

    async fn hear(&self) -> Option<Message> {
        let Heard { subscriber, events } = &mut *self.heard.lock().await;
        loop {
            let message = tokio::select! {
                event = events.recv() => return event,
                message = poll_fn(|context| std::pin::Pin::new(&mut *subscriber).poll_next(context)) => message?,
            };
            let text = message.payload.to_vec();
            match message.subject.strip_prefix(&*self.prefix) {
                Some("say") => return Some(Message::Say(text)),
                Some("here") => return Some(Message::Here(text)),
                _ => {}
            }
        }
    }
}

fn away(error: &(dyn std::error::Error + 'static)) -> BusAway {
    BusAway { reason: chain(error) }
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::stream::{Config, Republish, Source, SubjectTransform};

    use super::*;

    fn made() -> Config {
        Config { subjects: vec!["$KV.headwater.>".to_owned()], ..Config::default() }
    }

    #[test]
    fn a_stream_that_somebody_else_made_is_used_only_if_it_holds_what_is_put_into_it() {
        assert_eq!(misdirects(&made()), None);
        let source = || Source { name: "other".to_owned(), ..Source::default() };
        let transform = SubjectTransform { source: ">".to_owned(), destination: "x".to_owned() };
        let republish =
            Republish { source: ">".to_owned(), destination: "x".to_owned(), headers_only: false };
        for config in [
            Config { subjects: vec!["other.>".to_owned()], ..made() },
            Config { subject_transform: Some(transform), ..made() },
            Config { mirror: Some(source()), ..made() },
            Config { sources: Some(vec![source()]), ..made() },
            Config { republish: Some(republish), ..made() },
            Config { no_ack: true, ..made() },
            Config { storage: stream::StorageType::Memory, ..made() },
            Config { max_age: Duration::from_secs(60), ..made() },
        ] {
            assert!(misdirects(&config).is_some(), "{config:?}");
        }
    }
}
