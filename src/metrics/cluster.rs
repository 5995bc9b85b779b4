//! The cluster, as gauges.

use std::fmt::Write;

use super::exposition::{gauge, head};
use crate::cluster::lead::Standing;
use crate::cluster::member::{ClusterView, RegisterState};

/// Writes what this replica knows of its cluster.
pub(super) fn render(out: &mut String, view: &ClusterView) {
    let flag = |out: &mut String, name: &str, help: &str, value: bool| {
        gauge(out, name, help, u8::from(value));
    };
    let (value, is) = (view.value.as_ref(), |standing| view.standing == standing);
    let help = "Whether this replica leads.";
    flag(out, "headwater_cluster_leader", help, is(Standing::Leading));
    let help = "Whether this replica is without a leader and goes its own way.";
    flag(out, "headwater_cluster_orphaned", help, is(Standing::Orphaned));
    let help = "Whether the register can be read.";
    let is_read = view.register == RegisterState::Read;
    flag(out, "headwater_cluster_bus_connected", help, is_read);
    let help = "How often the leader of the cluster changed.";
    gauge(out, "headwater_cluster_epoch", help, value.map_or(0, |value| value.epoch));
    let help = "The number of the newest publication of the cluster.";
    gauge(out, "headwater_cluster_seq", help, value.map_or(0, |value| value.seq));
    let help = "The number of publications that this replica does not serve yet.";
    let behind = value.map_or(0, |value| value.seq.saturating_sub(view.serving_seq));
    gauge(out, "headwater_cluster_behind", help, behind);
    let help = "How long this replica has been behind the newest publication.";
    let seconds = view.behind_since.map_or(0.0, |since| since.elapsed().as_secs_f64());
    gauge(out, "headwater_cluster_behind_seconds", help, seconds);
    let help = "How long this replica has known of no leader.";
    let seconds = view.leaderless_since.map_or(0.0, |since| since.elapsed().as_secs_f64());
    gauge(out, "headwater_cluster_leaderless_seconds", help, seconds);
    let help = "Replicas that were heard lately, and this one.";
    gauge(out, "headwater_cluster_replicas", help, view.others.len() + 1);
    let counts = &view.counts;
    let name = "headwater_cluster_follow_seconds";
    let help = "From the sight of a publication in the register until this replica serves it.";
    head(out, name, "histogram", help);
    counts.follows().render(out, name, "");
    let name = "headwater_cluster_safe_seconds";
    let help = "From the publication of a write here until it is in two places.";
    head(out, name, "histogram", help);
    counts.safes().render(out, name, "");
    let help = "How long the newest head has been on one disk only.";
    let seconds = view.unsafe_since.map_or(0.0, |since| since.elapsed().as_secs_f64());
    gauge(out, "headwater_cluster_unsafe_seconds", help, seconds);
    let help = "Alerts of the leader that are not over, as the register has them.";
    let alerts = view.value.as_ref().map_or(0, |value| value.alerts.len());
    gauge(out, "headwater_cluster_open_alerts", help, alerts as f64);
    let name = "headwater_cluster_digests_total";
    let help = "Digests that were compared with the leader's, by result.";
    counters(out, name, help, "result", &counts.comparisons());
    let name = "headwater_cluster_fetches_total";
    let help = "Fetches of what the leader published, by the source that had it.";
    counters(out, name, help, "from", &counts.fetches());
    let name = "headwater_cluster_forwarded_total";
    let help = "Calls for the leader, by what became of them.";
    counters(out, name, help, "result", &counts.forwardings());
    let name = "headwater_cluster_takeovers_total";
    head(out, name, "counter", "How often this replica became the leader.");
    let _ = writeln!(out, "{name} {}", view.takeovers);
}

/// Writes counters of one kind, with the label that tells them apart.
fn counters(out: &mut String, name: &str, help: &str, label: &str, counts: &[(&str, u64)]) {
    head(out, name, "counter", help);
    for (value, count) in counts {
        let _ = writeln!(out, "{name}{{{label}=\"{value}\"}} {count}");
    }
}
