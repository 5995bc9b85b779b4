//! Joins the cluster: the bus, the member, and the link to the engine.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use headwater_engine::engine::{Engine, EngineConfig, Observer, Role, Stored};
use headwater_engine::id::CommitId;
use headwater_engine::mirror::Remote;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::alert::{ClusterTrouble, Pager};
use crate::cluster::engine_link::{EngineLink, News, NewsDesk, Parts, RegisterConsent, Sources};
use crate::cluster::lead::Standing;
use crate::cluster::member::{ClusterView, Member, MemberHandle, Membership, RegisterState};
use crate::cluster::nats::Nats;
use crate::cluster::register::{Leader, Value};
use crate::cluster::remembered::Remembered;
use crate::cluster::seal::Seal;
use crate::cluster::terms::Terms;
use crate::coming::{Coming, Others};
use crate::config::{Alone, ClusterSettings, Keyring, Secrets};
use crate::exit::{Exit, Failure};
use crate::http::ClusterAccess;
use crate::live::Live;

/// How long a start waits for the bus before it goes on without it.
const WAITING: Duration = Duration::from_secs(10);

/// How long each step of a resignation may take.
const RESIGNING: Duration = Duration::from_secs(5);

/// How long the others may take to hear who leads. A hint takes milliseconds.
const HEARING: Duration = Duration::from_secs(1);

/// How often the cluster is looked at for alerts.
const PERIOD: Duration = Duration::from_secs(1);

/// In whose name the server itself waits for a push. No token has it.
const OURSELVES: &str = "";

/// A replica that has joined its cluster, and whose engine is not open yet.
pub(super) struct Joined {
    pub(super) member: MemberHandle,
    pub(super) consent: Arc<RegisterConsent>,
    pub(super) link: EngineLink,
    pub(super) news: NewsDesk,
    pub(super) is_diverged: Arc<AtomicBool>,
    alone: Alone,
    /// The keys of git between replicas; the first one is shown.
    peer_keys: Vec<String>,
}

/// Joins the cluster. The bus may be away.
///
/// # Errors
/// Fails if the settings cannot be used.
pub(super) async fn join(
    settings: &ClusterSettings,
    engine: &EngineConfig,
    live: Arc<Live>,
) -> Result<Joined, Failure> {
    let bus = Nats::connect(&settings.bus, settings.creds_file.clone()).await;
    let bus = bus.map_err(|error| Failure::caused_by(Exit::Config, &error))?;
    let seal = Seal::new(settings.secrets.clone(), &settings.bus.name);
    let peer_keys = seal.peer_keys();
    let key = peer_keys.first().cloned().unwrap_or_default();
    let remembered = Remembered::of(&engine.repo, seal.clone());
    let (member, handle, orders) = Member::new(Membership {
        bus: Arc::new(bus),
        seal,
        terms: Terms { lease: settings.lease, leads: settings.leads },
        me: Leader {
            id: crate::random::id(),
            name: settings.name().to_owned(),
            url: settings.url.clone(),
        },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        remembered,
    });
    tokio::spawn(member.run());
    let consent = Arc::new(RegisterConsent::new(handle.clone()));
    let is_diverged = Arc::new(AtomicBool::new(false));
    let (link, news) = EngineLink::new(Parts {
        live,
        member: handle.clone(),
        orders,
        consent: consent.clone(),
        sources: Sources::new(settings.fetches_from, engine.remote.clone(), key),
        alone: settings.alone,
        is_diverged: is_diverged.clone(),
    });
    let alone = settings.alone;
    Ok(Joined { member: handle, consent, link, news, is_diverged, alone, peer_keys })
}

impl Joined {
    /// Returns the settings of the engine of a replica.
    pub(super) fn configured(&self, engine: EngineConfig) -> EngineConfig {
        let (news, sources) = (self.news.clone(), self.news.clone());
        EngineConfig {
            role: Role::Following,
            consent: Some(self.consent.clone()),
            stored_observer: Observer::new(move |stored: &Arc<Stored>| {
                news.tell(News::Stored(stored.commit));
            }),
            source_observer: Observer::new(move |source: &Arc<Remote>| {
                sources.tell(News::Fetched(source.clone()));
            }),
            ..engine
        }
    }

    /// Returns the cluster as the routes see it.
    ///
    /// # Errors
    /// Fails if no HTTP client can be made.
    pub(super) fn access(&self) -> Result<ClusterAccess, Failure> {
        let key = self.peer_keys.first().cloned().unwrap_or_default();
        let diverged = self.is_diverged.clone();
        ClusterAccess::new(self.member.clone(), diverged, self.alone, key)
    }

