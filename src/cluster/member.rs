//! A replica as a member of its cluster: the one task that drives the machine of `lead` with a clock,
//! the register and the bus.
//!
//! It knows no engine. Others tell it what the engine asks and does through a [`MemberHandle`], and
//! get [`Order`]s for the engine.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use headwater_engine::id::CommitId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::clock;
use super::counts::Counts;
use super::lead::{Action, Denied, Event, Found, Lead, Standing};
use super::present::{Here, SAY_EVERY};
use super::register::{
    Bus, BusAway, Facts, Leader, Message, Register, RemoteFacts, Swapped, Value,
};
use super::remembered::Remembered;
use super::seal::{Kind, Seal};
use super::terms::Terms;

/// What a member is made of.
pub struct Membership<B> {
    /// The register and the bus.
    pub bus: Arc<B>,
    /// Signs what goes over it.
    pub seal: Seal,
    /// The times.
    pub terms: Terms,
    /// This replica.
    pub me: Leader,
    /// The version of the program.
    pub version: String,
    /// The newest register that was seen, on the disk.
    pub remembered: Remembered,
}

/// What the engine has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Be this from now on.
    Stand(Standing),
    /// Go where the register says.
    Follow(Box<Value>),
}

/// Tells a member what the engine asks and does. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MemberHandle {
    commands: UnboundedSender<Command>,
    view: watch::Receiver<Arc<ClusterView>>,
    deadline: Duration,
}

#[derive(Debug)]
enum Command {
    Propose(Facts, std::sync::mpsc::SyncSender<Result<(), Denied>>),
    Note(RemoteFacts),
    Published(Facts),
    Followed(Box<Value>, Facts),
    Stored(CommitId),
    Missing(Box<Value>),
    Abandon(CommitId),
    Told(String, CommitId),
    Alerted(BTreeSet<String>),
    Unreached(Option<String>),
    EngineLeads(bool),
    Resign(oneshot::Sender<()>),
}

/// The cluster as this replica sees it.
#[derive(Debug, Clone)]
pub struct ClusterView {
    /// This replica.
    pub me: Leader,
    /// What it is.
    pub standing: Standing,
    /// Whether its engine knows that it leads, which is a moment later.
    pub engine_leads: bool,
    /// The newest value of the register that it saw.
    pub value: Option<Value>,
    /// The leader, if it is another replica that was at work lately.
    pub leader: Option<Leader>,
    /// The seq of the state that it serves; 0 before it has served what the register named.
    pub serving_seq: u64,
    /// Since when it is behind the register.
    pub behind_since: Option<Instant>,
    /// Since when no replica leads that it knows of.
    pub leaderless_since: Option<Instant>,
    /// The id of the leader, if that does not answer this replica.
    pub unreached: Option<String>,
    /// The head that this replica needs in order to lead, and that nobody has.
    pub missing: Option<CommitId>,
    /// Since when.
    pub missing_since: Option<Instant>,
    /// Since when the newest head has been on one disk only.
    pub unsafe_since: Option<Instant>,
    /// The others that were heard lately.
    pub others: Vec<Here>,
    /// The register, as far as it can be read.
    pub register: RegisterState,
    /// How often this replica became the leader.
    pub takeovers: u64,
    /// What it counts.
    pub counts: Arc<Counts>,
}

/// Whether the register can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterState {
    /// It was not read yet.
    Unread,
    /// It was read.
    Read,
    /// The bus does not answer.
    Away,
    /// It is not signed with the secret of this cluster.
    OtherSecret,
}

impl MemberHandle {
    /// Asks whether the engine may publish `facts`. Blocks until the register has them.
    ///
    /// # Errors
    /// [`Denied`] if this replica may not, or if nobody knows.
    pub fn propose(&self, facts: Facts) -> Result<(), Denied> {
        let (answer, decided) = std::sync::mpsc::sync_channel(1);
        if self.commands.send(Command::Propose(facts, answer)).is_err() {
            return Err(Denied::NotLeading);
        }
        // The member answers at its deadline. It may have panicked.
        decided.recv_timeout(2 * self.deadline).unwrap_or(Err(Denied::Unknown))
    }

