//! The problems of a state, page by page.

use headwater_testkit::Upstream;
use serde_json::Value;

use crate::harness::TestServer;

const DEFINITIONS: &str = "[sheets.logs]\nformat = \"ndjson\"\n[sheets.people]\n";

fn upstream(lines: usize) -> Upstream {
    let mut upstream = Upstream::new();
    let commit = upstream.commit("broken").put("headwater.toml", DEFINITIONS);
    commit.put("logs/all.ndjson", "1\n".repeat(lines)).put("people/ada.toml", "n =\n").push();
    upstream
}

fn walk(server: &TestServer, limit: usize, begin: Value) -> Vec<Value> {
    let mut page = begin;
    let mut items = Vec::new();
    loop {
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { return items };
        let address = format!("/api/_problems?limit={limit}&cursor={next}");
        page = server.get(&address).json();
    }
}

#[test]
fn problems_come_in_pages_that_are_those_of_one_commit() {
    let mut upstream = upstream(2_500);
    let server = TestServer::start(&upstream.url());
    let first = server.get("/api/_problems").json();
    assert_eq!((&first["total"], first["items"].as_array().unwrap().len()), (&2_501.into(), 1_000));
    let status = server.get("/api/_status").json();
    assert_eq!(status["problems"], 2_501);
    let sheets = server.get("/api/_sheets").json();
    let counts: Vec<_> =
        sheets["items"].as_array().unwrap().iter().map(|s| &s["problems"]).collect();
    assert_eq!(counts, [2_500, 1]);
    let whole = walk(&server, 1_000, first.clone());
    let lines: Vec<_> = whole[..2_500].iter().map(|item| item["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, (1..=2_500).collect::<Vec<_>>());
    assert_eq!(whole[2_500]["path"], "people/ada.toml");
    // A push during the walk changes none of its pages.
    upstream.commit("mended").put("people/ada.toml", "n = 1\n").delete("logs/all.ndjson").push();
    server.reload();
    assert_eq!(server.get("/api/_problems").json()["total"], 0);
    assert_eq!(walk(&server, 700, first), whole);
    let none = server.get("/api/_problems").json();
    assert_eq!((&none["items"], &none["next"]), (&Value::Array(Vec::new()), &Value::Null));
}

#[test]
fn a_page_that_there_is_not_is_refused() {
    let upstream = upstream(3);
    let server = TestServer::start(&upstream.url());
    let next = server.get("/api/_problems?limit=1").json()["next"].as_str().unwrap().to_owned();
    for (query, status) in [
        ("limit=0".to_owned(), 422),
        ("limit=1001".to_owned(), 422),
        ("cursor=x".to_owned(), 422),
        ("page=2".to_owned(), 422),
        (format!("cursor={next}&at={}", "1".repeat(40)), 410),
        (format!("cursor={next}"), 200),
    ] {
        assert_eq!(server.get(&format!("/api/_problems?{query}")).status, status, "{query}");
    }
}
