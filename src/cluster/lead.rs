//! Who leads, and what is followed: one pure machine beside a register that is changed by
//! compare-and-set.
//!
//! [`Lead::step`] takes one event at a time and returns the actions to take. It reads no clock and
//! does no I/O, so that a test can try every order of crashes, pauses, lost messages and late
//! changes. It is no consensus: the register decides, and this machine observes, claims, renews,
//! steps down and resigns.
//!
//! No wall clock is ever compared. A lease has expired for a replica if the revision of the register
//! stood still for as long on the replica's own clock.

mod claim;
mod event;
mod office;
mod search;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::time::Duration;

use headwater_engine::id::CommitId;

use super::present::Present;
use super::register::{Facts, Leader, Swapped, Value};
use super::safe::Heads;
use super::terms::Terms;

pub use event::{Action, Denied, Event, Found, Standing};
use office::{Change, Doubt, Office, Proposal, Purpose};

/// The machine of one replica.
#[derive(Debug)]
pub struct Lead {
    terms: Terms,
    me: Leader,
    present: Present,
    seen: Option<Seen>,
    /// Whether a read was answered since the last claim that failed: the next one needs news.
    is_heard: bool,
    /// Since when every read shows a revision below the newest one seen.
    lower: Option<Duration>,
    /// The newest value that was ever seen, also by an earlier process with this disk.
    known: Option<Value>,
    /// Where the engine was last told to go, or what it last published.
    target: Option<Value>,
    serving: Serving,
    /// The newest commit of a leader that is on the disk.
    stored: Option<CommitId>,
    role: Role,
    is_orphan: bool,
    /// When a leader was last seen at work.
    led: Duration,
    /// Until when this replica lets others lead, because none of them reached it.
    rests: Duration,
    reading: Reading,
    /// The number of the last change.
    changes: u64,
    is_ending: bool,
    is_end_told: bool,
}

/// The newest revision that was seen.
#[derive(Debug)]
struct Seen {
    revision: u64,
    value: Option<Value>,
    /// Whether a later value is known: somebody put this one back, or the register went back in time. It is
    /// not followed, and who led then is nobody to turn to.
    is_old: bool,
    /// Whether nothing was known before, so that it may be old, and nobody here knows.
    is_unproven: bool,
    /// When it was first seen.
    since: Duration,
}

/// What the engine serves.
#[derive(Debug, Default)]
struct Serving {
    /// The seq of the state of the register that it serves, or left last.
    seq: u64,
    /// That state.
    named: Option<Facts>,
    /// What it published since then without being told to.
    own: Option<Facts>,
}

#[derive(Debug)]
enum Role {
    /// It observes.
    Idle,
    /// It tries to become the leader.
    Claiming(Box<Change>),
    Leading(Box<Office>),
}

#[derive(Debug)]
struct Reading {
    is_running: bool,
    /// Whether there was news during the running one, which may be older.
    is_late: bool,
    /// When the next one begins.
    due: Duration,
}

impl Lead {
    /// Returns the machine of `me`, which was started at `now` and knows nothing yet.
    pub fn new(now: Duration, terms: Terms, me: Leader) -> Self {
        Self {
            terms,
            me,
            present: Present::default(),
            seen: None,
            is_heard: false,
            lower: None,
            known: None,
            target: None,
            serving: Serving::default(),
            stored: None,
            role: Role::Idle,
            is_orphan: false,
            led: now,
            rests: now,
            reading: Reading { is_running: false, is_late: false, due: now },
            changes: 0,
            is_ending: false,
            is_end_told: false,
        }
    }

    /// Returns the machine with the newest value that an earlier process saw, so that no older one is followed.
    #[must_use]
    pub fn remembering(self, known: Value) -> Self {
        Self { known: Some(known), ..self }
    }