    /// Tells what is known of the remote.
    pub fn note(&self, remote: RemoteFacts) {
        self.tell(Command::Note(remote));
    }

    /// Tells what the engine serves without having asked: its first state, or that of an orphan.
    pub fn published(&self, facts: Facts) {
        self.tell(Command::Published(facts));
    }

    /// Tells that the engine serves what the register named, and what it makes of it.
    pub fn followed(&self, value: Box<Value>, own: Facts) {
        self.tell(Command::Followed(value, own));
    }

    /// Tells that a commit of the leader is on the disk.
    pub fn stored(&self, commit: CommitId) {
        self.tell(Command::Stored(commit));
    }

    /// Tells that no replica that is reached has the objects of `value`, and the remote neither.
    pub fn missing(&self, value: Box<Value>) {
        self.tell(Command::Missing(value));
    }

    /// Gives a head up that nobody has, so that a leader that looks for it goes on without it.
    pub fn abandon(&self, head: CommitId) {
        self.tell(Command::Abandon(head));
    }

    /// Tells that a subscriber, of whom only a hash is known, has taken what leads to `commit`.
    pub fn told_subscriber(&self, subscriber: String, commit: CommitId) {
        self.tell(Command::Told(subscriber, commit));
    }

    /// Tells all that operators were told of the remote, of pushes and of held heads, and not that it is over.
    pub fn alerted(&self, alerts: BTreeSet<String>) {
        self.tell(Command::Alerted(alerts));
    }

    /// Tells the id of the leader if that does not answer this replica.
    pub fn unreached(&self, leader: Option<String>) {
        self.tell(Command::Unreached(leader));
    }

    /// Tells whether the engine leads by now.
    pub fn engine_leads(&self, leads: bool) {
        self.tell(Command::EngineLeads(leads));
    }

    /// Gives the lead back, and returns once that is done or cannot be.
    pub async fn resign(&self) {
        let (done, resigned) = oneshot::channel();
        self.tell(Command::Resign(done));
        // A member that is gone leads nothing.
        let _ = resigned.await;
    }

    /// Returns the cluster as it is now.
    pub fn view(&self) -> Arc<ClusterView> {
        self.view.borrow().clone()
    }

    /// Returns the cluster, and each change of it.
    pub fn watch(&self) -> watch::Receiver<Arc<ClusterView>> {
        self.view.clone()
    }

    fn tell(&self, command: Command) {
        // The member ends with the server.
        let _ = self.commands.send(command);
    }
}

/// What a call of the bus brought.
enum Answer {
    Read(Result<Box<Found>, ReadError>),
    Swapped(u64, Swapped),
}

/// Why the register was not read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Away(#[from] BusAway),
    #[error("the register is not signed with the secret of this cluster")]
    OtherSecret,
    #[error("the register cannot be read")]
    Malformed(#[from] serde_json::Error),
}

/// The task of a member.
pub struct Member<B> {
    bus: Arc<B>,
    seal: Seal,
    me: Leader,
    version: String,
    leads: bool,
    lead: Lead,
    commands: UnboundedReceiver<Command>,
    answers: UnboundedReceiver<Answer>,
    answer: UnboundedSender<Answer>,
    orders: UnboundedSender<Order>,
    /// The questions of the engine that wait for their answers, and what they are about.
    questions: Vec<Question>,
    asked: u64,
    resigning: Vec<oneshot::Sender<()>>,
    view: watch::Sender<Arc<ClusterView>>,
    /// The newest register, which goes to the disk.
    newest: watch::Sender<Option<Value>>,
    state: Told,
}

struct Question {
    number: u64,
    facts: Facts,
    answer: std::sync::mpsc::SyncSender<Result<(), Denied>>,
}

/// What the others are told, and what was noticed.
#[derive(Default)]
struct Told {
    served: Option<Facts>,
    stored: Option<CommitId>,
    unreached: Option<String>,
    engine_leads: bool,
    count: u64,
    next: Option<Instant>,
    register: Option<RegisterState>,
    behind_since: Option<Instant>,
    leaderless_since: Option<Instant>,
    missing_since: Option<Instant>,
    unsafe_since: Option<Instant>,
    takeovers: u64,
}

