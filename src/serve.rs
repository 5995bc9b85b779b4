//! A running server: from checked settings to a graceful end.
//!
//! The port opens as soon as the settings are checked. The records are loaded after that. Until
//! then reads are asked to come back, and webhooks wait for their turn.

mod access;
mod cluster;
mod opening;
mod reach;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use headwater_engine::engine::{EngineConfig, Ledger, Observer, Published, PushReport, Report};
use headwater_engine::options::Progress;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::access::Authenticator;
use crate::alert::Pager;
use crate::cluster::engine_link::{News, NewsDesk};
use crate::cluster::member::MemberHandle;
use crate::coming::Coming;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::feed::Feed;
use crate::hook::Deliveries;
use crate::http::accept_loop::{self, Limits};
use crate::http::{
    Access, AccessKeys, Answers, App, AppState, BodyStreams, ClusterAccess, ConcurrencyLimit,
    Configured, Demo, DryRuns, HistoricalStates, PeerAccess, Side, UnsentBytes, WaiterLimit,
    WaitingWrites, pass_on, router,
};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::openapi::{Document, Offer};
use crate::otlp::Exporter;
use crate::pending::PendingReloads;
use crate::subscribers;

use cluster::Joined;
use opening::{Opening, Startup};
use reach::Reach;

/// The number of lists that are streamed at once; each keeps a thread and its state.
const STREAMS: usize = 16;
/// How long a replica that stops waits for the commits that requests in flight name.
const EXPECTED: Duration = Duration::from_secs(5);
/// The number of attachments that are read at once; each is a process of its own.
const ATTACHMENTS: usize = 16;

/// A server that accepts requests. Stop it with [`Server::stop`]; dropping it does not stop it.
pub struct Server {
    address: SocketAddr,
    internal_address: Option<SocketAddr>,
    ending: CancellationToken,
    stop: CancellationToken,
    /// Cancelled once every request is answered.
    answered: CancellationToken,
    state: watch::Receiver<Startup>,
    accepting: Vec<JoinHandle<bool>>,
    paging: JoinHandle<()>,
    exporting: JoinHandle<()>,
    live: Arc<Live>,
    coming: Arc<Coming>,
    feed: Arc<Feed>,
    cluster: Option<MemberHandle>,
    progress: Arc<Progress>,
    drain: Duration,
}

impl Server {
    /// Opens the port and starts to load.
    ///
    /// # Errors
    /// Fails if the settings name something that cannot be used, or if the port is taken.
    pub async fn start(config: Config) -> Result<Self, Failure> {
        Self::start_with(config, None).await
    }