    /// Handles one event, at a time that never goes back.
    pub fn step(&mut self, now: Duration, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        // A process that was stopped looks at its clock before anything else.
        self.expire(now, &mut actions);
        match event {
            Event::Tick => {}
            Event::Read(found) => self.read(now, found, &mut actions),
            Event::Swapped(number, swapped) => self.swapped(now, number, swapped, &mut actions),
            Event::Said(revision) => {
                if self.seen.as_ref().is_none_or(|seen| seen.revision < revision) {
                    self.read_at(now);
                }
            }
            Event::Reconnected => self.read_at(now),
            Event::Heard(here) if here.id == self.me.id => {}
            Event::Heard(here) => {
                self.present.hear(now, here);
                self.yield_to_the_newest(now);
                self.outbid(now);
                self.yield_if_missed(now);
            }
            Event::Proposed(number, facts) => self.proposed(number, facts, &mut actions),
            Event::Noted(remote) => {
                if let Role::Leading(office) = &mut self.role {
                    office.noted = Some(remote);
                }
            }
            Event::Published(facts) => {
                self.stored = Some(facts.head);
                self.serving.own = Some(facts);
            }
            Event::Followed(value, own) => self.followed(*value, own, &mut actions),
            Event::Stored(commit) => self.stored = Some(commit),
            Event::Missing(value) => self.is_missing(now, &value),
            Event::Abandoned(head) => self.abandon(now, head),
            Event::Told(subscriber, commit) => {
                if let Role::Leading(office) = &mut self.role {
                    office.told.insert(subscriber, commit);
                }
            }
            Event::Alerted(alerts) => {
                if let Role::Leading(office) = &mut self.role {
                    office.alerts = Some(alerts);
                }
            }
            Event::Resign => {
                self.is_ending = true;
                let is_alone = self.present.here(now).next().is_none();
                if let Role::Leading(office) = &mut self.role {
                    office.is_resigning = true;
                    // The disk of this replica is about to be out of reach.
                    if office.is_open && !is_alone {
                        office.parting = Some(now + self.terms.parting());
                    }
                }
            }
        }
        self.go_on(now, &mut actions);
        actions
    }

    /// Returns when [`Event::Tick`] will have something to do.
    pub fn due(&self, now: Duration) -> Duration {
        let reading = (!self.reading.is_running).then_some(self.reading.due);
        let role = match &self.role {
            Role::Leading(office) => {
                let until = office.until(&self.terms);
                let turn = office.search.as_ref().map(|search| search.turn_at(&self.terms));
                let parting = office.parting.filter(|_| office.change.is_none());
                let dues = [office.renewal(&self.terms), turn, parting, Some(until)];
                dues.into_iter().flatten().min()
            }
            Role::Claiming(change) => Some(change.sent + self.terms.deadline()),
            Role::Idle => self.claim_at(now),
        };
        let next = [reading, role, self.alone_at()].into_iter().flatten().min();
        next.unwrap_or(now + self.terms.reading())
    }

    /// Returns what this replica is.
    pub fn standing(&self, now: Duration) -> Standing {
        match &self.role {
            Role::Leading(office) if office.is_open && now < office.until(&self.terms) => {
                Standing::Leading
            }
            _ if self.is_orphan => Standing::Orphaned,
            _ => Standing::Following,
        }
    }

    /// Returns the value of the register; the newest that is known, if an older one was put back.
    pub fn value(&self) -> Option<&Value> {
        let seen = self.seen.as_ref()?;
        if seen.is_old { self.known.as_ref() } else { seen.value.as_ref() }
    }

    /// Returns the newest value that was ever seen.
    pub fn known(&self) -> Option<&Value> {
        self.known.as_ref()
    }

    /// Returns the leader, if it is another replica that was at work lately.
    pub fn leader(&self, now: Duration) -> Option<&Leader> {
        let is_working = now.saturating_sub(self.led) < self.terms.lease
            && self.seen.as_ref().is_some_and(|seen| !seen.is_old);
        let leader = self.value()?.leader.as_ref();
        leader.filter(|leader| is_working && leader.id != self.me.id)
    }

    /// Returns the seq of the served state.
    pub fn serving_seq(&self) -> u64 {
        self.serving.seq
    }

    /// Returns the highest seq that is known.
    pub fn known_seq(&self) -> u64 {
        self.known.as_ref().map_or(0, |value| value.seq)
    }

    /// Returns who else is here.
    pub fn present(&self) -> &Present {
        &self.present
    }

    /// Ends a lead or a claim whose deadline has passed.
    fn expire(&mut self, now: Duration, actions: &mut Vec<Action>) {
        match &self.role {
            Role::Leading(office) if now >= office.until(&self.terms) => {
                self.step_down(now, Denied::Unknown, actions);
            }
            Role::Claiming(change) if now >= change.sent + self.terms.deadline() => {
                self.give_up_the_claim(now);
            }
            _ => {}
        }
    }

    fn read(&mut self, now: Duration, found: Option<Found>, actions: &mut Vec<Action>) {
        let Reading { is_late, .. } = self.reading;
        let due = if is_late { now } else { now + self.terms.reading() };
        self.reading = Reading { is_running: false, is_late: false, due };
        self.is_heard = found.is_some();
        match found {
            Some(found) => {
                self.settle(now, &found, actions);
                self.observe(now, found, actions);
            }
            None if self.doubted().is_some() => self.read_at(now + self.terms.doubt()),
            None => {}
        }
    }

