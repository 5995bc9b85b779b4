//! Who claims the lead, when, and with which value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Map;

use super::Lead;
use crate::cluster::register::{FORMAT, Facts, Head, Value};

impl Lead {
    /// Returns when this replica claims the lead, unless something happens before.
    pub(super) fn claim_at(&self, now: Duration) -> Option<Duration> {
        let seen = self.seen.as_ref().filter(|_| self.is_heard)?;
        if !self.terms.leads || self.is_ending {
            return None;
        }
        // Who knows more has to come first, even if the register says that nobody leads.
        let others = match self.is_outranked(now) {
            true => self.terms.lease + self.terms.hesitation(),
            false => Duration::ZERO,
        };
        let Some(value) = &seen.value else {
            // Nobody has written it, or it is gone.
            self.known.as_ref().map(|known| &known.facts).or(self.serving.own.as_ref())?;
            return Some((seen.since + self.terms.first() + others).max(self.rests));
        };
        if value.v > FORMAT || self.known.as_ref().is_some_and(|known| known.v > FORMAT) {
            return None;
        }
        let leader = if seen.is_old { &self.known.as_ref()?.leader } else { &value.leader };
        let wait = match leader {
            None if seen.is_unproven => self.terms.lease,
            None => Duration::ZERO,
            // Nobody else leads, and this replica knows that it does not.
            Some(leader) if leader.id == self.me.id => Duration::ZERO,
            Some(_) => self.terms.lease,
        };
        let head = self.known.as_ref().map_or(value.facts.head, |known| known.facts.head);
        let objects =
            if self.stored == Some(head) { Duration::ZERO } else { self.terms.hesitation() };
        Some((seen.since + wait + objects + others).max(self.rests))
    }

    /// Returns whether a replica that may lead knows a later seq.
    fn is_outranked(&self, now: Duration) -> bool {
        let ours = self.known_seq();
        self.present.here(now).any(|here| here.leads && here.seq > ours)
    }

    /// Returns the change that makes this replica the leader, and the revision that it expects.
    pub(super) fn claim(&self, now: Duration) -> Option<(u64, Value)> {
        let seen = self.seen.as_ref()?;
        let mut next = self.claimed()?;
        // An earlier version did not say what is safe.
        next.safe = next.safe.or(Some(next.head()));
        let heard = self.present.newest(now).unwrap_or_default();
        if heard.seq > next.seq {
            // Who knows that seq did not claim. It must find its way to ours.
            next.seq = heard.seq + 1;
        }
        let found = seen.value.as_ref().map(Value::stamp).unwrap_or_default();
        next.epoch = next.epoch.max(found.epoch).max(heard.epoch) + 1;
        next.beat = next.beat.max(found.beat).max(heard.beat) + 1;
        next.leader = Some(self.me.clone());
        Some((seen.revision, next))
    }

    /// Returns what is published by a claim: the newest value that is known. It is in the register,
    /// unless the register went back in time.
    fn claimed(&self) -> Option<Value> {
        match (&self.known, &self.serving.own) {
            // An orphan went on from what everybody knows, and it goes forward only.
            (Some(known), Some(own)) if self.serving.is_at(known) => {
                Some(known.publishing(own.clone()))
            }
            (Some(known), _) => Some(known.clone()),
            (None, Some(own)) => Some(first(own.clone())),
            (None, None) => None,
        }
    }
}

/// Returns the first value of all.
fn first(facts: Facts) -> Value {
    // Nobody knows what was acknowledged before, so all of it stays.
    let safe = Some(Head { commit: facts.head, seq: 1 });
    Value {
        v: FORMAT,
        epoch: 0,
        beat: 0,
        leader: None,
        seq: 1,
        facts,
        safe,
        pending: Vec::new(),
        abandoned: Vec::new(),
        told: BTreeMap::new(),
        alerts: BTreeSet::new(),
        rest: Map::new(),
    }
}
