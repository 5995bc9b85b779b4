//! The engine as a part of its member: it carries out the orders of the member, asks it before
//! anything is published, and tells it what the engine does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use headwater_engine::causes::chain;
use headwater_engine::engine::{
    Announcement, Consent, Engine, FailureKind, FollowTarget, Moved, ReloadAnswer, ReloadCaller,
    RemoteStanding, Report, RequestKind, Role, Withheld,
};
use headwater_engine::id::CommitId;
use headwater_engine::mirror::Remote;
use headwater_engine::plan::RebuildReason;
use headwater_engine::report::Trigger;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::counts::{Comparison, FetchedFrom};
use super::lead::{Denied, Standing};
use super::member::{ClusterView, MemberHandle, Order};
use super::peers::Peers;
use super::register::{Facts, Held, Move, RemoteFacts, Value, seconds};
use crate::backoff::Backoff;
use crate::config::{Alone, FetchesFrom};
use crate::live::Live;

/// The first and the longest wait before a state is followed again that could not be.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));

/// The path of git on the internal side of a replica.
const GIT: &str = "/api/_internal/git";

/// Asks the register before the engine publishes.
#[derive(Debug)]
pub struct RegisterConsent {
    member: MemberHandle,
    /// What makes the digests of this replica, once its engine is open.
    made_by: OnceLock<String>,
}

impl RegisterConsent {
    /// Returns the consent of the cluster of `member`.
    pub fn new(member: MemberHandle) -> Self {
        Self { member, made_by: OnceLock::new() }
    }
}

impl Consent for RegisterConsent {
    fn publish(&self, announcement: &Announcement) -> Result<(), Withheld> {
        let made_by = self.made_by.get().ok_or(Withheld::LeaderChanged)?;
        self.member.propose(facts(announcement, made_by)).map_err(|denied| match denied {
            Denied::NotLeading => Withheld::LeaderChanged,
            Denied::Unknown => Withheld::Unknown,
        })
    }
}

/// Something that the engine did.
#[derive(Debug)]
pub enum News {
    /// It has reported a reload or a push, so it may know more of the remote.
    Reported,
    /// It has published.
    Published,
    /// This commit of the leader is on the disk.
    Stored(CommitId),
    /// This source had commits of the leader.
    Fetched(Arc<Remote>),
}

/// Takes the news of the observers of the engine. Cheap to clone; never blocks.
#[derive(Debug, Clone)]
pub struct NewsDesk(UnboundedSender<News>);

impl NewsDesk {
    /// Takes a piece of news.
    pub fn tell(&self, news: News) {
        // The link ends with the server.
        let _ = self.0.send(news);
    }
}

/// Where a replica gets objects from.
pub struct Sources {
    /// Which one is asked first.
    pub first: FetchesFrom,
    /// The remote, to be asked last.
    pub remote: Option<Arc<Remote>>,
    /// The key that other replicas take.
    pub key: String,
    /// The replicas that were asked already; each keeps its connection.
    known: HashMap<String, Arc<Remote>>,
}

impl Sources {
    /// Returns the sources of a replica.
    pub fn new(first: FetchesFrom, remote: Option<Arc<Remote>>, key: String) -> Self {
        Self { first, remote, key, known: HashMap::new() }
    }

    /// Returns what to follow to be where `value` says.
    pub fn target(&mut self, view: &ClusterView, value: &Value) -> FollowTarget {
        let Facts { head, pinned, digest, made_by, remote, .. } = &value.facts;
        FollowTarget {
            head: *head,
            pinned: *pinned,
            digest: *digest,
            made_by: made_by.clone(),
            synced: remote.synced,
            unpushed: remote.unpushed,
            sources: self.of(view, value),
        }
    }

    /// Returns where to get the head of `value`, in order: the other replicas, the remote, unless that is
    /// to be asked first, and at last a leader that does not answer.
    fn of(&mut self, view: &ClusterView, value: &Value) -> Vec<Arc<Remote>> {
        let Peers { answering, silent } = Peers::of(view, value);
        let git = |url: &str| format!("{url}{GIT}");
        let answering: Vec<String> = answering.into_iter().map(git).collect();
        let silent = silent.map(git);
        // A replica that is gone is forgotten, with its connection.
        self.known.retain(|url, _| answering.contains(url) || silent.as_ref() == Some(url));
        let mut sources: Vec<_> = answering.into_iter().filter_map(|url| self.peer(url)).collect();
        match self.first {
            FetchesFrom::Peers => sources.extend(self.remote.clone()),
            FetchesFrom::Remote => sources.splice(0..0, self.remote.clone()).for_each(drop),
        }
        sources.extend(silent.and_then(|url| self.peer(url)));
        sources
    }

