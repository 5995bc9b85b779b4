//! Reads of earlier commits: `at`, cursors that outlive pushes, histories, comparisons, and reads
//! that wait for a commit.

use std::collections::BTreeMap;

use headwater_testkit::Upstream;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{BROKEN, TestServer, people, person};

/// Changes the age of ada and reloads.
fn age(upstream: &mut Upstream, server: &TestServer, age: u32) -> String {
    let text = person("ada", "Ada Lovelace", age);
    let commit = upstream.commit("an age").put("people/ada.toml", text).push();
    server.reload().outcome("applied");
    commit
}

#[test]
fn a_commit_that_was_served_is_read_as_it_was() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    let second = age(&mut upstream, &server, 37);
    let at = |path: &str| server.get(&format!("{path}at={first}"));

    let record = at("/api/people/ada?");
    assert_eq!((record.status, record.commit()), (200, &*first));
    assert_eq!(record.json()["age"], 36);
    assert_eq!(record.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(at("/api/people?age=36&").json()["total"], 1);
    assert_eq!(at("/api/_search?q=lovelace&").json()["items"][0]["value"]["age"], 36);
    assert_eq!(at("/api/_sheets?").commit(), first);
    let named = server.request(Method::GET, "/api/people/ada").header("x-headwater-at", &first);
    assert_eq!(server.send(named).json()["age"], 36);

    let present = server.get("/api/people/ada");
    assert_eq!((present.commit(), &present.json()["age"]), (&*second, &json!(37)));
    assert_eq!(present.header("cache-control"), Some("no-cache"));
    let short = server.get(&format!("/api/people/ada?at={}", &first[..10]));
    assert_eq!((short.commit(), short.header("cache-control")), (&*first, Some("no-cache")));
    assert_eq!(server.get("/api/people/ada?at=published").commit(), second);
}

#[test]
fn a_moment_stands_for_the_last_commit_at_it_or_before() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    let second = age(&mut upstream, &server, 37);
    let third = age(&mut upstream, &server, 38);
    let history = server.get("/api/_history/people/ada").json();
    let times: Vec<&str> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["time"].as_str().unwrap())
        .collect();
    let [last, middle, begin] = times[..] else { panic!("{history}") };
    for (moment, commit, age) in [
        (begin, &first, 36),
        (middle, &second, 37),
        (&*middle.replace('Z', ".9%2B00:00"), &second, 37),
        (&*middle.replace('T', "%20").replace('Z', "%20UTC"), &second, 37),
        (last, &third, 38),
        ("2999-01", &third, 38),
        ("2999", &third, 38),
    ] {
        let then = server.get(&format!("/api/people/ada?at={moment}"));
        assert_eq!((then.commit(), &then.json()["age"]), (&**commit, &json!(age)), "{moment}");
        assert_eq!(then.header("cache-control"), Some("no-cache"), "another commit may follow");
    }
    let before = server.get("/api/people/ada?at=2001-02-03");
    assert_eq!((before.status, &before.json()["code"]), (404, &json!("unknown_commit")));
    let diff = server.get(&format!("/api/_diff?from={begin}&to={middle}")).json();
    assert_eq!((&diff["from"], &diff["to"]), (&json!(first), &json!(second)));
}

#[test]
fn an_old_commit_is_loaded_when_somebody_asks_for_it() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let mut server = TestServer::start(&upstream.url());
    age(&mut upstream, &server, 37);
    server.restart();
    for _ in 0..2 {
        let old = server.get(&format!("/api/people?q=lovelace&at={first}"));
        assert_eq!((old.status, old.commit()), (200, &*first));
        assert_eq!(old.json()["items"][0]["value"]["age"], 36);
    }
}

#[test]
fn what_was_never_published_is_nobodys_to_read() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let refused = upstream.commit("break").put("people/broken.toml", BROKEN).push();
    server.reload().problem(500, "push_refused");
    for name in [
        &*refused,
        &"7".repeat(40),
        &"0".repeat(40),
        "nothing",
        "HEAD~1",
        "refs/headwater/sync/published",
        ":/break",
    ] {
        let answer = server.get(&format!("/api/people/ada?at={name}"));
        answer.problem(404, "unknown_commit");
    }
    let answer = server.get(&format!("/api/_diff?from={refused}"));
    answer.problem(404, "unknown_commit");
    let blob = headwater_testkit::git(upstream.path(), ["rev-parse", "HEAD:people/ada.toml"]);
    server.get(&format!("/api/people/ada?at={}", blob.trim())).problem(404, "unknown_commit");
}

