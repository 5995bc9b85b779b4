//! What is wrong with the cluster, as this replica sees it: told once, and told to be over.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cluster::lead::Standing;
use crate::cluster::member::{ClusterView, RegisterState};

/// How long a cluster may be without a leader before an alert.
const LEADERLESS: Duration = Duration::from_secs(30);

/// How long a replica may be behind the register before an alert.
const BEHIND: Duration = Duration::from_secs(60);

/// How long the newest head may be on one disk only before an alert.
const UNSAFE: Duration = Duration::from_secs(60);

/// How long a new leader may look for a head before an alert. One that may be given up is by then.
const MISSING: Duration = Duration::from_secs(15);

/// Something that is wrong with the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClusterTrouble {
    /// Nobody leads.
    NoLeader,
    /// This replica does not serve the newest publication.
    Behind,
    /// The register is signed with another secret.
    OtherSecret,
    /// Nobody has the head, and it may not be given up.
    HeadMissing,
    /// This replica leads, and its newest head is on its own disk only.
    NotSafe,
}

impl ClusterTrouble {
    /// Returns everything that is wrong in `view`.
    pub fn all(view: &ClusterView) -> BTreeSet<Self> {
        let lasts = |since: Option<tokio::time::Instant>, patience| {
            since.is_some_and(|since| since.elapsed() >= patience)
        };
        let leads = view.standing == Standing::Leading;
        let troubles = [
            (lasts(view.leaderless_since, LEADERLESS), Self::NoLeader),
            (lasts(view.behind_since, BEHIND), Self::Behind),
            (view.register == RegisterState::OtherSecret, Self::OtherSecret),
            (lasts(view.missing_since, MISSING), Self::HeadMissing),
            (leads && lasts(view.unsafe_since, UNSAFE), Self::NotSafe),
        ];
        troubles.into_iter().filter_map(|(is, trouble)| is.then_some(trouble)).collect()
    }

    /// Returns the name of its event.
    pub(super) const fn event(self) -> &'static str {
        match self {
            Self::NoLeader => "no_leader",
            Self::Behind => "replica_behind",
            Self::OtherSecret => "cluster_secret",
            Self::HeadMissing => "head_missing",
            Self::NotSafe => "not_safe",
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
            Self::HeadMissing => {
                "no replica that is here has the head of the cluster, and writes in it were \
                 acknowledged: writes wait until a replica comes back that has it, or until an operator \
                 gives it up with `promote`"
            }
            Self::NotSafe => {
                "the newest writes are on the disk of the leader only: no follower stores them, and \
                 they are not pushed"
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