    /// The same, with the additions of the demonstration.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(mut config: Config, demo: Option<Demo>) -> Result<Self, Failure> {
        let authenticator = Authenticator::open(&config);
        let authenticator =
            authenticator.map_err(|error| Failure::caused_by(Exit::Config, &error))?;
        if authenticator.grants_writes() {
            config.engine.writes = Some(config.committer.clone());
        }
        let (listener, address) = bind(config.http.listen)?;
        let internal = match config.http.internal_listen {
            Some(address) => Some(bind(address)?),
            None => None,
        };
        let internal_address = internal.as_ref().map(|(_, address)| *address);
        let [ending, stop, answered] = [(); 3].map(|()| CancellationToken::new());
        let metrics = Arc::new(Metrics::default());
        let told = config.subscribers.take();
        let receivers = std::mem::take(&mut config.alert_receivers);
        let (pager, paging) = Pager::start(receivers, stop.clone());
        let (exporter, exporting) = Exporter::start(config.collector.take(), stop.clone());
        let ledger = Arc::new(Ledger::new());
        let authenticator = Arc::new(authenticator);
        let live = Arc::new(Live::new(ledger.clone()));
        let feed = Arc::new(Feed::default());
        let following =
            access::follow(authenticator.clone(), live.clone(), pager.clone(), answered.clone());
        tokio::spawn(following);
        let joined = match &config.cluster {
            Some(settings) => Some(cluster::join(settings, &config.engine, live.clone()).await?),
            None => None,
        };
        let news = joined.as_ref().map(|joined| joined.news.clone());
        let coming = Arc::new(Coming::default());
        let reloads = coming.clone();
        let engine = EngineConfig {
            observer: observer(metrics.clone(), pager.clone(), exporter, news.clone()),
            told_observer: Observer::new(move |_| reloads.reload_ended()),
            push_observer: push_observer(metrics.clone(), pager.clone(), news.clone()),
            publication_observer: publication_observer(feed.clone(), news),
            ..config.engine.clone()
        };
        let engine = match &joined {
            Some(joined) => joined.configured(engine),
            None => engine,
        };
        let limits = Limits { connections: config.http.max_connections, ..Limits::default() };
        let (drain, progress) = (config.shutdown_timeout, engine.load.progress.clone());
        let (patience, init_timeout) = (config.alert_after, config.init_timeout);
        let cluster = joined.as_ref().map(|joined| joined.member.clone());
        let access = joined.as_ref().map(Joined::access).transpose()?;
        if let Some(joined) = &joined {
            config.peers = Some(joined.peer_keys()?);
        }
        if let Some(member) = &cluster {
            tokio::spawn(cluster::expect(member.watch(), coming.clone()));
            tokio::spawn(Reach::new(member.clone())?.run(stop.clone()));
            tokio::spawn(cluster::share_alerts(member.clone(), pager.clone(), stop.clone()));
        }
        let others =
            OtherServers { coming: coming.clone(), cluster: access, ending: ending.clone() };
        let app = app(config, demo, authenticator, live.clone(), feed.clone(), metrics, others);
        pass_on(&app);
        if let Some((urls, keys)) = told {
            subscribers::start(&app, urls, keys, &stop);
        }
        let accept = |listener: TcpListener, side: Side| {
            let router = router(app.clone(), side);
            tokio::spawn(accept_loop::serve(listener, router, limits, stop.clone(), drain))
        };
        let accepting = match internal {
            Some((internal, _)) => {
                vec![accept(listener, Side::Public), accept(internal, Side::Internal)]
            }
            None => vec![accept(listener, Side::Whole)],
        };
        let (sender, state) = watch::channel(Startup::Loading);
        let (live_of_opening, stopping) = (live.clone(), stop.clone());
        let opening = Opening {
            live: live_of_opening,
            feed: feed.clone(),
            pager,
            patience,
            init_timeout,
            stop: stopping,
            sender,
            joined,
        };
        tokio::spawn(opening.run(engine, ledger));
        Ok(Self {
            address,
            internal_address,
            ending,
            stop,
            answered,
            state,
            accepting,
            paging,
            exporting,
            live,
            coming,
            feed,
            cluster,
            progress,
            drain,
        })
    }

    /// Returns the address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the internal routes, if they have one of their own.
    pub fn internal_address(&self) -> Option<SocketAddr> {
        self.internal_address
    }

    /// Waits until the first snapshot is published, or cannot be.
    ///
    /// # Errors
    /// Fails if the repository cannot be served.
    pub async fn ready(&self) -> Result<(), Failure> {
        let mut state = self.state.clone();
        // An opening that ended without a result has panicked.
        let done = state.wait_for(|state| *state != Startup::Loading).await;
        match done.as_deref() {
            Ok(Startup::Failed(exit, why)) => Err(Failure::new(*exit, why.clone())),
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::new(Exit::Software, "loading the records panicked")),
        }
    }

    /// Returns the progress of the first load.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Returns the engine's side of the server.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Returns what may be served soon, for whoever knows what other servers serve.
    pub fn coming(&self) -> &Coming {
        &self.coming
    }

    /// Stops accepting, finishes requests in flight, lets a running reload end, and closes the
    /// engine, within the time that the settings allow. Returns whether all of it was done.
    pub async fn stop(self) -> bool {
        self.ending.cancel();
        if let Some(member) = &self.cluster {
            cluster::resign(member, &self.live).await;
        }
        let end = Instant::now() + self.drain;
        self.stop.cancel();
        if self.cluster.is_some() {
            // It still follows, so what requests in flight wait for comes within milliseconds.
            let patience = EXPECTED.min(self.drain / 2);
            let _ = tokio::time::timeout(patience, self.feed.settled()).await;
        }
        // Otherwise followers would listen forever.
        self.feed.close();
        let mut drained = true;
        for accepting in self.accepting {
            drained &= accepting.await.unwrap_or(false);
        }
        self.answered.cancel();
        self.live.close();
        let live = self.live;
        // An abandoned request may still hold it, so dropping it would not wait.
        let closed = tokio::task::spawn_blocking(move || live.shut_down());
        let told = tokio::time::timeout_at(end, self.paging).await;
        let exported = tokio::time::timeout_at(end, self.exporting).await;
        let closed = tokio::time::timeout_at(end, closed).await;
        drained & closed.is_ok() & told.is_ok() & exported.is_ok()
    }
}

