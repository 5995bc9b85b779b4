//! A replica in small: what is on its disk, what it serves, and what its engine does.

use std::time::Duration;

use headwater_engine::digest::Digest;
use headwater_engine::id::CommitId;

use super::forge::{Commits, bit, newest};
use super::{Happening, Life, POLL, TERMS, World};
use crate::cluster::lead::{Denied, Event, Lead, Standing};
use crate::cluster::present::Here;
use crate::cluster::register::{Facts, Leader, RemoteFacts, Value, tests};

/// How long a replica without a state waits for a leader before it clones from the forge.
const CLONING: Duration = Duration::from_secs(12);

/// What makes the digests of a replica: one of two versions.
const VERSIONS: [&str; 2] = ["old", "newer"];

/// What the engine of a replica has done.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// It looks at the clock.
    Poll,
    /// It has asked the forge, which had this head.
    Fetched(Option<u64>),
    /// It has the objects of this value, or could not get them.
    Got(Box<Value>, bool),
    /// It gives up waiting for a leader to get its first state from.
    Clones,
}

/// What an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// To serve an earlier commit.
    Pin,
    Unpin,
    /// To let the head of the forge through, whatever it is.
    Apply,
}

/// What a replica has published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The head of its branch; 0 if it has none.
    head: u64,
    /// The commit that is served instead.
    pinned: Option<u64>,
}

impl State {
    pub(super) fn served(&self) -> u64 {
        self.pinned.unwrap_or(self.head)
    }

    fn of(value: &Facts) -> Self {
        Self { head: number(value.head), pinned: value.pinned.map(number) }
    }
}

/// Returns the digest of a commit, as a version makes it.
pub(super) fn digest(commit: u64, made_by: &str) -> Digest {
    tests::facts(commit + 1_000 * made_by.len() as u64).digest
}

pub(super) struct Replica {
    pub(super) life: u64,
    pub(super) is_alive: bool,
    pub(super) paused_until: Duration,
    /// How fast its clock runs.
    rate: f64,
    pub(super) lead: Option<Lead>,
    /// When the machine looks at its clock next.
    pub(super) tick: Duration,
    /// When the last change was sent, by its own clock.
    pub(super) sent: Duration,
    pub(super) standing: Standing,
    /// The commits on its disk.
    disk: Commits,
    /// The newest head of a leader that is on it.
    stored: u64,
    /// The newest register that it saw, on its disk.
    remembered: Option<Value>,
    /// The newest commit that the forge is known to have of its branch.
    synced: u64,
    pub(super) state: State,
    /// Its version.
    made_by: &'static str,
    /// The head that an operator lets through.
    applies: u64,
    /// The seq that it serves, and serves again after an orphan's time.
    seq: u64,
    pub(super) target: Option<Value>,
    is_busy: bool,
    pub(super) is_reload_wanted: bool,
    /// The question that waits for its answer.
    proposal: Option<Proposed>,
    questions: u64,
    pub(super) poll_at: Option<Duration>,
    pub(super) is_bus_up: bool,
    pub(super) is_forge_up: bool,
    said: u64,
    id: String,
}

/// A question, and the state that it is about.
#[derive(Debug, Clone, Copy)]
struct Proposed {
    question: u64,
    state: State,
    /// The request that it is for.
    key: Option<u64>,
}

/// Returns the number of a commit.
pub(super) fn number(commit: CommitId) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&commit.as_bytes()[12..]);
    u64::from_be_bytes(bytes)
}

impl Replica {
    pub(super) fn new(rate: f64) -> Self {
        Self {
            life: 0,
            is_alive: false,
            paused_until: Duration::ZERO,
            rate,
            lead: None,
            tick: Duration::ZERO,
            sent: Duration::ZERO,
            standing: Standing::Following,
            disk: 0,
            stored: 0,
            remembered: None,
            synced: 0,
            state: State::default(),
            made_by: VERSIONS[0],
            applies: 0,
            seq: 0,
            target: None,
            is_busy: false,
            is_reload_wanted: false,
            proposal: None,
            questions: 0,
            poll_at: None,
            is_bus_up: true,
            is_forge_up: true,
            said: 0,
            id: String::new(),
        }
    }

    /// Returns what it publishes of a state.
    fn facts(&self, state: State) -> Facts {
        let commit = |number: u64| tests::facts(number).head;
        Facts {
            pinned: state.pinned.map(commit),
            digest: digest(state.served(), self.made_by),
            made_by: self.made_by.into(),
            remote: self.remote(),
            ..tests::facts(state.head)
        }
    }