    /// Returns what a source is.
    fn kind(&self, view: &ClusterView, source: &Arc<Remote>) -> FetchedFrom {
        let leader = view.value.as_ref().and_then(|value| value.leader.as_ref());
        let of_leader = leader.and_then(|leader| self.known.get(&format!("{}{GIT}", leader.url)));
        let is =
            |known: Option<&Arc<Remote>>| known.is_some_and(|known| Arc::ptr_eq(known, source));
        match (is(self.remote.as_ref()), is(of_leader)) {
            (true, _) => FetchedFrom::Remote,
            (false, true) => FetchedFrom::Leader,
            (false, false) => FetchedFrom::Replica,
        }
    }

    fn peer(&mut self, url: String) -> Option<Arc<Remote>> {
        if let Some(known) = self.known.get(&url) {
            return Some(known.clone());
        }
        match Remote::peer(&url, &self.key) {
            Ok(remote) => {
                let remote = Arc::new(remote);
                self.known.insert(url, remote.clone());
                Some(remote)
            }
            Err(error) => {
                tracing::warn!(url, error = chain(&error), "the address of a replica is no use");
                None
            }
        }
    }
}

/// The task between an engine and its member.
pub struct EngineLink {
    live: Arc<Live>,
    member: MemberHandle,
    orders: UnboundedReceiver<Order>,
    news: UnboundedReceiver<News>,
    consent: Arc<RegisterConsent>,
    sources: Sources,
    alone: Alone,
    is_diverged: Arc<AtomicBool>,
    standing: Standing,
    /// Where the engine has to go.
    target: Option<Box<Value>>,
    ended: UnboundedReceiver<Ended>,
    end: UnboundedSender<Ended>,
    pauses: Backoff,
    retry: Option<Instant>,
}

/// The end of an attempt to go where the register says.
struct Ended {
    value: Box<Value>,
    answer: ReloadAnswer,
}

/// What an engine link is made of.
pub struct Parts {
    /// The engine, once it is open.
    pub live: Arc<Live>,
    /// The member.
    pub member: MemberHandle,
    /// Its orders.
    pub orders: UnboundedReceiver<Order>,
    /// What the engine asks before it publishes.
    pub consent: Arc<RegisterConsent>,
    /// Where objects come from.
    pub sources: Sources,
    /// What to do without a leader.
    pub alone: Alone,
    /// Is set while this replica makes another state of a commit than its leader.
    pub is_diverged: Arc<AtomicBool>,
}

impl EngineLink {
    /// Returns a link, and where the observers of the engine tell the news.
    pub fn new(parts: Parts) -> (Self, NewsDesk) {
        let Parts { live, member, orders, consent, sources, alone, is_diverged } = parts;
        let (desk, news) = unbounded_channel();
        let (end, ended) = unbounded_channel();
        let link = Self {
            live,
            member,
            orders,
            news,
            consent,
            sources,
            alone,
            is_diverged,
            standing: Standing::Following,
            target: None,
            ended,
            end,
            pauses: PAUSES,
            retry: None,
        };
        (link, NewsDesk(desk))
    }

    /// Returns where an empty disk gets its first state from, if there is a leader.
    pub fn first(&mut self) -> Option<FollowTarget> {
        let view = self.member.view();
        let value = view.value.as_ref().filter(|value| value.leader.is_some())?;
        Some(self.sources.target(&view, value))
    }

