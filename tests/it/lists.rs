//! Lists as a client pages, caches and streams them.

use std::collections::HashMap;

use headwater_testkit::Upstream;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, TestServer, people, person};

fn many(count: u32) -> Upstream {
    let mut upstream = people();
    let more = (0..count).map(|n| {
        let slug = format!("p{n:04}");
        (format!("people/{slug}.toml"), person(&slug, &format!("Person {n}"), 20 + n % 50))
    });
    upstream.commit("many").put_all(more).push();
    upstream
}

fn keys(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let items = body["items"].as_array().unwrap_or_else(|| panic!("{body}"));
    items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
}

/// Returns the targets of the `Link` header by their relations.
fn links(answer: &Answer) -> HashMap<String, String> {
    let link = |link: &str| {
        let (target, relation) = link.split_once(">; rel=\"").unwrap();
        let relation = relation.strip_suffix('"').unwrap();
        (relation.to_owned(), target.strip_prefix('<').unwrap().to_owned())
    };
    answer.header("link").unwrap().split(", ").map(link).collect()
}

#[test]
fn links_lead_through_a_list_in_both_ways_below_any_base_path() {
    let upstream = many(20);
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_BASE_PATH", "/data")]);
    let all = keys(&server.get("/data/api/people?perPage=100&age[gte]=21&sort=-age,name"));
    let follow = |target: &str| {
        let base = server.url("/data/api/people");
        let url = reqwest::Url::parse(&base).unwrap().join(target).unwrap();
        server.get(&format!("{}?{}", url.path(), url.query().unwrap_or_default()))
    };
    for size in ["perPage=8", "limit=8"] {
        let mut answer = follow(&format!("?{size}&age%5Bgte%5D=21&sort=-age,name"));
        let mut walked = keys(&answer);
        while let Some(next) = links(&answer).get("next") {
            answer = follow(next);
            walked.extend(keys(&answer));
        }
        assert_eq!(walked, all, "{size}");
        assert_eq!(keys(&follow(&links(&answer)["first"])), all[..8], "{size}");
    }
    let answer = follow("?perPage=8&age[gte]=21&sort=-age,name&page=99");
    assert_eq!(keys(&follow(&links(&answer)["prev"])), all[16..]);
    assert_eq!(links(&answer)["prev"], links(&answer)["last"]);
    assert_eq!(links(&answer).get("next"), None);
}

#[test]
fn links_stay_at_the_commit_that_was_asked_for() {
    let mut upstream = many(20);
    let server = TestServer::start(&upstream.url());
    let old = upstream.head().unwrap();
    upstream.commit("fewer").delete("people/p0001.toml").push();
    server.reload().outcome("applied");
    for size in ["perPage=8", "limit=8"] {
        let mut answer = server.get(&format!("/api/people?at={old}&{size}"));
        let mut walked = keys(&answer);
        while let Some(next) = links(&answer).get("next") {
            answer = server.get(&format!("/api/people{next}"));
            assert_eq!(answer.commit(), old, "{next}");
            walked.extend(keys(&answer));
        }
        assert_eq!(walked.len(), 22, "{size}");
        let first = &links(&answer)["first"];
        assert!(size.starts_with("limit") || first.contains(&old), "{first}");
    }
}

#[test]
fn the_tag_of_a_list_outlives_what_happens_elsewhere() {
    let mut upstream = many(5);
    upstream
        .commit("tags")
        .put("headwater.toml", "[sheets.tags]\n")
        .put("tags/a.toml", "n = 1")
        .push();
    let server = TestServer::start(&upstream.url());
    let paths = [
        "/api/people",
        "/api/people?sort=-age&fields=age",
        "/api/people?facets=age",
        "/api/people?q=person",
        "/api/people?limit=2",
        "/api/_search?q=person",
        "/api/_sheets",
        "/api/_problems",
    ];
    let tags = || paths.map(|path| server.get(path).header("etag").unwrap().to_owned());
    let before = tags();
    let known = |path: &str, tag: &str| {
        server.send(server.request(Method::GET, path).header("if-none-match", tag))
    };
    for (path, tag) in paths.iter().zip(&before) {
        let answer = known(path, tag);
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{path}");
        assert_eq!(answer.header("etag"), Some(&**tag), "{path}");
        assert_eq!(answer.commit(), upstream.head().unwrap());
    }
    upstream.commit("elsewhere").put("tags/b.toml", "n = 2").push();
    server.reload().outcome("applied");
    let elsewhere = tags();
    // A rank depends on the words of all sheets, and a cursor names the commit. The absence of
    // problems has not changed.
    let kept: Vec<bool> = before.iter().zip(&elsewhere).map(|(a, b)| a == b).collect();
    assert_eq!(kept, [true, true, true, false, false, false, false, true]);
    assert_eq!(known(paths[0], &before[0]).status, 304);
    upstream.commit("here").put("people/ada.toml", person("ada", "Ada Lovelace", 37)).push();
    server.reload().outcome("applied");
    assert!(elsewhere.iter().zip(tags()).take(6).all(|(a, b)| *a != b));
    assert_eq!(known(paths[0], &before[0]).status, 200);
}