#[test]
fn a_sheet_that_is_not_public_any_more_is_not_shown_at_earlier_commits() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    let definition = upstream.read(&first, ".gitsheets/people.toml").unwrap();
    let definition = format!("{}public = false\n", String::from_utf8(definition).unwrap());
    upstream.commit("private").put(".gitsheets/people.toml", definition).push();
    server.reload().outcome("applied");
    server.get(&format!("/api/people/ada?at={first}")).problem(404, "not_found");
    let diff = server.get(&format!("/api/_diff?from={first}")).json();
    assert_eq!((&diff["total"], &diff["items"]), (&json!(0), &json!([])));
    let changes = server.get(&format!("/api/_changes?since={first}")).json();
    assert_eq!((&changes["resync"], &changes["items"]), (&json!(true), &json!([])));
}

#[test]
fn a_walk_over_all_pages_sees_each_record_of_its_commit_once_while_pushes_go_live() {
    let mut upstream = people();
    let mut commit = upstream.commit("many");
    for n in 0..50 {
        commit = commit.put(format!("people/p{n:02}.toml"), person(&format!("p{n:02}"), "P", n));
    }
    commit.push();
    let server = TestServer::start(&upstream.url());
    let begun = upstream.head().unwrap();
    for sort in ["", "&sort=-age", "&q=wrote"] {
        let mut seen: BTreeMap<String, Value> = BTreeMap::new();
        let mut cursor = String::new();
        let started = upstream.head().unwrap();
        loop {
            let page = server.get(&format!("/api/people?limit=7{sort}{cursor}"));
            assert_eq!((page.status, page.commit()), (200, &*started), "{sort}");
            let body = page.json();
            assert_eq!(body["total"], 52);
            for item in body["items"].as_array().unwrap() {
                let key = item["key"].as_str().unwrap().to_owned();
                assert!(seen.insert(key.clone(), item["value"].clone()).is_none(), "{key} twice");
            }
            // Records of all pages are changed, added and removed, more often than states are kept.
            for n in 0..3_usize {
                let name = format!("p{:02}", (seen.len() * 3 + n * 17) % 50);
                let text = person(&name, "Q wrote", 1_000 + u32::try_from(seen.len() + n).unwrap());
                let path = format!("people/{name}.toml");
                upstream.commit("change").put(path, text).push();
                server.reload().outcome("applied");
            }
            match body["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), 52, "{sort}");
        for (key, value) in &seen {
            let record = server.get(&format!("/api/people/{key}?at={started}")).json();
            assert_eq!(record, *value, "{key}");
        }
    }
    assert_ne!(upstream.head().unwrap(), begun);
}

#[test]
fn a_cursor_of_a_commit_that_is_gone_has_expired() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let next = server.get("/api/people?limit=1").json()["next"].as_str().unwrap().to_owned();
    let page = |server: &TestServer| server.get(&format!("/api/people?limit=1&cursor={next}"));
    assert_eq!(page(&server).status, 200);
    let text = person("ada", "Augusta Ada King", 36);
    upstream.force_commit_on(None, "anew").put("people/ada.toml", text).push();
    let id = server.reload().problem(409, "diverged")["heldId"].as_str().unwrap().to_owned();
    assert_eq!(server.apply(&id).status, 200);
    let mut server = server;
    server.restart();
    page(&server).problem(410, "cursor_expired");
    server.get("/api/people?limit=1&cursor=AAAA").problem(422, "invalid_query");
}

#[test]
fn a_read_waits_for_the_commit_that_it_must_contain() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let first = upstream.head().unwrap();
    let pushed = {
        let text = person("ada", "Ada Lovelace", 37);
        upstream.commit("an age").put("people/ada.toml", text).push()
    };
    let read = |commit: &str, wait: u32| {
        let request = server.request(Method::GET, "/api/people/ada");
        let request = request.header("x-headwater-min-commit", commit);
        request.header("prefer", format!("wait={wait}"))
    };
    assert_eq!(server.send(read(&first, 0)).status, 200);
    let late = server.send(read(&pushed, 0));
    late.problem(503, "not_yet");
    assert_eq!((late.header("retry-after"), late.commit()), (Some("1"), &*first));
    // The read arrives first, and is answered from the state that the reload publishes.
    let (answer, reload) = server.runtime().block_on(async {
        let waiting = read(&pushed, 60).send();
        let reload = server.call(crate::harness::RELOAD).send();
        tokio::join!(waiting, reload)
    });
    assert_eq!(reload.unwrap().status(), 200);
    let answer = answer.unwrap();
    assert_eq!(answer.headers()["x-headwater-commit"], *pushed);
    let plain =
        server.request(Method::GET, "/api/people/ada").header("x-headwater-min-commit", "x");
    server.send(plain).problem(422, "invalid_header");
}