    /// Returns what it knows of the forge.
    pub(super) fn remote(&self) -> RemoteFacts {
        let synced = (self.synced != 0).then(|| tests::facts(self.synced).head);
        RemoteFacts { synced, ..RemoteFacts::default() }
    }

    /// Returns whether `commit` is on its disk.
    pub(super) fn has(&self, commit: u64) -> bool {
        self.disk & bit(commit) != 0
    }

    /// Returns what its clock shows.
    pub(super) fn clock(&self, now: Duration) -> Duration {
        now.mul_f64(self.rate)
    }

    /// Returns when its clock shows `at`.
    pub(super) fn wall(&self, at: Duration) -> Duration {
        at.div_f64(self.rate)
    }

    pub(super) fn id(&self) -> Option<&String> {
        self.lead.as_ref().map(|_| &self.id)
    }

    pub(super) fn leads(&self, now: Duration) -> bool {
        let standing = self.lead.as_ref().map(|lead| lead.standing(self.clock(now)));
        self.is_alive && standing == Some(Standing::Leading)
    }

    /// Returns the id of the leader that it turns to.
    pub(super) fn leader(&self, now: Duration) -> Option<String> {
        let leader = self.lead.as_ref()?.leader(self.clock(now))?;
        Some(leader.id.clone())
    }

    pub(super) fn stand(&mut self, standing: Standing, now: Duration) {
        self.standing = standing;
        if standing != Standing::Following {
            self.target = None;
        }
        self.is_reload_wanted = standing != Standing::Following;
        self.poll_at = (standing != Standing::Following).then(|| now + POLL);
    }

    pub(super) fn here(&mut self, life: Life, unreached: Option<String>) -> Option<Here> {
        let lead = self.lead.as_ref()?;
        self.said += 1;
        let name = format!("{}", life.replica);
        let known = lead.known().map(Value::stamp).unwrap_or_default();
        Some(Here {
            id: self.id.clone(),
            count: self.said,
            name,
            url: String::new(),
            version: String::new(),
            made_by: self.made_by.into(),
            seq: known.seq,
            epoch: known.epoch,
            beat: known.beat,
            served_seq: lead.serving_seq(),
            served: String::new(),
            digest: String::new(),
            stored: (self.stored != 0).then(|| tests::facts(self.stored).head.to_string()),
            leads: true,
            orphan: self.standing == Standing::Orphaned,
            unreached,
        })
    }
}

impl World {
    pub(super) fn starts(&mut self, replica: usize) {
        // Some start as another version.
        let made_by = VERSIONS[self.below(2) as usize];
        let this = &mut self.replicas[replica];
        if this.is_alive {
            return;
        }
        this.life += 1;
        this.made_by = made_by;
        let now = this.clock(self.now);
        this.id = format!("{replica}-{}", this.life);
        let me = Leader { id: this.id.clone(), name: replica.to_string(), url: String::new() };
        let lead = Lead::new(now, TERMS, me);
        let lead = match this.remembered.clone() {
            Some(known) => lead.remembering(known),
            None => lead,
        };
        (this.is_alive, this.lead) = (true, Some(lead));
        (this.standing, this.seq, this.tick) = (Standing::Following, 0, Duration::ZERO);
        (this.target, this.proposal, this.poll_at) = (None, None, None);
        this.stored = this.state.head;
        (this.is_busy, this.is_reload_wanted, this.applies) = (false, false, 0);
        let event = match this.state.head {
            0 => Event::Tick,
            _ => Event::Published(this.facts(this.state)),
        };
        let life = self.life(replica);
        self.step(replica, now, event);
        self.after(Duration::from_millis(10), Happening::SaysHere(life));
        self.after(CLONING, Happening::Does(life, Job::Clones));
    }

    /// A replica ends, perhaps with its disk, and starts again later.
    pub(super) fn ends(&mut self, replica: usize, disk: bool) {
        let back = Duration::from_millis(500 + self.below(if self.is_rough { 30_000 } else { 1 }));
        let disk = disk && self.may_be_lost(replica);
        let this = &mut self.replicas[replica];
        if !this.is_alive {
            return;
        }
        (this.is_alive, this.lead) = (false, None);
        this.life += 1;
        if disk {
            (this.disk, this.state, this.stored, this.synced) = (0, State::default(), 0, 0);
            this.remembered = None;
            self.lost = self.now;
        }
        self.after(back, Happening::Starts(replica));
    }