#[test]
fn one_tag_stands_for_the_same_bytes_through_any_changes() {
    let mut upstream = many(3);
    let definitions = "[sheets.tags]\nrefs = { of = 'people' }\n[sheets.notes]\nformat = 'yaml'\n\
                       policy = 'quarantine'\n";
    upstream.commit("sheets").put("headwater.toml", definitions).push();
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_QUARANTINE_SHARE", "100")]);
    let paths = [
        "/api/people",
        "/api/people?sort=-age,name&perPage=2&page=2",
        "/api/people?age[gte]=22&facets=age&fields=slug,age",
        "/api/people?q=person",
        "/api/tags?include=of",
        "/api/tags?limit=1",
        "/api/notes",
        "/api/_search?q=person",
        "/api/_sheets",
        "/api/_problems",
    ];
    let mut seen: HashMap<(&str, String), Vec<u8>> = HashMap::new();
    let mut answers = 0;
    let mut dice = 7_u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    for round in 0..60 {
        let commit = upstream.commit(&format!("round {round}"));
        let n = roll(4);
        let slug = format!("p{n:04}");
        let commit = match roll(6) {
            0 => commit
                .put(format!("people/{slug}.toml"), person(&slug, "Person", 20 + roll(4) as u32)),
            1 => {
                let hidden = format!("deletedAt = true\n{}", person(&slug, "Person", 21));
                commit.put(format!("people/{slug}.toml"), hidden)
            }
            2 => commit.put(format!("tags/{n}.toml"), format!("of = \"p{:04}\"\n", roll(3))),
            3 => commit.put(format!("notes/{n}.yaml"), format!("text: person {}\n", roll(3))),
            4 => commit.put(format!("notes/{n}.yml"), format!("text: person {}\n", roll(3))),
            _ => commit.put("notes/same.yaml", "text: same\n"),
        };
        commit.push();
        assert_eq!(server.reload().status, 200);
        for path in paths {
            let answer = server.get(path);
            assert_eq!(answer.status, 200, "{path}");
            let tag = answer.header("etag").unwrap().to_owned();
            let body = seen.entry((path, tag)).or_insert_with(|| answer.body.clone());
            assert_eq!(*body, answer.body, "{path}");
            answers += 1;
        }
    }
    assert!(seen.len() * 3 > answers / 2 && seen.len() < answers, "{} of {answers}", seen.len());
}

fn streamed(server: &TestServer, path: &str) -> Answer {
    server.send(server.request(Method::GET, path).header("accept", "application/x-ndjson"))
}

fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let text = std::str::from_utf8(&answer.body).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_whole_sheet_is_streamed_a_record_a_line() {
    // More than a few chunks.
    let upstream = many(3_000);
    let server = TestServer::start(&upstream.url());
    let whole = streamed(&server, "/api/people");
    let all = lines(&whole);
    assert_eq!(all.len(), 3_002);
    assert_eq!(all[0], json!({ "key": "ada", "value": server.get("/api/people/ada").json() }));
    assert!(all.is_sorted_by_key(|line| line["key"].as_str().unwrap().to_owned()));
    assert_eq!(whole.commit(), upstream.head().unwrap());
    assert!(whole.header("vary").unwrap().contains("accept"), "{whole:?}");
    let keys_of = |path: &str| -> Vec<String> {
        let lines = lines(&streamed(&server, path));
        lines.iter().map(|line| line["key"].as_str().unwrap().to_owned()).collect()
    };
    // By an index, by reading, by words, in another order, and with no match.
    for (query, count) in [
        ("age=36", 61),
        ("slug[in]=ada,p0001", 2),
        ("q=lovelace", 1),
        ("q=person", 3_000),
        ("age[gte]=20&slug[exists]=true&sort=-age,name", 3_002),
        ("age=1", 0),
    ] {
        let found = keys_of(&format!("/api/people?{query}"));
        assert_eq!(found.len(), count, "{query}");
        if query.contains("sort") {
            let page = keys(&server.get(&format!("/api/people?{query}&perPage=100")));
            assert_eq!(found[..100], page, "{query}");
        } else {
            assert!(found.is_sorted(), "{query}");
        }
    }
    let few = lines(&streamed(&server, "/api/people?slug=ada&fields=age"));
    assert_eq!(few, [json!({ "key": "ada", "value": { "age": 36 } })]);
}

