//! Which replicas are asked for a commit, and in which order.

use super::member::ClusterView;
use super::present::Here;
use super::register::Value;

/// The addresses of the replicas that may have a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Peers<'a> {
    /// Those that are asked first, in this order.
    pub(super) answering: Vec<&'a str>,
    /// The leader, if it does not answer this replica: it is asked last, because it would be waited for.
    pub(super) silent: Option<&'a str>,
}

impl<'a> Peers<'a> {
    /// Returns the replicas that may have the head of `value`: the leader first, then those that have it,
    /// then the rest.
    pub(super) fn of(view: &'a ClusterView, value: &'a Value) -> Self {
        let head = value.facts.head.to_string();
        let leader = value.leader.as_ref().filter(|leader| leader.id != view.me.id);
        let is_silent = leader.is_some_and(|leader| view.unreached.as_ref() == Some(&leader.id));
        let leader = leader.map(|leader| &*leader.url);
        let mut answering: Vec<&str> = leader.filter(|_| !is_silent).into_iter().collect();
        let has_it = |here: &&Here| here.stored.as_ref() == Some(&head);
        let with = view.others.iter().filter(has_it);
        let without = view.others.iter().filter(|here| !has_it(here));
        for url in with.chain(without).map(|here| &*here.url) {
            if Some(url) != leader && !answering.contains(&url) {
                answering.push(url);
            }
        }
        Self { answering, silent: leader.filter(|_| is_silent) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use serde_json::Map;

    use super::*;
    use crate::cluster::lead::Standing;
    use crate::cluster::member::RegisterState;
    use crate::cluster::present::tests::here;
    use crate::cluster::register::tests::facts;
    use crate::cluster::register::{FORMAT, Leader};

    fn leader(id: &str) -> Leader {
        Leader { id: id.into(), name: id.into(), url: format!("http://{id}:8081") }
    }

    fn value() -> Value {
        Value {
            v: FORMAT,
            epoch: 1,
            beat: 1,
            leader: Some(leader("b")),
            seq: 1,
            facts: facts(5),
            safe: None,
            pending: Vec::new(),
            abandoned: Vec::new(),
            told: BTreeMap::new(),
            alerts: BTreeSet::new(),
            rest: Map::new(),
        }
    }

    /// Returns what the replica `a` sees if `b` leads, and `d` has its head.
    fn view() -> ClusterView {
        let has_it = Here { stored: Some(facts(5).head.to_string()), ..here("d", 1, 1) };
        ClusterView {
            me: leader("a"),
            standing: Standing::Following,
            engine_leads: false,
            value: Some(value()),
            leader: Some(leader("b")),
            serving_seq: 1,
            behind_since: None,
            leaderless_since: None,
            unreached: None,
            missing: None,
            missing_since: None,
            unsafe_since: None,
            others: vec![here("b", 1, 1), here("c", 1, 1), has_it],
            register: RegisterState::Read,
            takeovers: 0,
            counts: Arc::default(),
        }
    }

    #[test]
    fn the_leader_is_asked_first_and_last_if_it_does_not_answer() {
        let (b, c, d) = ("http://b:8081", "http://c:8081", "http://d:8081");
        let answering = |answering: &[&'static str]| answering.to_vec();
        let usual = Peers { answering: answering(&[b, d, c]), silent: None };
        assert_eq!(Peers::of(&view(), &value()), usual);
        let silent = ClusterView { unreached: Some("b".into()), ..view() };
        let without_it = Peers { answering: answering(&[d, c]), silent: Some(b) };
        assert_eq!(Peers::of(&silent, &value()), without_it);
        // Another one led when there was no answer.
        let before = ClusterView { unreached: Some("c".into()), ..view() };
        assert_eq!(Peers::of(&before, &value()), usual);
        let leading = ClusterView { me: leader("b"), ..view() };
        let others = Peers { answering: answering(&[d, b, c]), silent: None };
        assert_eq!(Peers::of(&leading, &value()), others);
    }
}
