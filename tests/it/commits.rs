//! The commits of the branch, and what each changed by sheet.

use headwater_testkit::Upstream;
use serde_json::{Value, json};

use crate::harness::{TestServer, person};

const SHEETS: &str =
    "[sheets.people]\nhidden = \"deletedAt\"\n[sheets.notes]\n[sheets.staff]\npublic = false\n";

/// Returns a remote whose commits change public, hidden and private records; the first one first.
fn library() -> (Upstream, Vec<String>) {
    let mut upstream = Upstream::new();
    let mut commits = Vec::new();
    let first = upstream.commit("two people").put("headwater.toml", SHEETS);
    let first = first.put("people/ada.toml", person("ada", "Ada", 36));
    commits.push(first.put("people/bob.toml", person("bob", "Bob", 4)).push());
    let note = upstream.commit("a note").put("notes/a.toml", "n = 1\n");
    commits.push(note.put("people/ada.toml", person("ada", "Ada", 37)).push());
    let secret = upstream.commit("an employee").put("staff/eve.toml", "name = \"eve\"\n");
    commits.push(secret.push());
    commits.push(upstream.commit("no record").put("README", "").push());
    commits.push(upstream.commit("no bob").delete("people/bob.toml").push());
    (upstream, commits)
}

fn counts(added: u64, modified: u64, removed: u64) -> Value {
    json!({"added": added, "modified": modified, "removed": removed})
}

fn column(page: &Value, name: &str) -> Vec<Value> {
    page["items"].as_array().unwrap().iter().map(|item| item[name].clone()).collect()
}

fn summaries(server: &TestServer, query: &str) -> Vec<Value> {
    column(&server.get(&format!("/api/_commits?{query}")).json(), "summary")
}

#[test]
fn each_commit_is_told_with_what_the_public_sees_that_it_changed() {
    let (upstream, commits) = library();
    let server = TestServer::start(&upstream.url());
    let answer = server.get("/api/_commits");
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-cache")));
    let page = answer.json();
    let hashes: Vec<Value> = commits.iter().rev().map(|commit| json!(commit)).collect();
    assert_eq!(column(&page, "commit"), hashes);
    assert_eq!(
        column(&page, "changed"),
        [
            json!({"people": counts(0, 0, 1)}),
            json!({}),
            json!({}),
            json!({"notes": counts(1, 0, 0), "people": counts(0, 1, 0)}),
            json!({"people": counts(2, 0, 0)}),
        ],
        "{page}"
    );
    assert_eq!(page["next"], Value::Null);
    assert!(column(&page, "author").iter().all(|author| !author.as_str().unwrap().contains('@')));
    // The same as a comparison says.
    for pair in commits.windows(2) {
        let diff = server.get(&format!("/api/_diff?from={}&to={}", pair[0], pair[1])).json();
        let item = page["items"].as_array().unwrap().iter().find(|it| it["commit"] == pair[1]);
        assert_eq!(item.unwrap()["changed"], diff["counts"]);
    }
}

#[test]
fn commits_are_chosen_by_commit_by_moment_and_by_sheet() {
    let (upstream, commits) = library();
    let server = TestServer::start(&upstream.url());
    let all = ["no bob", "no record", "an employee", "a note", "two people"];
    let times = column(&server.get("/api/_commits").json(), "time");
    let second = times[3].as_str().unwrap();
    for (query, expected) in [
        (format!("since={}", commits[2]), &all[..2]),
        (format!("since={}&until={}", commits[0], commits[2]), &all[2..4]),
        (format!("until={}", &commits[1][..10]), &all[3..]),
        (format!("since={second}"), &all[..3]),
        (format!("until={second}"), &all[3..]),
        ("since=1990&until=published".to_owned(), &all[..]),
        ("until=1990".to_owned(), &[]),
        ("since=2999".to_owned(), &[]),
        (format!("since={}&until={}", commits[3], commits[1]), &[]),
        ("sheet=notes".to_owned(), &all[3..4]),
        ("sheet=staff".to_owned(), &[]),
        ("sheet=notes&sheet=people".to_owned(), &["no bob", "a note", "two people"]),
    ] {
        assert_eq!(summaries(&server, &query), expected, "{query}");
    }
    for (query, status, code) in [
        ("since=nothing", 404, "unknown_commit"),
        (&*format!("until={}", "7".repeat(40)), 404, "unknown_commit"),
        ("at=published", 422, "invalid_query"),
        ("limit=0", 422, "invalid_query"),
        ("q=ada", 422, "invalid_query"),
        ("cursor=x", 422, "invalid_query"),
    ] {
        server.get(&format!("/api/_commits?{query}")).problem(status, code);
    }
}

#[test]
fn a_walk_over_the_commits_goes_on_where_it_was_whatever_is_pushed() {
    let (mut upstream, commits) = library();
    let server = TestServer::start(&upstream.url());
    let (mut query, mut seen) = (format!("since={}&limit=1", commits[0]), Vec::new());
    loop {
        let page = server.get(&format!("/api/_commits?{query}")).json();
        seen.extend(column(&page, "summary"));
        upstream.commit("more").put(format!("people/p{}.toml", seen.len()), "slug = \"p\"").push();
        server.reload().outcome("applied");
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=1&cursor={next}");
    }
    assert_eq!(seen, ["no bob", "no record", "an employee", "a note"]);
}

#[test]
fn what_is_hidden_or_private_now_was_never_counted() {
    let (mut upstream, _) = library();
    let server = TestServer::start(&upstream.url());
    let hidden = format!("{}deletedAt = 2024-01-01\n", person("ada", "Ada", 37));
    let private = SHEETS.replace("[sheets.notes]", "[sheets.notes]\npublic = false");
    upstream.commit("no ada").put("people/ada.toml", hidden).put("headwater.toml", private).push();
    server.reload().outcome("applied");
    let page = server.get("/api/_commits").json();
    let changed = column(&page, "changed");
    assert_eq!(changed[1], json!({"people": counts(0, 0, 1)}), "bob is still counted: {page}");
    assert_eq!(changed[4], json!({}), "{page}");
    assert_eq!(changed[5], json!({"people": counts(1, 0, 0)}), "{page}");
}