impl<B: Register + Bus + 'static> Member<B> {
    /// Returns a member, its handle, and its orders for the engine. It does nothing before
    /// [`Self::run`], but reads what an earlier process remembered.
    pub fn new(of: Membership<B>) -> (Self, MemberHandle, UnboundedReceiver<Order>) {
        let Membership { bus, seal, terms, me, version, remembered } = of;
        let (sender, commands) = unbounded_channel();
        let (orders, for_engine) = unbounded_channel();
        let (answer, answers) = unbounded_channel();
        let lead = Lead::new(clock::now(), terms, me.clone());
        let lead = match remembered.read() {
            Some(known) => lead.remembering(known),
            None => lead,
        };
        let (newest, kept) = watch::channel(None);
        let first = ClusterView {
            me: me.clone(),
            standing: Standing::Following,
            engine_leads: false,
            value: None,
            leader: None,
            serving_seq: 0,
            behind_since: None,
            leaderless_since: Some(Instant::now()),
            unreached: None,
            missing: None,
            missing_since: None,
            unsafe_since: None,
            others: Vec::new(),
            register: RegisterState::Unread,
            takeovers: 0,
            counts: Arc::default(),
        };
        let (view, seen) = watch::channel(Arc::new(first));
        let handle = MemberHandle { commands: sender, view: seen, deadline: terms.deadline() };
        let leads = terms.leads;
        let (questions, resigning, state) = (Vec::new(), Vec::new(), Told::default());
        let member = Self {
            bus,
            seal,
            me,
            version,
            leads,
            lead,
            commands,
            answers,
            answer,
            orders,
            questions,
            asked: 0,
            resigning,
            view,
            newest,
            state,
        };
        tokio::spawn(remembered.keep(kept));
        (member, handle, for_engine)
    }

    /// Takes part until every handle is gone.
    pub async fn run(mut self) {
        loop {
            let wait = self.lead.due(clock::now()).saturating_sub(clock::now());
            let next = self.state.next.unwrap_or_else(Instant::now);
            let event = tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.told(command),
                    None => return,
                },
                answer = self.answers.recv() => match answer {
                    Some(answer) => Some(self.answered(answer)),
                    None => return,
                },
                message = self.bus.hear() => match message {
                    Some(message) => self.heard(message),
                    None => return,
                },
                () = tokio::time::sleep(wait) => Some(Event::Tick),
                () = tokio::time::sleep_until(next) => {
                    self.say_here();
                    None
                }
            };
            if let Some(event) = event {
                let actions = self.lead.step(clock::now(), event);
                let is_seen =
                    |action: &Action| matches!(action, Action::Decide(..) | Action::Stand(_));
                if actions.iter().any(is_seen) {
                    // Who is told that this replica does not lead any more finds it so, and who leads from now on
                    // finds which heads were given up.
                    self.show();
                }
                for action in actions {
                    self.act(action);
                }
            }
            self.show();
        }
    }

    /// Turns what the engine says into an event.
    fn told(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Propose(facts, answer) => {
                self.asked += 1;
                let number = self.asked;
                self.questions.push(Question { number, facts: facts.clone(), answer });
                Some(Event::Proposed(number, facts))
            }
            Command::Note(remote) => Some(Event::Noted(remote)),
            Command::Published(facts) => {
                self.serves(facts.clone());
                Some(Event::Published(facts))
            }
            Command::Followed(value, own) => {
                self.serves(own.clone());
                Some(Event::Followed(value, own))
            }
            Command::Stored(commit) => {
                if self.state.stored != Some(commit) {
                    self.state.stored = Some(commit);
                    self.state.next = Some(Instant::now());
                }
                Some(Event::Stored(commit))
            }
            Command::Missing(value) => Some(Event::Missing(value)),
            Command::Abandon(head) => {
                tracing::warn!(commit = %head, "an operator gives up a head that nobody has");
                Some(Event::Abandoned(head))
            }
            Command::Told(subscriber, commit) => Some(Event::Told(subscriber, commit)),
            Command::Alerted(alerts) => Some(Event::Alerted(alerts)),
            Command::Unreached(leader) => {
                if self.state.unreached != leader {
                    self.state.unreached = leader;
                    self.state.next = Some(Instant::now());
                }
                None
            }
            Command::EngineLeads(leads) => {
                self.state.engine_leads = leads;
                None
            }
            Command::Resign(done) => {
                self.resigning.push(done);
                Some(Event::Resign)
            }
        }
    }

    /// Takes note of what the engine serves, and says so at once.
    fn serves(&mut self, facts: Facts) {
        self.state.stored = Some(facts.head);
        self.state.served = Some(facts);
        self.state.next = Some(Instant::now());
    }

    fn answered(&mut self, answer: Answer) -> Event {
        let (event, register) = match answer {
            Answer::Swapped(number, swapped) => return Event::Swapped(number, swapped),
            Answer::Read(Ok(found)) => (Event::Read(Some(*found)), RegisterState::Read),
            Answer::Read(Err(error)) => {
                let state = match error {
                    ReadError::Away(_) => RegisterState::Away,
                    ReadError::OtherSecret | ReadError::Malformed(_) => RegisterState::OtherSecret,
                };
                if self.state.register != Some(state) {
                    tracing::warn!(%error, "the register is not read");
                }
                (Event::Read(None), state)
            }
        };
        if register == RegisterState::Read && self.state.register != Some(register) {
            tracing::info!("the register is read");
        }
        self.state.register = Some(register);
        event
    }

    /// Opens a message of another replica. One of somebody else is no hint.
    fn heard(&mut self, message: Message) -> Option<Event> {
        match message {
            Message::Reconnected => Some(Event::Reconnected),
            Message::Disconnected => {
                tracing::warn!("the connection to the bus is lost");
                None
            }
            Message::Say(text) => {
                let body = self.seal.open(Kind::Say, &text).ok()?;
                std::str::from_utf8(body).ok()?.parse().ok().map(Event::Said)
            }
            Message::Here(text) => {
                let body = self.seal.open(Kind::Here, &text).ok()?;
                serde_json::from_slice(body).ok().map(Event::Heard)
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Read => {
                let (bus, seal) = (self.bus.clone(), self.seal.clone());
                self.call(async move { Answer::Read(read(&*bus, &seal).await.map(Box::new)) });
            }
            Action::Swap { number, expected, next } => {
                let Ok(text) = self.seal.close(Kind::Register, &next.to_text()) else {
                    tracing::error!("the value of the register is too long");
                    let _ = self.answer.send(Answer::Swapped(number, Swapped::Refused));
                    return;
                };
                let bus = self.bus.clone();
                self.call(async move { Answer::Swapped(number, bus.swap(expected, text).await) });
            }
            Action::Say(revision) => {
                let body = revision.to_string();
                if let Ok(text) = self.seal.close(Kind::Say, body.as_bytes()) {
                    self.say(Message::Say(text));
                }
            }
            Action::Decide(number, decided) => {
                let asked = self.questions.iter().position(|question| question.number == number);
                if let Some(at) = asked {
                    let Question { facts, answer, .. } = self.questions.swap_remove(at);
                    if decided.is_ok() {
                        self.serves(facts);
                    }
                    // An engine that shuts down does not wait.
                    let _ = answer.send(decided);
                }
            }
            Action::Follow(value) => self.order(Order::Follow(value)),
            Action::Stand(standing) => {
                tracing::info!(standing = standing.as_str(), "part in the cluster");
                self.state.takeovers += u64::from(standing == Standing::Leading);
                self.state.next = Some(Instant::now());
                self.order(Order::Stand(standing));
            }
            Action::Resigned => self.resigning.drain(..).for_each(|done| {
                // The server may have stopped waiting.
                let _ = done.send(());
            }),
        }
    }

    fn order(&self, order: Order) {
        // The engine ends before the member.
        let _ = self.orders.send(order);
    }

    fn say_here(&mut self) {
        self.state.next = Some(Instant::now() + SAY_EVERY);
        self.state.count += 1;
        let Told { served, stored, count, .. } = &self.state;
        let known = self.lead.known().map(Value::stamp).unwrap_or_default();
        let of_served = |of: fn(&Facts) -> String| served.as_ref().map(of).unwrap_or_default();
        let here = Here {
            id: self.me.id.clone(),
            count: *count,
            name: self.me.name.clone(),
            url: self.me.url.clone(),
            version: self.version.clone(),
            made_by: of_served(|facts| facts.made_by.clone()),
            seq: known.seq,
            epoch: known.epoch,
            beat: known.beat,
            served_seq: self.lead.serving_seq(),
            served: of_served(|facts| facts.served().to_string()),
            digest: of_served(|facts| facts.digest.to_string()),
            stored: stored.map(|commit| commit.to_string()),
            leads: self.leads,
            orphan: self.lead.standing(clock::now()) == Standing::Orphaned,
            unreached: self.state.unreached.clone(),
        };
        let body = serde_json::to_vec(&here).unwrap_or_default();
        if let Ok(text) = self.seal.close(Kind::Here, &body) {
            self.say(Message::Here(text));
        }
    }

    fn say(&self, message: Message) {
        let bus = self.bus.clone();
        tokio::spawn(async move { bus.say(message).await });
    }

    fn call(&self, call: impl Future<Output = Answer> + Send + 'static) {
        let answer = self.answer.clone();
        tokio::spawn(async move {
            // The member may have ended.
            let _ = answer.send(call.await);
        });
    }

    /// Has the newest register remembered, unless only the lease was renewed since.
    fn remember(&self) {
        let Some(known) = self.lead.known() else { return };
        let turn = |value: &Value| (value.seq, value.epoch, value.safe);
        self.newest.send_if_modified(|newest| {
            let is_news = newest.as_ref().is_none_or(|newest| turn(newest) != turn(known));
            if is_news {
                *newest = Some(known.clone());
            }
            is_news
        });
    }

    /// Shows what has changed.
    fn show(&mut self) {
        self.remember();
        let now = clock::now();
        let standing = self.lead.standing(now);
        let (value, leader) = (self.lead.value(), self.lead.leader(now));
        let serving_seq = self.lead.serving_seq();
        let is_behind = value.is_some_and(|value| value.seq > serving_seq);
        let is_led = leader.is_some() || standing == Standing::Leading;
        let is_unsafe = value.is_some_and(|value| !value.is_safe());
        let missing = self.lead.missing();
        let since = |since: &mut Option<Instant>, is: bool| {
            *since = is.then(|| since.unwrap_or_else(Instant::now));
            *since
        };
        let (counts, served_before) = {
            let before = self.view.borrow();
            (before.counts.clone(), before.serving_seq > 0)
        };
        // The first state is no publication that it followed.
        if let Some(since) = self.state.behind_since.filter(|_| served_before && !is_behind) {
            counts.followed(since.elapsed());
        }
        let view = ClusterView {
            me: self.me.clone(),
            standing,
            engine_leads: self.state.engine_leads,
            value: value.cloned(),
            leader: leader.cloned(),
            serving_seq,
            behind_since: since(&mut self.state.behind_since, is_behind),
            leaderless_since: since(&mut self.state.leaderless_since, !is_led),
            unreached: self.state.unreached.clone(),
            missing,
            missing_since: since(&mut self.state.missing_since, missing.is_some()),
            unsafe_since: since(&mut self.state.unsafe_since, is_unsafe),
            others: self.lead.present().here(now).cloned().collect(),
            register: self.state.register.unwrap_or(RegisterState::Unread),
            takeovers: self.state.takeovers,
            counts,
        };
        self.view.send_replace(Arc::new(view));
    }
}

/// Reads and opens the register.
async fn read<B: Register>(bus: &B, seal: &Seal) -> Result<Found, ReadError> {
    let entry = bus.read().await?;
    let value = match &entry.text {
        Some(text) => {
            let body = seal.open(Kind::Register, text).map_err(|_| ReadError::OtherSecret)?;
            Some(Value::parse(body)?)
        }
        None => None,
    };
    Ok(Found { revision: entry.revision, value })
}
