//! What becomes of writes when another replica takes over.

use headwater_testkit::{Answer as Answered, NatsServer, ScriptedHttp, git};
use serde_json::{Value, json};

use crate::cluster::{Common, Replica};
use crate::cluster_writes::{Answer, Writer, ask, refuse_pushes};
use crate::harness::{OPERATOR_SECRET, people, person};

/// Gives a head up, as an operator does.
fn promote(replica: &Replica, head: &str) -> Answer {
    let headers = format!("authorization: Bearer {OPERATOR_SECRET}\r\nprefer: wait=30\r\n");
    let body = json!({ "abandon": head }).to_string();
    ask(&replica.internal, "POST", "/api/_internal/promote", &headers, &body)
}

pub(crate) fn reads(replica: &Replica, slug: &str) -> u16 {
    ask(&replica.address, "GET", &format!("/api/people/{slug}"), "", "").status
}

#[test]
fn what_was_in_two_places_survives_the_leader_and_its_disk() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    refuse_pushes(&upstream);
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    let key = "idempotency-key: once\r\n";
    let written = writer.put(&two, "eve", key);
    assert_eq!((written.status, &written.body["safe"]), (201, &json!(true)), "{}", written.body);
    one.kill();
    common.remove("one");
    two.has_role("leading");
    assert_eq!(reads(&two, "eve"), 200);
    // The next leader knows the request, too.
    let again = writer.put(&two, "eve", &format!("{key}prefer: wait=1\r\n"));
    assert_eq!(again.body["repeated"], true, "{}", again.body);
    assert_eq!(again.body["commit"], written.body["commit"]);
    // A replica with an empty disk gets it from there.
    let one = common.start("one");
    one.has_role("following");
    assert_eq!(reads(&one, "eve"), 200);
}

#[test]
fn a_head_on_one_disk_that_is_gone_is_given_up_and_nothing_else() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    refuse_pushes(&upstream);
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    assert_eq!(writer.put(&one, "eve", "").status, 201);
    two.pause();
    let late = writer.put(&one, "kim", "prefer: wait=0\r\n");
    assert_eq!((late.status, &late.body["safe"]), (202, &json!(false)), "{}", late.body);
    // The disk is away for a while.
    let (disk, aside) = (common.folder.path().join("one"), common.folder.path().join("aside"));
    one.kill();
    std::fs::rename(&disk, &aside).unwrap();
    two.wake();
    two.has_role("leading");
    assert_eq!((reads(&two, "eve"), reads(&two, "kim")), (200, 404));
    assert_eq!(two.status()["cluster"]["missing"], Value::Null);

    // It comes back as a follower, and keeps what it had on a branch of its own.
    std::fs::rename(&aside, &disk).unwrap();
    let one = common.start("one");
    one.has_role("following");
    let written = writer.put(&one, "joe", "");
    assert_eq!((written.status, &written.body["safe"]), (201, &json!(true)), "{}", written.body);
    assert_eq!((reads(&one, "joe"), reads(&one, "kim")), (200, 404));
    let kept = git(&disk, ["branch", "--list", "--format=%(objectname)", "conflicts/*"]);
    assert_eq!(late.body["commit"], kept.trim());
}

#[test]
fn a_head_that_was_acknowledged_is_waited_for() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    refuse_pushes(&upstream);
    let [one, two, three] = common.start_three();
    three.pause();
    let written = writer.put(&one, "eve", "");
    assert_eq!((written.status, &written.body["safe"]), (201, &json!(true)), "{}", written.body);
    let head = written.body["commit"].as_str().unwrap();
    two.kill();
    one.kill();
    common.remove("one");
    three.wake();
    // It reads, and does not write.
    three.cluster(|cluster| cluster["missing"] == head);
    assert_eq!((reads(&three, "ada"), reads(&three, "eve")), (200, 404));
    let refused = writer.put(&three, "kim", "");
    assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("no_leader")));
    three.cluster(|cluster| cluster["missing"] == head);
    // Somebody comes back who has it.
    let two = common.start("two");
    two.serves(head);
    three.serves(head);
    let written = writer.put(&three, "kim", "");
    assert_eq!((written.status, &written.body["safe"]), (201, &json!(true)), "{}", written.body);
    assert_eq!((reads(&two, "eve"), reads(&three, "eve")), (200, 200));
}

