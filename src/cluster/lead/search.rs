//! What a new leader does about a head that nobody seems to have.
//!
//! A head that is not safe is given up after a while: nothing in it was acknowledged that an earlier
//! one does not have. A safe one is looked for until somebody comes back who has it, or until an
//! operator gives it up.

use std::time::Duration;

use headwater_engine::digest::Digest;
use headwater_engine::id::CommitId;

use super::office::{Goal, Search};
use super::{Action, Lead, Role};
use crate::cluster::register::{Facts, Head, Value};
use crate::cluster::terms::Terms;

impl Search {
    /// Returns when something else is looked for.
    pub(super) fn turn_at(&self, terms: &Terms) -> Duration {
        match self.allowed {
            Some(_) => self.turned + terms.turning(),
            None => (self.since + terms.search()).max(self.turned + terms.turning()),
        }
    }
}

impl Lead {
    /// Returns the head that this leader looks for and nobody has, and without which it takes no writes.
    pub fn missing(&self) -> Option<CommitId> {
        match &self.role {
            Role::Leading(office) if !office.is_open && office.search.is_some() => {
                Some(office.value.facts.head)
            }
            _ => None,
        }
    }

    /// Takes note that nobody has the objects of `value`.
    pub(super) fn is_missing(&mut self, now: Duration, value: &Value) {
        let ours = self.serving.named.as_ref().map(|named| named.head);
        let ours = ours.map(|commit| Head { commit, seq: self.serving.seq });
        let Role::Leading(office) = &mut self.role else { return };
        if let Some(search) = &mut office.search
            && search.allowed.is_some_and(|allowed| allowed.commit == value.facts.head)
        {
            // Whoever said that it has this one is gone, too.
            search.allowed = ours;
        }
        if !office.is_open && office.opening.is_none() && office.value.seq == value.seq {
            let (since, turned, goal, allowed) = (now, now, Goal::Head, None);
            office.search.get_or_insert(Search { since, turned, goal, allowed });
        }
    }

    /// Goes on without `head`, from the newest state that a replica here has.
    pub(super) fn abandon(&mut self, now: Duration, head: CommitId) {
        let ours = self.serving.named.as_ref().map(|named| named.head);
        let ours = ours.map(|commit| Head { commit, seq: self.serving.seq });
        let others = self.present.here(now).filter_map(|here| {
            Some(Head { commit: here.stored.as_ref()?.parse().ok()?, seq: here.served_seq })
        });
        let newest = others.chain(ours).filter(|it| it.commit != head).max_by_key(|it| it.seq);
        let Role::Leading(office) = &mut self.role else { return };
        if let Some(search) = &mut office.search
            && !office.is_open
            && office.value.facts.head == head
        {
            search.allowed = newest;
            search.turned = now.saturating_sub(self.terms.turning());
        }
    }

    /// Looks for something else, if it is time.
    pub(super) fn turn(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let earlier = self.earlier();
        let Role::Leading(office) = &mut self.role else { return };
        let Some(search) = office.search.as_mut() else { return };
        if office.is_open || search.turn_at(&self.terms) > now {
            return;
        }
        search.turned = now;
        search.goal = match (search.goal, earlier) {
            (Goal::Head, Some(earlier)) => Goal::Earlier(earlier),
            (Goal::Earlier(_), _) => Goal::Head,
            // It may only be looked for.
            (Goal::Head, None) => return,
        };
        let value = match search.goal {
            Goal::Head => office.value.clone(),
            Goal::Earlier(head) => at(&office.value, head),
        };
        self.follow(value, actions);
    }

    /// Returns the head from which this leader may go on without the one that the register names: what
    /// it has itself, if that is no older than the safe head.
    fn earlier(&self) -> Option<CommitId> {
        let Role::Leading(office) = &self.role else { return None };
        if let Some(allowed) = office.search.as_ref()?.allowed {
            return Some(allowed.commit);
        }
        let safe = office.value.safe.filter(|_| !office.value.is_safe())?;
        let is_newer = self.serving.seq > safe.seq && self.serving.own.is_none();
        let ours = self.serving.named.as_ref().filter(|_| is_newer);
        Some(ours.map_or(safe.commit, |ours| ours.head))
    }
}

/// Returns where to go to have the state of an earlier head. What it is like is not known here.
fn at(value: &Value, head: CommitId) -> Value {
    let (digest, made_by) = (Digest::from_bytes([0; 32]), String::new());
    Value { facts: Facts { head, digest, made_by, ..value.facts.clone() }, ..value.clone() }
}
