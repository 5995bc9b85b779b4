//! Who answers a call that only a leader can answer.

use std::sync::Arc;
use std::time::Instant;

use axum::http::HeaderMap;

use super::header_names::HOP;
use crate::cluster::lead::Standing;
use crate::cluster::member::{ClusterView, MemberHandle};
use crate::cluster::register::Leader;

/// Who answers a call that only a leader can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Addressee {
    /// This replica.
    Here,
    /// The leader, which is another replica.
    Leader(Leader),
    /// Another replica, but not by way of this one: it was taken for the leader.
    Elsewhere,
    /// Nobody now. Whoever leads next asks the remote first of all.
    Nobody,
}

/// The way on which a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From its caller.
    Direct,
    /// From another replica, which passed it on.
    PassedOn,
}

impl Way {
    /// Returns the way of a call with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key(HOP) { Self::PassedOn } else { Self::Direct }
    }
}

impl Addressee {
    /// Returns who answers a call that came on `way`, by what is known of the cluster.
    pub(super) fn of(view: &ClusterView, way: Way) -> Self {
        match (view.standing, &view.leader, way) {
            // It has just won the lead: its engine would refuse the call.
            (Standing::Leading, _, _) if !view.engine_leads => Self::Nobody,
            (Standing::Leading | Standing::Orphaned, _, _) => Self::Here,
            (Standing::Following, None, _) => Self::Nobody,
            (Standing::Following, Some(leader), Way::Direct) => Self::Leader(leader.clone()),
            (Standing::Following, Some(_), Way::PassedOn) => Self::Elsewhere,
        }
    }

    /// Returns who answers a call that came on `way`. Waits until `until` while nobody does, or only the
    /// leader with the id `failed`, which did not.
    pub(super) async fn wait(
        member: &MemberHandle,
        way: Way,
        failed: Option<&str>,
        until: Instant,
    ) -> Self {
        let mut view = member.watch();
        let is_somebody = |view: &Arc<ClusterView>| match Self::of(view, way) {
            Self::Leader(leader) => failed != Some(&*leader.id),
            Self::Here | Self::Elsewhere => true,
            Self::Nobody => false,
        };
        // Whoever is there at the end is told.
        let _ = tokio::time::timeout_at(until.into(), view.wait_for(is_somebody)).await;
        Self::of(&member.view(), way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::member::RegisterState;

    #[test]
    fn a_call_is_for_whoever_leads_and_is_passed_on_once() {
        let other = Leader { id: "2".into(), name: "two".into(), url: "http://two".into() };
        let view = |standing, leader: Option<&Leader>| ClusterView {
            me: Leader { id: "1".into(), name: "one".into(), url: "http://one".into() },
            standing,
            engine_leads: standing == Standing::Leading,
            value: None,
            leader: leader.cloned(),
            serving_seq: 0,
            behind_since: None,
            leaderless_since: None,
            unreached: None,
            missing: None,
            missing_since: None,
            unsafe_since: None,
            others: Vec::new(),
            register: RegisterState::Read,
            takeovers: 0,
            counts: Arc::default(),
        };
        let leader = Addressee::Leader(other.clone());
        let cases = [
            (Standing::Leading, None, Way::Direct, Addressee::Here),
            (Standing::Leading, None, Way::PassedOn, Addressee::Here),
            (Standing::Orphaned, None, Way::Direct, Addressee::Here),
            (Standing::Orphaned, Some(&other), Way::Direct, Addressee::Here),
            (Standing::Following, Some(&other), Way::Direct, leader),
            (Standing::Following, Some(&other), Way::PassedOn, Addressee::Elsewhere),
            (Standing::Following, None, Way::Direct, Addressee::Nobody),
            // It has won the lead, and is not there yet.
            (Standing::Following, None, Way::PassedOn, Addressee::Nobody),
        ];
        for (standing, known, way, expected) in cases {
            let found = Addressee::of(&view(standing, known), way);
            assert_eq!(found, expected, "{standing:?} {known:?} {way:?}");
        }
        let begins = ClusterView { engine_leads: false, ..view(Standing::Leading, None) };
        assert_eq!(Addressee::of(&begins, Way::Direct), Addressee::Nobody);
    }
}