#[test]
fn the_history_of_a_record_names_each_commit_that_touched_it() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let first = upstream.head().unwrap();
    let second = age(&mut upstream, &server, 37);
    upstream.commit("other").put("people/grace.toml", person("grace", "Grace", 1)).push();
    let gone = upstream.commit("gone").delete("people/ada.toml").push();
    let back = upstream.commit("back").put("people/ada.toml", person("ada", "Ada", 37)).push();
    server.reload().outcome("applied");

    let page = server.get("/api/_history/people/ada");
    assert_eq!(page.status, 200);
    let body = page.json();
    let items = body["items"].as_array().unwrap();
    let told: Vec<_> = items
        .iter()
        .map(|item| (item["commit"].as_str().unwrap(), item["change"].as_str().unwrap()))
        .collect();
    let expected =
        [(&*back, "added"), (&*gone, "removed"), (&*second, "modified"), (&*first, "added")];
    assert_eq!(told, expected);
    assert_eq!(items[2]["fields"], json!(["/age"]));
    assert_eq!((&items[3]["summary"], body["next"].is_null()), (&json!("two people"), true));
    assert!(!items[0]["author"].as_str().unwrap().contains('@'), "{body}");

    let part = server.get("/api/_history/people/ada?limit=3").json();
    assert_eq!(part["items"].as_array().unwrap().len(), 3);
    let next = part["next"].as_str().unwrap();
    let rest = server.get(&format!("/api/_history/people/ada?limit=3&cursor={next}")).json();
    assert_eq!(rest["items"][0]["commit"], *first);
    let then = server.get(&format!("/api/_history/people/ada?at={second}")).json();
    assert_eq!(then["items"].as_array().unwrap().len(), 2);
    server.get("/api/_history/people/nobody").problem(404, "not_found");
    server.get("/api/_history/nothing/ada").problem(404, "not_found");
}

#[test]
fn each_version_of_a_record_is_read_in_the_format_of_its_file() {
    let mut upstream = Upstream::new();
    // Everything can be read as Markdown, which would make a body of it.
    upstream.commit("one").put("notes/one.toml", "rank = 1\n").put("notes/two.md", "Two\n").push();
    upstream.commit("two").put("notes/one.toml", "rank = 2\n").push();
    upstream.commit("three").delete("notes/one.toml").put("notes/one.md", "One\n").push();
    let server = TestServer::start(&upstream.url());
    let body = server.get("/api/_history/notes/one").json();
    let items = body["items"].as_array().unwrap().iter();
    let told: Vec<_> = items.map(|item| (&item["summary"], &item["fields"])).collect();
    let expected =
        [("three", json!(["/body", "/rank"])), ("two", json!(["/rank"])), ("one", json!([]))];
    for (told, (summary, fields)) in told.iter().zip(&expected) {
        assert_eq!(*told, (&json!(summary), fields), "{body}");
    }
    assert_eq!(told.len(), expected.len());
}

#[test]
fn a_history_of_large_versions_comes_in_shorter_parts_that_are_all_of_it() {
    let mut upstream = people();
    let long = "x".repeat(700_000);
    let version = |age: u32| format!("{}text = \"{long}\"\n", person("ada", "Ada", age));
    let made: Vec<_> =
        (1..=9).map(|n| upstream.commit("v").put("people/ada.toml", version(n)).push()).collect();
    let server = TestServer::start(&upstream.url());
    let (mut commits, mut parts, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let part = server.get(&format!("/api/_history/people/ada?limit=100{cursor}")).json();
        let items = part["items"].as_array().unwrap();
        parts.push(items.len());
        commits.extend(items.iter().map(|item| item["commit"].as_str().unwrap().to_owned()));
        let Some(next) = part["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!(parts.len() > 1 && parts[..parts.len() - 1].iter().all(|size| *size > 0), "{parts:?}");
    assert_eq!(commits.len(), 10, "each commit once, and the one that added the record");
    assert!(made.iter().rev().eq(commits.iter().take(9)), "the newest first");
}

#[test]
fn a_record_that_is_hidden_has_no_history() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let text = format!("deletedAt = 2024-01-01T00:00:00Z\n{}", person("ada", "Ada Lovelace", 36));
    upstream.commit("hide").put("people/ada.toml", text).push();
    server.reload().outcome("applied");
    server.get("/api/_history/people/ada").problem(404, "not_found");
}

#[test]
fn two_commits_are_compared_record_by_record() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    upstream
        .commit("three")
        .put("people/ada.toml", person("ada", "Ada Lovelace", 37))
        .put("people/new.toml", person("new", "New", 1))
        .delete("people/grace.toml")
        .push();
    server.reload().outcome("applied");
    let second = upstream.head().unwrap();
    let answer = server.get(&format!("/api/_diff?from={first}&to={second}"));
    assert_eq!((answer.status, answer.commit()), (200, &*second));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let body = answer.json();
    assert_eq!(body["counts"], json!({"people": {"added": 1, "modified": 1, "removed": 1}}));
    assert_eq!(body["total"], 3);
    let items = &body["items"];
    assert_eq!(
        items[0],
        json!({"sheet": "people", "key": "ada", "change": "modified",
        "fields": [{"pointer": "/age", "before": 36, "after": 37}]})
    );
    assert_eq!((&items[1]["key"], &items[1]["change"]), (&json!("grace"), &json!("removed")));
    assert_eq!((&items[2]["key"], &items[2]["value"]["age"]), (&json!("new"), &json!(1)));
    let back = server.get(&format!("/api/_diff?from={second}&to={first}&limit=1")).json();
    assert_eq!((&back["items"][0]["fields"][0]["after"], &back["total"]), (&json!(36), &json!(3)));
    let same = server.get(&format!("/api/_diff?from={second}")).json();
    assert_eq!((&same["items"], &same["to"]), (&json!([]), &json!(second)));
    server.get("/api/_diff").problem(422, "invalid_query");
    server.get(&format!("/api/_diff?from={first}&x=1")).problem(422, "invalid_query");
}