    /// Takes note of what a read found.
    fn observe(&mut self, now: Duration, found: Found, actions: &mut Vec<Action>) {
        let newest = self.seen.as_ref().map(|seen| seen.revision);
        if newest.is_some_and(|newest| found.revision < newest) {
            // A server that is behind says so now and then; a register that went back, always.
            let since = *self.lower.get_or_insert(now);
            if now - since < self.terms.lease {
                return;
            }
        }
        self.lower = None;
        if newest != Some(found.revision) {
            if let Role::Leading(office) = &self.role
                && office.change.is_none()
                && !found.value.as_ref().is_some_and(|value| value.is_led_by(&self.me.id))
            {
                self.step_down(now, Denied::NotLeading, actions);
            }
            self.see(now, found);
        }
        self.go_where_it_says(now, actions);
    }

    /// Makes `found` the newest revision.
    fn see(&mut self, now: Duration, found: Found) {
        let Found { revision, value } = found;
        let is_unproven = self.known.is_none();
        let known = self.known.as_ref().map(Value::stamp).unwrap_or_default();
        let is_old = value.as_ref().is_some_and(|value| value.stamp() < known);
        if let Some(value) = value.as_ref().filter(|_| !is_old) {
            if value.leader.is_some() {
                self.led = now;
            }
            self.known = Some(value.clone());
        }
        self.seen = Some(Seen { revision, value, is_old, is_unproven, since: now });
    }

    /// Follows what the register names, and ends the time of an orphan.
    fn go_where_it_says(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let Role::Idle = self.role else { return };
        let seen = self.seen.as_ref().filter(|seen| !seen.is_old);
        let Some(value) = seen.and_then(|seen| seen.value.clone()) else { return };
        // Somebody who is here knows a later one: it was put back, or a newer one is about to be read.
        let is_outdated = self.present.newest(now).is_some_and(|newest| newest.seq > value.seq);
        if is_outdated && self.target.is_none() {
            return;
        }
        let returns = self.is_orphan && self.led == now;
        if returns {
            self.is_orphan = false;
            actions.push(Action::Stand(Standing::Following));
        }
        // A seq never falls: a register that went back is brought forward before it is followed.
        let is_new = match &self.target {
            Some(target) if value.seq == target.seq => !value.facts.serves_as(&target.facts),
            Some(target) => value.seq > target.seq,
            None => true,
        };
        // An orphan may have gone elsewhere.
        if !self.is_orphan && (is_new || returns) {
            self.follow(value, actions);
        }
    }

    fn follow(&mut self, value: Value, actions: &mut Vec<Action>) {
        self.target = Some(value.clone());
        actions.push(Action::Follow(Box::new(value)));
    }

    /// Returns the change of which it is not known whether it is in the register.
    fn doubted(&mut self) -> Option<&mut Change> {
        let change = match &mut self.role {
            Role::Leading(office) => office.change.as_mut()?,
            Role::Claiming(change) => &mut **change,
            Role::Idle => return None,
        };
        change.doubt.is_some().then_some(change)
    }

    /// Finds out by a read what became of a change.
    fn settle(&mut self, now: Duration, found: &Found, actions: &mut Vec<Action>) {
        let (number, pause) = (self.changes + 1, self.terms.doubt());
        let Some(change) = self.doubted() else { return };
        if found.value.as_ref() == Some(&change.next) {
            self.succeeded(now, found.revision, actions);
        } else if found.revision > change.expected {
            self.failed(now, actions);
        } else if found.revision == change.expected
            && change.doubt == Some(Doubt::Unknown)
            && now >= change.sent_again + pause
        {
            // It may still arrive. The same change again: whichever is first, the other is refused.
            (change.number, change.sent_again, change.doubt) = (number, now, None);
            actions.push(change.action());
            self.changes = number;
        } else {
            self.read_at(now + pause);
        }
    }

    fn swapped(&mut self, now: Duration, number: u64, swapped: Swapped, actions: &mut Vec<Action>) {
        let change = match &mut self.role {
            Role::Leading(office) => office.change.as_mut(),
            Role::Claiming(change) => Some(&mut **change),
            Role::Idle => None,
        };
        let Some(change) = change.filter(|change| change.number == number) else {
            // The change of a leader that stepped down meanwhile. The register tells what it did.
            self.read_at(now);
            return;
        };
        match swapped {
            Swapped::Done(revision) => self.succeeded(now, revision, actions),
            Swapped::Refused => change.doubt = Some(Doubt::Refused),
            Swapped::Unknown => change.doubt = Some(Doubt::Unknown),
        }
        if self.doubted().is_some() {
            self.read_at(now);
        }
    }

