//! Webhooks of forges: what concerns us is a hint, everything else is ignored without a fetch.

use headwater_testkit::GitHttp;
use serde_json::{Value, json};

use crate::harness::{Answer, RELOAD, TestServer, people, person};

fn push(reference: &str, after: &str, repository: &str) -> Value {
    json!({ "ref": reference, "after": after, "deleted": false,
            "repository": { "full_name": repository }, "commits": [{ "id": after }] })
}

fn github(server: &TestServer, event: &str, body: &Value) -> Answer {
    let call = server.call(RELOAD).header("x-github-event", event);
    server.send(call.header("x-github-delivery", "1").json(body))
}

#[test]
fn what_does_not_concern_us_is_ignored_and_costs_no_fetch() {
    let upstream = people();
    let http = GitHttp::serve(upstream.parent().parent().unwrap());
    let folder = upstream.parent().file_name().unwrap().to_str().unwrap();
    let server = TestServer::start(&http.url(&format!("{folder}/upstream.git")));
    let ours = format!("{folder}/upstream");
    let head = upstream.head().unwrap();
    let asked = http.requests();
    let cases = [
        ("push", push("refs/heads/side", &head, &ours), "other_branch"),
        ("push", push("refs/tags/v1", &head, &ours), "tag"),
        ("push", push("refs/heads/published", &head, "somebody/else"), "other_repository"),
        ("ping", json!({ "zen": "x" }), "ping"),
        ("issues", json!({}), "unknown_event"),
    ];
    for (event, body, reason) in cases {
        let answer = github(&server, event, &body);
        assert_eq!(answer.outcome("ignored")["reason"], reason);
        assert_eq!(answer.commit(), head);
    }
    assert_eq!(http.requests(), asked);
    let metrics = server.metrics();
    assert!(metrics.contains("webhooks_ignored_total{reason=\"other_repository\"} 1"), "{metrics}");
    github(&server, "push", &push("refs/heads/published", &head, &ours)).outcome("unchanged");
}

#[test]
fn a_push_to_our_branch_goes_live_whichever_forge_tells() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let mut commit = |n: u32| {
        let (path, slug) = (format!("people/p{n}.toml"), format!("p{n}"));
        upstream.commit("more").put(path, person(&slug, "P", n)).push()
    };
    let plain = |after: &str| push("refs/heads/published", after, "o/n");
    let github = commit(1);
    let body = plain(&github);
    let answer = server.send(server.call(RELOAD).header("x-github-event", "push").json(&body));
    assert_eq!(answer.outcome("applied")["newCommit"], *github);
    let gitea = commit(2);
    let call = server.call(RELOAD).header("x-gitea-event", "push").json(&plain(&gitea));
    assert_eq!(server.send(call).outcome("applied")["newCommit"], *gitea);
    let gitlab = commit(3);
    let call = server.call(RELOAD).header("x-gitlab-event", "Push Hook").json(&plain(&gitlab));
    assert_eq!(server.send(call).outcome("applied")["newCommit"], *gitlab);
    let bitbucket = commit(4);
    let target = json!({ "type": "branch", "name": "published", "target": { "hash": bitbucket } });
    let body = json!({ "push": { "changes": [{ "old": null, "new": target }] } });
    let call = server.call(RELOAD).header("x-event-key", "repo:push").json(&body);
    assert_eq!(server.send(call).outcome("applied")["newCommit"], *bitbucket);
}

#[test]
fn a_second_delivery_and_one_that_is_late_find_nothing_new() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let first = upstream.commit("one").put("people/b.toml", person("b", "B", 1)).push();
    let second = upstream.commit("two").put("people/c.toml", person("c", "C", 1)).push();
    let deliver =
        |after: &str| github(&server, "push", &push("refs/heads/published", after, "o/n"));
    assert_eq!(deliver(&second).outcome("applied")["newCommit"], *second);
    deliver(&second).outcome("unchanged");
    assert_eq!(deliver(&first).outcome("unchanged")["newCommit"], *second);
}

#[test]
fn a_body_of_a_big_push_is_read() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let mut body = push("refs/heads/published", &upstream.head().unwrap(), "o/n");
    body["padding"] = json!("x".repeat(3 << 20));
    github(&server, "push", &body).outcome("unchanged");
}
