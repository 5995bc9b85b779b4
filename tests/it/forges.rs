//! Webhooks of forges: relevant ones are a hint, everything else is ignored without a fetch.

use std::time::SystemTime;

use data_encoding::BASE64;
use headwater::hmac::Mac;
use headwater_testkit::GitHttp;
use serde_json::{Value, json};

use crate::harness::{Answer, RELOAD, RELOAD_SECRET, TestServer, people, person};

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
        ("push", push("refs/tags/v1", &head, "somebody/else"), "other_repository"),
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
fn a_repository_of_another_name_is_ours_if_the_remote_has_its_commit() {
    let mut upstream = people();
    let http = GitHttp::serve(upstream.parent().parent().unwrap());
    let folder = upstream.parent().file_name().unwrap().to_str().unwrap().to_owned();
    let server = TestServer::start(&http.url(&format!("{folder}/upstream.git")));
    let after = upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    let renamed = push("refs/heads/published", &after, "new-owner/renamed");
    assert_eq!(github(&server, "push", &renamed).outcome("applied")["newCommit"], *after);
    let elsewhere = push("refs/heads/published", &"5".repeat(40), "somebody/else");
    let answer = github(&server, "push", &elsewhere);
    assert_eq!(answer.outcome("ignored")["reason"], "other_repository");
    assert_eq!(answer.commit(), after);
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
    let gogs = commit(5);
    let call = server.call(RELOAD).header("x-gogs-event", "push").header("x-github-event", "push");
    assert_eq!(server.send(call.json(&plain(&gogs))).outcome("applied")["newCommit"], *gogs);
    let gitee = commit(6);
    let call = server.request(reqwest::Method::POST, RELOAD).header("x-gitee-event", "Push Hook");
    let call = call.header("x-gitee-token", RELOAD_SECRET).json(&plain(&gitee));
    assert_eq!(server.send(call).outcome("applied")["newCommit"], *gitee);
    let sent = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let signed = commit(8);
    let call = server.request(reqwest::Method::POST, RELOAD).header("x-gitee-event", "Push Hook");
    let call = call.header("x-gitee-timestamp", sent.to_string()).json(&plain(&signed));
    let mut mac = Mac::new(RELOAD_SECRET.as_bytes());
    mac.update(format!("{sent}\n{RELOAD_SECRET}").as_bytes());
    let call = call.header("x-gitee-token", BASE64.encode(mac.finish().as_bytes()));
    assert_eq!(server.send(call).outcome("applied")["newCommit"], *signed);
    let azure = commit(7);
    let update = json!({ "name": "refs/heads/published", "newObjectId": azure });
    let body = json!({ "eventType": "git.push", "publisherId": "tfs",
                       "resource": { "refUpdates": [update] } });
    let call = server.request(reqwest::Method::POST, RELOAD);
    let call = call.basic_auth("anybody", Some(RELOAD_SECRET)).json(&body);
    assert_eq!(server.send(call).outcome("applied")["newCommit"], *azure);
}

#[test]
fn json_that_is_called_plain_text_is_read_and_a_system_hook_is_a_push_or_nothing() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let after = upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    let body = push("refs/heads/published", &after, "o/n").to_string();
    let call = server.call(RELOAD).header("x-github-event", "push");
    let call = call.header("content-type", "text/plain").body(body);
    assert_eq!(server.send(call).outcome("applied")["newCommit"], *after);
    let system = |body: Value| {
        server.send(server.call(RELOAD).header("x-gitlab-event", "System Hook").json(&body))
    };
    let created = json!({ "event_name": "project_create", "path_with_namespace": "o/n" });
    assert_eq!(system(created).outcome("ignored")["reason"], "unknown_event");
    let pushed = json!({ "event_name": "push", "ref": "refs/heads/published", "after": after });
    system(pushed).outcome("unchanged");
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
