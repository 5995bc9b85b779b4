//! A seeded world around the machine: replicas as small models around one register, one bus and one
//! forge, in which everything goes wrong. Somebody who can write to the bus puts old registers back.
//!
//! A commit is a number. Replicas have one of two versions, which make other digests. Operators pin and
//! release commits.

mod forge;
mod replica;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use super::*;
use crate::cluster::present::SAY_EVERY;
use forge::Forge;
use replica::{Job, Operation, Replica, number};

const TERMS: Terms = Terms { lease: Duration::from_secs(15), leads: true };

/// How often a leader or an orphan polls the forge.
const POLL: Duration = Duration::from_secs(60);

/// How long a call of the bus may take before its outcome is unknown.
const PATIENCE: Duration = Duration::from_secs(2);

/// After this time without chaos, one leads and all serve the same.
const HEALING: Duration = Duration::from_secs(60);

/// The same if the register went back in time, or an earlier one was put back: a lease passes before that is
/// believed, and who knows less waits longer than who knows more.
const HEALING_FROM_THE_PAST: Duration = Duration::from_secs(90);

/// After this time, what was published is served everywhere: a replica whose hints are lost reads the
/// register every five seconds.
const SPREADING: Duration = Duration::from_secs(10);

/// The number of events in one world.
const CHAOS: usize = 40;

/// Returns the seeds to try; more on demand, or from another one on.
fn seeds() -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let first = number("HEADWATER_FIRST_SEED").unwrap_or(0);
    first..first + number("HEADWATER_SEEDS").unwrap_or(2_000)
}

/// A numbered life of a replica: what was meant for an earlier one is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Life {
    replica: usize,
    life: u64,
}

/// Something that is going to happen.
#[allow(clippy::large_enum_variant, reason = "a world has few of them at a time")]
#[derive(Debug, Clone)]
enum Happening {
    /// The machine of a replica hears something.
    Hears(Life, Event),
    /// The server looks at the register, to answer a read.
    Looks(Life),
    /// A change arrives at the register; it is answered after this time, or never.
    Arrives(Life, u64, u64, Box<Value>, Option<Duration>),
    /// The engine of a replica has done something.
    Does(Life, Job),
    /// A webhook arrives.
    Calls(usize),
    /// A client writes at a replica, with this key, and will do so again so often.
    Writes(usize, u64, u64),
    /// A push of a replica arrives at the forge: this head, if the branch is there.
    Pushed(Life, u64, u64),
    /// An operator asks a replica for something.
    Operates(usize, Operation),
    /// A replica says that it is here.
    SaysHere(Life),
    /// A replica starts.
    Starts(usize),
    Goes(Trouble),
}

/// What goes wrong, or right again. `PutBack` writes what was in the register so many changes ago, as somebody can
/// who knows no secret.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Push { hooks: u64 },
    Write { replica: usize, tries: u64 },
    Rewrite { by: u32 },
    Operate { replica: usize, operation: Operation },
    Crash { replica: usize, disk: bool },
    Stop { replica: usize },
    Pause { replica: usize, long: Duration },
    Bus { replica: usize, up: bool },
    Link { one: usize, other: usize, up: bool },
    ForgeLink { replica: usize, up: bool },
    Forge { up: bool },
    WholeBus { up: bool },
    Back { by: usize },
    Gone,
    PutBack { by: usize },
}

/// The register with its past, the last one last.
#[derive(Debug, Default)]
struct Store {
    past: Vec<(u64, Value)>,
    /// The revision of the next change.
    next: u64,
}

impl Store {
    fn found(&self) -> Found {
        match self.past.last() {
            Some((revision, value)) => Found { revision: *revision, value: Some(value.clone()) },
            None => Found { revision: 0, value: None },
        }
    }
}

