//! The cluster as `_status` shows it.

use serde::Serialize;

use crate::cluster::lead::Standing;
use crate::cluster::member::ClusterView;
use crate::cluster::present::Here;
use crate::cluster::register::{Facts, Held};

/// What `_status` says of the cluster. The digests of whole states are not public, so they are
/// compared and not shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// `leading`, `following` or `orphaned`.
    role: &'static str,
    /// The name of this replica.
    name: String,
    /// The name of the leader; null if there is none.
    leader: Option<String>,
    /// How often the leader changed.
    epoch: u64,
    /// The number of the newest publication that this replica knows.
    seq: u64,
    /// The number of the publication that it serves.
    serving_seq: u64,
    /// How long it has been behind.
    behind_seconds: u64,
    /// The last head that is in two places, so that no single machine can lose it; null if that is not
    /// known.
    safe: Option<String>,
    /// How long the newest head has been in one place only.
    unsafe_seconds: u64,
    /// The head that nobody has, and without which this replica does not lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    /// The other replicas that were heard lately, by name.
    replicas: Vec<ReplicaStatus>,
    /// The push that the leader holds, if this replica follows one.
    #[serde(skip)]
    pub(super) held: HeldElsewhere,
}

/// What a replica knows of the push that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HeldElsewhere {
    /// It judges by itself.
    Here,
    /// The leader judges, and holds this.
    AtTheLeader(Option<Held>),
}

/// Another replica.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReplicaStatus {
    name: String,
    version: String,
    serving_seq: u64,
    /// The commit that it serves.
    commit: String,
    /// `equal`, `differs`, or `unknown` if it serves another commit or makes digests differently.
    digest: &'static str,
    /// Whether it goes its own way.
    orphaned: bool,
}

impl ClusterStatus {
    /// Returns what the public sees of the cluster.
    pub fn of(view: &ClusterView) -> Self {
        let value = view.value.as_ref();
        let is_led_by_me = value.is_some_and(|value| value.is_led_by(&view.me.id));
        let leader = view.leader.as_ref().or_else(|| is_led_by_me.then_some(&view.me));
        let mut replicas: Vec<_> = view
            .others
            .iter()
            .map(|here| ReplicaStatus::of(here, value.map(|v| &v.facts)))
            .collect();
        replicas.sort_by(|one, other| one.name.cmp(&other.name));
        Self {
            role: view.standing.as_str(),
            name: view.me.name.clone(),
            leader: leader.map(|leader| leader.name.clone()),
            epoch: value.map_or(0, |value| value.epoch),
            seq: value.map_or(0, |value| value.seq),
            serving_seq: view.serving_seq,
            behind_seconds: view.behind_since.map_or(0, |since| since.elapsed().as_secs()),
            safe: value.and_then(|value| value.safe).map(|safe| safe.commit.to_string()),
            unsafe_seconds: view.unsafe_since.map_or(0, |since| since.elapsed().as_secs()),
            missing: view.missing.map(|head| head.to_string()),
            replicas,
            held: match view.standing {
                Standing::Following => HeldElsewhere::AtTheLeader(
                    value.and_then(|value| value.facts.remote.held.clone()),
                ),
                Standing::Leading | Standing::Orphaned => HeldElsewhere::Here,
            },
        }
    }
}

impl ReplicaStatus {
    fn of(here: &Here, named: Option<&Facts>) -> Self {
        let is_comparable = |named: &&Facts| {
            named.served().to_string() == here.served && named.made_by == here.made_by
        };
        let digest = match named.filter(is_comparable) {
            Some(named) if named.digest.to_string() == here.digest => "equal",
            Some(_) => "differs",
            None => "unknown",
        };
        Self {
            name: here.name.clone(),
            version: here.version.clone(),
            serving_seq: here.served_seq,
            commit: here.served.clone(),
            digest,
            orphaned: here.orphan,
        }
    }
}
