//! The public reads.

use std::sync::atomic::{AtomicBool, Ordering};

use headwater_testkit::{Upstream, fixtures};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{BROKEN, RELOAD, TestServer, people, person};

#[test]
fn a_record_is_the_bare_value_with_a_strong_tag() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let record = server.get("/api/people/ada");
    assert_eq!(record.status, 200);
    assert_eq!(record.header("content-type"), Some("application/json"));
    assert_eq!(record.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(record.commit(), upstream.head().unwrap());
    assert_eq!(
        String::from_utf8(record.body.clone()).unwrap(),
        r#"{"age":36,"bio":"Ada Lovelace wrote programs.","name":"Ada Lovelace","slug":"ada"}"#
    );
    let tag = record.header("etag").unwrap();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
    let get = || server.request(Method::GET, "/api/people/ada");
    let known = server.send(get().header("if-none-match", format!("\"x\", {tag}")));
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!((known.header("etag"), known.commit()), (Some(tag), record.commit()));
    assert_eq!(server.send(get().header("if-none-match", "\"x\"")).status, 200);
}

#[test]
fn a_tag_outlives_commits_that_do_not_touch_the_record() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let tag = |path| server.get(path).header("etag").unwrap().to_owned();
    let (ada, grace) = (tag("/api/people/ada"), tag("/api/people/grace"));
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada Lovelace", 37)).push();
    server.reload().outcome("applied");
    assert_ne!(tag("/api/people/ada"), ada);
    assert_eq!(tag("/api/people/grace"), grace);
}

#[test]
fn head_answers_what_get_does_without_a_body() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    for path in [
        "/api/people/ada",
        "/api/people",
        "/api/people/nobody",
        "/api/_search?q=ada",
        "/api/_sheets",
        "/api/_status",
        "/api/_problems",
        "/api/_reloads",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/nowhere",
    ] {
        let head = server.send(server.request(Method::HEAD, path));
        assert_eq!((head.status, head.body.len()), (server.get(path).status, 0), "{path}");
    }
    let head = server.send(server.request(Method::HEAD, "/api/people/ada"));
    assert_eq!(head.header("etag"), server.get("/api/people/ada").header("etag"));
}

#[test]
fn another_method_is_told_which_are_allowed() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    for path in ["/api/people/ada", "/api/people", "/api/_search", "/health/live", "/metrics"] {
        let answer = server.send(server.request(Method::POST, path));
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{path}");
    }
    let answer = server.send(server.request(Method::DELETE, RELOAD));
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST"));
}

#[test]
fn what_is_not_there_is_a_problem_that_names_the_commit_where_one_was_asked() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let unreadable = ["/api/people/%FF", "/api/%FF"];
    for path in
        ["/api/people/nobody", "/api/nothing", "/api/nothing/x"].into_iter().chain(unreadable)
    {
        let answer = server.get(path);
        answer.problem(404, "not_found");
        assert_eq!(answer.commit(), upstream.head().unwrap(), "{path}");
    }
    for path in ["/api", "/nowhere", "/api/_internal/nothing"] {
        server.get(path).problem(404, "not_found");
    }
}

#[test]
fn keys_have_segments_and_any_letters() {
    let mut upstream = Upstream::new();
    upstream
        .commit("odd names")
        .put("posts/2024/a b.json", r#"{"n":1}"#)
        .put("posts/über/ß.json", r#"{"n":2}"#)
        .push();
    let server = TestServer::start(&upstream.url());
    assert_eq!(server.get("/api/posts/2024/a%20b").json()["n"], 1);
    assert_eq!(server.get("/api/posts/2024%2Fa%20b").json()["n"], 1);
    assert_eq!(server.get("/api/posts/%C3%BCber/%C3%9F").json()["n"], 2);
}

#[test]
fn a_list_has_pages_filters_sorts_facets_and_cursors() {
    let mut upstream = people();
    let more = (0..5).map(|n| {
        let (slug, name) = (format!("p{n}"), format!("Person {n}"));
        (format!("people/{slug}.toml"), person(&slug, &name, 20 + n))
    });
    upstream.commit("more").put_all(more).push();
    let server = TestServer::start(&upstream.url());
    let keys = |path: &str| -> Vec<String> {
        let body = server.get(path).json();
        let items = body["items"].as_array().unwrap_or_else(|| panic!("{path}: {body}"));
        items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
    };
    let page = server.get("/api/people?perPage=2&page=2").json();
    assert_eq!(
        (&page["page"], &page["perPage"], &page["total"]),
        (&json!(2), &json!(2), &json!(7))
    );
    assert_eq!(
        page["items"][0],
        json!({ "key": "p0", "value": server.get("/api/people/p0").json() })
    );
    assert_eq!(keys("/api/people?page=99"), Vec::<String>::new());
    assert_eq!(keys("/api/people?sort=-age&perPage=2"), ["grace", "ada"]);
    assert_eq!(keys("/api/people?age%5Bgte%5D=24&sort=age"), ["p4", "ada", "grace"]);
    assert_eq!(keys("/api/people?slug[in]=ada,p1"), ["ada", "p1"]);
    assert_eq!(keys("/api/people?q=hopper"), ["grace"]);
    assert_eq!(keys("/api/people?deletedAt[exists]=true"), Vec::<String>::new());
    let fields = server.get("/api/people?slug=ada&fields=age").json();
    assert_eq!(fields["items"][0]["value"], json!({ "age": 36 }));
    let facets = server.get("/api/people?age[lt]=22&facets=age").json();
    assert_eq!(
        facets["facets"]["age"],
        json!([{ "value": 20, "count": 1 }, { "value": 21, "count": 1 }])
    );
    let first = server.get("/api/people?limit=4").json();
    let next = first["next"].as_str().unwrap();
    assert_eq!(keys(&format!("/api/people?limit=4&cursor={next}")), ["p2", "p3", "p4"]);
}

#[test]
fn a_list_that_is_not_understood_is_refused_with_every_reason() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let answer = server.get("/api/people?page=0&perPage=101&nme=x");
    let body = answer.problem(422, "invalid_query");
    let mut wrong: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["parameter"].as_str().unwrap())
        .collect();
    wrong.sort_unstable();
    assert_eq!(wrong, ["nme", "page", "perPage"], "{body}");
    assert_eq!(answer.commit(), upstream.head().unwrap());
}