    /// Returns whether a disk may be lost: all that is safe is on another one, too, or at the forge. How
    /// to go on without the last copy of that is for an operator to decide.
    fn may_be_lost(&self, replica: usize) -> bool {
        // What the register says may be too old to know what is needed.
        let is_newest = !self.went_back && !self.was_put_back;
        let Some(value) = self.store.found().value.filter(|_| is_newest) else { return false };
        let others = self.disks(|other| other != replica);
        let elsewhere = others | self.forge.history(self.forge.head);
        let safe = value.safe.map_or(value.facts.head, |safe| safe.commit);
        // A change that says so may still be on its way.
        let on_their_way = self.queue.values().filter_map(|happening| match happening {
            Happening::Arrives(_, _, _, next, _) => Some(next.safe?.commit),
            _ => None,
        });
        let mut needed = on_their_way.chain([safe, value.facts.pinned.unwrap_or(safe)]).map(number);
        needed.all(|commit| self.forge.history(commit) & !elsewhere == 0)
    }

    /// A replica writes the newest register that it knows to its disk, once in a while.
    pub(super) fn remembers(&mut self, replica: usize) {
        let is_lost = self.one_in(4);
        let this = &mut self.replicas[replica];
        if let Some(known) = this.lead.as_ref().and_then(Lead::known).filter(|_| !is_lost) {
            this.remembered = Some(known.clone());
        }
    }

    /// Returns what is on the disks of some replicas.
    pub(super) fn disks(&self, of: impl Fn(usize) -> bool) -> Commits {
        let disks = self.replicas.iter().enumerate().filter(|(replica, _)| of(*replica));
        disks.fold(0, |all, (_, replica)| all | replica.disk)
    }

    /// Begins what the engine has to do next, one at a time.
    pub(super) fn begin(&mut self, replica: usize) {
        let this = &mut self.replicas[replica];
        if this.is_busy || !this.is_alive {
            return;
        }
        let wait = Duration::from_millis(5 + self.below(100));
        let (life, this) = (self.life(replica), &self.replicas[replica]);
        let job = match (&this.target, this.standing) {
            (Some(value), Standing::Following) => {
                let value = Box::new(value.clone());
                let is_there = self.gets(replica, State::of(&value.facts));
                Job::Got(value, is_there)
            }
            (_, Standing::Leading | Standing::Orphaned)
                if this.is_reload_wanted && this.proposal.is_none() =>
            {
                self.replicas[replica].is_reload_wanted = false;
                Job::Fetched(self.fetches_from_forge(replica))
            }
            _ => return,
        };
        self.replicas[replica].is_busy = true;
        self.after(wait, Happening::Does(life, job));
    }

    /// Asks the forge.
    fn fetches_from_forge(&mut self, replica: usize) -> Option<u64> {
        let is_up = self.forge.is_up && self.replicas[replica].is_forge_up;
        if is_up {
            self.fetches += 1;
            self.replicas[replica].disk |= self.forge.fetched();
        }
        is_up.then_some(self.forge.head)
    }

    /// Returns whether a replica gets the commits of a state: from its own disk, the leader, another
    /// replica, or the forge at last.
    fn gets(&mut self, replica: usize, state: State) -> bool {
        let wanted = bit(state.head) | bit(state.pinned.unwrap_or(0));
        let mut others = (0..self.replicas.len()).filter(|other| *other != replica);
        let has = |other: usize| self.replicas[other].disk & wanted == wanted;
        let is_near =
            has(replica) || others.any(|other| has(other) && self.reaches(replica, other));
        is_near
            || self.fetches_from_forge(replica).is_some()
                && self.replicas[replica].disk & wanted == wanted
    }

