//! What is shown of a file at earlier commits is decided by its parts, if sheets read parts of it.

use headwater_testkit::Upstream;
use serde_json::{Value, json};

use crate::harness::TestServer;

const ITEMS: &str =
    "[sheets.items]\nfile = \"data/d.json\"\nrecords = \"/items\"\nkey = \"${{ k }}\"\n";
const STAFF: &str =
    "[sheets.staff]\nfile = \"data/d.json\"\nrecords = \"/staff\"\nkey = \"${{ k }}\"\n";
const DOCS: &str = "[sheets.docs]\nroot = \"data\"\nformat = \"json\"\npath = \"${{ k }}\"\n";
const PATH: &str = "data/d.json";

/// Returns the file with these people in its second part.
fn file(staff: &Value) -> String {
    json!({ "k": "d", "items": [{ "k": "ann" }], "staff": staff }).to_string()
}

#[test]
fn what_was_in_a_part_that_nobody_saw_is_in_no_history_when_that_part_is_public() {
    let private = format!("{ITEMS}{STAFF}public = false\n");
    let hiding = format!("{ITEMS}{STAFF}hidden = \"gone\"\n");
    let both = format!("{ITEMS}{STAFF}");
    // Each row: the definitions then, and now, and the record.
    for (then, now, record) in [
        (ITEMS, &*both, "staff/ann"),
        (&private, &both, "staff/ann"),
        (&hiding, &both, "staff/ann"),
        (ITEMS, DOCS, "docs/d"),
        (&private, DOCS, "docs/d"),
    ] {
        let mut upstream = Upstream::new();
        let mut commits = Vec::new();
        for n in 0..2 {
            let text = file(&json!([{ "k": "ann", "gone": true, "secret": n }]));
            let commit = upstream.commit("never seen").put("headwater.toml", then);
            commits.push(commit.put(PATH, text).push());
        }
        let rules = upstream.commit("rules").put("headwater.toml", now);
        let since = [
            rules.put(PATH, file(&json!([]))).push(),
            upstream.commit("added").put(PATH, file(&json!([{ "k": "ann" }]))).push(),
            upstream.commit("changed").put(PATH, file(&json!([{ "k": "ann", "n": 1 }]))).push(),
        ];
        let server = TestServer::start(&upstream.url());
        let history = server.get(&format!("/api/_history/{record}")).json();
        let listed: Vec<&str> = history["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["commit"].as_str().unwrap())
            .collect();
        assert!(listed.contains(&&*since[2]), "{then}{now}: {history}");
        for commit in &commits {
            assert!(!listed.contains(&&**commit), "{then}{now}: {history}");
            server.get(&format!("/api/{record}?at={commit}")).problem(404, "not_found");
        }
        assert!(!history.to_string().contains("secret"), "{then}{now}: {history}");
    }
}

#[test]
fn a_row_of_a_file_that_is_hidden_as_a_whole_now_is_neither_read_nor_compared() {
    let notes = "[sheets.notes]\nroot = \"data\"\nformat = \"json\"\nrecords = \"/notes\"\n";
    let hiding = format!("{DOCS}hidden = \"sealed\"\n");
    let file = |sealed: bool, text: &str| {
        json!({ "k": "x", "sealed": sealed, "notes": { "n": { "text": text } } }).to_string()
    };
    for after in [None, Some(file(false, "open"))] {
        let mut upstream = Upstream::new();
        let commit = upstream.commit("then").put("headwater.toml", notes);
        let other = json!({ "k": "y", "notes": {} }).to_string();
        let commit = commit.put("data/x.json", file(true, "SECRET")).put("data/y.json", other);
        let then = commit.push();
        let commit = upstream.commit("now").put("headwater.toml", &hiding);
        match &after {
            Some(text) => commit.put("data/x.json", text).push(),
            None => commit.delete("data/x.json").push(),
        };
        let server = TestServer::start(&upstream.url());
        for record in ["notes/x/n", "docs/x"] {
            server.get(&format!("/api/{record}?at={then}")).problem(404, "not_found");
        }
        for path in [format!("/api/_diff?from={then}"), format!("/api/_problems?at={then}")] {
            let answer = server.get(&path);
            assert_eq!(answer.status, 200, "{path}");
            assert!(!answer.json().to_string().contains("SECRET"), "{path}");
        }
    }
}

#[test]
fn a_part_that_no_sheet_shows_now_is_shown_at_no_commit_and_by_no_preview() {
    let both = format!("{ITEMS}{STAFF}");
    for then in [&*both, DOCS] {
        let mut upstream = Upstream::new();
        let commit = upstream.commit("then").put("headwater.toml", then);
        let then = commit.put(PATH, file(&json!([{ "k": "ann", "secret": 1 }]))).push();
        let head = upstream.commit("now").put("headwater.toml", ITEMS).push();
        let published = upstream.branch().to_owned();
        upstream.set_branch("draft");
        upstream.reset_to(&head);
        upstream.commit("open").put("headwater.toml", &both).push();
        upstream.set_branch(&published);
        let server = TestServer::with(&upstream.url(), &[("HEADWATER_PREVIEWS", "draft")]);
        for at in [&*then, &head, "refs/heads/draft"] {
            for path in ["staff/ann", "staff", "docs/d", "docs"] {
                server.get(&format!("/api/{path}?at={at}")).problem(404, "not_found");
            }
        }
        // What is public is still there.
        for at in [&*head, "refs/heads/draft"] {
            assert_eq!(server.get(&format!("/api/items/ann?at={at}")).status, 200);
        }
    }
}
