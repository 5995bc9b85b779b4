//! Clusters whose parts are stopped, killed, or forget: each test is for a row of the table of failures in
//! `docs/cluster.md`.

use std::path::{Path, PathBuf};
use std::process::Child;

use headwater_testkit::{NatsCluster, NatsServer, Upstream};
use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::{Common, Replica};
use crate::cluster_watch::{leader, role, until, while_watched};
use crate::harness::{people, person};

/// The shortest lease there may be. All times of a cluster are shares of it.
const LEASE: &str = "3";

/// A process that is stopped until this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn stop(process: &Child) -> Self {
        let process = Pid::from_child(process);
        kill_process(process, Signal::STOP).unwrap();
        Self(process)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have ended.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// A forge to which one record is pushed again and again.
pub(crate) struct Forge {
    upstream: Upstream,
    age: u32,
}

impl Forge {
    pub(crate) fn new() -> Self {
        Self { upstream: people(), age: 40 }
    }

    pub(crate) fn push(&mut self) -> String {
        self.age += 1;
        let ada = person("ada", "Ada", self.age);
        self.upstream.commit("older").put("people/ada.toml", ada).push();
        self.upstream.head().unwrap()
    }

    /// What all replicas have in common. The forge is not polled.
    pub(crate) fn common(&self, bus: String, lease: &str) -> Common {
        let mut common = Common::on(bus, self.upstream.url(), "0");
        common.settings.push(("HEADWATER_CLUSTER_LEASE", lease.to_owned()));
        common
    }
}

fn packaged(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/nats").join(name)
}

fn seq(replica: &Replica) -> u64 {
    replica.status()["cluster"]["servingSeq"].as_u64().unwrap()
}

#[test]
fn a_leader_that_was_stopped_for_long_steps_down_before_it_does_anything_and_a_slow_follower_skips()
{
    let Some(nats) = NatsServer::start() else { return };
    let mut forge = Forge::new();
    let common = forge.common(nats.url("data"), LEASE);
    let replicas = common.start_three();
    let [one, two, three] = replicas.each_ref();

    // A follower that is stopped misses two states of three.
    let missed = [forge.push(), forge.push(), forge.push()];
    let before = seq(three);
    let stopped = Stopped::stop(&three.process);
    while_watched(&[one, two], || {
        for commit in &missed {
            assert_eq!(two.told(commit).0, 200);
            two.serves(commit);
        }
    });
    drop(stopped);
    three.serves(&missed[2]);
    until("counted", || seq(three) == seq(two));
    let followed = "headwater_cluster_follow_seconds_count 1";
    assert!(three.metrics().lines().any(|line| line == followed), "{before}\n{}", three.metrics());

    // The leader is stopped for longer than its lease.
    let commit = forge.push();
    let stopped = Stopped::stop(&one.process);
    while_watched(&[two, three], || {
        until("published", || leader(&[two, three]).told(&commit).0 == 200);
        [two, three].iter().for_each(|replica| replica.serves(&commit));
    });
    while_watched(&[one, two, three], || {
        drop(stopped);
        until("following", || role(one) == "following");
        one.serves(&commit);
    });
}

#[test]
fn a_register_that_is_gone_or_goes_back_is_written_anew_and_nobody_goes_back() {
    let Some(mut nats) = NatsServer::start() else { return };
    let mut forge = Forge::new();
    let common = forge.common(nats.url("data"), LEASE);
    let replicas = common.start_three();
    let [one, two, three] = replicas.each_ref();
    let all = [one, two, three];
    let first = forge.push();
    until("published", || two.told(&first).0 == 200);
    all.iter().for_each(|replica| replica.serves(&first));
    nats.kill();
    let past = nats.stored();
    nats.start_again();
    let leading = |all: &[&Replica]| {
        leader(all);
        all.iter().for_each(|replica| {
            until("in its cluster", || replica.status()["cluster"]["leader"].is_string());
        });
    };
    leading(&all);
    let second = forge.push();
    let mut last = 0;
    while_watched(&all, || {
        until("published", || two.told(&second).0 == 200);
        all.iter().for_each(|replica| replica.serves(&second));
        last = seq(one);
        // A loss of power takes the last changes.
        nats.kill();
        nats.go_back(past);
        nats.start_again();
        until("brought forward", || all.iter().all(|replica| seq(replica) >= last));
        leading(&all);
        all.iter().for_each(|replica| assert_eq!(replica.status()["commit"], second.as_str()));
    });
    let third = forge.push();
    while_watched(&all, || {
        until("published", || two.told(&third).0 == 200);
        all.iter().for_each(|replica| replica.serves(&third));
        // A disk is lost.
        last = seq(one);
        nats.kill();
        nats.forget();
        nats.start_again();
        let last_seq = |replica: &&Replica| replica.status()["cluster"]["seq"].as_u64().unwrap();
        leading(&all);
        until("written anew", || all.iter().all(|replica| last_seq(replica) >= last));
    });
    let fourth = forge.push();
    while_watched(&all, || {
        until("published", || two.told(&fourth).0 == 200);
        all.iter().for_each(|replica| replica.serves(&fourth));
    });
}

#[test]
fn each_of_three_servers_of_the_bus_may_be_lost_and_nobody_is_deposed() {
    let Some(mut nats) = NatsCluster::start(&packaged("three.conf")) else { return };
    let mut forge = Forge::new();
    let common = forge.common(nats.url("data"), "30");
    // One with a short lease is the first leader, so that nobody waits long, and gives the lead back.
    let mut first = common.start_with("two", &[("HEADWATER_CLUSTER_LEASE", LEASE)]);
    first.has_role("leading");
    let one = common.start("one");
    one.has_role("following");
    first.stop();
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    let epoch = |replica: &Replica| replica.status()["cluster"]["epoch"].clone();
    let begun = epoch(&one);
    for server in nats.servers() {
        let commit = forge.push();
        while_watched(&[&one, &two], || {
            server.kill();
            // It may have to wait for an election.
            assert!(matches!(two.told(&commit).0, 200 | 202));
            [&one, &two].iter().for_each(|replica| replica.serves(&commit));
            server.start_again();
        });
        assert_eq!((epoch(&one), role(&one).as_str()), (begun.clone(), "leading"));
    }
}

#[test]
fn a_push_that_the_leader_cannot_announce_any_more_is_503_and_nothing_is_published() {
    let Some(mut nats) = NatsServer::start() else { return };
    let mut forge = Forge::new();
    // It leads for two thirds of that without an answer.
    let common = forge.common(nats.url("data"), "9");
    let one = common.start("one");
    one.has_role("leading");
    let before = one.status()["commit"].clone();
    let commit = forge.push();
    nats.kill();
    let (status, answer) = one.told(&commit);
    assert_eq!((status, answer["code"].as_str()), (503, Some("leader_changed")), "{answer}");
    assert_eq!(one.status()["commit"], before);
    nats.start_again();
    one.has_role("leading");
    assert_eq!(one.told(&commit).0, 200);
    one.serves(&commit);
}