    /// The change on its way is in the register.
    fn succeeded(&mut self, now: Duration, revision: u64, actions: &mut Vec<Action>) {
        match std::mem::replace(&mut self.role, Role::Idle) {
            Role::Idle => {}
            Role::Claiming(claim) => self.take_over(now, Office::of(*claim, revision), actions),
            Role::Leading(mut office) => {
                let Some(change) = office.change.take() else {
                    self.role = Role::Leading(office);
                    return;
                };
                (office.revision, office.renewed) = (revision, change.sent);
                office.value = change.next;
                match change.purpose {
                    // A head that was given up is safe no more, whoever comes back with it.
                    Purpose::Opening => office.heads = Heads::begin(office.value.head()),
                    _ => office.heads.publish(office.value.head()),
                }
                self.see(now, Found { revision, value: Some(office.value.clone()) });
                actions.push(Action::Say(revision));
                let value = office.value.clone();
                if value.leader.is_some() {
                    self.role = Role::Leading(office);
                }
                match change.purpose {
                    Purpose::Lease => {}
                    Purpose::Opening => self.open(value, actions),
                    Purpose::Question(number) => {
                        self.serve(value);
                        actions.push(Action::Decide(number, Ok(())));
                    }
                }
            }
        }
    }

    /// Begins to lead. Nothing is published before this replica serves what the register names.
    fn take_over(&mut self, now: Duration, office: Office, actions: &mut Vec<Action>) {
        let (revision, value) = (office.revision, office.value.clone());
        let is_resigning = self.is_ending;
        self.role = Role::Leading(Box::new(Office { is_resigning, ..office }));
        self.see(now, Found { revision, value: Some(value.clone()) });
        actions.push(Action::Say(revision));
        if std::mem::take(&mut self.is_orphan) {
            actions.push(Action::Stand(Standing::Following));
        }
        if self.serving.now().is_some_and(|served| served.serves_as(&value.facts)) {
            self.open(value, actions);
        } else {
            self.follow(value, actions);
        }
    }

    /// The leader serves what the register names: it may publish from now on.
    fn open(&mut self, value: Value, actions: &mut Vec<Action>) {
        self.serve(value);
        if let Role::Leading(office) = &mut self.role
            && !office.is_open
            && !office.is_resigning
        {
            office.is_open = true;
            office.search = None;
            actions.push(Action::Stand(Standing::Leading));
        }
    }

    /// Takes note that the engine serves `value`.
    fn serve(&mut self, value: Value) {
        self.stored = Some(value.facts.head);
        let named = Some(value.facts.clone());
        self.serving = Serving { seq: value.seq, named, own: None };
        if self.target.as_ref().is_none_or(|target| target.seq <= value.seq) {
            self.target = Some(value);
        }
    }

    fn followed(&mut self, value: Value, own: Facts, actions: &mut Vec<Action>) {
        if self.is_orphan || value.seq < self.serving.seq {
            return;
        }
        if value.is_unknown() && !matches!(self.role, Role::Leading(_)) {
            // It led meanwhile, and went on from an earlier head.
            return;
        }
        match &mut self.role {
            Role::Leading(office) if office.value.seq != value.seq || office.is_open => {}
            Role::Leading(_) if own.serves_as(&value.facts) => self.open(value, actions),
            // Nobody publishes meanwhile: the engine follows until this replica opens.
            Role::Leading(office) => {
                office.search = None;
                office.opening = Some(own);
            }
            Role::Claiming(_) | Role::Idle => self.serve(value),
        }
    }

    /// The change on its way is not in the register and will not be.
    fn failed(&mut self, now: Duration, actions: &mut Vec<Action>) {
        match &self.role {
            Role::Leading(_) => self.step_down(now, Denied::NotLeading, actions),
            Role::Claiming(_) => self.give_up_the_claim(now),
            Role::Idle => {}
        }
    }

    fn give_up_the_claim(&mut self, now: Duration) {
        self.role = Role::Idle;
        self.is_heard = false;
        self.read_at(now);
    }

    fn proposed(&mut self, number: u64, facts: Facts, actions: &mut Vec<Action>) {
        match &mut self.role {
            Role::Leading(office) if office.is_open && !office.is_resigning => {
                office.proposals.push_back(Proposal { number, facts });
            }
            _ => actions.push(Action::Decide(number, Err(Denied::NotLeading))),
        }
    }

