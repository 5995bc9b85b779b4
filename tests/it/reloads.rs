//! A push goes live: the answers to the webhook when nothing is wrong.

use serde_json::json;

use crate::harness::{REBUILD, RELOAD, TestServer, people, person};

#[test]
fn a_push_of_one_record_goes_live_everywhere() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let old = upstream.head().unwrap();
    let text = person("ada", "Ada Byron", 36);
    let new = upstream.commit("rename").put("people/ada.toml", text).push();
    assert_eq!(server.get("/api/people/ada").json()["name"], "Ada Lovelace");

    let answer = server.reload();
    let body = answer.outcome("applied");
    assert_eq!(
        (body["oldCommit"].as_str(), body["newCommit"].as_str()),
        (Some(&*old), Some(&*new))
    );
    assert_eq!(body["changed"], json!({ "people": { "added": 0, "modified": 1, "removed": 0 } }));
    assert_eq!(answer.commit(), new);
    assert_eq!(body["digest"].as_str().map(str::len), Some(64));
    assert!(body["durationMs"].as_f64().unwrap() > 0.0);
    for stage in ["fetch", "diff", "decode", "apply", "text", "swap"] {
        assert!(body["timings"][stage].is_number(), "{body}");
    }
    for absent in ["reason", "ahead", "shared", "repeated", "fetched"] {
        assert!(body.get(absent).is_none(), "{absent}: {body}");
    }

    let record = server.get("/api/people/ada");
    assert_eq!((record.json()["name"].as_str(), record.commit()), (Some("Ada Byron"), &*new));
    let list = server.get("/api/people?name=Ada+Byron").json();
    assert_eq!(list["total"], 1);
    assert_eq!(server.get("/api/_search?q=byron").json()["items"][0]["key"], "ada");
    assert_eq!(server.get("/api/_search?q=lovelace").json()["total"], 0);
}

#[test]
fn a_record_that_a_push_removes_is_gone_everywhere() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    upstream.commit("remove").delete("people/ada.toml").push();
    let body = server.reload().outcome("applied");
    assert_eq!(body["changed"]["people"]["removed"], 1);
    server.get("/api/people/ada").problem(404, "not_found");
    assert_eq!(server.get("/api/people").json()["total"], 1);
    assert_eq!(server.get("/api/_search?q=lovelace").json()["total"], 0);
}

#[test]
fn nothing_new_is_unchanged_and_names_no_sheet() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let body = server.reload().outcome("unchanged");
    assert_eq!(body["changed"], json!({}));
    assert_eq!(body["oldCommit"], body["newCommit"]);
}

#[test]
fn a_comment_counts_nothing() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let text = format!("# a note\n{}", person("ada", "Ada Lovelace", 36));
    upstream.commit("comment").put("people/ada.toml", text).push();
    assert_eq!(server.reload().outcome("applied")["changed"], json!({}));
}

#[test]
fn a_hash_that_is_published_costs_no_fetch() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let published = upstream.head().unwrap();
    upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    let body = server.reload_with(&json!({ "commitHash": published })).outcome("unchanged");
    assert_eq!(body["fetched"], false);
    assert_eq!(body["newCommit"], *published);
}

#[test]
fn a_hash_inside_the_fetched_head_is_enough() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let first = upstream.commit("one").put("people/b.toml", person("b", "B", 1)).push();
    let second = upstream.commit("two").put("people/c.toml", person("c", "C", 1)).push();
    let body = json!({ "branch": "published", "commitHash": first });
    assert_eq!(server.reload_with(&body).outcome("applied")["newCommit"], *second);
}

#[test]
fn a_hash_that_arrives_late_is_waited_for() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let before = upstream.head().unwrap();
    let late = upstream.commit("late").put("people/b.toml", person("b", "B", 1)).push();
    upstream.reset_to(&before);
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| server.reload_with(&json!({ "commitHash": late })));
        // The first attempt is done when the ledger has one more reload.
        let reloads =
            || server.look("/api/_internal/reloads").json()["items"].as_array().unwrap().len();
        let begun = reloads();
        while reloads() == begun {
            std::thread::yield_now();
        }
        upstream.reset_to(&late);
        assert_eq!(answer.join().unwrap().outcome("applied")["newCommit"], *late);
    });
}

#[test]
fn a_rebuild_says_so_and_changes_nothing() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let before = server.get("/api/_status").json()["digest"].clone();
    let body = server.send(server.call(REBUILD)).outcome("rebuilt");
    assert_eq!(body["reason"], "requested");
    assert_eq!((&body["digest"], &body["changed"]), (&before, &json!({})));
}

#[test]
fn without_the_remote_a_rebuild_builds_what_is_here() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    drop(upstream);
    let body = server.send(server.call(REBUILD)).outcome("rebuilt");
    assert_eq!(body["fetched"], false);
}

#[test]
fn fifty_calls_at_once_cost_at_most_two_reloads() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let reloads =
        || server.look("/api/_internal/reloads").json()["items"].as_array().unwrap().len();
    let before = reloads();
    let new = upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    let answers: Vec<_> = server.runtime().block_on(async {
        let calls: Vec<_> = (0..50).map(|_| tokio::spawn(server.call(RELOAD).send())).collect();
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.unwrap().unwrap().json::<serde_json::Value>().await.unwrap());
        }
        answers
    });
    assert!(answers.iter().all(|body| body["newCommit"] == *new), "{answers:?}");
    assert!(answers.iter().any(|body| body["shared"] == true));
    let cost = reloads() - before;
    // A call that arrives near the end of the burst may start one more.
    assert!(cost <= 3, "{cost} reloads");
}

#[test]
fn a_caller_who_does_not_wait_is_told_where_to_look() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let new = upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    let answer = server.send(server.call(RELOAD).header("prefer", "respond-async, wait=0"));
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["ok"], &body["state"]),
        (202, &json!(true), &json!("running"))
    );
    let location = answer.header("location").unwrap();
    assert_eq!(location, format!("/api/_internal/reloads/{}", body["id"].as_str().unwrap()));
    let done = server.follow(location);
    assert_eq!((&done["id"], &done["status"]), (&body["id"], &json!(200)));
    assert_eq!((&done["outcome"], &done["newCommit"]), (&json!("applied"), &json!(new)));
}

#[test]
fn the_list_of_reloads_has_the_newest_first() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    server.reload().outcome("applied");
    let list = server.look("/api/_internal/reloads").json();
    let newest = &list["items"][0];
    assert_eq!((&newest["outcome"], &newest["trigger"]), (&json!("applied"), &json!("webhook")));
    assert_eq!(newest["ok"], true);
    server.look("/api/_internal/reloads/0-1").problem(404, "not_found");
    server.look("/api/_internal/reloads/nonsense").problem(404, "not_found");
}