struct World {
    random: u64,
    now: Duration,
    queue: BTreeMap<(Duration, u64), Happening>,
    queued: u64,
    replicas: Vec<Replica>,
    store: Store,
    /// The links between replicas that are cut.
    cut: BTreeSet<(usize, usize)>,
    is_bus_up: bool,
    forge: Forge,
    /// The commits that the register ever named.
    named: BTreeSet<u64>,
    /// When it last named another one.
    published: Duration,
    /// Whether messages get lost and servers answer late.
    is_rough: bool,
    /// Whether the register went back in time, so that two may lead for a while.
    went_back: bool,
    /// Whether somebody put an earlier register back. If nobody who is up knew a later one, it is believed: two may
    /// lead for a while, and writes that were acknowledged are out of sight.
    was_put_back: bool,
    fetches: u64,
    /// How often a replica began to lead, and how often the forge refused a push: each leads to a fetch.
    reasons: u64,
    /// The requests whose clients wait at a replica, by their keys.
    waiting: Vec<(Life, u64)>,
    /// The requests whose clients were told that they happened.
    acknowledged: BTreeSet<u64>,
    /// Those that an operator let something else through for.
    overruled: BTreeSet<u64>,
    /// The key of the last request.
    requests: u64,
    /// When the last disk was lost.
    lost: Duration,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            random: seed,
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            queued: 0,
            replicas: Vec::new(),
            store: Store { past: Vec::new(), next: 1 },
            cut: BTreeSet::new(),
            is_bus_up: true,
            forge: Forge::new(),
            named: BTreeSet::new(),
            published: Duration::ZERO,
            is_rough: true,
            went_back: false,
            was_put_back: false,
            fetches: 0,
            reasons: 0,
            waiting: Vec::new(),
            acknowledged: BTreeSet::new(),
            overruled: BTreeSet::new(),
            requests: 0,
            lost: Duration::ZERO,
        };
        let count = 3 + world.below(2) as usize;
        for replica in 0..count {
            let rate = 0.8 + world.below(401) as f64 / 1_000.0;
            world.replicas.push(Replica::new(rate));
            let start = Duration::from_millis(world.below(5_000));
            world.at(start, Happening::Starts(replica));
        }
        world.plan();
        world
    }

    /// Returns a number below `bound` (SplitMix64).
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }

    fn at(&mut self, time: Duration, happening: Happening) {
        self.queued += 1;
        self.queue.insert((time, self.queued), happening);
    }

    fn after(&mut self, wait: Duration, happening: Happening) {
        self.at(self.now + wait, happening);
    }

    /// Returns how long a message takes: mostly nothing, at times seconds.
    fn travel(&mut self) -> Duration {
        let longest = match self.below(20) {
            0 if self.is_rough => 8_000,
            1 if self.is_rough => 500,
            _ => 3,
        };
        Duration::from_millis(1 + self.below(longest))
    }

    /// Returns whether this is one case of so many, while it is rough.
    fn one_in(&mut self, cases: u64) -> bool {
        self.below(cases) == 0 && self.is_rough
    }

    /// Plans the trouble. In some worlds the register goes back, too.
    fn plan(&mut self) {
        let kind = self.below(5);
        let (goes_back, puts_back) = (kind == 0, kind == 1);
        let mut time = Duration::from_secs(20);
        for _ in 0..CHAOS {
            let longest = [200, 4_000, 20_000][self.below(3) as usize];
            time += Duration::from_millis(self.below(longest));
            let count = self.replicas.len() as u64;
            let (replica, other) = (self.below(count) as usize, self.below(count) as usize);
            let up = self.below(2) == 0;
            let trouble = match self.below(36) {
                0..=6 => Trouble::Push { hooks: self.below(3) },
                7 | 8 => Trouble::Crash { replica, disk: self.below(3) == 0 },
                9 => Trouble::Stop { replica },
                10..=12 => {
                    let long = [100, 5_000, 14_000, 40_000][self.below(4) as usize];
                    Trouble::Pause { replica, long: Duration::from_millis(self.below(long)) }
                }
                13..=15 => Trouble::Bus { replica, up },
                16 | 17 => Trouble::Link { one: replica, other, up },
                18 | 19 => Trouble::ForgeLink { replica, up },
                20 => Trouble::Forge { up },
                21 => Trouble::WholeBus { up },
                22 if goes_back => Trouble::Back { by: 1 + self.below(10) as usize },
                23 if goes_back => Trouble::Gone,
                22 | 23 if puts_back => Trouble::PutBack { by: 1 + self.below(40) as usize },
                24 => Trouble::Rewrite { by: self.below(3) as u32 },
                25..=27 => {
                    let operations = [Operation::Pin, Operation::Unpin, Operation::Apply];
                    let operation = operations[self.below(3) as usize];
                    Trouble::Operate { replica, operation }
                }
                28..=35 => Trouble::Write { replica, tries: self.below(4) },
                _ => Trouble::Push { hooks: 1 },
            };
            self.at(time, Happening::Goes(trouble));
        }
    }

    /// Lets everything happen until `end`.
    fn run_until(&mut self, end: Duration) {
        while let Some(((time, _), happening)) = self.next(end) {
            self.now = time;
            self.happens(happening);
            self.check_leaders();
        }
        self.now = end;
    }

    fn next(&mut self, end: Duration) -> Option<((Duration, u64), Happening)> {
        let first = self.queue.first_entry()?;
        (first.key().0 <= end).then(|| first.remove_entry())
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Hears(life, event) => {
                if let Some(now) = self.awake(life, || Happening::Hears(life, event.clone())) {
                    self.step(life.replica, now, event);
                }
            }
            Happening::Looks(life) => self.looks(life),
            Happening::Arrives(life, number, expected, next, answer) => {
                self.arrives(life, number, expected, *next, answer);
            }
            Happening::Does(life, job) => {
                if self.awake(life, || Happening::Does(life, job.clone())).is_some() {
                    self.did(life.replica, job);
                }
            }
            Happening::Calls(replica) => self.called(replica),
            Happening::Writes(replica, key, tries) => self.writes(replica, key, tries),
            Happening::Pushed(life, head, expected) => self.pushed(life, head, expected),
            Happening::Operates(replica, operation) => self.operated(replica, operation),
            Happening::SaysHere(life) => {
                if self.awake(life, || Happening::SaysHere(life)).is_some() {
                    self.says_here(life);
                }
            }
            Happening::Starts(replica) => self.starts(replica),
            Happening::Goes(trouble) => self.goes(trouble),
        }
    }

    /// Returns the clock of a replica if it runs, and puts off what happens to one that is stopped.
    fn awake(&mut self, life: Life, again: impl FnOnce() -> Happening) -> Option<Duration> {
        let replica = &self.replicas[life.replica];
        if !replica.is_alive || replica.life != life.life {
            return None;
        }
        if replica.paused_until > self.now {
            let (wakes, again) = (replica.paused_until, again());
            self.at(wakes, again);
            return None;
        }
        Some(replica.clock(self.now))
    }

    fn life(&self, replica: usize) -> Life {
        Life { replica, life: self.replicas[replica].life }
    }

    /// Lets the machine of a replica hear `event`, and does what it asks for.
    fn step(&mut self, replica: usize, now: Duration, event: Event) {
        let Some(lead) = self.replicas[replica].lead.as_mut() else { return };
        let actions = lead.step(now, event);
        for action in actions {
            self.act(replica, action);
        }
        self.acknowledges(replica);
        self.remembers(replica);
        let (life, this) = (self.life(replica), &self.replicas[replica]);
        if let (Some(lead), true) = (&this.lead, this.is_alive) {
            // A clock that is a little fast must not make the machine look too early for ever.
            let due = this.wall(lead.due(now)) + Duration::from_millis(1);
            if due < this.tick || this.tick <= self.now {
                let due = due.max(self.now + Duration::from_millis(1));
                self.replicas[replica].tick = due;
                self.at(due, Happening::Hears(life, Event::Tick));
            }
        }
    }

    /// Tells the clients that wait at a replica what it sees to be safe.
    fn acknowledges(&mut self, replica: usize) {
        let life = self.life(replica);
        let value = self.replicas[replica].lead.as_ref().and_then(|lead| lead.value());
        let Some(safe) = value.and_then(|value| value.safe) else { return };
        let safe = number(safe.commit);
        let is_told = |(at, key): &(Life, u64)| *at == life && self.forge.has_request(safe, *key);
        let told: Vec<_> = self.waiting.extract_if(.., |waiting| is_told(waiting)).collect();
        self.acknowledged.extend(told.into_iter().map(|(_, key)| key));
    }

    fn act(&mut self, replica: usize, action: Action) {
        let life = self.life(replica);
        match action {
            Action::Read => {
                let happening = match self.reaches_bus(replica) && !self.one_in(30) {
                    true => Happening::Looks(life),
                    false => Happening::Hears(life, Event::Read(None)),
                };
                let wait = self.travel().min(PATIENCE);
                self.after(wait, happening);
            }
            Action::Swap { number, expected, next } => {
                self.replicas[replica].sent = self.replicas[replica].clock(self.now);
                self.swaps(life, number, expected, next);
            }
            Action::Say(revision) => self.tell(replica, &Event::Said(revision)),
            Action::Decide(number, decided) => self.decided(replica, number, decided),
            Action::Follow(value) => {
                self.replicas[replica].target = Some(*value);
                self.begin(replica);
            }
            Action::Stand(standing) => {
                self.replicas[replica].stand(standing, self.now);
                self.reasons += u64::from(standing == Standing::Leading);
                if let Some(at) = self.replicas[replica].poll_at {
                    self.at(at, Happening::Does(life, Job::Poll));
                }
                self.pushes(replica);
                self.begin(replica);
            }
            Action::Resigned => self.ends(replica, false),
        }
    }

    fn reaches_bus(&self, replica: usize) -> bool {
        self.is_bus_up && self.replicas[replica].is_bus_up
    }

    /// Sends a change. One that is given up may still arrive.
    fn swaps(&mut self, life: Life, number: u64, expected: u64, next: Box<Value>) {
        let unknown = Happening::Hears(life, Event::Swapped(number, Swapped::Unknown));
        if !self.reaches_bus(life.replica) {
            if self.one_in(2) {
                let late = Duration::from_millis(self.below(20_000));
                self.after(late, Happening::Arrives(life, number, expected, next, None));
            }
            let wait = Duration::from_millis(1 + self.below(2_000));
            self.after(wait, unknown);
            return;
        }
        let (there, back) = (self.travel(), self.travel());
        let is_lost = self.one_in(15);
        let is_answered = there + back < PATIENCE && !is_lost;
        let answer = is_answered.then_some(back);
        if !is_answered {
            self.after(PATIENCE, unknown);
        }
        if !is_lost || self.one_in(2) {
            self.after(there, Happening::Arrives(life, number, expected, next, answer));
        }
    }

    /// Answers a read. A server that is behind tells the past.
    fn looks(&mut self, life: Life) {
        if !self.is_bus_up {
            self.after(PATIENCE, Happening::Hears(life, Event::Read(None)));
            return;
        }
        let mut found = self.store.found();
        if self.one_in(12) && self.store.past.len() > 1 {
            let back = 1 + self.below(3.min(self.store.past.len() as u64 - 1)) as usize;
            let (revision, value) = self.store.past[self.store.past.len() - 1 - back].clone();
            found = Found { revision, value: Some(value) };
        }
        let wait = self.travel().min(PATIENCE);
        self.after(wait, Happening::Hears(life, Event::Read(Some(found))));
    }

    /// Compares and sets.
    fn arrives(
        &mut self,
        life: Life,
        number: u64,
        expected: u64,
        next: Value,
        answer: Option<Duration>,
    ) {
        let found = self.store.found();
        let swapped = if !self.is_bus_up {
            return;
        } else if found.revision == expected {
            self.check_change(found.value.as_ref(), &next);
            self.check_requests(found.value.as_ref(), &next);
            self.named.insert(served(&next));
            if found.value.is_none_or(|value| served(&value) != served(&next)) {
                self.published = self.now;
            }
            let revision = self.store.next;
            self.store.next += 1;
            self.store.past.push((revision, next));
            Swapped::Done(revision)
        } else {
            Swapped::Refused
        };
        if let Some(back) = answer {
            self.after(back, Happening::Hears(life, Event::Swapped(number, swapped)));
        }
    }

    /// Sends a hint to all others: it may be lost, doubled, late and out of order.
    fn tell(&mut self, from: usize, event: &Event) {
        for other in 0..self.replicas.len() {
            let reaches = self.reaches_bus(from) && self.reaches_bus(other);
            if other == from || !reaches {
                continue;
            }
            let copies = if self.one_in(5) { 0 } else { 1 + u64::from(self.one_in(10)) };
            for _ in 0..copies {
                let (wait, life) = (self.travel(), self.life(other));
                self.after(wait, Happening::Hears(life, event.clone()));
            }
        }
    }

    fn says_here(&mut self, life: Life) {
        // It asks the leader whether it lives.
        let leader = self.replicas[life.replica].leader(self.now);
        let unreached = leader.filter(|id| {
            let mut others = 0..self.replicas.len();
            let at = others.find(|other| self.replicas[*other].id() == Some(id));
            !at.is_some_and(|at| self.reaches(life.replica, at))
        });
        if let Some(here) = self.replicas[life.replica].here(life, unreached) {
            self.tell(life.replica, &Event::Heard(here));
        }
        self.after(SAY_EVERY, Happening::SaysHere(life));
    }

    /// A webhook arrives at a replica.
    fn called(&mut self, replica: usize) {
        if let Some(at) = self.addressee(replica) {
            self.replicas[at].is_reload_wanted = true;
            self.begin(at);
        }
    }

    /// Returns the replica that answers a call which arrives at `replica`, which passes it on to the
    /// leader.
    fn addressee(&self, replica: usize) -> Option<usize> {
        let this = &self.replicas[replica];
        if !this.is_alive || this.paused_until > self.now {
            return None;
        }
        let leader = this.leader(self.now).and_then(|id| {
            self.replicas.iter().position(|other| other.is_alive && other.id() == Some(&id))
        });
        match (this.standing, leader) {
            (Standing::Following, leader) => leader.filter(|at| self.reaches(replica, *at)),
            _ => Some(replica),
        }
    }

    fn reaches(&self, one: usize, other: usize) -> bool {
        let is_cut = self.cut.contains(&(one.min(other), one.max(other)));
        let replica = &self.replicas[other];
        !is_cut && replica.is_alive && replica.paused_until <= self.now
    }

    fn goes(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Write { replica, tries } => {
                self.requests += 1;
                self.writes(replica, self.requests, tries);
            }
            Trouble::Push { hooks } => {
                self.forge.push();
                for _ in 0..hooks {
                    let replica = self.below(self.replicas.len() as u64) as usize;
                    let wait = Duration::from_millis(self.below(3_000));
                    self.after(wait, Happening::Calls(replica));
                }
            }
            Trouble::Rewrite { by } => self.forge.rewrite(by, self.disks(|_| true)),
            Trouble::Operate { replica, operation } => self.operated(replica, operation),
            Trouble::Crash { replica, disk } => self.ends(replica, disk),
            Trouble::Stop { replica } => {
                let life = self.life(replica);
                self.after(Duration::ZERO, Happening::Hears(life, Event::Resign));
            }
            Trouble::Pause { replica, long } => {
                self.replicas[replica].paused_until = self.now + long;
            }
            Trouble::Bus { replica, up } => {
                self.replicas[replica].is_bus_up = up;
                self.reconnected(up);
            }
            Trouble::WholeBus { up } => {
                self.is_bus_up = up;
                self.reconnected(up);
            }
            Trouble::Link { one, other, up: true } => {
                self.cut.remove(&(one.min(other), one.max(other)));
            }
            Trouble::Link { one, other, up: false } => {
                self.cut.insert((one.min(other), one.max(other)));
            }
            Trouble::ForgeLink { replica, up } => self.replicas[replica].is_forge_up = up,
            Trouble::Forge { up } => self.forge.is_up = up,
            Trouble::Back { by } => {
                self.went_back = true;
                let length = self.store.past.len();
                self.store.past.truncate(length.saturating_sub(by).max(1));
                self.store.next = self.store.found().revision + 1;
            }
            Trouble::PutBack { by } => {
                let at = self.store.past.len().saturating_sub(1 + by);
                if let Some((_, value)) = self.store.past.get(at).cloned() {
                    self.was_put_back = true;
                    self.store.past.push((self.store.next, value));
                    self.store.next += 1;
                }
            }
            Trouble::Gone => {
                self.went_back = true;
                self.store = Store { past: Vec::new(), next: 1 };
            }
        }
    }

    fn reconnected(&mut self, up: bool) {
        for replica in 0..self.replicas.len() {
            if up {
                let life = self.life(replica);
                self.after(Duration::from_millis(100), Happening::Hears(life, Event::Reconnected));
            }
        }
    }

    /// Checks a change of the register.
    fn check_change(&self, before: Option<&Value>, next: &Value) {
        // I4: one state has one digest, by whatever makes it.
        let digest = replica::digest(served(next), &next.facts.made_by);
        assert_eq!(next.facts.digest, digest, "another digest");
        let Some(before) = before.filter(|_| !self.went_back) else { return };
        assert!(next.beat > before.beat && next.seq >= before.seq, "{before:?} to {next:?}");
        let seq_of_safe = |value: &Value| value.safe.map_or(0, |safe| safe.seq);
        let is_kept = seq_of_safe(next) >= seq_of_safe(before);
        assert!(is_kept || self.was_put_back, "{before:?} to {next:?}");
        let (head, last) = (number(next.facts.head), number(before.facts.head));
        let is_applied = self.forge.applied & forge::bit(head) != 0;
        let is_abandoned = next.abandoned.contains(&before.facts.head) && !before.is_safe();
        assert!(
            self.was_put_back || self.forge.has_all_of(head, last) || is_applied || is_abandoned,
            "a head was lost: {before:?} to {next:?}"
        );
        if next.leader.is_some() && next.leader != before.leader {
            assert!(next.epoch > before.epoch, "taken without an epoch: {before:?} to {next:?}");
        }
    }

    /// I2: what was acknowledged is in every later head, unless an operator let another one through. I6:
    /// no request is there twice. I7: what is safe is in two places.
    fn check_requests(&mut self, before: Option<&Value>, next: &Value) {
        let head = number(next.facts.head);
        let mut requests: Vec<u64> = self.forge.requests(head).collect();
        requests.sort_unstable();
        let count = requests.len();
        requests.dedup();
        assert_eq!(requests.len(), count, "a request is there twice: {next:?}");
        if self.went_back || self.was_put_back {
            return;
        }
        if self.forge.applied & forge::bit(head) != 0 {
            self.overruled.extend((1..=self.requests).filter(|key| !requests.contains(key)));
        }
        let is_kept = |key: &&u64| requests.contains(key) || self.overruled.contains(key);
        let lost: Vec<_> = self.acknowledged.iter().filter(|key| !is_kept(key)).collect();
        assert!(lost.is_empty(), "the requests {lost:?} are lost: {before:?} to {next:?}");
        let is_news = before.is_some_and(|before| before.safe != next.safe);
        let is_settled = self.now > self.lost + HEALING;
        if let Some(safe) = next.safe.filter(|_| is_news && is_settled && next.abandoned.is_empty())
        {
            let safe = number(safe.commit);
            let disks = self.replicas.iter().filter(|replica| replica.has(safe)).count();
            let forge = usize::from(self.forge.ever_had(safe));
            assert!(disks + forge >= 2, "{safe} is in {disks} + {forge} places: {next:?}");
        }
    }

    /// I5: one replica leads at most, even if one is stopped and does not know.
    fn check_leaders(&self) {
        if self.went_back || self.was_put_back {
            return;
        }
        let leads = |replica: &&Replica| replica.leads(self.now);
        let leading = self.replicas.iter().filter(leads).count();
        assert!(leading <= 1, "{leading} lead at {:?}", self.now);
    }

    /// Ends the chaos.
    fn calm(&mut self) {
        self.is_rough = false;
        (self.is_bus_up, self.forge.is_up) = (true, true);
        self.cut.clear();
        for replica in &mut self.replicas {
            (replica.is_bus_up, replica.is_forge_up) = (true, true);
            replica.paused_until = replica.paused_until.min(self.now);
        }
        self.reconnected(true);
    }

    /// L1: one leads, and everybody serves `commit`.
    fn check_all_serve(&self, commit: u64, when: &str) {
        let states: Vec<_> = self
            .replicas
            .iter()
            .map(|replica| (replica.standing, replica.state.served(), replica.is_alive))
            .collect();
        let told = format!("{when} at {:?}, {commit} is to be served: {states:?}", self.now);
        let leading = states.iter().filter(|state| state.0 == Standing::Leading).count();
        assert_eq!(leading, 1, "{told}");
        let others = states.iter().filter(|state| state.0 == Standing::Following).count();
        assert_eq!(leading + others, states.len(), "{told}");
        assert!(states.iter().all(|state| state.1 == commit && state.2), "{told}");
    }

    fn run(&mut self) {
        let last = self.queue.iter().rev().find(|(_, it)| matches!(it, Happening::Goes(_)));
        let end = last.map_or(Duration::ZERO, |((time, _), _)| *time);
        self.run_until(end);
        self.calm();
        let healing = match self.went_back || self.was_put_back {
            true => HEALING_FROM_THE_PAST,
            false => HEALING,
        };
        self.run_until(self.now + healing);
        // A poll may have brought something at the last moment.
        self.run_until(self.now.max(self.published + SPREADING));
        let named = self.store.found().value.as_ref().map_or(0, served);
        self.check_all_serve(named, "after the chaos");
        // An operator decides whatever is held, and the leader polls.
        for operation in [Operation::Unpin, Operation::Apply] {
            self.operated(0, operation);
            self.run_until(self.now + POLL);
        }
        self.check_all_serve(self.forge.head, "after the operator");
        // L2: a push costs the forge one fetch, whoever is told of it.
        let (begun, fetched, reasons) = (self.now, self.fetches, self.reasons);
        for _ in 0..4 {
            self.forge.push();
            let replica = self.below(self.replicas.len() as u64) as usize;
            self.called(replica);
            self.run_until(self.now + Duration::from_secs(2));
            self.check_all_serve(self.forge.head, "after a push");
        }
        let polls = (self.now - begun).as_secs() / POLL.as_secs() + 1;
        let (fetches, reasons) = (self.fetches - fetched, self.reasons - reasons);
        let told = format!("{fetches} fetches for 4 pushes, {polls} polls and {reasons} reasons");
        assert!(fetches <= 4 + polls + reasons, "{told}");
    }
}

/// Returns the served commit of a value.
fn served(value: &Value) -> u64 {
    number(value.facts.served())
}

#[test]
fn whatever_happens_one_leads_and_all_serve_what_the_register_names() {
    let mut acknowledged = 0;
    for seed in seeds() {
        let ran = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.run();
            world.acknowledged.len() as u64
        });
        acknowledged += ran.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    let tried = seeds().count() as u64;
    assert!(tried < 10 || acknowledged > tried, "{acknowledged} acknowledged writes prove little");
}