#[test]
fn a_stream_has_a_tag_and_a_head_and_refuses_what_asks_for_a_part() {
    let upstream = many(3);
    let server = TestServer::start(&upstream.url());
    let answer = streamed(&server, "/api/people");
    let tag = answer.header("etag").unwrap();
    assert_ne!(Some(tag), server.get("/api/people").header("etag"), "another form");
    let request = |method| {
        let request = server.request(method, "/api/people");
        request.header("accept", "application/x-ndjson")
    };
    let known = server.send(request(Method::GET).header("if-none-match", tag));
    assert_eq!((known.status, known.body.len()), (304, 0));
    let head = server.send(request(Method::HEAD));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(
        (head.header("etag"), head.header("content-type")),
        (Some(tag), Some("application/x-ndjson"))
    );
    for parameter in ["page", "perPage", "limit", "facets"] {
        let value = if parameter == "facets" { "age" } else { "1" };
        let refused = streamed(&server, &format!("/api/people?{parameter}={value}"));
        let body = refused.problem(422, "invalid_query");
        assert_eq!(body["errors"][0]["parameter"], parameter, "{body}");
    }
    streamed(&server, "/api/nothing").problem(404, "not_found");
}

#[test]
fn a_stream_stays_with_its_state_while_pushes_go_live() {
    let mut upstream = many(3_000);
    let server = TestServer::start(&upstream.url());
    let runtime = server.runtime();
    let request =
        server.request(Method::GET, "/api/people").header("accept", "application/x-ndjson");
    let mut response = runtime.block_on(request.send()).unwrap();
    let mut body = runtime.block_on(response.chunk()).unwrap().unwrap().to_vec();
    let removed = (0..3_000).map(|n| format!("people/p{n:04}.toml"));
    let commit = removed.fold(upstream.commit("remove all"), |commit, path| commit.delete(path));
    commit.push();
    assert_eq!(server.reload().status, 200);
    assert_eq!(server.get("/api/people").json()["total"], 2);
    while let Some(chunk) = runtime.block_on(response.chunk()).unwrap() {
        body.extend(chunk);
    }
    assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 3_002);
}

#[test]
fn date_times_of_every_format_compare_as_the_moments_that_they_are() {
    let mut upstream = Upstream::new();
    let definitions = "[sheets.t]\nindex = ['when']\n[sheets.y]\nformat = 'yaml'\nindex = ['when']\n\
                       [sheets.j]\nformat = 'json'\nindex = ['when']\n\
                       [sheets.m]\nformat = 'markdown'\nindex = ['when']\n";
    let mut commit = upstream.commit("times").put("headwater.toml", definitions);
    let times = [
        ("noon", "2024-05-01T12:00:00Z"),
        ("later", "2024-05-01T14:30:00+02:00"),
        ("between", "2024-05-01T12:00:00.5Z"),
        ("before", "2024-05-01T07:00:00-04:00"),
        ("day", "2024-05-01"),
    ];
    for (key, time) in times {
        commit = commit
            .put(format!("t/{key}.toml"), format!("when = {time}\nin.when = [{time}]\n"))
            .put(format!("y/{key}.yaml"), format!("when: {time}\nin: {{ when: [{time}] }}\n"))
            .put(
                format!("j/{key}.json"),
                json!({ "when": time, "in": { "when": [time] } }).to_string(),
            )
            .put(
                format!("m/{key}.md"),
                format!("+++\nwhen = {time}\nin.when = [{time}]\n+++\n\nText.\n"),
            );
    }
    for sheet in ["t", "y", "j", "m"] {
        let extension = match sheet {
            "t" => "toml",
            "y" => "yaml",
            "j" => "json",
            _ => "md",
        };
        let text = match extension {
            "json" => "{\"rank\": 1}",
            "yaml" => "rank: 1\n",
            "md" => "+++\nrank = 1\n+++\n\nText.\n",
            _ => "rank = 1\n",
        };
        commit = commit.put(format!("{sheet}/none.{extension}"), text);
    }
    commit.push();
    let server = TestServer::start(&upstream.url());
    for sheet in ["t", "y", "j", "m"] {
        // With an index, and without one in a nested list.
        for field in ["when", "in.when"] {
            for (query, expected) in [
                ("sort=X", "day before noon between later none"),
                ("sort=-X", "later between noon before day none"),
                ("sort=rank,-X", "none later between noon before day"),
                ("sort=-rank,X", "none day before noon between later"),
                ("X[gt]=2024-05-01T13:00:00%2B01:00&sort=X", "between later"),
                ("X[lte]=2024-05-01T12:00:00Z&sort=X", "day before noon"),
                ("X[gte]=2024-05&X[lt]=2024-05-01T11:00:00Z", "day"),
                ("X=2024-05-01T12:30:00Z", "later"),
                ("X[exists]=false", "none"),
            ] {
                let query = query.replace('X', field);
                let found = keys(&server.get(&format!("/api/{sheet}?{query}"))).join(" ");
                assert_eq!(found, expected, "{sheet}?{query}");
            }
        }
        let body = server
            .get(&format!("/api/{sheet}?when[gte]=2024-05-01T12:00:00Z&facets=when&perPage=1"));
        let body = body.json();
        assert_eq!(
            (&body["total"], body["facets"]["when"].as_array().map(Vec::len)),
            (&json!(3), Some(3))
        );
    }
}
