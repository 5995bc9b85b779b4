//! What is wrong with the cluster, as this replica sees it: told once, and told to be over.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cluster::member::{ClusterView, RegisterState};

/// How long a cluster may be without a leader before an alert.
const LEADERLESS: Duration = Duration::from_secs(30);

/// How long a replica may be behind the register before an alert.
const BEHIND: Duration = Duration::from_secs(60);

/// Something that is wrong with the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClusterTrouble {
    /// Nobody leads.
    NoLeader,
    /// This replica does not serve the newest publication.
    Behind,
    /// The register is signed with another secret.
    OtherSecret,
}

impl ClusterTrouble {
    /// Returns everything that is wrong in `view`.
    pub fn all(view: &ClusterView) -> BTreeSet<Self> {
        let lasts = |since: Option<tokio::time::Instant>, patience| {
            since.is_some_and(|since| since.elapsed() >= patience)
        };
        let troubles = [
            (lasts(view.leaderless_since, LEADERLESS), Self::NoLeader),
            (lasts(view.behind_since, BEHIND), Self::Behind),
            (view.register == RegisterState::OtherSecret, Self::OtherSecret),
        ];
        troubles.into_iter().filter_map(|(is, trouble)| is.then_some(trouble)).collect()
    }

    /// Returns the name of its event.
    pub(super) const fn event(self) -> &'static str {
        match self {
            Self::NoLeader => "no_leader",
            Self::Behind => "replica_behind",
            Self::OtherSecret => "cluster_secret",
        }
    }

    /// Returns what a person is told.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::NoLeader => {
                "the cluster has no leader: reads go on, and this replica polls the remote by itself"
            }
            Self::Behind => "this replica does not serve the newest publication of its cluster",
            Self::OtherSecret => {
                "the register is signed with another secret, so it is not followed: give every \
                 replica the same one"
            }
        }
    }
}

/// Remembers what was told.
#[derive(Debug, Default)]
pub(super) struct ClusterRule(BTreeSet<ClusterTrouble>);

/// What has begun and what is over.
pub(super) struct Turned {
    pub(super) begun: Vec<ClusterTrouble>,
    pub(super) over: Vec<ClusterTrouble>,
}

impl ClusterRule {
    /// Returns what is news in `troubles`, which are all there are now.
    pub(super) fn consider(&mut self, troubles: BTreeSet<ClusterTrouble>) -> Turned {
        let begun = troubles.difference(&self.0).copied().collect();
        let over = self.0.difference(&troubles).copied().collect();
        self.0 = troubles;
        Turned { begun, over }
    }
}
