//! Held pushes: a head that is not a continuation, or whose content is refused.

use serde_json::json;

use crate::harness::{BROKEN, TestServer, people, person};

#[test]
fn a_rewritten_branch_changes_nothing_until_the_operator_lets_it_through() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let old = upstream.head().unwrap();
    let text = person("ada", "Augusta Ada King", 36);
    let rewritten = upstream.force_commit_on(None, "anew").put("people/ada.toml", text).push();

    let answer = server.reload();
    let body = answer.problem(409, "diverged");
    assert_eq!((answer.commit(), &body["oldCommit"]), (&*old, &json!(old)));
    assert_eq!(body["remoteCommit"], *rewritten);
    let id = body["heldId"].as_str().unwrap();
    assert!(body["detail"].as_str().unwrap().contains(&format!("headwater apply {id}")), "{body}");
    assert_eq!(server.get("/api/people/ada").json()["name"], "Ada Lovelace");
    let held = &server.get("/api/_status").json()["held"];
    assert_eq!((&held["id"], &held["reason"]), (&json!(id), &json!("diverged")));
    assert_eq!(server.reload().problem(409, "diverged")["heldId"], id);

    let through = server.apply(id);
    let body = through.json();
    assert_eq!((through.status, &body["newCommit"]), (200, &json!(rewritten)), "{body}");
    assert_eq!(server.get("/api/people/ada").json()["name"], "Augusta Ada King");
    assert!(server.get("/api/_status").json().get("held").is_none());
}

#[test]
fn a_rewound_branch_diverges_even_when_the_call_names_an_ancestor() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    let server = TestServer::start(&upstream.url());
    upstream.reset_to(&first);
    server.reload_with(&json!({ "commitHash": first })).problem(409, "diverged");
}

#[test]
fn a_malformed_record_refuses_the_push_and_the_next_good_one_goes_live() {
    let mut upstream = people();
    let mut server = TestServer::start(&upstream.url());
    let old = upstream.head().unwrap();
    let refused = upstream.commit("break").put("people/broken.toml", BROKEN).push();

    let answer = server.reload();
    let body = answer.problem(500, "push_refused");
    assert_eq!(answer.commit(), old);
    assert_eq!((&body["ok"], &body["oldCommit"]), (&json!(false), &json!(old)));
    assert_eq!((&body["refusedCommit"], &body["problemsTotal"]), (&json!(refused), &json!(1)));
    let problem = &body["problems"][0];
    assert_eq!((&problem["path"], &problem["line"]), (&json!("people/broken.toml"), &json!(1)));
    assert_eq!((&problem["rule"], &problem["sheet"]), (&json!("malformed"), &json!("people")));
    assert!(body["heldId"].is_string() && body.get("repeated").is_none(), "{body}");
    let again = server.reload().problem(500, "push_refused");
    assert_eq!((&again["repeated"], &again["heldId"]), (&json!(true), &body["heldId"]));
    assert_eq!(server.get("/api/people/ada").commit(), old);

    server.restart();
    assert_eq!(server.get("/api/people/ada").commit(), old);
    server.reload().problem(500, "push_refused");

    let mended = upstream.commit("mend").delete("people/broken.toml").push();
    assert_eq!(server.reload().outcome("applied")["newCommit"], *mended);
}

#[test]
fn the_operator_lets_a_broken_push_through() {
    let mut upstream = people();
    // If records are hidden, an unreadable file may be one of them, and is not reported.
    let definition = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n";
    upstream.commit("hide nothing").put(".gitsheets/people.toml", definition).push();
    let server = TestServer::start(&upstream.url());
    let broken = upstream.commit("break").put("people/broken.toml", BROKEN).push();
    let body = server.reload().problem(500, "push_refused");
    let through = server.apply(body["heldId"].as_str().unwrap()).json();
    assert_eq!(through["newCommit"], *broken, "{through}");
    let problems = server.get("/api/_problems").json();
    assert_eq!((&problems["total"], &problems["items"][0]["line"]), (&json!(1), &json!(1)));
    server.get("/api/people/broken").problem(404, "not_found");
}

#[test]
fn a_held_push_that_is_superseded_cannot_be_let_through() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    upstream.commit("break").put("people/broken.toml", BROKEN).push();
    let held = server.reload().problem(500, "push_refused")["heldId"].clone();
    let mended = upstream.commit("mend").delete("people/broken.toml").push();
    server.apply(held.as_str().unwrap()).problem(409, "held_superseded");
    assert_eq!(server.reload().outcome("applied")["newCommit"], *mended);
    server.apply(held.as_str().unwrap()).problem(409, "held_superseded");
}

#[test]
fn a_reload_that_held_nothing_back_has_nothing_to_let_through() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    server.reload().outcome("unchanged");
    let id = server.look("/api/_internal/reloads").json()["items"][0]["id"].clone();
    server.apply(id.as_str().unwrap()).problem(409, "not_held");
}

#[test]
fn a_refusal_lists_at_most_a_hundred_problems() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let files = (0..150).map(|n| (format!("people/broken-{n}.toml"), BROKEN));
    upstream.commit("break").put_all(files).push();
    let body = server.reload().problem(500, "push_refused");
    assert_eq!(body["problems"].as_array().map(Vec::len), Some(100));
    assert_eq!(body["problemsTotal"], 150);
}
