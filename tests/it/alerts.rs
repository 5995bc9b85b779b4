//! Alerts: one POST per cause.

use headwater_testkit::{Answer, Fault, GitHttp, ScriptedHttp, fixtures};
use serde_json::{Value, json};

use crate::harness::{BROKEN, TestServer, people};

fn receiver() -> ScriptedHttp {
    ScriptedHttp::start([Answer::json(200, "{}")])
}

fn events(receiver: &ScriptedHttp, count: usize) -> Vec<Value> {
    let received = receiver.wait_for(count);
    received.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

#[test]
fn a_refused_push_is_told_once_and_with_its_problems() {
    let mut upstream = people();
    let receiver = receiver();
    let url = receiver.url("/hook?token=secret-of-the-receiver");
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_ALERT_URL", &url)]);
    let serving = upstream.head().unwrap();
    let refused = upstream.commit("break").put("people/broken.toml", BROKEN).push();
    server.reload().problem(500, "push_refused");
    server.reload().problem(500, "push_refused");
    let next = upstream.commit("again").put("people/worse.toml", BROKEN).push();
    let second = server.reload().problem(500, "push_refused");

    let events = events(&receiver, 2);
    assert_eq!(events.len(), 2);
    let first = &events[0];
    assert_eq!((&first["event"], &first["commit"]), (&json!("push_refused"), &json!(refused)));
    assert_eq!((&first["servingCommit"], &first["branch"]), (&json!(serving), &json!("published")));
    assert_eq!(first["problems"][0]["path"], "people/broken.toml");
    assert_eq!((&events[1]["commit"], &events[1]["heldId"]), (&json!(next), &second["heldId"]));
    let request = &receiver.received()[0];
    assert_eq!(request.header("content-type"), Some("application/json"));
}

#[test]
fn an_access_file_that_breaks_is_told_with_its_line_and_told_to_be_over() {
    let upstream = people();
    let receiver = receiver();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.toml");
    let good = "[[token]]\nname = \"site\"\nsecret = \"the-secret-of-the-site\"\nread = [\"*\"]\n";
    std::fs::write(&path, good).unwrap();
    let settings = [
        ("HEADWATER_ALERT_URL", receiver.url("/")),
        ("HEADWATER_ACCESS_FILE", path.display().to_string()),
    ];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let _server = TestServer::with(&upstream.url(), &settings);
    std::fs::write(&path, good.replace("read = [\"*\"]", "read = \"*\"")).unwrap();
    let told = events(&receiver, 1);
    assert_eq!(told[0]["event"], "access_refused");
    let message = told[0]["message"].as_str().unwrap();
    assert!(message.contains("access.toml:4: `read` must be a list"), "{message}");
    assert!(!message.contains("secret-of"), "{message}");
    std::fs::write(&path, good).unwrap();
    let told = events(&receiver, 2);
    assert_eq!(
        (&told[1]["event"], &told[1]["over"]),
        (&json!("recovered"), &json!(["access_refused"]))
    );
}

#[test]
fn a_receiver_that_fails_at_first_gets_the_alert_again() {
    let mut upstream = people();
    let receiver = ScriptedHttp::start([
        Answer::json(500, "{}"),
        Answer::json(503, "{}"),
        Answer::json(200, "{}"),
    ]);
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_ALERT_URL", &receiver.url("/"))]);
    upstream.force_commit_on(None, "anew").put("a.toml", "a = 1\n").push();
    server.reload().problem(409, "diverged");
    let events = events(&receiver, 3);
    assert!(events.iter().all(|event| *event == events[0] && event["event"] == "diverged"));
}

#[test]
fn an_alert_follows_no_redirect() {
    let mut upstream = people();
    let elsewhere = receiver();
    let receiver = ScriptedHttp::start([
        Answer::json(307, "{}").header("location", &elsewhere.url("/admin")),
        Answer::json(302, "{}").header("location", &elsewhere.url("/admin")),
        Answer::json(200, "{}"),
    ]);
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_ALERT_URL", &receiver.url("/"))]);
    upstream.force_commit_on(None, "anew").put("a.toml", "a = 1\n").push();
    server.reload().problem(409, "diverged");
    assert_eq!(events(&receiver, 3)[2]["event"], "diverged");
    assert!(elsewhere.received().is_empty());
}

#[test]
fn a_first_state_with_problems_is_told() {
    let upstream = fixtures::broken_declared();
    let receiver = receiver();
    let _server = TestServer::with(&upstream.url(), &[("HEADWATER_ALERT_URL", &receiver.url("/"))]);
    let events = events(&receiver, 1);
    assert_eq!(events[0]["event"], "degraded");
    assert!(events[0]["problemsTotal"].as_u64().unwrap() > 0);
}

#[test]
fn each_kind_of_failure_is_told_once_until_it_is_over() {
    let upstream = people();
    let http = GitHttp::serve(upstream.parent());
    let receiver = receiver();
    let settings = [("HEADWATER_ALERT_URL", &*receiver.url("/")), ("HEADWATER_ALERT_AFTER", "0")];
    let server = TestServer::with(&http.url("upstream.git"), &settings);
    http.fail(Fault::Status(500));
    server.reload().problem(502, "fetch_failed");
    server.reload().problem(502, "fetch_failed");
    http.fail(Fault::Status(401));
    server.reload().problem(502, "remote_auth");
    http.recover();
    server.reload().outcome("unchanged");
    http.fail(Fault::Status(500));
    server.reload().problem(502, "fetch_failed");
    let events: Vec<_> = events(&receiver, 4)
        .iter()
        .map(|event| event["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(events, ["fetch_failed", "remote_auth", "recovered", "fetch_failed"]);
    let remote = serde_json::from_slice::<Value>(&receiver.received()[0].body).unwrap();
    assert_eq!(remote["remote"], http.url("upstream.git"));
}

#[test]
fn a_remote_that_is_away_is_told_of_after_the_set_time_without_another_reload() {
    let upstream = people();
    let http = GitHttp::serve(upstream.parent());
    let receiver = receiver();
    let settings = [("HEADWATER_ALERT_URL", &*receiver.url("/")), ("HEADWATER_ALERT_AFTER", "0.3")];
    let server = TestServer::with(&http.url("upstream.git"), &settings);
    http.fail(Fault::Status(503));
    server.reload().problem(502, "fetch_failed");
    assert_eq!(events(&receiver, 1)[0]["event"], "fetch_failed");
    http.recover();
    server.reload().outcome("unchanged");
    let over = &events(&receiver, 2)[1];
    assert_eq!((&over["event"], &over["over"]), (&json!("recovered"), &json!(["fetch_failed"])));
}

#[test]
fn each_receiver_is_told_in_its_shape_and_one_that_is_away_delays_nobody() {
    let mut upstream = people();
    let (facts, slack) = (receiver(), receiver());
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = format!("http://{away}/ {} slack+{}", facts.url("/"), slack.url("/services/x"));
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_ALERT_URL", &urls)]);
    upstream.commit("break").put("people/broken.toml", BROKEN).push();
    let held = server.reload().problem(500, "push_refused")["heldId"].clone();
    assert_eq!(events(&facts, 1)[0]["event"], "push_refused");
    let told = events(&slack, 1)[0].clone();
    assert_eq!(told.as_object().map(|body| body.len()), Some(1));
    let text = told["text"].as_str().unwrap();
    assert!(text.starts_with("*headwater: push_refused* on `published`: "), "{text}");
    assert!(text.contains("• `people/broken.toml:1` "), "{text}");
    assert!(text.contains(held.as_str().unwrap()), "{text}");
}

#[test]
fn what_is_still_to_be_told_at_the_end_is_tried_once_more() {
    let mut upstream = people();
    let receiver = ScriptedHttp::start([
        Answer::json(500, "{}"),
        Answer::json(500, "{}"),
        Answer::json(200, "{}"),
    ]);
    let settings = [("HEADWATER_ALERT_URL", &*receiver.url("/"))];
    let mut server = TestServer::with(&upstream.url(), &settings);
    upstream.commit("break").put("people/broken.toml", BROKEN).push();
    server.reload().problem(500, "push_refused");
    receiver.wait_for(2);
    assert!(server.stop());
    let tried = receiver.received();
    assert_eq!(tried.len(), 3, "without waiting two seconds for the third time");
}