    /// Returns the keys with which other replicas fetch from this one.
    ///
    /// # Errors
    /// Fails if there is none, which the settings exclude.
    pub(super) fn peer_keys(&self) -> Result<Keyring, Failure> {
        let secrets = Secrets::parse("--cluster-secret", &self.peer_keys.join("\n"));
        secrets.map(Keyring::fixed).map_err(|error| Failure::caused_by(Exit::Config, &error))
    }
}

/// Gives the lead back, after one last push, and stays until another replica leads: it may have to get
/// here what was published last, and writes may still be on their way.
pub(super) async fn resign(member: &MemberHandle, live: &Arc<Live>) {
    let led = member.view();
    let is_leading = led.standing == Standing::Leading;
    if let Some(value) = led.value.as_ref().filter(|_| is_leading) {
        push(live, value.facts.head).await;
    }
    if tokio::time::timeout(RESIGNING, member.resign()).await.is_err() {
        tracing::warn!("the lead is not given back: the bus does not answer");
        return;
    }
    if is_leading {
        let mut view = member.watch();
        let handed_over = view.wait_for(|view| is_handed_over(view));
        // What is returned locks the view, so it is not kept.
        let is_over = tokio::time::timeout(RESIGNING, handed_over).await.is_ok();
        match is_over {
            true => tokio::time::sleep(HEARING).await,
            false => tracing::warn!("no other replica leads yet"),
        }
    }
}

/// Pushes what can be pushed now. What is written meanwhile is in the register, and not waited for: writes
/// may never end.
async fn push(live: &Arc<Live>, head: CommitId) {
    let all = live.clone();
    let settled = tokio::task::spawn_blocking(move || {
        all.engine().into_iter().for_each(Engine::settle_pushes);
    });
    tokio::select! {
        _ = settled => {}
        _ = live.pushed(OURSELVES, head, Instant::now() + RESIGNING) => {}
    }
}

/// Returns whether nobody needs this replica, which has led, any more.
fn is_handed_over(view: &ClusterView) -> bool {
    let is_safe = view.value.as_ref().is_none_or(Value::is_safe);
    let is_led = view.leader.is_some() && is_safe;
    is_led || !view.others.iter().any(|other| other.leads)
}

/// Waits until the register was read, or the bus is taken to be away.
///
/// # Errors
/// Fails if the register is signed with another secret: then this replica has a wrong one.
pub(super) async fn wait_for_the_register(member: &MemberHandle) -> Result<(), Failure> {
    let mut view = member.watch();
    let is_known = view
        .wait_for(|view| matches!(view.register, RegisterState::Read | RegisterState::OtherSecret));
    match tokio::time::timeout(WAITING, is_known).await {
        Ok(Ok(view)) if view.register == RegisterState::OtherSecret => Err(Failure::new(
            Exit::Config,
            "the register of the cluster is signed with another secret: every replica needs the \
             same --cluster-secret-file or HEADWATER_CLUSTER_SECRET",
        )),
        Ok(_) => Ok(()),
        Err(_) => {
            tracing::warn!("the bus does not answer: this replica starts without it");
            Ok(())
        }
    }
}

/// Tells readers whether other replicas serve what this one does not yet, until the member ends.
pub(super) async fn expect(mut view: watch::Receiver<Arc<ClusterView>>, coming: Arc<Coming>) {
    let mut told = Others::Level;
    while view.changed().await.is_ok() {
        let others = match view.borrow_and_update().behind_since {
            Some(_) => Others::Ahead,
            None => Others::Level,
        };
        if others != told {
            told = others;
            coming.others(others);
        }
    }
}

/// Shares with the other replicas what operators were told, until `stop`: the leader puts it into the register, and
/// the others take it from there.
pub(super) async fn share_alerts(member: MemberHandle, pager: Pager, stop: CancellationToken) {
    if !pager.has_receivers() {
        return;
    }
    let (mut view, mut open) = (member.watch(), pager.shared());
    // What the register was last heard to say, since this replica follows.
    let mut heard = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = view.changed() => if changed.is_err() { return },
            changed = open.changed() => if changed.is_err() { return },
        }
        let now = view.borrow_and_update().clone();
        let Some(value) = &now.value else { continue };
        if now.standing == Standing::Leading {
            heard = None;
            let open = open.borrow_and_update().clone();
            if open != value.alerts {
                member.alerted(open);
            }
        } else if heard.as_ref() != Some(&value.alerts) {
            heard = Some(value.alerts.clone());
            pager.adopt(value.alerts.clone());
        }
    }
}

/// Tells operators what is wrong with the cluster, until `stop`.
pub(super) async fn watch(
    member: MemberHandle,
    live: Arc<Live>,
    pager: Pager,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        // Alerts name the served commit.
        if let Some(snapshot) = live.snapshot() {
            pager.cluster(ClusterTrouble::all(&member.view()), snapshot.commit());
        }
    }
}