/// How many connections may arrive before they are accepted, unless the system allows fewer. Beyond that, a caller
/// tries again after a second.
const BACKLOG: u32 = 4096;

/// Opens a port, and returns its actual address.
fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed =
        |error| Failure::new(Exit::Unavailable, format!("cannot listen on {address}: {error}"));
    let listening = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Whoever starts again may take the port of connections that have just ended.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    let listener = listening().map_err(failed)?;
    let taken = listener.local_addr().map_err(failed)?;
    Ok((listener, taken))
}

/// What is known of the other servers of the same branch.
struct OtherServers {
    coming: Arc<Coming>,
    cluster: Option<ClusterAccess>,
    /// Tells them that this one ends.
    ending: CancellationToken,
}

fn app(
    config: Config,
    demo: Option<Demo>,
    callers: Arc<Authenticator>,
    live: Arc<Live>,
    feed: Arc<Feed>,
    metrics: Arc<Metrics>,
    others: OtherServers,
) -> App {
    let EngineConfig { branch, remote, .. } = config.engine;
    let remote = remote.map(|remote| remote.to_string());
    let address = config.http.public_url.unwrap_or_else(|| match config.http.base_path.as_str() {
        "" => "/".to_owned(),
        base => base.to_owned(),
    });
    let offer = Offer { server: address, writes: callers.grants_writes() };
    let keys = AccessKeys {
        reload: config.reload_secrets,
        operator: config.operator_secrets,
        metrics: config.metrics_secrets,
        callers,
    };
    let waiters = WaiterLimit::for_connections(config.http.max_connections);
    Arc::new(AppState {
        past: HistoricalStates::of(live.clone(), config.http.query_budget, &waiters),
        live,
        access: Access::new(keys, metrics.clone()),
        proxies: config.http.trusted_proxies,
        deliveries: Deliveries::default(),
        pending: PendingReloads::default(),
        attachment_limit: config.attachment_limit,
        attachments: BodyStreams::new(ATTACHMENTS),
        streams: BodyStreams::new(STREAMS),
        unsent: UnsentBytes::default(),
        answers: Answers::new(config.http.query_budget, waiters.clone()),
        blocking: ConcurrencyLimit::of_cores(waiters),
        dry_runs: DryRuns::default(),
        waiting_writes: WaitingWrites::for_bodies_of(config.attachment_limit),
        audience: Arc::default(),
        coming: others.coming,
        feed,
        metrics,
        require_if_match: config.require_if_match,
        push_first: config.push_first,
        replicate_first: config.replicate_first,
        ending: others.ending,
        cluster: others.cluster,
        peers: config.peers.map(PeerAccess::new),
        demo,
        document: Document::new(offer),
        base_path: config.http.base_path,
        cors: config.http.cors,
        source_url: config.http.source_url,
        configured: Configured { branch, remote },
    })
}

/// Counts reports, considers them for alerts, and exports them.
fn observer(
    metrics: Arc<Metrics>,
    pager: Pager,
    exporter: Exporter,
    news: Option<NewsDesk>,
) -> Observer<Report> {
    Observer::new(move |report| {
        metrics.reload(report);
        pager.report(report);
        exporter.report(report);
        tell(news.as_ref(), News::Reported);
    })
}

/// Counts pushes, and considers them for alerts.
fn push_observer(
    metrics: Arc<Metrics>,
    pager: Pager,
    news: Option<NewsDesk>,
) -> Observer<PushReport> {
    Observer::new(move |report| {
        metrics.push(report);
        pager.push(report);
        tell(news.as_ref(), News::Reported);
    })
}

/// Passes publications on.
fn publication_observer(feed: Arc<Feed>, news: Option<NewsDesk>) -> Observer<Published> {
    Observer::new(move |published| {
        feed.publish(published);
        tell(news.as_ref(), News::Published);
    })
}

/// Tells the cluster, if there is one, what the engine did.
fn tell(news: Option<&NewsDesk>, what: News) {
    if let Some(news) = news {
        news.tell(what);
    }
}
