//! Pins and push limits, from the view of the operator and the forge.

use reqwest::Method;
use serde_json::json;

use crate::harness::{BROKEN, OPERATOR_SECRET, TestServer, people, person};

#[test]
fn a_pinned_server_says_so_loudly_and_answers_a_push_with_held() {
    let mut upstream = people();
    let mut server = TestServer::start(&upstream.url());
    let first = upstream.head().unwrap();
    let second = upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 37)).push();
    server.reload().outcome("applied");

    let back = server.pin(&first).outcome("applied");
    assert_eq!((&back["oldCommit"], &back["newCommit"]), (&json!(second), &json!(first)));
    assert_eq!(server.get("/api/people/ada").json()["age"], 36);
    let third = upstream.commit("oldest").put("people/ada.toml", person("ada", "Ada", 38)).push();
    let answer = server.reload_with(&json!({ "commitHash": third }));
    assert_eq!(answer.commit(), first);
    let held = answer.outcome("held");
    assert_eq!((&held["reason"], &held["newCommit"]), (&json!("pinned"), &json!(first)));
    assert!(held["heldId"].is_string(), "{held}");

    server.restart();
    let status = server.get("/api/_status").json();
    assert_eq!(status["pinned"]["commit"], first);
    assert_eq!(
        (&status["held"]["reason"], &status["held"]["commit"]),
        (&json!("pinned"), &json!(third))
    );
    let ready = server.get("/health/ready?max_lag=0");
    assert_eq!(ready.status, 200);
    assert_eq!(ready.body, format!("ready, and pinned to {first}\n").as_bytes());
    let metrics = server.metrics();
    assert!(metrics.contains("\nheadwater_pinned 1\n"), "{metrics}");

    let unpin = server.request(Method::POST, "/api/_internal/unpin").bearer_auth(OPERATOR_SECRET);
    assert_eq!(server.send(unpin).outcome("applied")["newCommit"], second);
    server.settle();
    assert_eq!(server.get("/api/people/ada").commit(), third);
    assert_eq!(server.get("/api/_status").json()["pinned"], serde_json::Value::Null);
}

#[test]
fn only_the_operator_pins_and_only_what_was_served() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let head = upstream.head().unwrap();
    for route in ["/api/_internal/pin", "/api/_internal/unpin", "/api/_internal/audit"] {
        server.send(server.request(Method::POST, route)).problem(401, "unauthorized");
        let with_reload_secret = server.call(route).json(&json!({ "commit": head }));
        server.send(with_reload_secret).problem(403, "operator_only");
        assert_eq!(server.get(route).status, 405);
    }
    server.pin(&"b".repeat(40)).problem(409, "not_pinnable");
    server.pin("main").problem(422, "invalid_body");
    let operator =
        || server.request(Method::POST, "/api/_internal/pin").bearer_auth(OPERATOR_SECRET);
    server.send(operator()).problem(422, "invalid_body");
    server.send(operator().body(" ".repeat(5_000))).problem(413, "body_too_large");
    server.pin(&head).outcome("unchanged");
    assert_eq!(server.get("/api/_status").json()["pinned"]["commit"], *head);
}

#[test]
fn a_push_above_a_limit_is_refused_with_the_limit() {
    let mut upstream = people();
    let twenty = (0..20).map(|n| {
        let slug = format!("p{n}");
        (format!("people/{slug}.toml"), person(&slug, "Somebody", n))
    });
    upstream.commit("twenty").put_all(twenty).push();
    let settings = [("HEADWATER_PUSH_REMOVED_LIMIT", "50"), ("HEADWATER_PUSH_PROBLEMS_LIMIT", "1")];
    let server = TestServer::with(&upstream.url(), &settings);
    let commit = upstream.commit("purge");
    (0..12).fold(commit, |commit, n| commit.delete(format!("people/p{n}.toml"))).push();
    let body = server.reload().problem(500, "push_refused");
    let limits = json!([{ "sheet": "people", "counted": "removed", "found": 12, "allowed": 11 }]);
    assert_eq!((&body["reason"], &body["limits"]), (&json!("push_limit"), &limits));
    let told = body["detail"].as_str().unwrap();
    assert!(told.contains("12 removed in people where 11 are allowed"), "{told}");
    let through = server.apply(body["heldId"].as_str().unwrap()).outcome("applied");
    assert_eq!(through["changed"]["people"]["removed"], 12);
    upstream.commit("break").put("people/broken.toml", BROKEN).push();
    assert_eq!(server.reload().problem(500, "push_refused")["reason"], "refused");
}