#[test]
fn a_walk_over_a_comparison_is_about_the_same_two_commits_whatever_is_pushed() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    upstream
        .commit("three")
        .put("people/ada.toml", person("ada", "Ada Lovelace", 37))
        .put("people/new.toml", person("new", "New", 1))
        .delete("people/grace.toml")
        .push();
    server.reload().outcome("applied");
    let second = upstream.head().unwrap();
    let (mut keys, mut next) = (Vec::new(), format!("from={first}&to=published"));
    loop {
        let answer = server.get(&format!("/api/_diff?{next}&limit=1&sheet=people"));
        let body = answer.json();
        assert_eq!((&body["to"], &body["total"]), (&json!(second), &json!(3)));
        let forever = answer.header("cache-control") == Some("public, max-age=31536000, immutable");
        assert_eq!(forever, next.starts_with("cursor"), "{next}");
        keys.push(body["items"][0]["key"].as_str().unwrap().to_owned());
        let Some(cursor) = body["next"].as_str() else { break };
        next = format!("cursor={cursor}");
        upstream
            .commit("on")
            .put("people/zoe.toml", person("zoe", "Zoe", keys.len() as u32))
            .push();
        server.reload().outcome("applied");
    }
    assert_eq!(keys, ["ada", "grace", "new"]);
    let both = server.get(&format!("/api/_diff?{next}&from={first}"));
    both.problem(422, "invalid_query");
    server.get("/api/_diff?cursor=x").problem(422, "invalid_query");
    server.get(&format!("/api/_diff?from={first}&at={second}")).problem(422, "invalid_query");
}

#[test]
fn another_branch_is_previewed_over_the_present_state_where_that_is_allowed() {
    let mut upstream = people();
    let head = upstream.head().unwrap();
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_PREVIEWS", "draft/*,next")]);
    let published = upstream.branch().to_owned();
    upstream.set_branch("draft/a");
    upstream.reset_to(&head);
    let draft =
        upstream.commit("draft").put("people/new.toml", person("new", "Newcomer", 1)).push();
    upstream.set_branch("secret");
    upstream.reset_to(&draft);
    upstream.set_branch(&published);

    let look = |name: &str, path: &str| server.get(&format!("{path}at=refs/heads/{name}"));
    let new = look("draft/a", "/api/people/new?");
    assert_eq!((new.status, new.commit(), &new.json()["age"]), (200, &*draft, &json!(1)));
    assert_eq!(new.header("cache-control"), Some("no-cache"));
    assert_eq!(look("draft/a", "/api/people?").json()["total"], 3);
    assert_eq!(look("draft/a", "/api/_search?q=newcomer&").json()["total"], 1);
    assert_eq!(look("draft/a", "/api/people/ada?").json()["age"], 36);
    for name in ["secret", "next", "draft/none", "draft/..", "draft"] {
        look(name, "/api/people/ada?").problem(404, "unknown_commit");
    }
    assert_eq!(look("published", "/api/people/ada?").commit(), head);
    server.get("/api/people/new").problem(404, "not_found");
    assert_eq!(server.get("/api/_search?q=newcomer").json()["total"], 0);
}

#[test]
fn what_does_not_read_waits_for_no_commit() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    for path in ["/api/_search", "/api/people/ada"] {
        let call = server.request(Method::POST, path);
        let answer = server.send(call.header("x-headwater-min-commit", "f".repeat(40)));
        answer.problem(405, "method_not_allowed");
    }
}
