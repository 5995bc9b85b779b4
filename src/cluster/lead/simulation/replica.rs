//! A replica in small: what is on its disk, what it serves, and what its engine does.

use std::time::Duration;

use headwater_engine::id::CommitId;

use super::{Happening, Life, POLL, TERMS, World, served};
use crate::cluster::lead::{Denied, Event, Lead, Standing};
use crate::cluster::present::Here;
use crate::cluster::register::{Facts, Leader, Value, tests};

/// How long a replica without a state waits for a leader before it clones from the forge.
const CLONING: Duration = Duration::from_secs(12);

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
    /// The newest commit on its disk.
    disk: u64,
    pub(super) published: u64,
    /// The seq that it serves, and serves again after an orphan's time.
    seq: u64,
    pub(super) target: Option<Value>,
    is_busy: bool,
    pub(super) is_reload_wanted: bool,
    /// The question that waits for its answer, and the commit that it is about.
    proposal: Option<(u64, u64)>,
    questions: u64,
    pub(super) poll_at: Option<Duration>,
    pub(super) is_bus_up: bool,
    pub(super) is_forge_up: bool,
    said: u64,
    id: String,
}

/// Returns what is published of a commit.
pub(super) fn facts(commit: u64) -> Facts {
    tests::facts(commit)
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
            published: 0,
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

    pub(super) fn here(&mut self, life: Life) -> Option<Here> {
        let lead = self.lead.as_ref()?;
        self.said += 1;
        let name = format!("{}", life.replica);
        Some(Here {
            id: self.id.clone(),
            count: self.said,
            name,
            url: String::new(),
            version: String::new(),
            made_by: "test".into(),
            seq: lead.known_seq(),
            served_seq: lead.serving_seq(),
            served: String::new(),
            digest: String::new(),
            stored: None,
            leads: true,
            orphan: self.standing == Standing::Orphaned,
        })
    }
}

impl World {
    pub(super) fn starts(&mut self, replica: usize) {
        let this = &mut self.replicas[replica];
        if this.is_alive {
            return;
        }
        this.life += 1;
        let now = this.clock(self.now);
        this.id = format!("{replica}-{}", this.life);
        let me = Leader { id: this.id.clone(), name: replica.to_string(), url: String::new() };
        (this.is_alive, this.lead) = (true, Some(Lead::new(now, TERMS, me)));
        (this.standing, this.seq, this.tick) = (Standing::Following, 0, Duration::ZERO);
        (this.target, this.proposal, this.poll_at) = (None, None, None);
        (this.is_busy, this.is_reload_wanted) = (false, false);
        let (life, published) = (self.life(replica), self.replicas[replica].published);
        let event = match published {
            0 => Event::Tick,
            commit => Event::Published(facts(commit)),
        };
        self.step(replica, now, event);
        self.after(Duration::from_millis(10), Happening::SaysHere(life));
        self.after(CLONING, Happening::Does(life, Job::Clones));
    }

    /// A replica ends, perhaps with its disk, and starts again later.
    pub(super) fn ends(&mut self, replica: usize, disk: bool) {
        let back = Duration::from_millis(500 + self.below(if self.is_rough { 30_000 } else { 1 }));
        let this = &mut self.replicas[replica];
        if !this.is_alive {
            return;
        }
        (this.is_alive, this.lead) = (false, None);
        this.life += 1;
        if disk {
            (this.disk, this.published) = (0, 0);
        }
        self.after(back, Happening::Starts(replica));
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
                let is_there = self.gets(replica, number(value.facts.head));
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
        let is_up = self.is_forge_up && self.replicas[replica].is_forge_up;
        if is_up {
            self.fetches += 1;
        }
        is_up.then_some(self.forge)
    }

    /// Returns whether a replica gets this commit: from its own disk, the leader, another replica, or
    /// the forge at last.
    fn gets(&mut self, replica: usize, commit: u64) -> bool {
        let mut others = (0..self.replicas.len()).filter(|other| *other != replica);
        let has = |other: usize| self.replicas[other].disk >= commit;
        let is_near =
            has(replica) || others.any(|other| has(other) && self.reaches(replica, other));
        is_near || self.fetches_from_forge(replica).is_some_and(|head| head >= commit)
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
                if this.published == 0 && this.target.is_none() {
                    if let Some(head) = self.fetches_from_forge(replica) {
                        let this = &mut self.replicas[replica];
                        (this.disk, this.published) = (head, head);
                        self.step(replica, now, Event::Published(facts(head)));
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

    /// The forge has shown its head.
    fn fetched(&mut self, replica: usize, now: Duration, head: u64) {
        let this = &mut self.replicas[replica];
        this.disk = this.disk.max(head);
        if head <= this.published {
            return;
        }
        match this.standing {
            Standing::Following => {}
            Standing::Orphaned => {
                this.published = head;
                self.step(replica, now, Event::Published(facts(head)));
            }
            Standing::Leading => {
                this.questions += 1;
                this.proposal = Some((this.questions, head));
                let question = this.questions;
                self.step(replica, now, Event::Proposed(question, facts(head)));
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
            let is_there = self.gets(replica, number(value.facts.head));
            let job = Job::Got(Box::new(value), is_there);
            self.after(Duration::from_secs(1), Happening::Does(life, job));
            return;
        }
        this.target = None;
        this.disk = this.disk.max(number(value.facts.head));
        // I3: a seq never falls.
        assert!(value.seq >= this.seq, "seq {} after {}", value.seq, this.seq);
        this.seq = value.seq;
        self.publishes(replica, served(&value));
        let own = value.facts.clone();
        self.step(replica, now, Event::Followed(Box::new(value), own));
    }

    /// I1: a replica that is no orphan serves only what the register named.
    fn publishes(&mut self, replica: usize, commit: u64) {
        assert!(self.named.contains(&commit), "{commit} was never named");
        self.replicas[replica].published = commit;
    }

    /// The machine has answered a question of the engine.
    pub(super) fn decided(&mut self, replica: usize, question: u64, decided: Result<(), Denied>) {
        let now = self.replicas[replica].clock(self.now);
        let this = &mut self.replicas[replica];
        let Some((_, commit)) = this.proposal.take_if(|(asked, _)| *asked == question) else {
            panic!("an answer to nothing");
        };
        if decided.is_ok() {
            // I5: nothing is published behind the deadline.
            assert!(now < this.sent + TERMS.deadline(), "published behind the deadline");
            this.seq = this.lead.as_ref().map_or(0, Lead::serving_seq);
            self.publishes(replica, commit);
        }
        self.begin(replica);
    }
}