#[test]
fn a_search_ranks_and_marks_across_sheets() {
    let upstream = fixtures::civic();
    let server = TestServer::start(&upstream.url());
    let body = server.get("/api/_search?q=street+trees").json();
    let best = &body["items"][0];
    assert_eq!((&best["sheet"], &best["key"]), (&json!("projects"), &json!("tree-census")));
    assert!(best["score"].as_f64().unwrap() > 0.0);
    assert_eq!(best["value"]["slug"], "tree-census");
    let marked = best["highlights"]["summary"][0].as_str().unwrap();
    assert!(marked.contains("<mark>trees</mark>"), "{marked}");
    server.get("/api/_search").problem(422, "invalid_query");
    server.get("/api/_search?q=").problem(422, "invalid_query");
    server.get("/api/_search?q=a&sheet=nothing").problem(422, "invalid_query");
    let long = "a".repeat(2000);
    server.get(&format!("/api/_search?q={long}")).problem(422, "invalid_query");
    let nested = "(".repeat(3000);
    assert_eq!(server.get(&format!("/api/_search?q={nested}")).status, 422);
}

#[test]
fn hidden_records_and_sheets_are_absent_everywhere() {
    let mut upstream = people();
    let hidden = format!("deletedAt = \"2026-01-01T00:00:00Z\"\n{}", person("ada", "Ada", 36));
    upstream
        .commit("hide")
        .put("people/ada.toml", hidden)
        .put(
            ".gitsheets/secrets.toml",
            "[gitsheet]\nroot = \"secrets\"\npath = \"${{ id }}\"\n[headwater]\npublic = false\n",
        )
        .put("secrets/one.toml", "id = \"one\"\ntext = \"lovelace\"\n")
        .put("secrets/broken.toml", BROKEN)
        .push();
    let server = TestServer::start(&upstream.url());
    for path in ["/api/people/ada", "/api/secrets/one", "/api/secrets"] {
        server.get(path).problem(404, "not_found");
    }
    assert_eq!(server.get("/api/people").json()["total"], 1);
    assert_eq!(server.get("/api/_search?q=lovelace").json()["total"], 0);
    let sheets = server.get("/api/_sheets").json();
    assert_eq!(sheets["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(sheets["items"][0]["records"], 1);
    assert_eq!(server.get("/api/_problems").json()["total"], 0);
}

#[test]
fn the_fields_of_a_sheet_are_told_with_their_types_and_by_how_many_records_have_them() {
    let mut upstream = Upstream::new();
    upstream
        .commit("two plants, and one that is hidden")
        .put("headwater.toml", "[sheets.plants]\nformat = \"json\"\nhidden = \"gone\"\n")
        .put(
            "plants/ash.json",
            r#"{"tall":30,"found":"2024-05-01","at":{"city":"Aue"},"old":true}"#,
        )
        .put("plants/elm.json", r#"{"tall":"high","tags":["a","b"],"at":null}"#)
        .put("plants/yew.json", r#"{"gone":"2024-05-01","poison":"all of it"}"#)
        .push();
    let server = TestServer::start(&upstream.url());
    let sheets = server.get("/api/_sheets").json();
    let field = |records: u64, types: &[&str], list: bool| json!({"records": records, "types": types, "list": list});
    let expected = json!({
        "tall": field(2, &["number", "text"], false),
        "found": field(1, &["date"], false),
        "at": field(2, &["table"], false),
        "at.city": field(1, &["text"], false),
        "old": field(1, &["boolean"], false),
        "tags": field(1, &["text"], true),
    });
    assert_eq!(sheets["items"][0]["fieldStats"], expected, "nothing of the hidden record");
}

#[test]
fn the_state_is_told_as_a_whole() {
    let upstream = fixtures::civic();
    let server = TestServer::start(&upstream.url());
    let status = server.get("/api/_status");
    let body = status.json();
    assert_eq!(
        (body["commit"].as_str(), status.commit()),
        (upstream.head().as_deref(), &*upstream.head().unwrap())
    );
    assert_eq!((&body["branch"], &body["degraded"]), (&json!("published"), &json!(false)));
    assert_eq!((&body["problems"], &body["pinned"]), (&json!(0), &Value::Null));
    assert_eq!(body["lag"]["remoteHead"], body["commit"]);
    assert_eq!(body["last"]["outcome"], "unchanged");
    assert_eq!(body["sheets"]["projects"].as_u64(), Some(8), "one is hidden");
    let sheets = server.get("/api/_sheets").json();
    let projects =
        sheets["items"].as_array().unwrap().iter().find(|s| s["name"] == "projects").unwrap();
    assert_eq!((&projects["root"], &projects["format"]), (&json!("projects"), &json!("toml")));
    assert!(projects["fields"].as_array().unwrap().contains(&json!("stage")));
    let metrics = server.metrics();
    for line in [
        "headwater_ready 1",
        "headwater_records{sheet=\"projects\"} ",
        "headwater_problems 0",
        "headwater_reloads_total{trigger=\"boot\",outcome=\"unchanged\",reason=\"\"} 1",
        "headwater_http_requests_total{route=\"state\",status=\"200\"} 2",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[test]
fn broken_files_of_the_first_state_are_listed_and_degrade_it() {
    let upstream = fixtures::broken_declared();
    let server = TestServer::start(&upstream.url());
    assert_eq!(server.get("/api/_status").json()["degraded"], true);
    let problems = server.get("/api/_problems").json();
    let items = problems["items"].as_array().unwrap();
    assert_eq!(problems["total"], items.len());
    assert!(items.iter().all(|problem| {
        problem["path"].is_string() && problem["rule"].is_string() && problem["message"].is_string()
    }));
    assert_eq!(server.get("/health/ready").status, 200);
}

#[test]
fn other_origins_read_only_where_the_settings_let_them() {
    let upstream = people();
    let origin = "https://example.org";
    let ask = |server: &TestServer, path: &str| {
        let answer = server.send(server.request(Method::GET, path).header("origin", origin));
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    let closed = TestServer::start(&upstream.url());
    assert_eq!(ask(&closed, "/api/people/ada"), None);
    let open = TestServer::with(&upstream.url(), &[("HEADWATER_CORS_ORIGINS", origin)]);
    assert_eq!(ask(&open, "/api/people/ada").as_deref(), Some(origin));
    assert_eq!(ask(&open, "/api/people/nobody").as_deref(), Some(origin));
    assert_eq!(ask(&open, "/api/_internal/reloads"), None);
}

#[test]
fn everything_moves_below_a_base_path() {
    let mut upstream = people();
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_BASE_PATH", "/data/")]);
    assert_eq!(server.get("/data/api/people/ada").status, 200);
    assert_eq!(server.get("/data/api/people").json()["total"], 2);
    assert_eq!(server.get("/data/health/ready").status, 200);
    server.get("/api/people/ada").problem(404, "not_found");
    upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    let call = server.call("/data/api/_internal/reload-data").header("prefer", "wait=0");
    let accepted = server.send(call);
    let location = accepted.header("location").unwrap();
    assert!(location.starts_with("/data/api/_internal/reloads/"), "{location}");
    assert_eq!(server.follow(location)["outcome"], "applied");
    let metrics = server.metrics_below("/data");
    assert!(metrics.contains("{route=\"record\",status=\"200\"} 1"), "{metrics}");
}

#[test]
fn a_reader_in_a_loop_sees_only_whole_states() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let done = AtomicBool::new(false);
    // Each commit gives both people the same age, which no other commit has.
    let mut ages = std::collections::HashMap::new();
    let commit = |upstream: &mut Upstream, age: u32| {
        let commit = upstream.commit("both");
        let commit = commit.put("people/ada.toml", person("ada", "Ada Lovelace", age));
        (commit.put("people/grace.toml", person("grace", "Grace Hopper", age)).push(), age)
    };
    ages.extend([commit(&mut upstream, 100)]);
    server.reload().outcome("applied");
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let list = server.get("/api/people");
                let found = server.get("/api/_search?q=lovelace");
                seen.push((list.commit().to_owned(), list.json()));
                seen.push((found.commit().to_owned(), found.json()));
            }
            seen
        });
        for age in 101..130 {
            ages.extend([commit(&mut upstream, age)]);
            server.reload().outcome("applied");
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(seen.len() > 10);
    for (commit, body) in seen {
        let items = body["items"].as_array().unwrap();
        let all: Vec<&Value> = items.iter().map(|item| &item["value"]["age"]).collect();
        assert!(
            !all.is_empty() && all.iter().all(|age| **age == ages[&commit]),
            "{commit}: {body}"
        );
    }
}
