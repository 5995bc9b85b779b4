//! The rows of the table in which a call itself is refused, and nothing is reloaded.

use reqwest::Method;
use serde_json::json;

use crate::harness::{OPERATOR_SECRET, RELOAD, RELOAD_SECRET, TestServer, people};

#[test]
fn no_credential_and_any_wrong_one_get_one_answer() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let post = || server.request(Method::POST, RELOAD);
    let requests = [
        post(),
        post().bearer_auth("wrong-wrong-wrong-wrong"),
        post().bearer_auth(""),
        post().header("x-cfp-webhook-key", "wrong"),
        post().header("x-headwater-key", "wrong"),
        post().basic_auth(RELOAD_SECRET, Some("wrong-wrong-wrong-wrong")),
        post().body("{").bearer_auth("wrong"),
    ];
    let mut bodies = requests.map(|request| {
        let answer = server.send(request);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        answer.problem(401, "unauthorized")
    });
    bodies.iter_mut().for_each(|body| drop(body.as_object_mut().unwrap().remove("traceId")));
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    server.get("/api/_internal/reloads").problem(401, "unauthorized");
}

#[test]
fn each_header_opens_the_webhook_and_so_does_the_operator() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let post = || server.request(Method::POST, RELOAD);
    for request in [
        post().bearer_auth(RELOAD_SECRET),
        post().header("x-cfp-webhook-key", RELOAD_SECRET),
        post().header("x-headwater-key", RELOAD_SECRET),
        post().bearer_auth(OPERATOR_SECRET),
    ] {
        server.send(request).outcome("unchanged");
    }
}

#[test]
fn without_a_secret_no_credential_comes_first() {
    let upstream = people();
    let unset = [("HEADWATER_RELOAD_SECRET", "unset"), ("HEADWATER_OPERATOR_SECRET", "unset")];
    let server = TestServer::with(&upstream.url(), &unset);
    server.send(server.request(Method::POST, RELOAD)).problem(401, "unauthorized");
    server.reload().problem(503, "reload_not_configured");
}

#[test]
fn a_body_that_cannot_be_read_is_refused() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let json = "application/json";
    for body in
        ["{", "[]", "{\"branch\": 1}", "{\"commitHash\": \"abc\"}", "{\"commitHash\": \"\"}"]
    {
        let request = server.call(RELOAD).header("content-type", json).body(body);
        let refused = server.send(request).problem(422, "invalid_body");
        assert_eq!(refused["ok"], false);
    }
    let request = server.call(RELOAD).header("content-type", "text/html").body("{}");
    server.send(request).problem(415, "unsupported_media_type");
    server.send(server.call(RELOAD).body("{}")).problem(415, "unsupported_media_type");
}

#[test]
fn another_branch_is_a_conflict_and_ours_is_not() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let refused = server.reload_with(&json!({ "branch": "main" }));
    let body = refused.problem(409, "branch_mismatch");
    assert!(body["detail"].as_str().unwrap().contains("published"), "{body}");
    server.reload_with(&json!({ "branch": "published" })).outcome("unchanged");
    server.reload_with(&json!({ "branch": "refs/heads/published" })).outcome("unchanged");
}

#[test]
fn a_hash_that_never_arrives_is_a_conflict_after_the_waits() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let call = server.call(RELOAD).json(&json!({ "commitHash": hash })).header("prefer", "wait=0");
    let accepted = server.send(call);
    assert_eq!(accepted.status, 202);
    let done = server.follow(accepted.header("location").unwrap());
    assert_eq!((&done["status"], &done["code"]), (&json!(409), &json!("commit_mismatch")));
    assert_eq!(done["newCommit"], json!(upstream.head()));
}

#[test]
fn only_the_operator_lets_pushes_through() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let path = "/api/_internal/reloads/1-1/apply";
    server.send(server.request(Method::POST, path)).problem(401, "unauthorized");
    server.send(server.call(path)).problem(403, "operator_only");
    server.apply("1-1").problem(404, "not_found");
    let one = TestServer::with(&upstream.url(), &[("HEADWATER_OPERATOR_SECRET", "unset")]);
    one.send(one.call(path)).problem(503, "operator_not_configured");
}