    /// Gives the lead back if somebody knows a later seq: the register went back in time.
    fn yield_to_the_newest(&mut self, now: Duration) {
        let Role::Leading(office) = &mut self.role else { return };
        let pending = office.change.as_ref().map_or(0, |change| change.next.seq);
        let ours = office.value.seq.max(pending);
        office.is_resigning |= self.present.newest(now).is_some_and(|newest| newest.seq > ours);
    }

    /// Lets the next change come after what others know of the same publication: the register went back in time,
    /// and they would take it for an old one.
    fn outbid(&mut self, now: Duration) {
        let Role::Leading(office) = &mut self.role else { return };
        let pending = office.change.as_ref().map(|change| change.next.stamp());
        let ours = office.value.stamp().max(pending.unwrap_or_default());
        if let Some(newest) = self.present.newest(now).filter(|newest| *newest > ours) {
            office.value.epoch = office.value.epoch.max(newest.epoch + 1);
            office.value.beat = office.value.beat.max(newest.beat);
        }
    }

    /// Gives the lead back if the others have been here for long, and none of them reaches this replica.
    fn yield_if_missed(&mut self, now: Duration) {
        let Role::Leading(office) = &mut self.role else { return };
        if !self.present.miss(now, &self.me.id) {
            office.missed = None;
            return;
        }
        let since = *office.missed.get_or_insert(now);
        if now - since >= self.terms.isolation() {
            office.is_resigning = true;
            self.rests = now + self.terms.rest();
        }
    }

    fn step_down(&mut self, now: Duration, why: Denied, actions: &mut Vec<Action>) {
        let Role::Leading(mut office) = std::mem::replace(&mut self.role, Role::Idle) else {
            return;
        };
        if let Some(number) = office.change.take().and_then(|change| change.question()) {
            actions.push(Action::Decide(number, Err(why)));
        }
        office.deny(actions);
        if office.is_open {
            actions.push(Action::Stand(Standing::Following));
        }
        self.is_heard = false;
        self.read_at(now);
    }

    /// Does what is due.
    fn go_on(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if let Role::Leading(office) = &mut self.role
            && office.is_resigning
        {
            office.deny(actions);
            if std::mem::take(&mut office.is_open) {
                actions.push(Action::Stand(Standing::Following));
            }
        }
        match self.role {
            Role::Leading(_) => {
                self.turn(now, actions);
                self.lead(now, actions);
            }
            Role::Idle if self.claim_at(now).is_some_and(|at| at <= now) => {
                if let Some((expected, next)) = self.claim(now) {
                    self.changes += 1;
                    let claim = Change::first(now, self.changes, expected, next, Purpose::Lease);
                    actions.push(claim.action());
                    self.role = Role::Claiming(Box::new(claim));
                }
            }
            Role::Idle if self.is_ending && !self.is_end_told => {
                self.is_end_told = true;
                actions.push(Action::Resigned);
            }
            _ => {}
        }
        if self.alone_at().is_some_and(|at| at <= now) {
            self.is_orphan = true;
            actions.push(Action::Stand(Standing::Orphaned));
        }
        if !self.reading.is_running && self.reading.due <= now {
            self.reading.is_running = true;
            actions.push(Action::Read);
        }
    }

    /// Sends the next change of a leader.
    fn lead(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let Role::Leading(office) = &mut self.role else { return };
        if office.change.is_some() {
            return;
        }
        if let Some((next, purpose)) = office.next(now, &self.terms, self.present.stored(now)) {
            self.changes += 1;
            let change = Change::first(now, self.changes, office.revision, next, purpose);
            actions.push(change.action());
            office.change = Some(change);
        }
    }

    /// Returns when this replica goes its own way, unless it sees a leader before.
    fn alone_at(&self) -> Option<Duration> {
        let is_led = self.is_orphan || matches!(self.role, Role::Leading(_)) || self.is_ending;
        (!is_led).then(|| self.led + self.terms.patience())
    }

    /// Reads again at `at`, or sooner. A running read may be too old to tell the news.
    fn read_at(&mut self, at: Duration) {
        self.reading.is_late |= self.reading.is_running;
        self.reading.due = self.reading.due.min(at);
    }
}

impl Serving {
    /// Returns what is served.
    fn now(&self) -> Option<&Facts> {
        self.own.as_ref().or(self.named.as_ref())
    }

    /// Returns whether the engine serves, or left last, what `value` names.
    fn is_at(&self, value: &Value) -> bool {
        let named = self.named.as_ref();
        self.seq == value.seq && named.is_some_and(|named| named.serves_as(&value.facts))
    }
}
