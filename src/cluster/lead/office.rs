//! What a leader has: the revision, its lease, and the changes that it sends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::event::{Action, Denied};
use headwater_engine::id::CommitId;

use crate::cluster::register::{Facts, Head, RemoteFacts, Value};
use crate::cluster::safe::Heads;
use crate::cluster::terms::Terms;

/// The office of a leader.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) revision: u64,
    pub(super) value: Value,
    /// When the last change that succeeded was sent first.
    pub(super) renewed: Duration,
    /// Whether this replica serves what the register names, so that it may publish.
    pub(super) is_open: bool,
    pub(super) change: Option<Change>,
    /// What this replica makes of what the register names, if that must be named before it opens.
    pub(super) opening: Option<Facts>,
    /// What it looks for, if nobody was found who has what the register names.
    pub(super) search: Option<Search>,
    /// What it has published since the last safe head.
    pub(super) heads: Heads,
    /// What the engine asked meanwhile.
    pub(super) proposals: VecDeque<Proposal>,
    /// What is to be noted with the next change.
    pub(super) noted: Option<RemoteFacts>,
    /// What subscribers took, to be noted likewise.
    pub(super) told: BTreeMap<String, CommitId>,
    /// The open alerts, to be noted likewise.
    pub(super) alerts: Option<BTreeSet<String>>,
    /// Since when no follower reaches this replica.
    pub(super) missed: Option<Duration>,
    /// Whether the lead is given back.
    pub(super) is_resigning: bool,
    /// Until when it is kept nevertheless, so that another replica gets what was published last.
    pub(super) parting: Option<Duration>,
}

/// The search of a new leader for objects that nobody seems to have.
#[derive(Debug)]
pub(super) struct Search {
    /// Since when nobody was found.
    pub(super) since: Duration,
    /// When it last began to look for something else.
    pub(super) turned: Duration,
    pub(super) goal: Goal,
    /// The head from which an operator has it go on, if none is found.
    pub(super) allowed: Option<Head>,
}

/// What a search is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// The head that the register names.
    Head,
    /// An earlier one, from which the leader goes on.
    Earlier(CommitId),
}

/// A question of the engine.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) number: u64,
    pub(super) facts: Facts,
}

/// A change of the register that was sent.
#[derive(Debug)]
pub(super) struct Change {
    /// The number of the last sending.
    pub(super) number: u64,
    pub(super) expected: u64,
    pub(super) next: Value,
    /// When it was first sent: from then on it may be in the register.
    pub(super) sent: Duration,
    /// When it was last sent.
    pub(super) sent_again: Duration,
    pub(super) doubt: Option<Doubt>,
    pub(super) purpose: Purpose,
}

/// What a change is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To become, to stay, or to be no more the leader, or to note something.
    Lease,
    /// To name what the new leader makes of the served commit, before it opens.
    Opening,
    /// To publish, and to answer the engine's question with this number.
    Question(u64),
}

/// Why it is not known whether a change is in the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// There was no answer in time: it may still arrive.
    Unknown,
    /// It was refused, perhaps because an earlier sending of it came first.
    Refused,
}

impl Office {
    /// Returns the office of a leader whose claim is in the register.
    pub(super) fn of(claim: Change, revision: u64) -> Self {
        Self {
            revision,
            heads: Heads::begin(claim.next.head()),
            search: None,
            value: claim.next,
            renewed: claim.sent,
            is_open: false,
            change: None,
            opening: None,
            proposals: VecDeque::new(),
            noted: None,
            told: BTreeMap::new(),
            alerts: None,
            missed: None,
            is_resigning: false,
            parting: None,
        }
    }

    /// Returns when the leader counts as deposed, whatever it thinks.
    pub(super) fn until(&self, terms: &Terms) -> Duration {
        self.renewed + terms.deadline()
    }

    /// Returns when the lease is to be renewed, unless a change is on its way.
    pub(super) fn renewal(&self, terms: &Terms) -> Option<Duration> {
        self.change.is_none().then(|| self.renewed + terms.renewal())
    }

