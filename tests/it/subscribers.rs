//! Outgoing webhooks: the messages to subscribers, and their eventual delivery.

use data_encoding::BASE64;
use headwater::hmac::Mac;
use headwater_testkit::{Answer, ScriptedHttp};
use serde_json::{Value, json};

use crate::harness::{TestServer, people, person};

/// Sixteen bytes, as base64 after the prefix of a signing token.
const TOKEN: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZg==";

fn start(upstream: &str, receiver: &ScriptedHttp) -> TestServer {
    let url = receiver.url("/hook?token=of-the-subscriber");
    let settings = [("HEADWATER_SUBSCRIBER_URL", &*url), ("HEADWATER_SUBSCRIBER_SECRET", TOKEN)];
    TestServer::with(upstream, &settings)
}

#[test]
fn a_subscriber_is_told_what_changed_and_by_whom_it_is_signed() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let receiver = ScriptedHttp::start([Answer::json(200, "{}")]);
    let server = start(&upstream.url(), &receiver);
    let text = person("ada", "Ada Lovelace", 37);
    let pushed = upstream.commit("an age").put("people/ada.toml", text).push();
    server.reload().outcome("applied");

    let request = &receiver.wait_for(1)[0];
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["type"], "changes");
    assert_eq!((&body["data"]["from"], &body["data"]["to"]), (&json!(first), &json!(pushed)));
    let item = &body["data"]["items"][0];
    assert_eq!((&item["key"], &item["change"]), (&json!("ada"), &json!("change")));
    let header = |name: &str| request.header(name).unwrap();
    let mut mac = Mac::new(b"0123456789abcdef");
    mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    mac.update(&request.body);
    let expected = format!("v1,{}", BASE64.encode(mac.finish().as_bytes()));
    assert_eq!(header("webhook-signature"), expected);
}

#[test]
fn a_subscriber_that_was_away_gets_what_it_missed() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let receiver = ScriptedHttp::start([Answer::json(503, "{}"), Answer::json(200, "{}")]);
    let server = start(&upstream.url(), &receiver);
    for age in [37, 38] {
        let text = person("ada", "Ada Lovelace", age);
        upstream.commit("an age").put("people/ada.toml", text).push();
        server.reload().outcome("applied");
    }
    // The first attempt fails. Whether the second publication came before or after the next
    // attempt, the accepted messages lead from the first commit to the last one.
    let last = upstream.head().unwrap();
    let (mut at, mut count) = (first, 1);
    while at != last {
        count += 1;
        let request = &receiver.wait_for(count)[count - 1];
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["data"]["from"], at);
        at = body["data"]["to"].as_str().unwrap().to_owned();
    }
}

#[test]
fn a_message_that_is_sent_again_is_the_same_message() {
    let mut upstream = people();
    let receiver = ScriptedHttp::start([Answer::json(503, "{}"), Answer::json(200, "{}")]);
    let server = start(&upstream.url(), &receiver);
    let text = person("ada", "Ada Lovelace", 37);
    upstream.commit("an age").put("people/ada.toml", text).push();
    server.reload().outcome("applied");
    // The next attempt is a second later, which its time would show.
    let [first, second] = &receiver.wait_for(2)[..] else { panic!("there are two attempts") };
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
}

#[test]
fn a_subscriber_that_is_gone_is_told_nothing_more() {
    let mut upstream = people();
    let receiver = ScriptedHttp::start([Answer::json(410, "{}")]);
    let mut server = start(&upstream.url(), &receiver);
    for age in [37, 38] {
        let text = person("ada", "Ada Lovelace", age);
        upstream.commit("an age").put("people/ada.toml", text).push();
        server.reload().outcome("applied");
        receiver.wait_for(1);
    }
    server.stop();
    assert_eq!(receiver.received().len(), 1);
}