#[test]
fn an_operator_gives_a_head_up_that_will_not_come_back() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    refuse_pushes(&upstream);
    let [one, two, three] = common.start_three();
    assert_eq!(promote(&two, &"1".repeat(40)).body["code"], "not_missing");
    three.pause();
    let written = writer.put(&one, "eve", "");
    assert_eq!((written.status, &written.body["safe"]), (201, &json!(true)), "{}", written.body);
    let head = written.body["commit"].as_str().unwrap();
    two.kill();
    one.kill();
    ["one", "two"].iter().for_each(|name| common.remove(name));
    three.wake();
    three.cluster(|cluster| cluster["missing"] == head);
    assert_eq!(promote(&three, &"1".repeat(40)).status, 503, "another head is not looked for");
    let promoted = promote(&three, head);
    assert_eq!((promoted.status, &promoted.body["abandoned"]), (200, &json!(head)));
    three.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    let written = writer.put(&two, "kim", "");
    assert_eq!((written.status, &written.body["safe"]), (201, &json!(true)), "{}", written.body);
    assert_eq!((reads(&two, "eve"), reads(&three, "kim")), (404, 200));
}

#[test]
fn what_an_earlier_leader_pushed_after_all_is_joined_whatever_the_policy_is() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    refuse_pushes(&upstream);
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    two.pause();
    let late = writer.put(&one, "kim", "prefer: wait=0\r\n");
    assert_eq!(late.status, 202, "{}", late.body);
    let disk = common.folder.path().join("one");
    one.kill();
    two.wake();
    two.has_role("leading");
    let written = writer.put(&two, "joe", "prefer: wait=0\r\n");
    assert_eq!(written.status, 202, "{}", written.body);
    // Its last push was on the way all the time.
    let (disk, branch) = (disk.to_str().unwrap(), upstream.branch());
    git(upstream.path(), ["fetch", "--quiet", disk, &format!("{branch}:{branch}")]);
    let told = two.told(late.body["commit"].as_str().unwrap());
    assert_eq!(told.0, 200, "{}", told.1);
    assert_eq!((reads(&two, "kim"), reads(&two, "joe")), (200, 200));
    let (theirs, ours) = (upstream.head().unwrap(), two.status()["commit"].clone());
    let history = ["merge-base", "--is-ancestor", &theirs, ours.as_str().unwrap()];
    git(common.folder.path().join("two"), history);
}

#[test]
fn a_subscriber_is_told_by_the_leader_alone_and_by_the_next_one_from_where_it_was() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let answers = [200, 503, 200].map(|status| Answered::json(status, "{}"));
    let receiver = ScriptedHttp::start(answers);
    let mut common = Common::new(&nats, upstream.url(), "0");
    common.settings.push(("HEADWATER_SUBSCRIBER_URL", receiver.url("/hook")));
    let token = "whsec_MDEyMzQ1Njc4OWFiY2RlZg==".to_owned();
    common.settings.push(("HEADWATER_SUBSCRIBER_SECRET", token));
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    let mut push = |age: u32| -> String {
        upstream.commit("older").put("people/ada.toml", person("ada", "Ada", age)).push();
        upstream.head().unwrap()
    };
    let told = |count: usize| {
        let body: Value =
            serde_json::from_slice(&receiver.wait_for(count)[count - 1].body).unwrap();
        [&body["data"]["from"], &body["data"]["to"]].map(|it| it.as_str().unwrap().to_owned())
    };
    let second = push(40);
    assert_eq!(two.told(&second).0, 200);
    two.serves(&second);
    assert_eq!(told(1), [first, second.clone()]);
    let third = push(41);
    assert_eq!(one.told(&third).0, 200);
    two.serves(&third);
    // It is not taken, and the leader dies before it tells it again.
    assert_eq!(told(2), [second.clone(), third.clone()]);
    one.kill();
    assert_eq!(told(3), [second, third.clone()]);
    two.has_role("leading");
    let fourth = push(42);
    assert_eq!(two.told(&fourth).0, 200);
    assert_eq!(told(4), [third, fourth]);
}

#[test]
fn what_operators_were_told_is_told_once_and_to_be_over_whoever_leads() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let receiver = ScriptedHttp::start([Answered::json(200, "{}")]);
    let mut common = Common::new(&nats, upstream.url(), "0");
    common.settings.push(("HEADWATER_ALERT_URL", receiver.url("/alert")));
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    let events = |count: usize| -> Vec<Value> {
        let told = receiver.wait_for(count).into_iter();
        told.map(|told| serde_json::from_slice(&told.body).unwrap()).collect()
    };
    upstream.commit("broken").put("people/ada.toml", "age = [").push();
    let broken = upstream.head().unwrap();
    assert_eq!(two.told(&broken).1["code"], "push_refused");
    assert_eq!(events(1)[0]["event"], "push_refused");
    two.has_metric("headwater_cluster_open_alerts 1");
    one.kill();
    two.has_role("leading");
    // The new leader judges the same head again.
    assert_eq!(two.told(&broken).1["code"], "push_refused");
    upstream.commit("whole").put("people/ada.toml", person("ada", "Ada", 50)).push();
    assert_eq!(two.told(&upstream.head().unwrap()).0, 200);
    let told = events(2);
    assert_eq!(told[1]["event"], "recovered", "{told:?}");
    assert_eq!(told[1]["over"], json!(["push_refused"]));
    two.has_metric("headwater_cluster_open_alerts 0");
}