    pub(super) fn did(&mut self, replica: usize, job: Job) {
        let now = self.replicas[replica].clock(self.now);
        match job {
            Job::Poll => {
                let this = &mut self.replicas[replica];
                if this.poll_at.is_some_and(|at| at <= self.now) {
                    this.is_reload_wanted = true;
                    this.poll_at = Some(self.now + POLL);
                    let life = self.life(replica);
                    self.after(POLL, Happening::Does(life, Job::Poll));
                }
            }
            Job::Clones => {
                let this = &self.replicas[replica];
                if this.state.head == 0 && this.target.is_none() {
                    if let Some(head) = self.fetches_from_forge(replica) {
                        let this = &mut self.replicas[replica];
                        this.state = State { head, pinned: None };
                        (this.stored, this.synced) = (head, head);
                        let facts = this.facts(this.state);
                        self.step(replica, now, Event::Published(facts));
                    } else {
                        let life = self.life(replica);
                        self.after(CLONING, Happening::Does(life, Job::Clones));
                    }
                }
            }
            Job::Fetched(head) => {
                self.replicas[replica].is_busy = false;
                if let Some(head) = head {
                    self.fetched(replica, now, head);
                }
            }
            Job::Got(value, is_there) => {
                self.replicas[replica].is_busy = false;
                self.got(replica, now, *value, is_there);
            }
        }
        self.begin(replica);
    }

    /// The forge has shown its head. Commits of both sides are joined. A branch that was rewritten is
    /// held, until an operator decides.
    fn fetched(&mut self, replica: usize, now: Duration, head: u64) {
        let this = &mut self.replicas[replica];
        let is_forward = self.forge.contains(head, this.state.head);
        let is_ahead = self.forge.contains(this.state.head, head);
        if is_ahead {
            this.synced = head;
            let remote = this.remote();
            self.step(replica, now, Event::Noted(remote));
            return self.pushes(replica);
        }
        if this.state.pinned.is_some() {
            return;
        }
        let state = State { head, pinned: None };
        match this.standing {
            Standing::Orphaned if is_forward => {
                (this.state, this.synced, this.stored) = (state, head, head);
                let facts = this.facts(state);
                self.step(replica, now, Event::Published(facts));
            }
            Standing::Leading if is_forward => {
                this.synced = head;
                self.proposes(replica, state, None);
            }
            Standing::Leading if self.forge.contains(head, this.synced) => {
                let joined = self.forge.replay(this.state.head, head);
                (this.synced, this.disk) = (head, this.disk | self.forge.history(joined));
                self.proposes(replica, State { head: joined, pinned: None }, None);
            }
            Standing::Leading if this.applies == head => {
                self.forge.applied |= bit(head);
                self.replicas[replica].synced = head;
                self.proposes(replica, state, None);
            }
            _ => {}
        }
    }

    /// Pushes what the forge does not have. It may arrive late, even if its sender leads no more.
    pub(super) fn pushes(&mut self, replica: usize) {
        let this = &self.replicas[replica];
        let (head, expected) = (this.state.head, self.forge.head);
        let is_up = self.forge.is_up && this.is_forge_up;
        if is_up && this.standing == Standing::Leading && head != expected {
            let (life, wait) = (self.life(replica), self.travel());
            let wait = wait * if self.one_in(10) { 3 } else { 1 };
            self.after(wait, Happening::Pushed(life, head, expected));
        }
    }

    /// A push arrives at the forge.
    pub(super) fn pushed(&mut self, life: Life, head: u64, expected: u64) {
        let is_taken = self.forge.take(head, expected);
        let this = &mut self.replicas[life.replica];
        if !this.is_alive || this.life != life.life || this.paused_until > self.now {
            return;
        }
        if is_taken {
            this.synced = head;
            let (now, remote) = (this.clock(self.now), this.remote());
            self.step(life.replica, now, Event::Noted(remote));
        } else {
            this.is_reload_wanted |= this.standing == Standing::Leading;
            self.reasons += 1;
            self.begin(life.replica);
        }
    }

    /// A client writes at a replica, which has the leader do it. It asks again until it is told.
    pub(super) fn writes(&mut self, replica: usize, key: u64, tries: u64) {
        if self.acknowledged.contains(&key) || !self.forge.has_room() || !self.is_rough {
            return;
        }
        if tries > 0 {
            let (other, wait) =
                (self.below(self.replicas.len() as u64), 3_000 + self.below(20_000));
            let again = Happening::Writes(other as usize, key, tries - 1);
            self.after(Duration::from_millis(wait), again);
        }
        let Some(at) = self.addressee(replica) else { return };
        let this = &mut self.replicas[at];
        let is_free = !this.is_busy && this.proposal.is_none() && this.state.pinned.is_none();
        if this.standing != Standing::Leading || !is_free {
            return;
        }
        let head = this.state.head;
        if self.forge.has_request(head, key) {
            let life = self.life(at);
            return self.waiting.push((life, key));
        }
        let commit = self.forge.write(head, key);
        this.disk |= bit(commit);
        self.proposes(at, State { head: commit, pinned: None }, Some(key));
    }

