//! Calls that only the leader of a cluster can answer, at its followers.

use std::os::unix::fs::PermissionsExt as _;

use headwater_testkit::NatsServer;
use headwater_testkit::notify::{can_run_notify_script, run_notify_script};
use serde_json::Value;

use crate::cluster::{Common, Replica};
use crate::cluster_watch::until;
use crate::harness::{OPERATOR_SECRET, RELOAD, RELOAD_SECRET, people, person};
use crate::kills::send;

/// Calls `path` of the internal side with a secret.
fn call(replica: &Replica, path: &str, secret: &str, head: &str, body: &str) -> (u16, Value) {
    let head =
        format!("authorization: Bearer {secret}\r\ncontent-type: application/json\r\n{head}");
    send(&replica.internal, "POST", path, &head, body).unwrap()
}

#[test]
fn without_a_leader_a_webhook_is_accepted_and_the_next_leader_reloads() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let common = Common::new(&nats, upstream.url(), "0");
    let mut one = common.start("one");
    one.has_role("leading");
    // It would be on its own after two hours, and never leads.
    let alone = [("HEADWATER_CLUSTER_LEAD", "off"), ("HEADWATER_CLUSTER_LEASE", "3600")];
    let two = common.start_with("two", &alone);
    two.has_role("following");
    let first = upstream.head().unwrap();
    one.stop();
    two.cluster(|cluster| cluster["leader"].is_null());

    upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 40)).push();
    let commit = upstream.head().unwrap();
    let body = format!("{{\"commitHash\":\"{commit}\"}}");
    for path in [RELOAD, "/api/_internal/rebuild-data"] {
        let (status, answer) = call(&two, path, RELOAD_SECRET, "prefer: wait=0\r\n", &body);
        assert_eq!((status, answer["state"].as_str()), (202, Some("waiting")), "{answer}");
    }
    if can_run_notify_script() {
        let url = format!("http://{}", two.internal);
        let notified = run_notify_script(&url, RELOAD_SECRET, "published", &commit);
        assert_eq!(notified.status, 1, "{}", notified.stdout);
        assert!(notified.stdout.contains("no replica leads the cluster"), "{}", notified.stdout);
    }
    // Whoever cannot sign is told so, leader or not.
    assert_eq!(call(&two, RELOAD, "a-secret-of-nobody-at-all", "", &body).0, 401);
    // An operator decides nothing without a leader.
    let pin = format!("{{\"commit\":\"{first}\"}}");
    let apply = "/api/_internal/reloads/1-1/apply";
    for (path, body) in [("/api/_internal/pin", &*pin), ("/api/_internal/unpin", ""), (apply, "")] {
        let (status, answer) = call(&two, path, OPERATOR_SECRET, "", body);
        assert_eq!((status, answer["code"].as_str()), (503, Some("no_leader")), "{answer}");
    }
    assert_eq!(two.status()["commit"], first.as_str());

    let three = common.start("three");
    three.serves(&commit);
    two.serves(&commit);
    if can_run_notify_script() {
        let url = format!("http://{}", two.internal);
        let notified = run_notify_script(&url, RELOAD_SECRET, "published", &commit);
        assert_eq!(notified.status, 0, "{}", notified.stdout);
    }
}

#[test]
fn a_call_is_passed_on_once_only() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let common = Common::new(&nats, upstream.url(), "0");
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    let passed_on = "x-headwater-hop: three\r\n";
    for (path, secret) in [(RELOAD, RELOAD_SECRET), ("/api/_internal/unpin", OPERATOR_SECRET)] {
        let (status, answer) = call(&two, path, secret, passed_on, "");
        assert_eq!((status, answer["code"].as_str()), (421, Some("misdirected")), "{answer}");
    }
    assert_eq!(call(&one, RELOAD, RELOAD_SECRET, passed_on, "").0, 200);
}

#[test]
fn a_follower_knows_what_the_leader_made_of_a_commit_that_it_replaced() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let token = common.let_write();
    common.settings.push(("HEADWATER_ON_DIVERGENCE", "replay".to_owned()));
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    // The forge refuses the write for now.
    let hook = upstream.path().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let body = "{\"slug\":\"ada\",\"name\":\"Ada\",\"age\":40,\"bio\":\"b\"}";
    let head = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    assert_eq!(send(&one.address, "PUT", "/api/people/ada", &head, body).unwrap().0, 200);
    let written = one.status()["commit"].as_str().unwrap().to_owned();
    two.serves(&written);

    // Theirs comes first: the leader tries again to push, and must not come in between.
    upstream.commit("theirs").put("people/eve.toml", person("eve", "Eve", 30)).push();
    std::fs::remove_file(&hook).unwrap();
    assert_eq!(two.told(&upstream.head().unwrap()).0, 200);
    assert_ne!(one.status()["commit"], written.as_str());
    for replica in [&one, &two] {
        let wait = format!("x-headwater-min-commit: {written}\r\nprefer: wait=60\r\n");
        for (path, name) in [("/api/people/ada", "Ada"), ("/api/people/eve", "Eve")] {
            until("where the leader is", || replica.status()["commit"] == one.status()["commit"]);
            let (status, read) = send(&replica.address, "GET", path, &wait, "").unwrap();
            assert_eq!((status, read["name"].as_str()), (200, Some(name)), "{read}");
        }
    }
}

#[test]
fn a_leader_whose_address_is_wrong_does_not_stay_the_leader() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    common.settings.push(("HEADWATER_CLUSTER_LEASE", "3".to_owned()));
    let one = common.start_with("one", &[("HEADWATER_CLUSTER_URL", "http://127.0.0.1:1")]);
    one.has_role("leading");
    // It gets its first state from the remote.
    let two = common.start("two");
    two.has_role("following");
    two.has_role("leading");
    one.has_role("following");
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 40)).push();
    let commit = upstream.head().unwrap();
    assert_eq!(one.told(&commit).0, 200);
    [&one, &two].iter().for_each(|replica| replica.serves(&commit));
}

#[test]
fn what_a_follower_does_is_counted() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let common = Common::new(&nats, upstream.url(), "0");
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 40)).push();
    let commit = upstream.head().unwrap();
    assert_eq!(two.told(&commit).0, 200);
    two.serves(&commit);
    // A state is served a moment before it is counted.
    two.cluster(|cluster| cluster["seq"] == cluster["servingSeq"]);
    let shown = two.metrics();
    for line in [
        "headwater_cluster_leader 0",
        "headwater_cluster_bus_connected 1",
        "headwater_cluster_replicas 2",
        "headwater_cluster_behind_seconds 0",
        "headwater_cluster_follow_seconds_count 1",
        "headwater_cluster_digests_total{result=\"equal\"} 2",
        "headwater_cluster_digests_total{result=\"differs\"} 0",
        "headwater_cluster_fetches_total{from=\"leader\"} 2",
        "headwater_cluster_fetches_total{from=\"remote\"} 0",
        "headwater_cluster_forwarded_total{result=\"answered\"} 1",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(one.metrics().contains("\nheadwater_cluster_leader 1\n"));
}