    /// Works until the member ends. The engine is open.
    pub async fn run(mut self) {
        if let Some(engine) = self.live.engine() {
            // Nobody else sets it.
            let _ = self.consent.made_by.set(engine.made_by().to_owned());
            self.sources.remote = self.sources.remote.take().or_else(|| engine.remote());
        }
        self.tell_what_is_published().await;
        loop {
            let retry = self.retry;
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Order::Stand(standing)) => self.stand(standing),
                    Some(Order::Follow(value)) => {
                        self.pauses.reset();
                        self.follow(value);
                    }
                    None => return,
                },
                news = self.news.recv() => match news {
                    Some(news) => self.heard(news).await,
                    None => return,
                },
                ended = self.ended.recv() => match ended {
                    Some(ended) => self.ended(&ended),
                    None => return,
                },
                () = reached(retry) => {
                    self.retry = None;
                    if let Some(value) = self.target.take() {
                        self.follow(value);
                    }
                }
            }
        }
    }

    fn stand(&mut self, standing: Standing) {
        self.standing = standing;
        let Some(engine) = self.live.engine() else { return };
        let role = match (standing, self.alone) {
            (Standing::Leading, _) => Role::Leading,
            (Standing::Orphaned, Alone::Polls) => Role::Orphaned,
            (Standing::Orphaned, Alone::Stays) | (Standing::Following, _) => Role::Following,
        };
        if let Some(value) = &self.member.view().value {
            engine.learn_abandoned(&value.abandoned);
        }
        engine.set_role(role);
        self.member.engine_leads(role == Role::Leading);
        if role != Role::Following {
            // A push may have come while nobody asked the remote.
            (self.target, self.retry) = (None, None);
            drop(self.live.submit(RequestKind::Reload, Trigger::Boot));
        }
    }

    /// Sends the engine where the register says.
    fn follow(&mut self, value: Box<Value>) {
        let Some(engine) = self.live.engine() else { return };
        let target = self.sources.target(&self.member.view(), &value);
        // Whoever waits for one of them finds what became of it.
        let moved = |moved: &Move| Moved { old: moved.old, new: moved.new };
        engine.learn_moves(&value.facts.moves.iter().map(moved).collect::<Vec<_>>());
        engine.learn_abandoned(&value.abandoned);
        self.target = Some(value.clone());
        let end = self.end.clone();
        // The link may have ended.
        let done = Box::new(move |answer| drop(end.send(Ended { value, answer })));
        engine.follow(target, vec![ReloadCaller { commit: None, done }]);
    }

    /// Tells the member that the engine is where the register says, or tries again.
    fn ended(&mut self, Ended { value, answer }: &Ended) {
        let Some(engine) = self.live.engine() else { return };
        let is_current = self.target.as_ref() == Some(value);
        let comparison = compared(&answer.report, engine.made_by() == value.facts.made_by);
        if let Some(comparison) = comparison.filter(|_| is_current) {
            self.member.view().counts.compared(comparison);
        }
        if let Some(own) = facts_at(engine, value) {
            // While writes never end there is always a newer one, and this is where it is by now.
            self.target.take_if(|_| is_current);
            self.is_diverged.store(false, Ordering::Relaxed);
            self.member.followed(value.clone(), own);
            return;
        }
        if let Err(error) = &answer.report.result {
            let is_diverged = error.kind() == FailureKind::ReplicaDiverged;
            self.is_diverged.fetch_or(is_diverged, Ordering::Relaxed);
            if is_current && error.kind() == FailureKind::CannotFollow {
                self.member.missing(value.clone());
            }
        }
        if is_current {
            self.retry = Some(Instant::now() + self.pauses.take());
        }
    }

    async fn heard(&mut self, news: News) {
        match news {
            News::Stored(commit) => self.member.stored(commit),
            News::Fetched(source) => {
                let view = self.member.view();
                view.counts.fetched(self.sources.kind(&view, &source));
            }
            News::Reported => {
                if let Some(engine) = self.live.engine() {
                    self.member.note(remote_facts(&engine.remote_standing()));
                }
            }
            // What a leader or a follower publishes, the register has named.
            News::Published if self.standing == Standing::Orphaned => {
                self.tell_what_is_published().await;
            }
            News::Published => {}
        }
    }

    /// Tells the member what the engine serves, although nobody was asked.
    async fn tell_what_is_published(&self) {
        let live = self.live.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let engine = live.engine()?;
            let announcement = engine.announcement();
            let is_there = !announcement.head.is_zero();
            is_there.then(|| facts(&announcement, engine.made_by()))
        });
        if let Ok(Some(facts)) = asked.await {
            self.member.published(facts);
        }
    }
}

/// Returns what the engine makes of `value`, if it serves that.
fn facts_at(engine: &Engine, value: &Value) -> Option<Facts> {
    let (snapshot, facts, made_by) = (engine.snapshot(), &value.facts, engine.made_by());
    let is_like = made_by != facts.made_by || snapshot.digest() == facts.digest;
    let is_there = snapshot.commit() == facts.served() && is_like;
    let (made_by, digest) = (made_by.to_owned(), snapshot.digest());
    is_there.then(|| Facts { made_by, digest, ..facts.clone() })
}

/// Returns what a step of a follower tells of the digests; nothing if it did not get that far.
fn compared(report: &Report, is_made_alike: bool) -> Option<Comparison> {
    match &report.result {
        Ok(_) if !is_made_alike => Some(Comparison::Skipped),
        Ok(outcome) if outcome.reason == Some(RebuildReason::DigestMismatch) => {
            Some(Comparison::Differs)
        }
        Ok(_) => Some(Comparison::Equal),
        Err(error) => (error.kind() == FailureKind::ReplicaDiverged).then_some(Comparison::Differs),
    }
}

/// Returns an announcement as the register has it.
fn facts(announcement: &Announcement, made_by: &str) -> Facts {
    let moved = |moved: &Moved| Move { old: moved.old, new: moved.new };
    Facts {
        head: announcement.head,
        pinned: announcement.pinned,
        digest: announcement.digest,
        made_by: made_by.to_owned(),
        remote: remote_facts(&announcement.remote),
        moves: announcement.moves.iter().map(moved).collect(),
    }
}

/// Returns what is known of the remote as the register has it.
fn remote_facts(standing: &RemoteStanding) -> RemoteFacts {
    RemoteFacts {
        synced: standing.synced,
        unpushed: standing.unpushed,
        behind_since: standing.behind_since.map(seconds),
        held: standing.held.as_ref().map(|held| Held {
            id: held.id.to_string(),
            commit: held.commit,
            reason: held.reason.as_str().to_owned(),
            since: seconds(held.since),
        }),
    }
}

/// Waits until `at`, or for ever.
async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