    /// Returns whether what the register names is on the disk of this replica.
    fn has_the_head(&self) -> bool {
        self.is_open || self.parting.is_some()
    }

    /// Returns whether the lead is given back now.
    fn is_over(&self, now: Duration) -> bool {
        let is_kept = self.parting.is_some_and(|until| now < until) && !self.value.is_safe();
        self.is_resigning && !is_kept
    }

    /// Denies everything that waits.
    pub(super) fn deny(&mut self, actions: &mut Vec<Action>) {
        let waiting = self.proposals.drain(..);
        actions.extend(
            waiting.map(|proposal| Action::Decide(proposal.number, Err(Denied::NotLeading))),
        );
    }

    /// Returns the next value, and what it is for; `None` if nothing is to be changed. `stored` are the
    /// heads on the disks of others.
    pub(super) fn next(
        &mut self,
        now: Duration,
        terms: &Terms,
        stored: impl IntoIterator<Item = CommitId>,
    ) -> Option<(Value, Purpose)> {
        let synced = self.value.facts.remote.synced;
        // What a new leader does not have yet is on one disk, wherever that is.
        // A slow replica may say an older one than the remote is known to have.
        let known = self.value.safe.map_or(0, |safe| safe.seq);
        let safe = match self.has_the_head() && !self.value.is_safe() {
            true => self.heads.safe(stored, synced).filter(|safe| safe.seq > known),
            false => None,
        };
        if let Some(safe) = safe {
            self.value = self.value.with_safe(safe);
        }
        let told = std::mem::take(&mut self.told);
        let alerts = self.alerts.take().map(|alerts| self.value.clone().alerting(alerts).alerts);
        let alerts = alerts.filter(|alerts| *alerts != self.value.alerts);
        // All go along with whatever is changed.
        let is_news = safe.is_some() || !told.is_empty() || alerts.is_some();
        let next = self.next_of(now, terms);
        let next = next.or_else(|| is_news.then(|| (self.value.renewed(), Purpose::Lease)));
        let alerts = alerts.unwrap_or_else(|| self.value.alerts.clone());
        next.map(|(next, purpose)| (next.telling(&told).alerting(alerts), purpose))
    }

    fn next_of(&mut self, now: Duration, terms: &Terms) -> Option<(Value, Purpose)> {
        if self.is_over(now) {
            return Some((Value { leader: None, ..self.value.renewed() }, Purpose::Lease));
        }
        if let Some(facts) = self.opening.take() {
            let next = match facts.head == self.value.facts.head {
                true => self.value.publishing(facts),
                false => self.value.abandoning(facts),
            };
            return Some((next, Purpose::Opening));
        }
        if let Some(Proposal { number, facts }) = self.proposals.pop_front() {
            return Some((self.value.publishing(facts), Purpose::Question(number)));
        }
        let has_the_head = self.has_the_head();
        if let Some(remote) = self.noted.take_if(|_| has_the_head)
            && remote != self.value.facts.remote
        {
            return Some((self.value.noting(remote), Purpose::Lease));
        }
        let is_due = self.renewal(terms).is_some_and(|at| at <= now);
        is_due.then(|| (self.value.renewed(), Purpose::Lease))
    }
}

impl Change {
    /// Returns the first sending of a change.
    pub(super) fn first(
        now: Duration,
        number: u64,
        expected: u64,
        next: Value,
        purpose: Purpose,
    ) -> Self {
        let (sent, sent_again, doubt) = (now, now, None);
        Self { number, expected, next, sent, sent_again, doubt, purpose }
    }

    /// Returns the question of the engine that it answers.
    pub(super) fn question(&self) -> Option<u64> {
        match self.purpose {
            Purpose::Question(number) => Some(number),
            Purpose::Lease | Purpose::Opening => None,
        }
    }

    /// Sends it.
    pub(super) fn action(&self) -> Action {
        let Self { number, expected, next, .. } = self;
        Action::Swap { number: *number, expected: *expected, next: Box::new(next.clone()) }
    }
}
