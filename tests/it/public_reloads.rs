//! The public view of reloads.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{BROKEN, TestServer, people, person};

const SECRETS: &str =
    "[gitsheet]\nroot = \"secrets\"\npath = \"${{ id }}\"\n[headwater]\npublic = false\n";

fn reloads(server: &TestServer) -> Vec<Value> {
    let answer = server.get("/api/_reloads");
    assert_eq!(answer.status, 200);
    answer.json()["items"].as_array().unwrap().clone()
}

#[test]
fn a_push_that_went_live_is_told_with_its_stages_and_counts() {
    let mut upstream = people();
    let before = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada Lovelace", 37)).push();
    let report = server.reload().outcome("applied");
    let newest = reloads(&server).swap_remove(0);
    assert_eq!(newest["ok"], true);
    assert_eq!((&newest["outcome"], &newest["trigger"]), (&json!("applied"), &json!("webhook")));
    assert_eq!(
        (&newest["oldCommit"], &newest["newCommit"]),
        (&json!(before), &report["newCommit"])
    );
    assert_eq!(newest["changed"], json!({ "people": { "added": 0, "modified": 1, "removed": 0 } }));
    assert_eq!(newest["timings"], report["timings"]);
    assert_eq!(newest["durationMs"], report["durationMs"]);
    assert!(newest["id"].is_string() && newest["at"].as_str().unwrap().ends_with('Z'), "{newest}");
    assert_eq!(server.get("/api/_status").json()["last"], newest);
}

#[test]
fn sheets_that_are_not_public_are_not_counted() {
    let mut upstream = people();
    upstream.commit("a sheet").put(".gitsheets/secrets.toml", SECRETS).push();
    let server = TestServer::start(&upstream.url());
    upstream
        .commit("both")
        .put("secrets/one.toml", "id = \"one\"\n")
        .put("people/b.toml", person("b", "B", 1))
        .push();
    server.reload().outcome("applied");
    let newest = reloads(&server).swap_remove(0);
    assert_eq!(newest["changed"], json!({ "people": { "added": 1, "modified": 0, "removed": 0 } }));
    let status = server.get("/api/_status").json();
    assert!(!status.to_string().contains("secrets"), "{status}");
}

#[test]
fn a_refused_push_has_a_code_and_a_reason_and_no_word_of_its_problems() {
    let mut upstream = people();
    let served = upstream.head().unwrap();
    upstream.commit("a sheet").put(".gitsheets/secrets.toml", SECRETS).push();
    let server = TestServer::start(&upstream.url());
    upstream
        .commit("break")
        .put("secrets/broken.toml", BROKEN)
        .put("people/broken.toml", BROKEN)
        .push();
    server.reload().problem(500, "push_refused");
    let newest = reloads(&server).swap_remove(0);
    assert_eq!((&newest["ok"], &newest["outcome"]), (&json!(false), &json!("failed")));
    assert_eq!((&newest["code"], &newest["reason"]), (&json!("push_refused"), &json!("refused")));
    assert_eq!(newest["oldCommit"], newest["newCommit"]);
    assert_ne!(newest["newCommit"], json!(served));
    assert_eq!((&newest["changed"], newest.get("timings")), (&json!({}), None));
    for path in ["/api/_reloads", "/api/_status"] {
        let text = String::from_utf8(server.get(path).body).unwrap();
        for word in ["broken.toml", "secrets", "\"detail\"", "\"problems\":["] {
            assert!(!text.contains(word), "{path} has {word}: {text}");
        }
    }
}

#[test]
fn a_reload_while_a_commit_is_pinned_is_held_and_says_so() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    server.pin(&upstream.head().unwrap());
    upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    server.reload().outcome("held");
    let newest = reloads(&server).swap_remove(0);
    assert_eq!((&newest["outcome"], &newest["reason"]), (&json!("held"), &json!("pinned")));
    assert_eq!(newest["oldCommit"], newest["newCommit"]);
}

#[test]
fn the_list_is_newest_first_up_to_its_limit_and_is_not_sent_twice() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    for age in 1..4 {
        upstream.commit("age").put("people/ada.toml", person("ada", "Ada", age)).push();
        server.reload().outcome("applied");
    }
    let commits: Vec<_> = reloads(&server).iter().map(|item| item["newCommit"].clone()).collect();
    assert_eq!(commits[0], json!(upstream.head().unwrap()));
    assert!(commits.len() > 3);
    let limited = server.get("/api/_reloads?limit=2");
    assert_eq!(limited.json()["items"].as_array().map(Vec::len), Some(2));
    let known = server.request(Method::GET, "/api/_reloads?limit=2");
    let known = known.header("if-none-match", limited.header("etag").unwrap());
    assert_eq!(server.send(known).status, 304);
    for query in ["limit=0", "limit=257", "limit=x", "page=1"] {
        server.get(&format!("/api/_reloads?{query}")).problem(422, "invalid_query");
    }
}