    /// The engine of a leader asks whether it may publish.
    fn proposes(&mut self, replica: usize, state: State, key: Option<u64>) {
        let this = &mut self.replicas[replica];
        this.questions += 1;
        let question = this.questions;
        this.proposal = Some(Proposed { question, state, key });
        let (now, facts) = (this.clock(self.now), this.facts(state));
        self.step(replica, now, Event::Proposed(question, facts));
    }

    /// An operator asks a replica for something, which has the leader do it. Without a leader, it is
    /// refused.
    pub(super) fn operated(&mut self, replica: usize, operation: Operation) {
        let Some(at) = self.addressee(replica) else { return };
        let this = &self.replicas[at];
        let (state, is_busy) = (this.state, this.is_busy || this.proposal.is_some());
        if this.standing != Standing::Leading {
            return;
        }
        if is_busy {
            // It is done in its turn.
            let again = Happening::Operates(replica, operation);
            return self.after(Duration::from_millis(50), again);
        }
        match operation {
            Operation::Pin => {
                let before = self.forge.history(state.head) & !bit(state.head) & this.disk;
                if before != 0 {
                    self.proposes(at, State { pinned: Some(newest(before)), ..state }, None);
                }
            }
            Operation::Unpin if state.pinned.is_some() => {
                self.replicas[at].is_reload_wanted = true;
                self.proposes(at, State { pinned: None, ..state }, None);
            }
            Operation::Unpin => {}
            Operation::Apply => {
                let this = &mut self.replicas[at];
                (this.applies, this.is_reload_wanted) = (self.forge.head, true);
                self.begin(at);
            }
        }
    }

    /// The objects of a value are here, or are not.
    fn got(&mut self, replica: usize, now: Duration, value: Value, is_there: bool) {
        let life = self.life(replica);
        let this = &mut self.replicas[replica];
        if this.standing != Standing::Following || this.target.as_ref() != Some(&value) {
            return;
        }
        if !is_there {
            // It is asked for again.
            this.is_busy = true;
            self.step(replica, now, Event::Missing(Box::new(value)));
            let Some(value) = self.replicas[replica].target.clone() else {
                self.replicas[replica].is_busy = false;
                return;
            };
            let is_there = self.gets(replica, State::of(&value.facts));
            let job = Job::Got(Box::new(value), is_there);
            self.after(Duration::from_secs(1), Happening::Does(life, job));
            return;
        }
        this.target = None;
        let state = State::of(&value.facts);
        this.stored = state.head;
        this.synced = value.facts.remote.synced.map_or(0, number);
        this.disk |= self.forge.history(state.head) | self.forge.history(state.served());
        // I3: a seq never falls.
        assert!(value.seq >= this.seq, "seq {} after {}", value.seq, this.seq);
        this.seq = value.seq;
        self.publishes(replica, state);
        let this = &self.replicas[replica];
        let (made_by, digest) = (this.made_by.to_owned(), digest(state.served(), this.made_by));
        let own = Facts { made_by, digest, ..value.facts.clone() };
        self.step(replica, now, Event::Followed(Box::new(value), own));
    }

    /// I1: a replica that is no orphan serves only what the register named.
    fn publishes(&mut self, replica: usize, state: State) {
        assert!(self.named.contains(&state.served()), "{state:?} was never named");
        self.replicas[replica].state = state;
    }

    /// The machine has answered a question of the engine.
    pub(super) fn decided(&mut self, replica: usize, question: u64, decided: Result<(), Denied>) {
        let now = self.replicas[replica].clock(self.now);
        let this = &mut self.replicas[replica];
        let Some(Proposed { state, key, .. }) = this.proposal.take_if(|it| it.question == question)
        else {
            panic!("an answer to nothing");
        };
        if decided.is_ok() {
            // I5: nothing is published behind the deadline.
            assert!(now < this.sent + TERMS.deadline(), "published behind the deadline");
            this.seq = this.lead.as_ref().map_or(0, Lead::serving_seq);
            this.stored = state.head;
            self.publishes(replica, state);
            let life = self.life(replica);
            self.waiting.extend(key.map(|key| (life, key)));
            self.pushes(replica);
        }
        self.begin(replica);
    }
}
