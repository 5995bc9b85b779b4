//! What operators of a cluster decide holds whoever leads: pins, held pushes, audits.

use headwater_testkit::{NatsServer, Upstream};
use serde_json::{Value, json};

use crate::cluster::{Common, Replica};
use crate::cluster_watch::until;
use crate::cluster_writes::{Answer, ask};
use crate::harness::{OPERATOR_SECRET, people, person};

/// Asks a replica for what an operator may have.
fn operate(replica: &Replica, path: &str, body: &Value) -> Answer {
    let head = format!(
        "authorization: Bearer {OPERATOR_SECRET}\r\ncontent-type: application/json\r\nprefer: wait=30\r\n"
    );
    let body = if body.is_null() { String::new() } else { body.to_string() };
    ask(&replica.internal, "POST", &format!("/api/_internal/{path}"), &head, &body)
}

fn push(upstream: &mut Upstream, age: u32) -> String {
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada", age)).push();
    upstream.head().unwrap()
}

#[track_caller]
fn all_serve(replicas: &[&Replica], commit: &str) {
    for replica in replicas {
        until(&format!("at {commit}"), || replica.status()["commit"] == commit);
    }
}

/// The id of the held push, as every replica shows it.
#[track_caller]
fn held(replicas: &[&Replica]) -> String {
    let mut id = String::new();
    until("told of one held push", || {
        let ids: Vec<Value> =
            replicas.iter().map(|replica| replica.status()["held"]["id"].take()).collect();
        id = ids[0].as_str().unwrap_or_default().to_owned();
        !id.is_empty() && ids.iter().all(|other| *other == id)
    });
    id
}

#[test]
fn a_pin_outlives_the_leader_and_is_taken_back_by_any_replica() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let common = Common::new(&nats, upstream.url(), "0");
    let [one, two, three] = common.start_three();
    let first = upstream.head().unwrap();
    let second = push(&mut upstream, 40);
    assert_eq!(two.told(&second).0, 200);
    all_serve(&[&one, &two, &three], &second);
    assert_eq!(operate(&two, "pin", &json!({ "commit": first })).status, 200);
    all_serve(&[&one, &two, &three], &first);

    one.kill();
    let third = push(&mut upstream, 41);
    // Whoever leads next holds the push for the pin.
    let (status, told) = three.told(&third);
    assert_eq!((status, told["outcome"].as_str()), (200, Some("held")), "{told}");
    all_serve(&[&two, &three], &first);
    for replica in [&two, &three] {
        assert_eq!(replica.status()["pinned"]["commit"], first.as_str());
    }
    // A replica that starts serves it, too.
    let one = common.start("one");
    one.has_role("following");
    all_serve(&[&one], &first);
    assert_eq!(operate(&one, "unpin", &Value::Null).status, 200);
    all_serve(&[&one, &two, &three], &third);
}

#[test]
fn a_held_push_is_held_by_the_next_leader_and_let_through_by_any_replica() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let common = Common::new(&nats, upstream.url(), "0");
    let [one, two, three] = common.start_three();
    let old = upstream.head().unwrap();
    let text = person("ada", "Augusta Ada King", 36);
    let rewritten = upstream.force_commit_on(None, "anew").put("people/ada.toml", text).push();
    let (status, told) = two.told(&rewritten);
    assert_eq!((status, told["code"].as_str()), (409, Some("diverged")), "{told}");
    assert_eq!(held(&[&one, &two, &three]), told["heldId"].as_str().unwrap());

    one.kill();
    let (status, told) = three.told(&rewritten);
    assert_eq!((status, told["code"].as_str()), (409, Some("diverged")), "{told}");
    let id = held(&[&two, &three]);
    all_serve(&[&two, &three], &old);
    let follower = if two.status()["cluster"]["role"] == "leading" { &three } else { &two };
    let through = operate(follower, &format!("reloads/{id}/apply"), &Value::Null);
    assert_eq!((through.status, &through.body["newCommit"]), (200, &json!(rewritten)));
    all_serve(&[&two, &three], &rewritten);
    until("nothing is held", || [&two, &three].iter().all(|it| it.status().get("held").is_none()));
    // Each compares what it serves itself.
    for replica in [&two, &three] {
        let audited = operate(replica, "audit", &Value::Null);
        assert_eq!((audited.status, &audited.body["ok"]), (200, &json!(true)), "{}", audited.body);
    }
}
