//! Failing remotes: the answer explains the failure, and the old state is still served.

use headwater_testkit::{Fault, GitHttp, Upstream};
use serde_json::json;

use crate::harness::{RELOAD, TestServer, people, person};

fn over_http() -> (Upstream, GitHttp, TestServer) {
    let upstream = people();
    let http = GitHttp::serve(upstream.parent());
    let server = TestServer::with(&http.url("upstream.git"), &[("HEADWATER_FETCH_TIMEOUT", "1")]);
    (upstream, http, server)
}

#[test]
fn a_push_over_http_goes_live() {
    let (mut upstream, _http, server) = over_http();
    let new = upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    assert_eq!(server.reload().outcome("applied")["newCommit"], *new);
}

#[test]
fn each_failure_of_the_remote_has_its_answer() {
    let (mut upstream, http, server) = over_http();
    let old = upstream.head().unwrap();
    let new = upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    let cases = [
        (Fault::Status(500), 502, "fetch_failed"),
        (Fault::Status(404), 502, "fetch_failed"),
        (Fault::Status(401), 502, "remote_auth"),
        (Fault::CutAfter(20), 502, "fetch_failed"),
        (Fault::Hang, 504, "fetch_timeout"),
    ];
    for (fault, status, code) in cases {
        http.fail(fault.clone());
        let answer = server.reload();
        let body = answer.problem(status, code);
        assert_eq!((&body["ok"], answer.commit()), (&json!(false), &*old), "{fault:?}");
        assert_eq!(server.get("/api/people/ada").commit(), old);
    }
    http.recover();
    assert_eq!(server.reload().outcome("applied")["newCommit"], *new);
}

#[test]
fn a_remote_that_wants_other_credentials_is_told_apart() {
    let (_upstream, http, server) = over_http();
    http.require_authorization("Basic something");
    server.reload().problem(502, "remote_auth");
}

#[test]
fn a_branch_that_is_gone_keeps_serving_until_it_is_back() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let head = upstream.head().unwrap();
    upstream.set_branch("other");
    upstream.commit("elsewhere").put("a.toml", "a = 1\n").push();
    upstream.set_branch("published");
    upstream.delete_branch();
    let answer = server.reload();
    answer.problem(409, "branch_missing");
    assert_eq!(answer.commit(), head);
    assert_eq!(server.get("/api/_status").json()["branchMissing"], true);
    assert_eq!(server.get("/api/people/ada").status, 200);
    upstream.reset_to(&head);
    server.reload().outcome("unchanged");
    assert_eq!(server.get("/api/_status").json()["branchMissing"], false);
}

#[test]
fn the_last_branch_of_a_remote_can_be_missing_too() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    upstream.delete_branch();
    server.reload().problem(409, "branch_missing");
    let deleted =
        json!({ "ref": "refs/heads/published", "after": "0".repeat(40), "deleted": true });
    let call = server.call(RELOAD).header("x-github-event", "push").json(&deleted);
    server.send(call).problem(409, "branch_missing");
}

#[test]
fn a_lock_that_somebody_left_is_told() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    let lock = server.mirror().join("refs/heads/published.lock");
    std::fs::write(&lock, "").unwrap();
    server.reload().problem(503, "repo_locked");
    std::fs::remove_file(&lock).unwrap();
    server.reload().outcome("applied");
}

#[test]
fn a_mirror_that_is_gone_fails_the_reload_and_not_the_readers() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let head = upstream.head().unwrap();
    upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    let away = server.mirror().with_extension("away");
    std::fs::rename(server.mirror(), &away).unwrap();
    server.reload().problem(500, "reload_failed");
    assert_eq!(server.get("/api/people/ada").commit(), head);
    std::fs::rename(&away, server.mirror()).unwrap();
    server.reload().outcome("applied");
}
